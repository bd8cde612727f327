//! The form with which a person asks an activity for a job.

use serde_json::Value;

use super::frame;
use super::html::Html;
use super::trail::trail;
use crate::domain::catalog::Catalog;
use crate::domain::form::{Ask, Field, Kind, Need, OPERATION, fields, spelled};
use crate::domain::id::OperationName;
use crate::domain::operation::Operation;
use crate::http::routes::Route;

/// The page with a form for each operation that can be asked for, the one
/// that is meant first.
pub(in crate::http) fn form(ask: &Ask, target: &str, route: &Route, catalog: &Catalog) -> String {
    let mut operations: Vec<&Operation> = ask.operations.iter().map(AsRef::as_ref).collect();
    operations.sort_by_key(|operation| ask.meant.as_ref() != Some(&operation.name));
    let choice = operations.len() > 1 || ask.meant.is_none();
    frame("Ask for a job", &trail(route, catalog), |html| {
        if operations.is_empty() {
            html.say("p", &[], "There is no operation to be asked for.");
        }
        for (number, operation) in operations.into_iter().enumerate() {
            html.say("h2", &[], operation.name.as_str());
            for description in operation.description.iter().chain(described(operation).as_ref()) {
                html.say("p", &[], description);
            }
            let named = choice.then_some(&operation.name);
            html.element("form", &[("method", "post"), ("action", target)], |html| {
                inside(html, ask, operation, named, number);
            });
            html.line();
        }
    })
}

fn described(operation: &Operation) -> Option<String> {
    let description = operation.input.as_ref()?.source().get("description")?;
    description.as_str().map(str::to_owned)
}

fn inside(html: &mut Html, ask: &Ask, operation: &Operation, named: Option<&OperationName>, number: usize) {
    if let Some(name) = named {
        html.void("input", &[("type", "hidden"), ("name", OPERATION), ("value", name.as_str())]);
    }
    let fields = operation.input.as_ref().map_or_else(|| of_input(&ask.input), |schema| fields(schema.source()));
    for (at, field) in fields.iter().enumerate() {
        let now = ask.input.get(&field.name).or(field.default.as_ref()).filter(|value| !value.is_null());
        html.element("p", &[], |html| {
            let id = format!("f{number}-{at}");
            html.say("label", &[("for", &id)], field.title.as_deref().unwrap_or(&field.name));
            control(html, field, &id, now);
            if let Some(description) = &field.description {
                html.void("br", &[]);
                html.say("small", &[], description);
            }
        });
        html.line();
    }
    html.say("button", &[], "Ask for the job");
}

/// The fields of an operation that takes anything: the text that there is.
fn of_input(input: &Value) -> Vec<Field> {
    let members = input.as_object().into_iter().flatten().filter(|(_, value)| value.is_string());
    members
        .map(|(name, _)| Field {
            name: name.clone(),
            kind: Kind::Text,
            need: Need::Optional,
            title: None,
            description: None,
            default: None,
            bounds: (None, None),
        })
        .collect()
}

/// What a field is filled in with, holding what it is now.
fn control(html: &mut Html, field: &Field, id: &str, now: Option<&Value>) {
    let text = now.map(spelled).unwrap_or_default();
    let required = (field.need == Need::Required).then_some(("required", "")).into_iter();
    let base = [("id", id), ("name", field.name.as_str())];
    let with = |own: &[(&'static str, &str)], html: &mut Html| {
        let attributes: Vec<(&'static str, &str)> = base.iter().chain(own).copied().chain(required.clone()).collect();
        html.void("input", &attributes);
    };
    match &field.kind {
        Kind::Text if text.contains('\n') => area(html, field, id, &text),
        Kind::Text => with(&[("type", "text"), ("value", &text)], html),
        Kind::Integer => number(html, field, ("step", "1"), &text, with),
        Kind::Number => number(html, field, ("step", "any"), &text, with),
        Kind::Boolean => boolean(html, field, id, now),
        Kind::Choice(values) => select(html, field, id, values, &now.into_iter().collect::<Vec<_>>()),
        Kind::List(item) => match (&**item, now) {
            (Kind::Choice(values), now) => {
                let chosen = now.and_then(Value::as_array).into_iter().flatten().collect::<Vec<_>>();
                select(html, field, id, values, &chosen);
            }
            (_, now) => area(html, field, id, &now.map(Value::to_string).unwrap_or_default()),
        },
        Kind::Json => area(html, field, id, &now.map(Value::to_string).unwrap_or_default()),
    }
}

fn number(
    html: &mut Html,
    field: &Field,
    step: (&'static str, &str),
    text: &str,
    with: impl Fn(&[(&'static str, &str)], &mut Html),
) {
    let least = field.bounds.0.as_ref().map(Value::to_string);
    let most = field.bounds.1.as_ref().map(Value::to_string);
    let bounds = [("min", least.as_deref()), ("max", most.as_deref())];
    let bounds = bounds.iter().filter_map(|(name, bound)| Some((*name, (*bound)?)));
    let own: Vec<_> = [("type", "number"), step, ("value", text)].into_iter().chain(bounds).collect();
    with(&own, html);
}

/// A box to be ticked. Where leaving it out would say something else than
/// no, a hidden field before it says no.
fn boolean(html: &mut Html, field: &Field, id: &str, now: Option<&Value>) {
    let ticked = now == Some(&Value::Bool(true));
    if ticked || field.need == Need::Required {
        html.void("input", &[("type", "hidden"), ("name", &field.name), ("value", "false")]);
    }
    let base = [("type", "checkbox"), ("id", id), ("name", field.name.as_str()), ("value", "true")];
    let checked = ticked.then_some(("checked", ""));
    html.void("input", &base.into_iter().chain(checked).collect::<Vec<_>>());
}

fn select(html: &mut Html, field: &Field, id: &str, values: &[Value], chosen: &[&Value]) {
    let several = matches!(field.kind, Kind::List(_)).then_some(("multiple", ""));
    let required = (field.need == Need::Required).then_some(("required", ""));
    let base = [("id", id), ("name", field.name.as_str())];
    let attributes: Vec<(&'static str, &str)> = base.into_iter().chain(several).chain(required).collect();
    html.element("select", &attributes, |html| {
        if several.is_none() && chosen.is_empty() {
            html.say("option", &[("value", "")], "");
        }
        for value in values {
            let text = spelled(value);
            let selected = chosen.contains(&value).then_some(("selected", ""));
            html.say("option", &[("value", text.as_str())].into_iter().chain(selected).collect::<Vec<_>>(), &text);
        }
    });
}

fn area(html: &mut Html, field: &Field, id: &str, text: &str) {
    let required = (field.need == Need::Required).then_some(("required", ""));
    let attributes: Vec<_> = [("id", id), ("name", field.name.as_str())].into_iter().chain(required).collect();
    // A first line break is dropped by browsers (HTML, 13.1.2.5).
    html.element("textarea", &attributes, |html| {
        html.line();
        html.text(text);
    });
}
