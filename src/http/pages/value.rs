//! JSON for a person: objects as lists of terms, arrays as lists, links as links.

use serde_json::{Map, Value};

use super::html::Html;

/// How many columns a table has at most: what fits on a screen.
const COLUMNS_MAX: usize = 8;

/// The longest text that stands in a table, in characters.
const CELL_CHARS_MAX: usize = 80;

/// Shows a value.
pub(super) fn value(html: &mut Html, value: &Value) {
    match value {
        Value::Null => html.say("i", &[], "none"),
        Value::Bool(_) | Value::Number(_) => html.say("code", &[], &value.to_string()),
        Value::String(text) => string(html, text),
        Value::Array(items) if items.is_empty() => html.say("i", &[], "none"),
        Value::Object(members) if members.is_empty() => html.say("i", &[], "nothing"),
        Value::Array(items) => html.element("ul", &[], |html| {
            for item in items {
                html.element("li", &[], |html| self::value(html, item));
            }
        }),
        Value::Object(members) => object(html, members.iter()),
    }
}

/// Shows members of an object.
pub(super) fn object<'m>(html: &mut Html, members: impl Iterator<Item = (&'m String, &'m Value)>) {
    let mut members = members.peekable();
    if members.peek().is_none() {
        return;
    }
    html.element("dl", &[], |html| {
        for (name, member) in members {
            html.say("dt", &[], name);
            html.element("dd", &[], |html| self::member(html, name, member));
            html.line();
        }
    });
}

/// Shows a member, which may be one that links.
fn member(html: &mut Html, name: &str, value: &Value) {
    match (name, value) {
        ("href" | "type" | "target", Value::String(text)) if is_path(text) => link(html, text, text),
        ("fraction", Value::Number(number)) => {
            html.element("progress", &[("max", "1"), ("value", &number.to_string())], |_| {});
            html.text(" ");
            html.say("code", &[], &number.to_string());
        }
        (_, value) => self::value(html, value),
    }
}

/// A link to a place of this service.
pub(super) fn link(html: &mut Html, href: &str, text: &str) {
    html.say("a", &[("href", href)], text);
}

/// Whether a text is the path of a URL of this service, and nothing else
/// that a browser could make of it.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'{' | b'}' | b'<' | b'>' | b'"'))
}

fn string(html: &mut Html, text: &str) {
    if is_time(text) {
        html.say("time", &[("datetime", text)], text);
    } else if text.contains('\n') {
        html.say("pre", &[], text);
    } else {
        html.text(text);
    }
}

/// Whether a text is an instant as this service writes it.
fn is_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00.000Z";
    text.len() == SHAPE.len()
        && text
            .bytes()
            .zip(SHAPE)
            .all(|(byte, shape)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape })
}

/// Shows the items of a list as rows, each a link to the whole item.
pub(super) fn table(html: &mut Html, items: &[Value]) {
    if items.is_empty() {
        html.say("p", &[], "There is nothing here.");
        return;
    }
    let columns = columns(items);
    html.element("table", &[], |html| {
        html.element("tr", &[], |html| {
            for heading in std::iter::once("").chain(columns.iter().map(|column| column.heading())) {
                html.say("th", &[("scope", "col")], heading);
            }
        });
        html.line();
        for item in items {
            html.element("tr", &[], |html| row(html, item, &columns));
            html.line();
        }
    });
}

/// What stands in a column of a table.
enum Column<'a> {
    /// A member of the item.
    Member(&'a str),
    /// Whether it is settled, and if not, why not.
    State,
}

impl Column<'_> {
    const fn heading(&self) -> &str {
        match self {
            Self::Member(name) => name,
            Self::State => "state",
        }
    }
}

/// The members that are short in any of the items, in their order.
fn columns(items: &[Value]) -> Vec<Column<'_>> {
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in items.iter().filter_map(Value::as_object).flatten() {
        let short = matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
        let heads =
            LABELS.contains(&name.as_str()) && items.iter().all(|item| label(item).is_some_and(|(by, _)| by == name));
        if short && name != "href" && !heads && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.truncate(COLUMNS_MAX);
    let states = items.iter().any(|item| state(item).is_some()).then_some(Column::State);
    names.into_iter().map(Column::Member).chain(states).collect()
}

/// The reason of the first condition of a resource.
fn state(item: &Value) -> Option<&str> {
    item.pointer("/status/conditions/0/reason").and_then(Value::as_str)
}

/// What an item can be called by, the best first.
const LABELS: [&str; 4] = ["id", "name", "title", "scheduledFor"];

/// What an item is called, and by which member.
fn label(item: &Value) -> Option<(&'static str, &str)> {
    LABELS.into_iter().find_map(|member| Some((member, item.get(member)?.as_str()?)))
}

fn row(html: &mut Html, item: &Value, columns: &[Column<'_>]) {
    // A tick is nowhere by itself, and leads to its job.
    let places = ["/_links/self/href", "/href", "/_links/job/href"];
    let href = places.iter().find_map(|place| item.pointer(place)).and_then(Value::as_str);
    let name = label(item).map(|(_, name)| name);
    html.element("th", &[("scope", "row")], |html| match (href.filter(|href| is_path(href)), name) {
        (Some(href), name) => link(html, href, name.unwrap_or(href)),
        (None, name) => html.text(name.unwrap_or_default()),
    });
    for column in columns {
        html.element("td", &[], |html| match column {
            Column::State => html.text(state(item).unwrap_or_default()),
            Column::Member(name) => match item.get(name) {
                Some(Value::String(text)) if text.chars().count() > CELL_CHARS_MAX => {
                    let start: String = text.chars().take(CELL_CHARS_MAX).collect();
                    html.text(&format!("{start}…"));
                }
                Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => member(html, name, value),
                Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => {}
            },
        });
    }
}

/// The members of an object that are not shown otherwise.
pub(super) fn others<'m>(
    shown: &'m Map<String, Value>,
    otherwise: &[&str],
) -> impl Iterator<Item = (&'m String, &'m Value)> {
    shown.iter().filter(|(name, _)| !otherwise.contains(&name.as_str()))
}
