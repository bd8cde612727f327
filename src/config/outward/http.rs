//! `[operations.NAME.http]`.

use http::HeaderName;

use super::super::error::Report;
use super::super::section::{Field, Keys, Section};
use super::super::templates::{Exposure, Templates};
use crate::domain::expression::Template;
use crate::domain::job::RESULT_BYTES_MAX;
use crate::domain::outward::{
    Allow, Host, HostFrom, HttpMethod, HttpSpec, JsonTemplate, ParseRangeError, RequestBody, SIGNING_KEY_BYTES_MIN,
    Scheme, Target, signing_key,
};
use crate::domain::secret::Secrets;

const HTTP: Keys = Keys { known: &["url", "method", "headers", "body", "signing", "allow", "response"], later: &[] };
const URL: &str = "a URL such as \"https://hooks.example.com/notify\"";

/// The fields that the service itself writes.
const OURS: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "accept-encoding",
    "idempotency-key",
];

/// The beginnings of names that the service itself writes.
const OUR_PREFIXES: [&str; 3] = ["webhook-", "heeler-", "proxy-"];

/// How many keys can sign at once: the new one and the old one, while one
/// takes the other's place.
const KEYS_MAX: usize = 2;

pub(in crate::config) fn http_spec(
    section: &Section<'_>,
    templates: &Templates,
    secrets: &Secrets,
    report: &mut Report<'_>,
) -> Option<HttpSpec> {
    section.check_keys(HTTP, report);
    let url = section.needed("url", URL, report).and_then(|field| url(&field, templates, report));
    let method = section.get("method").map(|field| field.word(&HttpMethod::ALL, report));
    let method = method.unwrap_or(Some(HttpMethod::Post));
    let body = section.get("body").map(|field| (body(&field, templates, report), field));
    if let (Some((_, field)), Some(method)) = (&body, method.filter(|method| !method.has_body())) {
        report.error(&field.key, format!("`{}`: a {} has no body", field.path, method.as_str()));
    }
    let headers = section.table("headers", report).map(|section| headers(&section, templates, report));
    let signing = section.get("signing").map(|field| signing(&field, templates, secrets, report));
    let allow = section.get("allow").map(|field| allow(&field, report));
    let response = section.get("response").and_then(|field| field.bytes(1..=RESULT_BYTES_MAX, report));
    let body = match body {
        Some((body, _)) => body?,
        None => RequestBody::Event,
    };
    Some(HttpSpec {
        url: url?,
        method: method?,
        headers: headers.unwrap_or_default(),
        body,
        signing: signing.unwrap_or_default(),
        allow: allow.unwrap_or_default(),
        answer_bytes_max: response.unwrap_or(RESULT_BYTES_MAX),
    })
}

/// As much of it is judged as stands there.
fn url(field: &Field<'_>, templates: &Templates, report: &mut Report<'_>) -> Option<Template> {
    let template = templates.read(field, Exposure::Work, report)?;
    let head = template.head();
    if let Some(literal) = template.as_literal() {
        return match literal.parse::<Target>() {
            Ok(_) => Some(template),
            Err(error) => field.refuse(format!("{error}: expected {URL}"), report),
        };
    }
    let before = head.split_once("://").map_or(head, |(scheme, _)| scheme);
    let is_scheme = ["http", "https"].iter().any(|scheme| before.eq_ignore_ascii_case(scheme));
    if !(before.is_empty() || is_scheme && head.contains("://")) {
        return field.refuse(format!("the URL must begin with `http://` or `https://`: expected {URL}"), report);
    }
    let spec = HttpSpec {
        url: template.clone(),
        method: HttpMethod::Post,
        headers: Vec::new(),
        body: RequestBody::Event,
        signing: Vec::new(),
        allow: Allow::default(),
        answer_bytes_max: 0,
    };
    match (spec.host_from(), head.parse::<Target>()) {
        (HostFrom::File, Err(error)) => field.refuse(format!("{error}: expected {URL}"), report),
        (HostFrom::File, Ok(_)) | (HostFrom::Expression, _) => Some(template),
    }
}

fn headers(section: &Section<'_>, templates: &Templates, report: &mut Report<'_>) -> Vec<(String, Template)> {
    let mut headers: Vec<(String, Template)> = Vec::new();
    for field in section.fields() {
        let name = field.name.to_ascii_lowercase();
        if HeaderName::try_from(field.name).is_err() {
            report.error(&field.key, format!("`{}`: `{}` cannot be the name of a field", section.path, field.name));
        } else if OURS.contains(&name.as_str()) || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            report.error(&field.key, format!("`{}`: the service writes this field itself", field.path));
        } else if headers.iter().any(|(known, _)| *known == name) {
            report.error(&field.key, format!("`{}`: the field is there already, in other letters", field.path));
        }
        let template = templates.read(&field, Exposure::Work, report);
        if let Some(text) = template.as_ref().and_then(Template::as_literal)
            && http::HeaderValue::from_str(text).is_err()
        {
            let _: Option<()> = field.refuse("the text has characters that no field can hold", report);
        }
        headers.extend(template.map(|template| (name, template)));
    }
    headers
}

/// A text, or a JSON value whose texts are templates.
fn body(field: &Field<'_>, templates: &Templates, report: &mut Report<'_>) -> Option<RequestBody> {
    if field.is_text() {
        return templates.read(field, Exposure::Work, report).map(RequestBody::Text);
    }
    json(field, templates, report).map(RequestBody::Json)
}

fn json(field: &Field<'_>, templates: &Templates, report: &mut Report<'_>) -> Option<JsonTemplate> {
    if field.is_text() {
        return templates.read(field, Exposure::Work, report).map(JsonTemplate::Text);
    }
    if let Some(items) = field.items() {
        let items: Vec<_> = items.iter().map(|item| json(item, templates, report)).collect();
        return items.into_iter().collect::<Option<_>>().map(JsonTemplate::Array);
    }
    if let Some(section) = field.as_section() {
        let member = |field: &Field<'_>| (field.name.to_owned(), json(field, templates, report));
        let members: Vec<_> = section.fields().iter().map(member).collect();
        let members = members.into_iter().map(|(name, value)| Some((name, value?)));
        return members.collect::<Option<_>>().map(JsonTemplate::Object);
    }
    match field.as_scalar() {
        Some(value) => Some(JsonTemplate::Value(value)),
        None => field.expected("a text, or a value that JSON has", report),
    }
}

/// The names of one or two secrets, the newest first.
fn signing(field: &Field<'_>, templates: &Templates, secrets: &Secrets, report: &mut Report<'_>) -> Vec<String> {
    const WHAT: &str = "the name of a secret, or an array of the new one's and the old one's";
    let names = if field.is_text() { vec![field.clone()] } else { field.elements(WHAT, report).unwrap_or_default() };
    if field.is_array() && !(1..=KEYS_MAX).contains(&names.len()) {
        let _: Option<()> = field.refuse(format!("expected {WHAT}, found {} of them", names.len()), report);
    }
    let mut keys = Vec::new();
    for field in names {
        let Some(name) = field.text("the name of a secret", report) else { continue };
        if let Some(problem) = templates.undeclared(name) {
            let _: Option<()> = field.refuse(problem, report);
        } else if secrets.get(name).is_some_and(|secret| signing_key(secret).is_none()) {
            let message = format!(
                "the secret `{name}` is no key to sign with: expected `whsec_` and at least {SIGNING_KEY_BYTES_MIN} \
                 bytes in base64, or at least as many bytes of text"
            );
            let _: Option<()> = field.refuse(message, report);
        }
        keys.push(name.to_owned());
    }
    keys
}

/// Names, addresses and ranges.
fn allow(field: &Field<'_>, report: &mut Report<'_>) -> Allow {
    const WHAT: &str = "a host such as \"hooks.internal\", an address or a range such as \"10.0.0.0/8\"";
    let mut allow = Allow::default();
    for field in field.elements("an array of hosts and ranges", report).unwrap_or_default() {
        let Some(text) = field.text(WHAT, report) else { continue };
        match (text.parse(), Host::from_name(text)) {
            (Ok(range), _) => allow.ranges.push(range),
            (Err(ParseRangeError::Rest), _) => {
                let _: Option<()> = field.refuse(format!("`{text}`: {}", ParseRangeError::Rest), report);
            }
            (Err(ParseRangeError::Shape), Some(name)) => allow.names.push(name),
            (Err(ParseRangeError::Shape), None) => {
                let _: Option<()> = field.refuse(format!("`{text}` is none: expected {WHAT}"), report);
            }
        }
    }
    allow
}

/// Where a service is reached: a URL without a path.
pub(in crate::config) fn origin(field: &Field<'_>, report: &mut Report<'_>) -> Option<String> {
    const WHAT: &str = "where others reach this service, such as \"https://heeler.example.com\", without a path";
    let text = field.text(WHAT, report)?;
    match text.parse::<Target>() {
        Ok(target) if target.path == "/" && !text.contains(['?', '#']) => {
            let scheme = match target.scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            Some(format!("{scheme}://{}", target.authority()))
        }
        Ok(_) => field.refuse(format!("expected {WHAT}"), report),
        Err(error) => field.refuse(format!("{error}: expected {WHAT}"), report),
    }
}
