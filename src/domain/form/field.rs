//! The fields that a schema makes.

use serde_json::Value;

/// One field of a form: one member of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name, which is that of the member.
    pub name: String,
    /// What its text stands for.
    pub kind: Kind,
    /// Whether the schema asks for it.
    pub need: Need,
    /// What it is called, for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it is where nobody says.
    pub default: Option<Value>,
    /// The least and the largest number.
    pub bounds: (Option<Value>, Option<Value>),
}

/// What the text of a field stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Itself.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// One of these values.
    Choice(Vec<Value>),
    /// Several of this kind, under one name.
    List(Box<Kind>),
    /// Anything, in JSON.
    Json,
}

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It need not.
    Optional,
}

/// How many references are followed one after the other.
const REFERENCES_MAX: usize = 16;

/// The fields of an object of this schema, in the order of its properties.
#[must_use]
pub fn fields(schema: &Value) -> Vec<Field> {
    let object = resolved(schema, schema);
    let required = |name: &str| {
        let named = object.get("required").and_then(Value::as_array);
        named.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = object.get("properties").and_then(Value::as_object);
    let field = |(name, property): (&String, &Value)| {
        let described = resolved(schema, property);
        let text = |keyword| {
            let own = property.get(keyword).or_else(|| described.get(keyword));
            own.and_then(Value::as_str).map(str::to_owned)
        };
        Field {
            name: name.clone(),
            kind: kind_of(schema, property),
            need: if required(name) { Need::Required } else { Need::Optional },
            title: text("title"),
            description: text("description"),
            default: property.get("default").or_else(|| described.get("default")).cloned(),
            bounds: (described.get("minimum").cloned(), described.get("maximum").cloned()),
        }
    };
    properties.into_iter().flatten().map(field).collect()
}

/// What a schema is once its references are followed.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut schema = schema;
    for _ in 0..REFERENCES_MAX {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// What the text of a field of this schema stands for.
pub(super) fn kind_of(root: &Value, schema: &Value) -> Kind {
    let schema = resolved(root, schema);
    if let Some(only) = schema.get("const") {
        return Kind::Choice(vec![only.clone()]);
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return Kind::Choice(values.clone());
    }
    match types(schema).as_slice() {
        ["boolean"] => Kind::Boolean,
        ["integer"] => Kind::Integer,
        ["number"] | ["integer", "number"] | ["number", "integer"] => Kind::Number,
        ["array"] => schema.get("items").map_or(Kind::Json, |items| match kind_of(root, items) {
            kind @ (Kind::Text | Kind::Integer | Kind::Number | Kind::Choice(_)) => Kind::List(Box::new(kind)),
            Kind::Boolean | Kind::List(_) | Kind::Json => Kind::Json,
        }),
        types if types.contains(&"string") => Kind::Text,
        [] if !is_structured(schema) => Kind::Text,
        _ => Kind::Json,
    }
}

/// The types that a schema names, but for null: a form leaves out what is not there.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Whether a schema that names no type is about more than text.
fn is_structured(schema: &Value) -> bool {
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array()).flatten();
    let textual = |alternative: &Value| types(alternative).contains(&"string");
    let about = ["properties", "items", "prefixItems", "additionalProperties"];
    about.into_iter().any(|keyword| schema.get(keyword).is_some())
        || (alternatives.clone().next().is_some() && !alternatives.clone().any(textual))
}
