//! From an operation and a job to the request that is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http::{Method, Request};
use http_body_util::Full;
use ring::hmac;
use serde_json::{Value, json};

use super::{ANSWER_DEFAULT, GOES_ON_DEFAULT};
use crate::domain::expression::Scope;
use crate::domain::id::JobId;
use crate::domain::links;
use crate::domain::means::Means;
use crate::domain::operation::RunnerSpec;
use crate::domain::outward::{Allow, HostFrom, HttpMethod, HttpSpec, RequestBody, Target, signing_key};
use crate::domain::secret::Secrets;
use crate::domain::time::Timestamp;
use crate::runner::Launch;

/// The type of the event that asks a service to do a job.
const EVENT_TYPE: &str = "heeler.job.start";

/// All that is needed to make a request.
pub(super) struct Order {
    pub(super) job: JobId,
    pub(super) means: Arc<Means>,
    pub(super) target: Target,
    pub(super) host_from: HostFrom,
    pub(super) allow: Allow,
    pub(super) request: Request<Full<Bytes>>,
    pub(super) answer_bytes_max: usize,
    /// How long the answer is waited for.
    pub(super) patience: Duration,
    /// How long it is still waited for once it is to stop.
    pub(super) grace: Duration,
    /// When it was begun.
    pub(super) started: Timestamp,
    /// How long it may go on after 202.
    pub(super) goes_on: Duration,
}

/// The spec of an operation, while it is one of requests.
///
/// # Errors
/// It is another one by now.
pub(super) fn spec(launch: &Launch) -> Result<&HttpSpec, String> {
    match &launch.operation.runner {
        RunnerSpec::Http(spec) => Ok(spec),
        RunnerSpec::Exec(_) | RunnerSpec::Mail(_) | RunnerSpec::Worker(_) | RunnerSpec::Native => {
            Err(format!("the operation `{}` is no longer a request", launch.operation.name))
        }
    }
}

/// What a launch asks for.
///
/// # Errors
/// A template has no text for this job, or none that can be sent: which, for
/// people, and without what it gave.
pub(super) fn order(launch: &Launch, now: Timestamp) -> Result<Order, String> {
    let spec = spec(launch)?;
    let scope = scope(launch);
    let target = target(spec, &scope)?;
    let body = body(spec, launch, &scope, now)?;
    let mut fields = fields(spec, &scope)?;
    ours(&mut fields, launch, spec);
    if spec.method.has_body() && !fields.contains_key(CONTENT_TYPE) {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media(&spec.body)));
    }
    sign(&mut fields, spec, &launch.means.surroundings.secrets, launch.attempt.job, &body, now)?;
    Ok(Order {
        job: launch.attempt.job,
        means: Arc::clone(&launch.means),
        request: assemble(method(spec.method), &target, fields, body)?,
        target,
        host_from: spec.host_from(),
        allow: spec.allow.clone(),
        answer_bytes_max: spec.answer_bytes_max,
        patience: launch.timeout.unwrap_or(ANSWER_DEFAULT),
        grace: launch.operation.grace,
        started: now,
        goes_on: launch.timeout.unwrap_or(GOES_ON_DEFAULT),
    })
}

/// What templates refer to.
pub(super) fn scope(launch: &Launch) -> Scope<'_> {
    let surroundings = &launch.means.surroundings;
    Scope {
        input: launch.job.get("input").unwrap_or(&Value::Null),
        resource: &launch.resource,
        job: &launch.job,
        secret: &surroundings.secrets,
        env: &surroundings.env,
    }
}

/// Where a request goes.
pub(super) fn target(spec: &HttpSpec, scope: &Scope<'_>) -> Result<Target, String> {
    let url = spec.url(scope).map_err(|error| format!("`url`: {error}"))?;
    url.parse().map_err(|error| format!("`url`: {error}"))
}

/// The fields that the operation declares.
pub(super) fn fields(spec: &HttpSpec, scope: &Scope<'_>) -> Result<HeaderMap, String> {
    let mut fields = HeaderMap::new();
    for (name, template) in &spec.headers {
        let text = template.render(scope).map_err(|error| format!("`{name}` of `headers`: {error}"))?;
        let value = HeaderValue::from_str(&text);
        let mut value = value.map_err(|_| format!("`{name}` of `headers` has characters that no field can hold"))?;
        value.set_sensitive(true);
        let name = HeaderName::try_from(name.as_str());
        fields.insert(name.map_err(|_| "`headers` has a name that no field can have".to_owned())?, value);
    }
    Ok(fields)
}

/// The fields that every request for a job has.
fn ours(fields: &mut HeaderMap, launch: &Launch, spec: &HttpSpec) {
    let job = launch.attempt.job.to_string();
    let mut said = BTreeMap::from([("idempotency-key", job.clone())]);
    // Where it is no event, whoever does the work hears here what it would say.
    if !(spec.method.has_body() && matches!(spec.body, RequestBody::Event)) {
        said.insert("heeler-job", job);
        said.insert("heeler-attempt", launch.attempt.number.to_string());
        said.insert("heeler-token", launch.attempt.token.reveal());
        said.insert("heeler-report", report(launch));
    }
    for (name, text) in said {
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            fields.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Where the work is reported of.
fn report(launch: &Launch) -> String {
    format!("{}{}", launch.means.public, links::job(launch.attempt.job))
}

fn body(spec: &HttpSpec, launch: &Launch, scope: &Scope<'_>, now: Timestamp) -> Result<Bytes, String> {
    if !spec.method.has_body() {
        return Ok(Bytes::new());
    }
    let wrong = |error| format!("`body`: {error}");
    Ok(match &spec.body {
        RequestBody::Event => event(launch, now).to_string().into(),
        RequestBody::Text(template) => template.render(scope).map_err(wrong)?.into(),
        RequestBody::Json(template) => template.render(scope).map_err(wrong)?.to_string().into(),
    })
}

/// The job as an event of CloudEvents 1.0. It has one id however often it is
/// sent; which attempt it is for is among its data.
fn event(launch: &Launch, now: Timestamp) -> Value {
    let member = |name: &str| launch.job.pointer(&format!("/resource/{name}")).and_then(Value::as_str);
    let mut event = json!({
        "specversion": "1.0",
        "id": launch.attempt.job.to_string(),
        "source": launch.means.public,
        "type": EVENT_TYPE,
        "time": now.to_string(),
        "datacontenttype": "application/json",
        "data": {
            "job": launch.job,
            "attempt": launch.attempt.number,
            "token": launch.attempt.token.reveal(),
            "report": report(launch),
        },
    });
    if let (Some(collection), Some(id)) = (member("collection"), member("id")) {
        event["subject"] = json!(format!("{collection}/{id}"));
    }
    event
}

const fn media(body: &RequestBody) -> &'static str {
    match body {
        RequestBody::Event => "application/cloudevents+json; charset=utf-8",
        RequestBody::Text(_) => "text/plain; charset=utf-8",
        RequestBody::Json(_) => "application/json",
    }
}

/// Signs a request as Standard Webhooks says, once with each key.
///
/// # Errors
/// A key is not to be had.
pub(super) fn sign(
    fields: &mut HeaderMap,
    spec: &HttpSpec,
    secrets: &Secrets,
    job: JobId,
    body: &[u8],
    now: Timestamp,
) -> Result<(), String> {
    if spec.signing.is_empty() {
        return Ok(());
    }
    let (id, timestamp) = (job.to_string(), now.second().to_string());
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let signature = |name: &String| {
        let key = secrets.get(name).and_then(signing_key);
        let key = key.ok_or_else(|| format!("the secret `{name}` is no key to sign with"))?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        Ok(format!("v1,{}", STANDARD.encode(tag)))
    };
    let signatures = spec.signing.iter().map(signature).collect::<Result<Vec<_>, String>>()?.join(" ");
    for (name, text) in [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signatures)] {
        let value = HeaderValue::from_str(&text).map_err(|error| error.to_string())?;
        fields.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

/// A request with what every request has.
///
/// # Errors
/// There is no such request; it was all judged before.
pub(super) fn assemble(
    method: Method,
    target: &Target,
    mut fields: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, String> {
    let host = HeaderValue::from_str(&target.authority()).map_err(|error| error.to_string())?;
    fields.insert(HOST, host);
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    // An answer is as large as it is, and never grows.
    fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in [
        (USER_AGENT, concat!("heeler/", env!("CARGO_PKG_VERSION"))),
        (ACCEPT, "application/json, text/plain;q=0.5, */*;q=0.1"),
    ] {
        fields.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let request = Request::builder().method(method).uri(target.path.as_str());
    let mut request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    *request.headers_mut() = fields;
    Ok(request)
}

const fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}
