//! What can be done from a page, and where it leads.

use serde_json::{Map, Value};

use super::Asked;
use super::html::Html;
use super::value::{is_path, link};
use crate::api::links as paths;
use crate::http::routes::Route;

/// Forms and links to forms for what can be done now.
pub(super) fn offers(html: &mut Html, members: &Map<String, Value>, asked: Asked<'_>) {
    // Only a resource has links that nobody but the service writes.
    let resource = matches!(asked.route, Some(Route::Resource(_)));
    for target in linked(members, "run-now").filter(|_| resource) {
        html.element("form", &[("method", "post"), ("action", target.href)], |html| {
            html.say("button", &[], &format!("Run {} now", target.name.unwrap_or_default()));
        });
        html.line();
    }
    if let Some(Route::Activity(key, activity)) = asked.route {
        let form = paths::form(asked.catalog, key, activity);
        html.element("p", &[], |html| link(html, &form, "Ask for a job"));
        html.line();
    }
}

/// A link of a representation.
struct Target<'a> {
    href: &'a str,
    name: Option<&'a str>,
    method: Option<&'a str>,
}

/// The links of a representation under one relation: one, or several.
fn linked<'m>(members: &'m Map<String, Value>, relation: &str) -> impl Iterator<Item = Target<'m>> {
    targets(members.get("_links").and_then(|links| links.get(relation)))
}

fn targets(link: Option<&Value>) -> impl Iterator<Item = Target<'_>> {
    let several = link.and_then(Value::as_array).map(Vec::as_slice);
    let one = link.filter(|link| link.is_object());
    several.into_iter().flatten().chain(one).filter_map(|link| {
        let text = |member| link.get(member).and_then(Value::as_str);
        Some(Target { href: text("href").filter(|href| is_path(href))?, name: text("name"), method: text("method") })
    })
}

/// Where a representation leads.
pub(super) fn links(html: &mut Html, members: &Map<String, Value>) {
    let Some(Value::Object(relations)) = members.get("_links") else { return };
    html.element("nav", &[("aria-label", "links")], |html| {
        html.say("h2", &[], "Links");
        html.element("dl", &[], |html| {
            for (relation, value) in relations {
                html.say("dt", &[], relation);
                html.element("dd", &[], |html| {
                    for target in targets(Some(value)) {
                        one(html, relation, &target);
                    }
                });
                html.line();
            }
        });
    });
}

/// A link; what is not read but done is only named.
fn one(html: &mut Html, relation: &str, target: &Target<'_>) {
    let text = target.name.map_or_else(|| target.href.to_owned(), |name| format!("{name}: {}", target.href));
    match target.method {
        Some(method) => html.say("code", &[], &format!("{method} {text}")),
        None if relation == "next" => html.say("a", &[("rel", "next"), ("href", target.href)], "Next page"),
        None => link(html, target.href, &text),
    }
    html.text(" ");
}
