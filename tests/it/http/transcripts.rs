//! Exchanges as text: `*.txt` beside this file.
//!
//! A transcript is a sequence of exchanges with one fresh service, with a line
//! `====` between them. An exchange is comments, a request, a line `----` and
//! the whole answer. What every request has is left out: the version (HTTP/1.1
//! unless it is named), `Host: localhost` and a `Content-Length` that fits;
//! a body under `Transfer-Encoding: chunked` is sent as one chunk. Left out of
//! the answers is what every one has, and is asserted here once for all:
//! `date`, `content-length` (but for HEAD) and `x-content-type-options`, and
//! that no problem is ever cached. JSON that does not fit on a line is shown
//! over several, and pages without their style.
//!
//! A line `> jobs start`, `> jobs succeed` or `> jobs stop` before a request
//! lets the world do so first; one such as `> jobs go: succeeded {"bark": "woof"}`
//! lets every job start and end so while the request is answered, with that as
//! the result of its success or as the reason of its failure.
//!
//! `BLESS=1` writes the answers down as they are; read the diff.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::http::HttpConfig;

use super::client::{Answer, Client};
use super::world;

/// What fits on a line.
const LINE_BYTES: usize = 100;

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/http");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of the transcripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exchange_goes_as_its_transcript_says() {
    let bless = std::env::var_os("BLESS").is_some();
    let paths = transcripts();
    assert!(!paths.is_empty(), "there are no transcripts");
    let mut wrong = Vec::new();
    for path in paths {
        let written = std::fs::read_to_string(&path).expect("a transcript");
        let heard = replay(&written).await;
        if bless {
            std::fs::write(&path, heard).expect("a transcript that can be written");
        } else if let Some(difference) = difference(&written, &heard) {
            wrong.push(format!("{}: {difference}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first line that is not as it was.
fn difference(written: &str, heard: &str) -> Option<String> {
    let mut lines = written.lines().zip(heard.lines()).enumerate();
    lines
        .find(|(_, (written, heard))| written != heard)
        .map(|(at, (written, heard))| format!("line {}\n  written: {written}\n  heard:   {heard}", at + 1))
        .or_else(|| (written != heard).then(|| "one is longer than the other".to_owned()))
}

/// The transcript with the answers that come now.
async fn replay(transcript: &str) -> String {
    let served = world::serve_with(HttpConfig::default()).await;
    let mut heard = Vec::new();
    for exchange in transcript.split("\n====\n") {
        let request = exchange.split("\n----").next().expect("a split gives something").trim_end();
        let mut going = None;
        for line in request.lines() {
            match line {
                "> jobs start" => served.start_jobs().await,
                "> jobs succeed" => served.end_jobs(ending("succeeded")).await,
                "> jobs stop" => served.end_jobs(ending("canceled")).await,
                _ => match line.strip_prefix("> jobs go: ") {
                    Some(end) => going = Some(ending(end)),
                    None => assert!(!line.starts_with('>'), "the world cannot do `{line}`"),
                },
            }
        }
        let (method, bytes) = request_bytes(request);
        let mut client = Client::connect(served.address).await;
        client.send(bytes).await;
        let answer = match going {
            None => client.read(&method).await,
            Some(ending) => tokio::select! {
                answer = client.read(&method) => answer,
                never = served.go(ending) => match never {},
            },
        };
        let answer = answer.expect("an answer");
        heard.push(format!("{}\n----\n{}", request.trim_start(), show(&method, &answer)));
    }
    served.stop().await;
    heard.join("\n====\n")
}

/// How an attempt ends, from its outcome and what comes with that.
fn ending(text: &str) -> Ending {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let outcome = match word {
        "succeeded" => AttemptOutcome::Succeeded,
        "failed" => AttemptOutcome::Failed,
        "timed-out" => AttemptOutcome::TimedOut,
        "canceled" => AttemptOutcome::Canceled,
        "lost" => AttemptOutcome::Lost,
        _ => panic!("no attempt ends `{word}`"),
    };
    let result = serde_json::from_str(rest).ok();
    let detail = (result.is_none() && !rest.is_empty()).then(|| rest.to_owned());
    Ending { finished: None, outcome, exit_code: None, result, detail }
}

/// The method of a request and its bytes.
fn request_bytes(request: &str) -> (String, Vec<u8>) {
    let mut lines = request.trim_start().lines().skip_while(|line| line.starts_with(['#', '>']) || line.is_empty());
    let line = lines.next().expect("a request line");
    let method = line.split(' ').next().expect("a method").to_owned();
    let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let body = lines.collect::<Vec<_>>().join("\n");
    let has = |name: &str| {
        head.iter().any(|line| line.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name)))
    };
    let mut sent = line.to_owned();
    if !line.contains(" HTTP/") {
        sent.push_str(" HTTP/1.1");
        if !has("host") {
            sent.push_str("\r\nHost: localhost");
        }
    }
    for line in &head {
        sent.push_str("\r\n");
        sent.push_str(line);
    }
    if has("transfer-encoding") {
        write!(sent, "\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).expect("a string takes everything");
    } else if !body.is_empty() && !has("content-length") {
        write!(sent, "\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a string takes everything");
    } else {
        sent.push_str("\r\n\r\n");
        sent.push_str(&body);
    }
    (method, sent.into_bytes())
}

/// A page without its style, which is always the same; anything else as it is.
fn styleless(body: &str) -> String {
    match (body.split_once("<style>"), body.split_once("</style>")) {
        (Some((before, _)), Some((_, after))) => format!("{before}<style>…</style>{after}"),
        _ => body.to_owned(),
    }
}

/// An answer as a transcript has it.
fn show(method: &str, answer: &Answer) -> String {
    assert!(answer.header("date").is_some(), "every answer has a date: {answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    let is_problem = answer.header("content-type") == Some("application/problem+json");
    if is_problem {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
    let mut text = answer.line.strip_prefix("HTTP/1.1 ").unwrap_or(&answer.line).to_owned();
    text.push('\n');
    for (name, value) in &answer.headers {
        let always = matches!(name.as_str(), "date" | "x-content-type-options")
            || (name == "content-length" && method != "HEAD")
            || (name == "cache-control" && is_problem);
        if !always {
            writeln!(text, "{name}: {value}").expect("a string takes everything");
        }
    }
    if !answer.body.is_empty() {
        let body = styleless(&String::from_utf8_lossy(&answer.body));
        let pretty = serde_json::from_str::<serde_json::Value>(&body)
            .ok()
            .filter(|_| body.len() > LINE_BYTES)
            .and_then(|value| serde_json::to_string_pretty(&value).ok());
        text.push('\n');
        text.push_str(pretty.as_deref().unwrap_or(&body).trim_end());
        text.push('\n');
    }
    text
}
