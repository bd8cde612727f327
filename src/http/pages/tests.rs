//! Whatever clients wrote, a page is a page of ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::domain::json::strategies::any_value;

/// Everything that a page of ours is made of.
const ELEMENTS: [&str; 40] = [
    "html", "head", "meta", "title", "style", "body", "nav", "main", "ol", "ul", "li", "a", "h1", "h2", "p", "dl",
    "dt", "dd", "i", "code", "pre", "time", "progress", "table", "tr", "th", "td", "form", "label", "input", "select",
    "option", "textarea", "button", "small", "br", "!DOCTYPE", "span", "strong", "em",
];

const ATTRIBUTES: [&str; 28] = [
    "lang",
    "charset",
    "name",
    "content",
    "aria-label",
    "href",
    "rel",
    "datetime",
    "max",
    "min",
    "value",
    "scope",
    "method",
    "action",
    "for",
    "id",
    "type",
    "step",
    "required",
    "checked",
    "multiple",
    "selected",
    "html",
    "step",
    "title",
    "accept",
    "rows",
    "cols",
];

/// What is in a page that should not be, by reading it as simply as possible.
fn foreign(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let body = page.replace(STYLE, "");
    for piece in body.split('<').skip(1) {
        let Some((tag, text)) = piece.split_once('>') else {
            found.push(format!("a tag without an end: {piece}"));
            continue;
        };
        if text.contains('"') || text.contains('\'') {
            found.push(format!("a quote outside of a tag: {text}"));
        }
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        if !ELEMENTS.contains(&name) {
            found.push(format!("an element: {tag}"));
        }
        // Within quotes there is neither a quote nor the end of a tag.
        let mut rest = tag[tag.find(' ').unwrap_or(tag.len())..].trim_start();
        while let Some((attribute, after)) = rest.split_once("=\"") {
            let Some((value, after)) = after.split_once('"') else {
                found.push(format!("an attribute without an end: {tag}"));
                break;
            };
            if !ATTRIBUTES.contains(&attribute) {
                found.push(format!("an attribute: {attribute} in {tag}"));
            }
            let leads = matches!(attribute, "href" | "action");
            if leads && (!value.starts_with('/') || value.starts_with("//") || value.starts_with("/\\")) {
                found.push(format!("a link away: {value}"));
            }
            rest = after.trim_start();
        }
    }
    found
}

fn resource() -> Route {
    let key = crate::domain::id::ResourceKey {
        collection: "videos".parse().expect("a name"),
        id: "42".parse().expect("an id"),
    };
    Route::Resource(key)
}

fn shown(value: &Value, status: StatusCode) -> String {
    let (route, catalog) = (resource(), Catalog::default());
    let asked = Asked { face: Face::Html, route: Some(&route), catalog: &catalog };
    page(value, status, asked)
}

const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "//evil.example/",
    "/\\evil.example/",
    "/\tjavascript:x",
    "</style><script>",
    "]]>--><!--",
    "&lt;script&gt;",
    "\u{202e}\0\u{1}",
    "https://evil.example/",
];

#[test]
fn a_hostile_document_is_shown_and_does_nothing() {
    for text in HOSTILE {
        let value = json!({
            text: text,
            "href": text,
            "type": text,
            "id": text,
            "text": format!("{text}\n{text}"),
            "items": [{ "id": text, text: text, "href": text, "_links": { "self": { "href": text } } }],
            "nested": [{ text: [text] }],
            "_links": { "next": { "href": text }, text: [{ "href": text, "name": text, "method": text }],
                        "run-now": [{ "href": text, "name": text }] },
        });
        for status in [StatusCode::OK, StatusCode::CONFLICT] {
            let mut problem = value.clone();
            problem["title"] = text.into();
            problem["detail"] = text.into();
            let page = shown(&problem, status);
            assert_eq!(foreign(&page), Vec::<String>::new(), "{text:?} as {status}");
        }
    }
}

#[test]
fn the_reader_of_these_tests_sees_what_is_foreign() {
    for page in [
        "<script>",
        "<p onload=\"x\">",
        "<a href=\"javascript:x\">",
        "<a href=\"//evil\">",
        "<a href=\"https://evil\">",
        "<form action=\"/\\evil\">",
        "<p>\"</p>",
        "<p",
    ] {
        assert_eq!(foreign(page).len(), 1, "{page}");
    }
}

proptest! {
    #[test]
    fn whatever_is_shown_nothing_foreign_is_in_the_page(
        value in any_value(),
        hostile in prop::sample::select(HOSTILE.to_vec()),
    ) {
        let mut object = json!({ "items": [value.clone()], "value": value, "_links": value.clone() });
        object[hostile] = value;
        prop_assert_eq!(foreign(&shown(&object, StatusCode::OK)), Vec::<String>::new());
    }
}

#[test]
fn the_policy_allows_the_one_style_and_nothing_else() {
    let page = shown(&json!({}), StatusCode::OK);
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
    let policy = POLICY.to_str().expect("text");
    let digest = STANDARD.encode(Sha256::digest(style));
    assert!(policy.contains(&format!("style-src 'sha256-{digest}'")), "{policy}");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    assert!(!style.contains("url(") && !style.contains('<'));
}

#[test]
fn a_page_shows_what_its_json_says() {
    let page = shown(
        &json!({
            "title": "Holiday & sun",
            "when": "2026-11-21T10:00:00.000Z",
            "deep": { "list": [1, true, null], "empty": {} },
            "progress": { "fraction": 0.42 },
            "_links": {
                "self": { "href": "/v1/videos/42" },
                "cancel": [{ "href": "/v1/jobs/1", "method": "DELETE", "name": "processing" }],
                "run-now": { "href": "/v1/videos/42/processing", "method": "POST", "name": "processing" },
                "next": { "href": "/v1/videos?cursor=a&limit=1" },
            },
        }),
        StatusCode::OK,
    );
    for part in [
        "<title>42</title>",
        "<a href=\"/v1/videos\">videos</a>",
        "<dd>Holiday &amp; sun</dd>",
        "<time datetime=\"2026-11-21T10:00:00.000Z\">",
        "<li><code>1</code></li><li><code>true</code></li><li><i>none</i></li>",
        "<progress max=\"1\" value=\"0.42\">",
        "<form method=\"post\" action=\"/v1/videos/42/processing\"><button>Run processing now</button></form>",
        "<code>DELETE processing: /v1/jobs/1</code>",
        "<a rel=\"next\" href=\"/v1/videos?cursor=a&amp;limit=1\">Next page</a>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn only_a_resource_offers_what_its_links_say() {
    let value = json!({ "_links": { "run-now": { "href": "/v1/videos/42/processing" } } });
    let catalog = Catalog::default();
    let asked = Asked { face: Face::Html, route: Some(&Route::Jobs), catalog: &catalog };
    assert!(!page(&value, StatusCode::OK, asked).contains("<form"));
    assert!(shown(&value, StatusCode::OK).contains("<form"));
}
