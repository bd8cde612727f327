//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): requests that
//! were answered before get the same answer again.
//!
//! # Guarantees
//! A request that was answered is recognised before anything else is judged
//! of it than its head and its size: it was found good when it was new, and
//! what it was about may be gone by now.
//! # Not here
//! Where answers are remembered ([`crate::api`]).

use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use tracing::debug;
use warp::reply::Response;

use super::body::{self, Payload};
use super::dispatch::{Call, Site, handle};
use super::media::{self, Unsupported};
use super::posts;
use super::prefer::{Answer, Prefer};
use super::problem::{Kind, Problem};
use super::query::Query;
use super::reply::{self, With};
use super::routes::{Route, Verb};
use crate::api::{Answered, Held, Intent, Known, Once, OnceKey, Statuses, Subject, links};

/// The request header.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The response header of an answer that was given before.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The longest key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// The key of a request, if it has one.
///
/// The draft writes it as a string in quotes; most clients send the bare
/// characters, which mean the same.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refuse = |what: &str| Problem::new(Kind::BadRequest, format!("idempotency-key: {what}"));
    if values.next().is_some() {
        return Err(refuse("sent more than once"));
    }
    let text = value.to_str().map_or("", str::trim);
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => Some(text.to_owned()).filter(|bare| !bare.contains(['"', ',', ';'])),
    };
    let key = key.filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    let expected = || format!("expected 1 to {KEY_CHARS_MAX} visible characters, such as \"8e03978e-40d5-43dd-bc93\"");
    key.map(Some).ok_or_else(|| refuse(&expected()))
}

/// The rest of a string of a structured field (RFC 9651, 3.3.3), after its first quote.
fn unquoted(quoted: &str) -> Option<String> {
    let mut key = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => return rest.as_str().is_empty().then_some(key),
            '\\' => key.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain => key.push(plain),
        }
    }
}

/// Looks a request with a key up among those before it: what was answered then,
/// if it was this very one. Otherwise the call knows how it stands to them.
pub(super) async fn recall(call: &mut Call<'_>, verb: Verb) -> Result<Option<Response>, Problem> {
    let has_body = match verb {
        Verb::Get | Verb::Options => return Ok(None),
        Verb::Delete => false,
        Verb::Post | Verb::Put | Verb::Patch => true,
    };
    // What a worker was given is not given again: who hears no answer asks for more.
    if matches!(call.route, Route::Leases(_)) {
        return Ok(None);
    }
    // What cannot be read is refused further on, in its turn.
    let Ok(Some(key)) = key(call.headers) else { return Ok(None) };
    let Some(digest) = digest(call, has_body).await? else { return Ok(None) };
    let target = call.route.canonical(call.http.api.catalog());
    let key = OnceKey { principal: call.principal.name.to_owned(), key, target, digest };
    let api = &call.http.api;
    call.once = match call.intent {
        Intent::Try => api.is_reused(&key).await?.then_some(Once::Reused),
        Intent::Make => match api.known(key, statuses(call)).await? {
            Known::New(once) => Some(once),
            Known::Answered(answered) => return replay(call, answered).await.map(Some),
        },
    };
    Ok(None)
}

/// What tells a request from others with its key: method, media type and body.
/// `None` where the body will be refused whatever it holds.
async fn digest(call: &mut Call<'_>, has_body: bool) -> Result<Option<[u8; 32]>, Problem> {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    add(call.method.as_str().as_bytes());
    if has_body {
        let limit = call.http.config.body_bytes_max;
        let readable = body::judge_length(call.headers, limit).and_then(|()| body::judge_coding(call.headers));
        let media = match (readable, media::content_type(call.headers)) {
            (Ok(()), Ok(media)) => media.as_str(),
            (Ok(()), Err(Unsupported::Unnamed)) => "",
            (Ok(()) | Err(_), _) => return Ok(None),
        };
        add(media.as_bytes());
        add(&call.body.read(limit, call.http.config.body).await?);
    }
    Ok(Some(digest.finalize().into()))
}

/// What a change is answered with, by what becomes of it.
fn statuses(call: &Call<'_>) -> Statuses {
    let bare = call.method == Method::DELETE || call.prefer.answer == Some(Answer::Minimal);
    let done = if bare { StatusCode::NO_CONTENT } else { StatusCode::OK };
    Statuses { made: StatusCode::CREATED.as_u16(), done: done.as_u16(), accepted: StatusCode::ACCEPTED.as_u16() }
}

/// The status and the place that were answered before, with what is there now.
async fn replay(call: &Call<'_>, answered: Answered) -> Result<Response, Problem> {
    let Answered { status, location, subject } = answered;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    wait(call, &subject).await;
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::RESET_CONTENT;
    let bare = bodiless || (status == StatusCode::CREATED && call.prefer.answer == Some(Answer::Minimal));
    let response = again(call, status, &subject, location.as_deref()).await?;
    let mut response = if bare { reply::stripped(response) } else { response };
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    let response = match &location {
        Some(at) => response.located(at),
        None => response,
    };
    // What is said of a body is honoured where the status lets it.
    let answer = call.prefer.answer.filter(|answer| (*answer == Answer::Minimal) == bare);
    let answer = answer.filter(|_| !status.is_redirection());
    Ok(response.honouring(Prefer { answer, wait: call.prefer.wait, ..Prefer::default() }))
}

/// An answer of the same shape as the first one, with what is there now.
async fn again(
    call: &Call<'_>,
    status: StatusCode,
    subject: &Subject,
    location: Option<&str>,
) -> Result<Response, Problem> {
    if let (true, Some(at)) = (status.is_redirection(), location) {
        return Ok(posts::see_again(call, at));
    }
    let Some(view) = call.http.api.present(subject).await? else { return Ok(reply::gone(status)) };
    if let (Some((key, activity)), Subject::Job(id), None) = (call.route.launched_by(call.method), subject, location) {
        let at = links::activity_job(call.http.api.catalog(), key, activity, *id);
        return Ok(reply::restated(posts::told(view, call.route, &at), status));
    }
    Ok(match (call.route, location) {
        (Route::Member(key, pointer), _) => match at_target(call).await {
            Some(shown) => {
                let at = links::member(call.http.api.catalog(), key, pointer);
                reply::restated(shown, status).content_located(&at)
            }
            None => reply::gone_from(status, &view, call.route),
        },
        (_, Some(at)) => reply::represent(status, view, call.route).content_located(at),
        (_, None) => match at_target(call).await {
            Some(shown) => reply::restated(shown, status),
            None => reply::represent(status, view, call.route),
        },
    })
}

/// Waits, if the client would rather have it so: the one that was answered first may have waited, too.
async fn wait(call: &Call<'_>, subject: &Subject) {
    let Some(wait) = call.prefer.wait else { return };
    let api = &call.http.api;
    let waiting = async {
        match subject {
            Subject::Resource { key, .. } => drop(api.settled(key, wait).await),
            Subject::Job(id) => drop(api.job_finished(*id, wait).await),
        }
    };
    tokio::select! {
        () = waiting => {}
        () = call.http.stopping.cancelled() => {}
    }
}

/// What the target shows now, whatever it is of what the change was about.
async fn at_target(call: &Call<'_>) -> Option<Response> {
    if !call.route.takes(Verb::Get) {
        return None;
    }
    // Nothing of what the change demands, but what the client takes.
    let kept = [ACCEPT, ACCEPT_ENCODING, HOST];
    let headers = call.headers.iter().filter(|(name, _)| kept.contains(name));
    let headers: HeaderMap = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
    let get = Call {
        http: call.http,
        route: call.route,
        path: call.path,
        method: &Method::GET,
        headers: &headers,
        query: Query::default(),
        prefer: Prefer::default(),
        intent: Intent::Make,
        once: None,
        principal: call.principal,
        face: call.face,
        timing: call.timing,
        body: &mut Payload::empty(),
    };
    handle(get, Verb::Get).await.ok().filter(|response| response.status() == StatusCode::OK)
}

/// Notes the answer, where it is another one than could be known in the commit.
pub(super) async fn note(http: Site<'_>, held: &Held, response: &Response) {
    let status = response.status();
    if !status.is_success() && !status.is_redirection() {
        return;
    }
    let location = response.headers().get(LOCATION).and_then(|at| at.to_str().ok());
    if let Err(error) = http.api.answered(held, status.as_u16(), location).await {
        debug!(error = &error as &dyn std::error::Error, "what is remembered of an answer is what its commit knew");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, u16> {
        let values = values.iter().map(|value| HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        let headers: HeaderMap = values.map(|value| (IDEMPOTENCY_KEY, value)).collect();
        key(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_key_is_a_string_of_a_structured_field_or_its_bare_characters() {
        let long = "k".repeat(KEY_CHARS_MAX);
        for (sent, want) in [
            ("\"8e03978e\"", "8e03978e"),
            ("8e03978e", "8e03978e"),
            (" 8e03978e ", "8e03978e"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("\"a,b;c\"", "a,b;c"),
            ("a/b+c=", "a/b+c="),
            (&long, &long),
            (&format!("\"{long}\""), &long),
        ] {
            assert_eq!(read(&[sent]), Ok(Some(want.to_owned())), "{sent}");
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn what_is_no_key_or_more_than_one_is_refused() {
        let long = "k".repeat(KEY_CHARS_MAX + 1);
        for sent in [
            "",
            " ",
            "\"\"",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\";b=1",
            "a, b",
            "a,b",
            "a;b",
            "a b",
            "\"a b\"",
            r#""a\b""#,
            "\"\\",
            "é",
            &long,
        ] {
            assert_eq!(read(&[sent]), Err(400), "{sent:?}");
        }
        assert_eq!(read(&["a", "a"]), Err(400));
    }
}
