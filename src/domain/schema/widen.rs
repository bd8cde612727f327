//! A schema of an object, made to let further members pass.
//!
//! The operator's schema judges what clients wrote. What is shown has members
//! of the service as well, among them and within them, of which that schema
//! knows nothing and which it may well forbid.
//!
//! # Guarantees
//! Whatever the schema takes, the widened one takes with any of these members
//! put in. Where nothing but `required`, `properties` and the like is said of
//! the object, it also refuses what the schema refuses.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Schema;
use super::embed::in_fragment;
use super::references::join;

/// Members that may be there, whatever a schema says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Free(BTreeMap<String, Free>);

impl Free {
    /// Lets something be at a place; each token is the name of a member.
    pub fn add<S: AsRef<str>>(&mut self, place: &[S]) {
        let Some((name, below)) = place.split_first() else { return };
        let name = name.as_ref();
        match (self.0.get_mut(name), below) {
            // What may be anything holds whatever is below it.
            (Some(free), _) if free.0.is_empty() => {}
            (_, []) => drop(self.0.insert(name.to_owned(), Self::default())),
            (Some(free), below) => free.add(below),
            (None, below) => self.0.entry(name.to_owned()).or_default().add(below),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The schema that lets these members pass. It is embedded already: `at` leads
/// to it from everywhere in the text around it.
#[must_use]
pub fn widened(schema: &Value, at: &str, free: &Free) -> Value {
    let mut widening = Widening { root: schema, at, copies: Vec::new() };
    let mut wide = widening.schema(schema, free).0;
    let Widening { copies, .. } = widening;
    if let Value::Object(keywords) = &mut wide
        && !copies.is_empty()
    {
        let definitions = keywords.entry("$defs").or_insert_with(|| json!({}));
        if let Value::Object(definitions) = definitions {
            definitions.extend(copies.into_iter().map(|copy| (copy.name, copy.schema)));
        }
    }
    wide
}

/// Whether a widened schema still refuses what it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exact {
    Yes,
    No,
}

struct Widening<'a> {
    root: &'a Value,
    at: &'a str,
    copies: Vec<Copy>,
}

/// A definition that is widened in one place, and stays what it is in others.
struct Copy {
    pointer: String,
    free: Free,
    name: String,
    schema: Value,
    exact: Exact,
}

impl Widening<'_> {
    fn schema(&mut self, schema: &Value, free: &Free) -> (Value, Exact) {
        let Value::Object(keywords) = schema else { return (schema.clone(), Exact::Yes) };
        let mut wide = keywords.clone();
        let mut exact = Exact::Yes;
        self.reference(&mut wide, free, &mut exact);
        self.below(&mut wide, free, &mut exact);
        members(&mut wide, free, &mut exact);
        self.alternatives(&mut wide, free, &mut exact);
        if exact == Exact::No && wide.get("unevaluatedProperties").is_some() {
            // What was left out may have been what looked at a member.
            wide.shift_remove("unevaluatedProperties");
        }
        (Value::Object(wide), exact)
    }

    /// What else is said of the same object, all of which must hold.
    fn alternatives(&mut self, wide: &mut Map<String, Value>, free: &Free, exact: &mut Exact) {
        for keyword in ["allOf", "anyOf"] {
            if let Some(Value::Array(schemas)) = wide.get_mut(keyword) {
                for schema in schemas {
                    let loose;
                    (*schema, loose) = self.schema(schema, free);
                    worsen(exact, loose);
                }
            }
        }
        if let Some(Value::Object(schemas)) = wide.get_mut("dependentSchemas") {
            for schema in schemas.values_mut() {
                let loose;
                (*schema, loose) = self.schema(schema, free);
                worsen(exact, loose);
            }
        }
        // Whatever takes more here refuses more there, or decides otherwise.
        if let Some(Value::Array(schemas)) = wide.get("oneOf") {
            let (schemas, loose): (Vec<_>, Vec<_>) = schemas.iter().map(|schema| self.schema(schema, free)).unzip();
            if loose.contains(&Exact::No) {
                wide.shift_remove("oneOf");
                let all = wide.entry("allOf").or_insert_with(|| json!([]));
                all.as_array_mut().into_iter().for_each(|all| all.push(json!({ "anyOf": schemas })));
                *exact = Exact::No;
            } else {
                wide.insert("oneOf".to_owned(), schemas.into());
            }
        }
        if let Some(schema) = wide.get("not") {
            match self.schema(schema, free) {
                (schema, Exact::Yes) => drop(wide.insert("not".to_owned(), schema)),
                (_, Exact::No) => {
                    wide.shift_remove("not");
                    *exact = Exact::No;
                }
            }
        }
        if let Some(condition) = wide.get("if") {
            match self.schema(condition, free) {
                (condition, Exact::Yes) => {
                    wide.insert("if".to_owned(), condition);
                    for keyword in ["then", "else"] {
                        if let Some(schema) = wide.get(keyword) {
                            let (schema, loose) = self.schema(schema, free);
                            wide.insert(keyword.to_owned(), schema);
                            worsen(exact, loose);
                        }
                    }
                }
                (_, Exact::No) => {
                    wide.retain(|keyword, _| !matches!(keyword.as_str(), "if" | "then" | "else"));
                    *exact = Exact::No;
                }
            }
        }
    }

    /// Members that hold something of ours without being ours. They may be
    /// there to hold it and nothing else.
    fn below(&mut self, wide: &mut Map<String, Value>, free: &Free, exact: &mut Exact) {
        for (name, free) in free.0.iter().filter(|(_, free)| !free.0.is_empty()) {
            let said = wide.get("properties").and_then(|properties| properties.get(name)).or_else(|| others(wide));
            let schema = match said.cloned() {
                None | Some(Value::Bool(true)) if is_closed(wide) => Value::Bool(true),
                None | Some(Value::Bool(true)) => continue,
                Some(Value::Bool(false)) => holding(free),
                Some(schema) => json!({ "anyOf": [self.schema(&schema, free).0, holding(free)] }),
            };
            *exact = Exact::No;
            let properties = wide.entry("properties").or_insert_with(|| json!({}));
            if let Value::Object(properties) = properties {
                properties.insert(name.clone(), schema);
            }
        }
    }

    /// A reference to what is said of other objects, too, leads to a copy of it.
    fn reference(&mut self, wide: &mut Map<String, Value>, free: &Free, exact: &mut Exact) {
        let Some(target) = wide.get("$ref").and_then(Value::as_str) else { return };
        let Some(pointer) = target.strip_prefix(self.at) else { return };
        let known = |copy: &&Copy| copy.pointer == pointer && copy.free == *free;
        if let Some(copy) = self.copies.iter().find(known) {
            let name = copy.name.clone();
            worsen(exact, copy.exact);
            self.lead(wide, &name);
            return;
        }
        let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy().into_owned();
        let Some(definition) = self.root.pointer(&decoded).cloned() else { return };
        let name = self.name(&decoded);
        // It may lead to itself: what is not known yet counts as loose.
        let copy = Copy {
            pointer: pointer.to_owned(),
            free: free.clone(),
            name: name.clone(),
            schema: Value::Bool(true),
            exact: Exact::No,
        };
        self.copies.push(copy);
        let (mut schema, loose) = self.schema(&definition, free);
        // Definitions stay where references expect them.
        if let Value::Object(keywords) = &mut schema {
            keywords.retain(|keyword, _| !matches!(keyword.as_str(), "$defs" | "definitions"));
        }
        if let Some(copy) = self.copies.iter_mut().find(|copy| copy.name == name) {
            (copy.schema, copy.exact) = (schema, loose);
        }
        worsen(exact, loose);
        self.lead(wide, &name);
    }

    fn lead(&self, wide: &mut Map<String, Value>, name: &str) {
        let pointer = in_fragment(&join("/$defs", name));
        wide.insert("$ref".to_owned(), format!("{}{pointer}", self.at).into());
    }

    /// A name that no definition has.
    fn name(&self, pointer: &str) -> String {
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let mut name = format!("{last}+");
        let taken = |name: &str| {
            self.copies.iter().any(|copy| copy.name == name)
                || self.root.get("$defs").and_then(|definitions| definitions.get(name)).is_some()
        };
        while taken(&name) {
            name.push('+');
        }
        name
    }
}

/// An object that is there to hold something of ours, and nothing else.
fn holding(free: &Free) -> Value {
    let names: Vec<&str> = free.names().collect();
    json!({ "type": "object", "propertyNames": { "enum": names } })
}

/// Whether a schema may refuse members for being there.
fn is_closed(schema: &Map<String, Value>) -> bool {
    let says = |keyword: &&str| schema.get(*keyword).is_some_and(|schema| *schema != Value::Bool(true));
    ["additionalProperties", "unevaluatedProperties"].iter().any(says)
}

/// What is said of members that are not named, where that is the same of all of them.
fn others(schema: &Map<String, Value>) -> Option<&Value> {
    schema.get("additionalProperties").filter(|_| !schema.contains_key("patternProperties"))
}

fn worsen(exact: &mut Exact, other: Exact) {
    if other == Exact::No {
        *exact = Exact::No;
    }
}

/// What a schema says of the members of its object.
fn members(wide: &mut Map<String, Value>, free: &Free, exact: &mut Exact) {
    if free.0.is_empty() {
        return;
    }
    let closed = is_closed(wide);
    let properties = wide.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        for (name, _) in free.0.iter().filter(|(_, free)| free.0.is_empty()) {
            if closed || properties.get(name).is_some() {
                properties.insert(name.clone(), Value::Bool(true));
            }
        }
        if properties.is_empty() {
            wide.shift_remove("properties");
        }
    }
    if let Some(Value::Object(patterns)) = wide.get_mut("patternProperties") {
        for (pattern, schema) in patterns {
            if free.names().any(|name| matches(pattern, name)) && *schema != Value::Bool(true) {
                *schema = Value::Bool(true);
                *exact = Exact::No;
            }
        }
    }
    if let Some(names) = wide.get("propertyNames").filter(|names| **names != Value::Bool(true)) {
        let ours: Vec<&str> = free.names().collect();
        let names = json!({ "anyOf": [{ "enum": ours }, names] });
        wide.insert("propertyNames".to_owned(), names);
        if free.0.values().any(|below| !below.0.is_empty()) {
            *exact = Exact::No;
        }
    }
    if let Some(most) = wide.get("maxProperties").and_then(Value::as_u64) {
        wide.insert("maxProperties".to_owned(), most.saturating_add(free.0.len() as u64).into());
        *exact = Exact::No;
    }
    if wide.contains_key("minProperties") {
        *exact = Exact::No;
    }
    for keyword in ["const", "enum"] {
        if wide.shift_remove(keyword).is_some() {
            *exact = Exact::No;
        }
    }
    presence(wide, free, exact);
}

/// That a member is there says nothing any more, if it may be there for our sake.
fn presence(wide: &mut Map<String, Value>, free: &Free, exact: &mut Exact) {
    let required = wide.get("required").and_then(Value::as_array);
    if required.into_iter().flatten().filter_map(Value::as_str).any(|name| free.0.contains_key(name)) {
        *exact = Exact::No;
    }
    for keyword in ["dependentSchemas", "dependentRequired"] {
        let Some(Value::Object(dependencies)) = wide.get_mut(keyword) else { continue };
        let before = dependencies.len();
        dependencies.retain(|name, _| !free.0.contains_key(name));
        if dependencies.len() < before {
            *exact = Exact::No;
        }
    }
}

/// Whether a pattern matches a name; one that cannot be told is taken to.
fn matches(pattern: &str, name: &str) -> bool {
    Schema::compile(json!({ "pattern": pattern })).map_or(true, |schema| schema.validate(&name.into()).is_empty())
}

#[cfg(test)]
mod tests;
