//! What a service answers, and what becomes of the attempt.

use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::retry::RETRY_AFTER_MAX;
use heeler::domain::time::Timestamp;
use serde_json::{Value, json};

use super::peer::{Do, Peer, answer_with, json};
use super::world::{SECRET, World, accepted, detail, ended};

/// What comes of an answer.
async fn after(answer: Vec<Do>) -> Ending {
    let peer = Peer::new(vec![answer]);
    ended(World::new().request(&operation(&peer)).await)
}

fn operation(peer: &Peer) -> String {
    format!("http = {{ url = \"{}\" }}\ntimeout = \"2s\"", peer.url("/work"))
}

fn said(text: &str) -> Vec<Do> {
    answer_with(text)
}

#[tokio::test]
async fn what_a_service_answers_is_the_result() {
    for (name, answer, want) in [
        ("JSON", json("200 OK", r#"{"a":[1,2.5,"ä"]}"#), json!({"a": [1, 2.5, "ä"]})),
        ("created", json("201 Created", "7"), json!(7)),
        ("nothing", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), Value::Null),
        ("no bytes", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), Value::Null),
        (
            "a kind of JSON",
            "HTTP/1.1 200 OK\r\nContent-Type: application/problem+JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n[]"
                .to_owned(),
            json!([]),
        ),
        (
            "text",
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            json!({"contentType": "text/plain", "text": "ok"}),
        ),
        ("until the end", "HTTP/1.0 200 OK\r\n\r\nok".to_owned(), json!({"contentType": "", "text": "ok"})),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n"
                .to_owned(),
            json!([1]),
        ),
        (
            "something before it",
            format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}", json("200 OK", "1")),
            json!(1),
        ),
    ] {
        let ending = after(said(&answer)).await;
        assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{name}: {ending:?}");
        assert_eq!(ending.result.unwrap_or_default(), want, "{name}");
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_kept_leaves_the_work_done() {
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let large = format!("\"{}\"", "x".repeat(100_000));
    for (name, answer, why) in [
        ("deep", json("200 OK", &deep), "nested too deep"),
        ("large", json("200 OK", &large), "too large"),
        ("not JSON", json("200 OK", "{"), "is not"),
        (
            "compressed",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                .to_owned(),
            "compressed",
        ),
    ] {
        let ending = after(said(&answer)).await;
        assert_eq!((ending.outcome, ending.result.clone()), (AttemptOutcome::Succeeded, None), "{name}: {ending:?}");
        assert!(detail(&ending).contains(why), "{name}: {ending:?}");
    }
    let ending = after(vec![
        Do::HearRequest,
        Do::Say(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\n\xff\xfe".to_vec()),
    ]);
    let ending = ending.await;
    assert!(ending.result.is_none() && detail(&ending).contains("neither JSON nor text"), "{ending:?}");
}

#[tokio::test]
async fn a_text_without_an_end_is_cut() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    let ending = after(vec![Do::HearRequest, Do::Say(head), Do::SayForEver("ä\"\n".repeat(1000).into_bytes())]).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded);
    assert!(detail(&ending).contains("cut"), "{ending:?}");
    let length = ending.result.expect("a result").to_string().len();
    assert!((30_000..=65_536).contains(&length), "{length}");
}

#[tokio::test]
async fn what_is_tried_again_and_what_is_not_is_the_status() {
    for (status, outcome, reason, fatal) in [
        ("300 Multiple Choices", AttemptOutcome::Failed, "Redirected", true),
        ("301 Moved Permanently", AttemptOutcome::Failed, "Redirected", true),
        ("307 Temporary Redirect", AttemptOutcome::Failed, "Redirected", true),
        ("400 Bad Request", AttemptOutcome::Failed, "Rejected", true),
        ("401 Unauthorized", AttemptOutcome::Failed, "Rejected", true),
        ("404 Not Found", AttemptOutcome::Failed, "Rejected", true),
        ("408 Request Timeout", AttemptOutcome::Failed, "Unavailable", false),
        ("409 Conflict", AttemptOutcome::Failed, "Rejected", true),
        ("425 Too Early", AttemptOutcome::Failed, "Unavailable", false),
        ("429 Too Many Requests", AttemptOutcome::Failed, "Unavailable", false),
        ("500 Internal Server Error", AttemptOutcome::Failed, "ServiceFailed", false),
        ("503 Service Unavailable", AttemptOutcome::Failed, "ServiceFailed", false),
        ("599 Whatever", AttemptOutcome::Failed, "ServiceFailed", false),
        ("600 Whatever", AttemptOutcome::Failed, "ServiceFailed", false),
    ] {
        let ending = after(said(&json(status, "\"why\""))).await;
        let error = ending.error.as_ref().map(|error| error.reason.as_str());
        assert_eq!((ending.outcome, error, ending.fatal), (outcome, Some(reason), fatal), "{status}: {ending:?}");
        assert_eq!(ending.exit_code, status[..3].parse().ok(), "{status}");
        assert!(detail(&ending).starts_with(&format!("the service answered {}", &status[..3])), "{ending:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_told() {
    let elsewhere = Peer::answering(&json("200 OK", "1"));
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url("/s3cret"));
    let ending = after(said(&answer)).await;
    assert!(ending.fatal && !format!("{ending:?}").contains("s3cret"), "{ending:?}");
    assert_eq!(elsewhere.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    let at = |seconds: i64| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
        let now = i64::try_from(now).expect("it fits");
        Timestamp::from_millis((now + seconds) * 1000).http_date()
    };
    for (status, field, least, most) in [
        ("503 Service Unavailable", "7".to_owned(), Some(7), 7),
        ("429 Too Many Requests", "0".to_owned(), Some(0), 0),
        ("429 Too Many Requests", "9".repeat(40), Some(RETRY_AFTER_MAX.as_secs()), u64::from(u32::MAX)),
        ("503 Service Unavailable", at(100), Some(80), 100),
        ("503 Service Unavailable", at(-100), Some(0), 0),
        ("503 Service Unavailable", "soon".to_owned(), None, 0),
        ("503 Service Unavailable", "-1".to_owned(), None, 0),
        ("500 Internal Server Error", "7".to_owned(), None, 0),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nRetry-After: {field}\r\nContent-Length: 0\r\n\r\n");
        let asked = after(said(&answer)).await.retry_after.map(|asked| asked.as_secs());
        match least {
            Some(least) => assert!(asked.is_some_and(|asked| (least..=most).contains(&asked)), "{field}: {asked:?}"),
            None => assert_eq!(asked, None, "{status} {field}"),
        }
    }
}

#[tokio::test]
async fn what_is_repeated_of_an_answer_is_one_line_without_secrets() {
    let body = format!("no\r\n\tsuch \u{1b}[31m thing as {SECRET}, {}", "x".repeat(10_000));
    let ending = after(said(&json("500 Oops", &body))).await;
    let text = detail(&ending);
    assert!(text.starts_with("the service answered 500: no such [31m thing as ***, xxx"), "{text}");
    assert!(text.len() < 300 && !text.contains(char::is_control), "{text}");
    let ending = after(said(&json("200 OK", &format!("{{\"seen\":\"Bearer {SECRET}\"}}")))).await;
    assert_eq!(ending.result, Some(json!({"seen": "Bearer ***"})));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_or_no_end_is_none() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").into_bytes();
    for (name, script, reason) in [
        ("closed at once", vec![], "NoAnswer"),
        ("closed after the request", vec![Do::HearRequest], "NoAnswer"),
        ("garbage", vec![Do::HearRequest, Do::Say(b"\x16\x03\x01 nonsense\r\n\r\n".to_vec())], "NoAnswer"),
        ("another protocol", vec![Do::HearRequest, Do::Say(b"SSH-2.0-OpenSSH_9.7\r\n".to_vec())], "NoAnswer"),
        (
            "a head without an end",
            vec![Do::HearRequest, Do::SayForEver(b"X: yyyyyyyyyyyyyyyyyyyy\r\n".to_vec())],
            "NoAnswer",
        ),
        (
            "fields without an end",
            vec![Do::HearRequest, Do::Say(b"HTTP/1.1 200 OK\r\n".to_vec()), Do::SayForEver(b"X: y\r\n".to_vec())],
            "NoAnswer",
        ),
        (
            "a field without an end",
            vec![Do::HearRequest, Do::Say(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), Do::SayForEver(b"yyyyyyyy".to_vec())],
            "NoAnswer",
        ),
        (
            "shorter than it says",
            vec![Do::HearRequest, Do::Say(head("Content-Length: 9")), Do::Say(b"1".to_vec())],
            "NoAnswer",
        ),
        (
            "two lengths",
            vec![Do::HearRequest, Do::Say(head("Content-Length: 1\r\nContent-Length: 2")), Do::Say(b"1".to_vec())],
            "NoAnswer",
        ),
        ("no length", vec![Do::HearRequest, Do::Say(head("Content-Length: x"))], "NoAnswer"),
        (
            "broken chunks",
            vec![Do::HearRequest, Do::Say(head("Transfer-Encoding: chunked")), Do::Say(b"zz\r\n".to_vec())],
            "NoAnswer",
        ),
        (
            "half a chunk",
            vec![Do::HearRequest, Do::Say(head("Transfer-Encoding: chunked")), Do::Say(b"5\r\n1".to_vec())],
            "NoAnswer",
        ),
        ("silence", vec![Do::HearRequest, Do::Hang], ""),
        ("a slow head", vec![Do::HearRequest, Do::Drip(head(&"X: y\r\n".repeat(50)))], ""),
        ("a slow body", vec![Do::HearRequest, Do::Say(head("Content-Length: 900")), Do::Drip(vec![b'x'; 900])], ""),
        ("only hints", vec![Do::HearRequest, Do::SayForEver(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec())], ""),
    ] {
        let ending = after(script).await;
        let (outcome, error) = (ending.outcome, ending.error.as_ref().map_or("", |error| error.reason.as_str()));
        let want = if reason.is_empty() { AttemptOutcome::TimedOut } else { AttemptOutcome::Failed };
        assert_eq!((outcome, error, ending.fatal), (want, reason, false), "{name}: {ending:?}");
        assert!(ending.result.is_none(), "{name}");
    }
}

#[tokio::test]
async fn an_answer_counts_only_when_it_is_whole() {
    let whole = json("200 OK", r#"{"done":true}"#).into_bytes();
    let world = World::new();
    for length in (0..whole.len()).step_by(3) {
        let peer = Peer::new(vec![vec![Do::HearRequest, Do::Say(whole[..length].to_vec())]]);
        let ending = ended(world.request(&operation(&peer)).await);
        assert_eq!(ending.outcome, AttemptOutcome::Failed, "{length} bytes: {ending:?}");
    }
    let peer = Peer::new(vec![vec![Do::HearRequest, Do::Say(whole)]]);
    assert_eq!(ended(world.request(&operation(&peer)).await).result, Some(json!({"done": true})));
}

#[tokio::test]
async fn who_answers_202_goes_on_and_says_where_it_can_be_stopped() {
    for (location, want) in [
        ("Location: /jobs/7?x=1\r\n", Some("/jobs/7?x=1")),
        ("Location: http://elsewhere.example/7\r\n", Some("http://elsewhere.example/7")),
        ("Location: ftp://elsewhere.example/7\r\n", None),
        ("Location: jobs/7\r\n", None),
        ("", None),
    ] {
        let peer = Peer::answering(&format!("HTTP/1.1 202 Accepted\r\n{location}Content-Length: 0\r\n\r\n"));
        let remote = accepted(World::new().request(&operation(&peer)).await);
        let want = want.map(|want| if want.starts_with('/') { peer.url(want) } else { want.to_owned() });
        assert_eq!(remote.location, want, "{location}");
        assert!(remote.until.is_some() && remote.lease_ms.is_none());
    }
}

#[tokio::test]
async fn as_much_of_an_answer_is_read_as_the_operator_wants() {
    let peer = Peer::answering(&json("200 OK", "[1,2,3,4,5]"));
    let operation = format!("http = {{ url = \"{}\", response = 8 }}", peer.url("/"));
    let ending = ended(World::new().request(&operation).await);
    assert!(ending.result.is_none() && detail(&ending).contains("too large"), "{ending:?}");
}
