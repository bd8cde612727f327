//! Pages: what programs get as JSON, written for a person.
//!
//! A page shows the very representation that it stands for: it is made of the
//! JSON, after everything else about the answer is decided.
//!
//! # Guarantees
//! No page has a script, or loads anything. What a page shows is text, whatever
//! clients wrote. What a plain form can do, a page offers.
//! # Not here
//! Which face a client would rather see: [`super::media`].

mod actions;
mod form;
mod html;
mod style;
mod trail;
mod value;

use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use warp::reply::Response;

use super::media::Face;
use super::routes::Route;
use crate::domain::catalog::Catalog;
pub(super) use form::form;
use html::Html;
use style::{POLICY, STYLE};
use trail::{Step, trail};

/// What of a request its page depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Which face the client would rather see.
    pub(super) face: Face,
    /// What was asked for, if there is such a thing.
    pub(super) route: Option<&'a Route>,
    /// What is declared.
    pub(super) catalog: &'a Catalog,
}

/// The answer with the face that the client would rather see.
pub(super) async fn faced(response: Response, asked: Asked<'_>) -> Response {
    match asked.face {
        Face::Json => response,
        // Its tag says already what it is of.
        Face::Html if response.status() == StatusCode::NOT_MODIFIED => response,
        Face::Html => dressed(response, asked).await,
    }
}

/// The page of an answer, if that is JSON.
async fn dressed(response: Response, asked: Asked<'_>) -> Response {
    let media = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !matches!(media, Some(b"application/json" | b"application/problem+json")) {
        return response;
    }
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let Ok(shown) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(head, bytes.into());
    };
    let page = page(&shown, head.status, asked);
    made(Response::from_parts(head, page.into()), asked.face)
}

/// An answer whose body is a page.
pub(super) fn made(response: Response, face: Face) -> Response {
    if response.status() == StatusCode::NOT_MODIFIED { response } else { html(suffixed(response, face)) }
}

/// The header fields of a page.
fn html(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.entry(VARY).or_insert(HeaderValue::from_static("Accept"));
    response
}

/// Gives a page a tag of its own: it is not the JSON, byte for byte. The tag of
/// a problem is that of something else, and stays.
fn suffixed(mut response: Response, face: Face) -> Response {
    let sent = response.status().is_success();
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).and_then(|tag| tag.strip_suffix('"'));
    let own = tag.and_then(|tag| HeaderValue::try_from(format!("{tag}{}\"", face.suffix())).ok());
    if let Some(own) = own.filter(|_| sent) {
        response.headers_mut().insert(ETAG, own);
    }
    response
}

/// The whole page.
fn page(shown: &Value, status: StatusCode, asked: Asked<'_>) -> String {
    let trail = asked.route.map(|route| trail(route, asked.catalog)).unwrap_or_default();
    let title = if status.is_success() { None } else { shown.get("title").and_then(Value::as_str) };
    let title = title.or_else(|| trail.last().map(|step| step.name.as_str())).unwrap_or("Heeler").to_owned();
    frame(&title, &trail, |html| match shown.as_object() {
        Some(members) if !status.is_success() && members.contains_key("detail") => problem(html, members),
        Some(members) => representation(html, members, asked),
        None => value::value(html, shown),
    })
}

/// What every page has around what it shows.
fn frame(title: &str, trail: &[Step], inside: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::document();
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            html.say("title", &[], title);
            html.style(STYLE);
        });
        html.line();
        html.element("body", &[], |html| {
            html.element("nav", &[("aria-label", "breadcrumb")], |html| steps(html, trail));
            html.line();
            html.element("main", &[], |html| {
                html.say("h1", &[], title);
                html.line();
                inside(html);
            });
        });
    });
    html.line();
    html.into_string()
}

fn steps(html: &mut Html, trail: &[Step]) {
    html.element("ol", &[], |html| {
        html.element("li", &[], |html| value::link(html, "/", "Heeler"));
        for step in trail {
            html.element("li", &[], |html| value::link(html, &step.href, &step.name));
        }
    });
}

/// A problem: what is wrong first, then the rest.
fn problem(html: &mut Html, members: &Map<String, Value>) {
    html.say("p", &[], members.get("detail").and_then(Value::as_str).unwrap_or_default());
    value::object(html, value::others(members, &["title", "detail", "_links"]));
    actions::links(html, members);
}

/// What can be done, what there is, and where to go from here.
fn representation(html: &mut Html, members: &Map<String, Value>, asked: Asked<'_>) {
    actions::offers(html, members, asked);
    match members.get("items") {
        Some(Value::Array(items)) => {
            value::table(html, items);
            value::object(html, value::others(members, &["items", "_links"]));
        }
        Some(_) | None => value::object(html, value::others(members, &["_links"])),
    }
    actions::links(html, members);
}

#[cfg(test)]
mod tests;
