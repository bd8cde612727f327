//! What a service is asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::peer::{Peer, json};
use super::world::{SECRET, World, detail, ended, run};
use heeler::domain::id::Token;
use heeler::runner::Report;

/// A request as it was heard.
struct Heard {
    line: String,
    fields: Vec<(String, String)>,
    body: String,
}

impl Heard {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a request");
        let mut lines = head.lines();
        let line = lines.next().expect("a line").to_owned();
        let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { line, fields: lines.filter_map(field).collect(), body: body.to_owned() }
    }

    fn field(&self, name: &str) -> &str {
        let mut all = self.fields.iter().filter(|(known, _)| known == name);
        let found = all.next().map(|(_, value)| value.as_str()).unwrap_or_default();
        assert!(all.next().is_none(), "{name} comes twice");
        found
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// The request that is made where the file says this of a peer's URL.
async fn asked(world: &World, operation: impl Fn(&Peer) -> String) -> Heard {
    let peer = Peer::answering(&json("200 OK", "1"));
    let ending = ended(world.request(&operation(&peer)).await);
    assert_eq!(ending.result, Some(json!(1)), "{ending:?}");
    Heard::of(&peer.heard()[0])
}

#[tokio::test]
async fn a_job_is_an_event_that_names_the_attempt_and_where_to_report() {
    let world = World::new();
    let peer = Peer::answering(&json("200 OK", "1"));
    let config = world.configured(&format!("http = {{ url = \"{}\" }}", peer.url("/work?x=1")));
    let (runner, mut launch) = (world.http(), world.launch(&config));
    let job = launch.attempt.job.to_string();
    run(&runner, launch.clone()).await;
    launch.attempt.number = 2;
    launch.attempt.token = Token::from_bytes([9; 16]);
    run(&runner, launch.clone()).await;
    let [first, second] = [0, 1].map(|at| Heard::of(&peer.heard()[at]));
    assert_eq!(first.line, "POST /work?x=1 HTTP/1.1");
    assert_eq!(first.field("host"), peer.address.to_string());
    assert_eq!(first.field("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(first.field("accept-encoding"), "identity");
    assert!(first.field("user-agent").starts_with("heeler/"));
    // Whoever did it once recognises it, whatever attempt it is for.
    assert_eq!([first.field("idempotency-key"), second.field("idempotency-key")], [&job, &job]);
    let event = first.json();
    for (member, want) in [
        ("specversion", "1.0"),
        ("id", job.as_str()),
        ("source", "http://heeler.example:7117"),
        ("type", "heeler.job.start"),
        ("subject", "videos/42"),
        ("datacontenttype", "application/json"),
    ] {
        assert_eq!(event[member], want, "{member}");
    }
    assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    assert_eq!(event["data"]["job"], launch.job);
    assert_eq!(event["data"]["report"], format!("http://heeler.example:7117/v1/jobs/{job}"));
    assert_eq!([&event["data"]["attempt"], &second.json()["data"]["attempt"]], [&json!(1), &json!(2)]);
    assert_eq!(second.json()["data"]["token"], launch.attempt.token.reveal());
    assert_ne!(event["data"]["token"], second.json()["data"]["token"]);
    assert!(first.fields.iter().all(|(name, _)| !name.starts_with("heeler-") && !name.starts_with("webhook-")));
}

#[tokio::test]
async fn a_request_is_signed_with_every_key_as_standard_webhooks_says() {
    let world = World::new();
    let heard =
        asked(&world, |peer| format!("http = {{ url = \"{}\", signing = [\"HOOK\", \"OLD\"] }}", peer.url("/"))).await;
    let (id, at) = (heard.field("webhook-id"), heard.field("webhook-timestamp"));
    assert_eq!(id, heard.field("idempotency-key"));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    assert!(at.parse::<u64>().is_ok_and(|at| at <= now && now - at < 300), "{at}");
    let signed = format!("{id}.{at}.{}", heard.body);
    let old = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
    let signatures: Vec<&str> = heard.field("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 2);
    for (signature, key) in signatures.iter().zip([SECRET.as_bytes(), &old]) {
        let tag = STANDARD.decode(signature.strip_prefix("v1,").expect("a version")).expect("base64");
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &tag).expect("it is signed");
    }
}

#[tokio::test]
async fn an_operation_says_what_is_sent_and_no_value_changes_its_structure() {
    let mut world = World::new();
    world.input = json!({ "id": "a/../b?c#d", "name": "\", \"admin\": true, \"x\": \"", "tags": ["x"], "n": 7 });
    let heard = asked(&world, |peer| {
        format!(
            "http = {{ url = \"{}/${{input.id}}?q=${{input.id}}\", method = \"PUT\", headers = {{ Authorization = \
             \"Bearer ${{secret.HOOK}}\", X-N = \"${{input.n}}\" }}, body = {{ text = \"Hi ${{input.name}}\", tags = \
             \"${{input.tags}}\", n = \"${{input.n}}\", list = [1, true, 0.5] }} }}",
            peer.url("/notify")
        )
    })
    .await;
    assert_eq!(heard.line, "PUT /notify/a%2F..%2Fb%3Fc%23d?q=a%2F..%2Fb%3Fc%23d HTTP/1.1");
    assert_eq!(heard.field("authorization"), format!("Bearer {SECRET}"));
    assert_eq!(heard.field("x-n"), "7");
    let want = json!({ "text": "Hi \", \"admin\": true, \"x\": \"", "tags": ["x"], "n": 7, "list": [1, true, 0.5] });
    assert_eq!(heard.json(), want);
    // Where there is no event, the fields say what it would.
    assert_eq!(heard.field("heeler-job"), heard.field("idempotency-key"));
    assert_eq!(heard.field("heeler-attempt"), "1");
    assert_eq!(heard.field("heeler-token").len(), 32);
    assert!(heard.field("heeler-report").starts_with("http://heeler.example:7117/v1/jobs/"));
    let heard = asked(&world, |peer| format!("http = {{ url = \"{}\", method = \"GET\" }}", peer.url("/"))).await;
    assert_eq!((heard.line.as_str(), heard.body.as_str()), ("GET / HTTP/1.1", ""));
    let heard =
        asked(&world, |peer| format!("http = {{ url = \"{}\", body = \"n=${{input.n}}\" }}", peer.url("/"))).await;
    assert_eq!((heard.field("content-type"), heard.body.as_str()), ("text/plain; charset=utf-8", "n=7"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_and_what_it_was_is_not_told() {
    let peer = Peer::answering(&json("200 OK", "1"));
    for (what, operation, input) in [
        ("a field with a line end", "headers = { X-A = \"${input.x}\" }", "canary\r\nX-B: 1"),
        ("a field with a control character", "headers = { X-A = \"${input.x}\" }", "canary\u{1}"),
        ("a value that is not there", "headers = { X-A = \"${input.y}\" }", "canary"),
        ("an object in a text", "body = \"${input}\"", "canary"),
    ] {
        let mut world = World::new();
        world.input = json!({ "x": input });
        let ending = match world.request(&format!("http = {{ url = \"{}\", {operation} }}", peer.url("/"))).await {
            Report::Ended(ending) => ending,
            other @ (Report::Progress { .. } | Report::Accepted(_)) => panic!("{what}: {other:?}"),
        };
        assert!(!detail(&ending).is_empty() && !format!("{ending:?}").contains("canary"), "{what}: {ending:?}");
    }
    assert_eq!(peer.heard(), Vec::<String>::new());
}
