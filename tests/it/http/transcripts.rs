//! Exchanges as text: `*.txt` beside this file.
//!
//! A transcript is a sequence of exchanges with one fresh service, with a line
//! `====` between them. An exchange is comments, a request, a line `----` and
//! the whole answer. What every request has is left out: the version (HTTP/1.1
//! unless it is named), `Host: localhost` and a `Content-Length` that fits;
//! a body under `Transfer-Encoding: chunked` is sent as one chunk. Left out of
//! the answers is what every one has, and is asserted here once for all:
//! `date`, `content-length` (but for HEAD of what is not compressed),
//! `server-timing` and `x-content-type-options`; and of a problem that it is never cached and could
//! be compressed or a page. JSON that does not fit on a line is shown over several, and
//! pages without their style.
//!
//! In a request `{etag}` is the tag of the last answer that had one, and
//! `{job 2}` the id of the second job that any answer has named, `{token 2}` the
//! second token that a worker was given.
//!
//! A line `> jobs start`, `> jobs succeed` or `> jobs stop` before a request
//! lets the world do so first; one such as `> jobs go: succeeded {"bark": "woof"}`
//! lets every job start and end so while the request is answered, with that as
//! the result of its success or as the reason of its failure; `> at INSTANT look at
//! COLLECTION/ID` turns the clock on and looks at a resource. Before the
//! first request, `> token NAME ROLE TOKEN` and `> origin ORIGIN` say whom the
//! service lets in. A body in gzip is shown as what it is of.
//!
//! `BLESS=1` writes the answers down as they are; read the diff.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use heeler::domain::catalog::Catalog;
use heeler::domain::id::ResourceKey;
use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::domain::principal::{Access, Role, Token, TokenDigest};
use heeler::http::HttpConfig;

use super::client::{Answer, Client};
use super::world::{self, Served};

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
        let heard = replay(&written, catalog_of(&path)).await;
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

/// What is declared where a transcript takes place.
fn catalog_of(path: &Path) -> Catalog {
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("leases") => world::workers(),
        Some("mounts" | "aliases" | "members" | "job_lists" | "queue" | "views" | "beliefs") => world::shapes(),
        Some(_) | None => world::catalog(),
    }
}

/// The transcript with the answers that come now.
async fn replay(transcript: &str, catalog: Catalog) -> String {
    let served = world::serve_these(catalog, configured(transcript)).await;
    let mut heard = Vec::new();
    let mut seen = Seen::default();
    for exchange in transcript.split("\n====\n") {
        let request = exchange.split("\n----").next().expect("a split gives something").trim_end();
        let mut going = None;
        for line in request.lines() {
            match line {
                "> jobs start" => served.start_jobs().await,
                "> jobs succeed" => served.end_jobs(ending("succeeded")).await,
                "> jobs stop" => served.end_jobs(ending("canceled")).await,
                _ if line.starts_with("> token ") || line.starts_with("> origin ") => {
                    assert!(heard.is_empty(), "whom the service lets in is said at the beginning: `{line}`");
                }
                _ => match (line.strip_prefix("> jobs go: "), line.strip_prefix("> at ")) {
                    (Some(end), _) => going = Some(ending(end)),
                    (None, Some(at)) => look(&served, at).await,
                    (None, None) => assert!(!line.starts_with('>'), "the world cannot do `{line}`"),
                },
            }
        }
        let (method, bytes) = request_bytes(&seen.fill(request));
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
        seen.note(&answer);
        heard.push(format!("{}\n----\n{}", request.trim_start(), show(&method, &answer)));
    }
    served.stop().await;
    heard.join("\n====\n")
}

/// Turns the clock on, and looks at a resource then.
async fn look(served: &Served, text: &str) {
    let (at, key) = text.split_once(" look at ").expect("an instant and a resource");
    let (collection, id) = key.split_once('/').expect("a collection and an id");
    let key = ResourceKey { collection: collection.parse().expect("a name"), id: id.parse().expect("an id") };
    served.look(at.parse().expect("an instant"), &key).await;
}

/// What answers have told so far.
#[derive(Default)]
struct Seen {
    etag: String,
    jobs: Vec<String>,
    tokens: Vec<String>,
}

impl Seen {
    fn note(&mut self, answer: &Answer) {
        self.etag = answer.header("etag").map_or_else(|| std::mem::take(&mut self.etag), str::to_owned);
        let body = String::from_utf8_lossy(&answer.body);
        for rest in body.split("\"token\":\"").skip(1) {
            self.tokens.extend(rest.split('"').next().map(str::to_owned));
        }
        for rest in body.split("\"/v1/jobs/").skip(1) {
            let id = rest.split(['"', '/']).next().expect("a split gives something").to_owned();
            if !self.jobs.contains(&id) {
                self.jobs.push(id);
            }
        }
    }

    fn fill(&self, request: &str) -> String {
        let filled = request.replace("{etag}", &self.etag);
        let named = [("job", &self.jobs), ("token", &self.tokens)].into_iter();
        let named = named.flat_map(|(name, known)| known.iter().enumerate().map(move |(at, text)| (name, at, text)));
        named.fold(filled, |request, (name, at, text)| request.replace(&format!("{{{name} {}}}", at + 1), text))
    }
}

/// How an attempt ends, from its outcome and what comes with that.
pub(super) fn ending(text: &str) -> Ending {
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
    Ending { result, detail, ..Ending::new(outcome) }
}

/// Whom the service of a transcript lets in.
fn configured(transcript: &str) -> HttpConfig {
    let mut config = HttpConfig::default();
    let mut tokens = Vec::new();
    for line in transcript.lines() {
        if let Some(origin) = line.strip_prefix("> origin ") {
            config.origins.push(origin.to_owned());
        }
        if let Some(token) = line.strip_prefix("> token ") {
            let [name, role, token] = token.split(' ').collect::<Vec<_>>()[..] else { panic!("who is `{line}`?") };
            let role = Role::ALL.into_iter().find(|known| known.as_str() == role).expect("a role");
            let digest = TokenDigest::of(token.as_bytes());
            tokens.push(Token { name: name.parse().expect("a name"), role, digest });
        }
    }
    if !tokens.is_empty() {
        config.access = Access::Holders(tokens);
    }
    config
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
    let timing = answer.header("server-timing").unwrap_or_default();
    assert!(timing.contains("total;dur="), "every answer says where its time went: {answer:?}");
    let is_problem = answer.header("content-type") == Some("application/problem+json");
    if is_problem {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("Accept, Accept-Encoding")), "{answer:?}");
    }
    let mut text = answer.line.strip_prefix("HTTP/1.1 ").unwrap_or(&answer.line).to_owned();
    text.push('\n');
    for (name, value) in &answer.headers {
        let always = matches!(name.as_str(), "date" | "server-timing" | "x-content-type-options")
            || (name == "content-length" && (method != "HEAD" || answer.header("content-encoding").is_some()))
            || (name == "cache-control" && is_problem)
            || (name == "vary" && value == "Accept, Accept-Encoding" && is_problem);
        if !always {
            writeln!(text, "{name}: {value}").expect("a string takes everything");
        }
    }
    if !answer.body.is_empty() {
        let body = styleless(&plain(answer));
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

/// The body of an answer, its coding undone.
fn plain(answer: &Answer) -> String {
    if answer.header("content-encoding") != Some("gzip") {
        return String::from_utf8_lossy(&answer.body).into_owned();
    }
    let mut text = String::new();
    GzDecoder::new(&answer.body[..]).read_to_string(&mut text).expect("text in gzip");
    text
}
