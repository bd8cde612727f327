//! What a resource wants of an activity, in whichever words its document has.
//!
//! # Guarantees
//! The same stored state wants the same: expressions see no clock but the
//! instant of the last change.
//! # Not here
//! What is done about it: [`crate::reconcile`].

use serde_json::{Map, Value, json};

use super::activity::{Activity, Asks};
use super::catalog::{ActivitySpec, Collection, Mapping};
use super::document::{ID, overlaid};
use super::expression::{EvaluationError, Expression, Variable};
use super::id::ResourceId;
use super::json as values;
use super::schema::Violation;
use super::time::Timestamp;

/// What a resource wants of one activity.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// The member is not written in the vocabulary of this version.
    Unreadable(Vec<Violation>),
    /// An expression of the mapping has no value. Why, for people.
    Failed(String),
    /// This.
    Activity(Box<Activity>),
}

impl Wanted {
    /// The activity, where there is one that can be read.
    #[must_use]
    pub fn activity(self) -> Option<Activity> {
        match self {
            Self::Activity(activity) => Some(*activity),
            Self::Nothing | Self::Unreadable(_) | Self::Failed(_) => None,
        }
    }
}

/// What expressions see of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The collection that it is in.
    pub collection: &'a Collection,
    /// Its id.
    pub id: &'a ResourceId,
    /// What clients wrote.
    pub members: &'a Map<String, Value>,
    /// The members that effects wrote.
    pub observed: &'a Map<String, Value>,
    /// When clients last changed it.
    pub updated: Timestamp,
}

impl Subject<'_> {
    /// What it wants of an activity.
    #[must_use]
    pub fn wants(&self, spec: &ActivitySpec) -> Wanted {
        match (&spec.mapping, spec.operations.fixed()) {
            (Some(mapping), Some(operation)) => match self.mapped(mapping) {
                Ok(Some((input, asks))) => Wanted::Activity(Box::new(Activity::mapped(operation.clone(), input, asks))),
                Ok(None) => Wanted::Nothing,
                Err(detail) => Wanted::Failed(detail),
            },
            (Some(_) | None, _) => match self.members.get(spec.name.as_str()) {
                None => Wanted::Nothing,
                Some(member) => match Activity::parse(spec, member) {
                    Ok(activity) => Wanted::Activity(Box::new(activity)),
                    Err(violations) => Wanted::Unreadable(violations),
                },
            },
        }
    }

    /// The input and what asks for it; nothing where an expression is over a
    /// member that is not there, or is null.
    fn mapped(&self, mapping: &Mapping) -> Result<Option<(Value, Asks)>, String> {
        let asks = match &mapping.schedule {
            None => Asks::Changes,
            Some(expression) if self.object("schedule", expression)?.is_none() => return Ok(None),
            Some(_) => Asks::Schedule,
        };
        match &mapping.input {
            None => Ok(Some((json!({}), asks))),
            Some(expression) => Ok(self.object("input", expression)?.map(|input| (input, asks))),
        }
    }

    /// What a POST to an activity starts from where the document keeps its own
    /// shape, whether anything is asked for now or not.
    ///
    /// # Errors
    /// Its expression has no value. Why, for people.
    pub fn mapped_input(&self, mapping: &Mapping) -> Result<Value, String> {
        let input = match &mapping.input {
            None => None,
            Some(expression) => self.object("input", expression)?,
        };
        Ok(input.unwrap_or_else(|| json!({})))
    }

    fn object(&self, what: &str, expression: &Expression) -> Result<Option<Value>, String> {
        let (document, resource, now) = (self.document(), self.resource(), json!(self.updated));
        let given = [(Variable::Document, &document), (Variable::Resource, &resource), (Variable::Now, &now)];
        match expression.evaluate(&given) {
            Ok(Value::Null) | Err(EvaluationError::Missing { .. }) => Ok(None),
            Ok(value @ Value::Object(_)) => Ok(Some(value)),
            Ok(other) => Err(format!("`{what}` gives {}: expected an object", values::kind(&other))),
            Err(error @ EvaluationError::Failed { .. }) => Err(format!("`{what}`: {error}")),
        }
    }

    /// `self`: the document with its observed members.
    #[must_use]
    pub fn document(&self) -> Value {
        Value::Object(overlaid(self.members.clone(), &self.collection.observed, self.observed))
    }

    /// `resource`: the document with its observed members and its id.
    #[must_use]
    pub fn resource(&self) -> Value {
        let mut members = Map::new();
        members.insert(ID.to_owned(), self.id.as_str().into());
        members.extend(overlaid(self.members.clone(), &self.collection.observed, self.observed));
        Value::Object(members)
    }
}
