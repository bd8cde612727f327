//! What a resource wants of an activity, in whichever words its document has.
//!
//! # Guarantees
//! The same stored state wants the same: expressions see no clock but the
//! instant of the last change.
//! # Not here
//! What is done about it: [`crate::reconcile`].

use serde_json::{Map, Value, json};

use super::activity::Activity;
use super::catalog::{ActivitySpec, Collection, Mapping};
use super::document::{ID, overlaid};
use super::expression::{EvaluationError, Expression, Variable};
use super::id::ResourceId;
use super::json as values;
use super::json::Pointer;
use super::schedule::{Refusal, Schedule};
use super::schema::Violation;
use super::time::Timestamp;

/// What a resource wants of one activity.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// The member is not written in the vocabulary of this version, or the
    /// mapping makes a schedule that is none.
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
                Ok(Some((input, None))) => Wanted::Activity(Box::new(Activity::mapped(operation.clone(), input, None))),
                Ok(Some((input, Some(schedule)))) => match Schedule::parse(&schedule) {
                    Ok(schedule) => {
                        Wanted::Activity(Box::new(Activity::mapped(operation.clone(), input, Some(schedule))))
                    }
                    Err(refusals) => Wanted::Unreadable(unschedulable(spec, mapping, refusals)),
                },
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

    /// The input and the schedule, if the mapping has one; nothing where an
    /// expression is over a member that is not there, or is null.
    fn mapped(&self, mapping: &Mapping) -> Result<Option<(Value, Option<Value>)>, String> {
        let schedule = match &mapping.schedule {
            None => None,
            Some(expression) => match self.object("schedule", expression)? {
                None => return Ok(None),
                schedule @ Some(_) => schedule,
            },
        };
        match &mapping.input {
            None => Ok(Some((json!({}), schedule))),
            Some(expression) => Ok(self.object("input", expression)?.map(|input| (input, schedule))),
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

    /// How the document breaks the schema of its collection. That judges all
    /// but the activities in the standard vocabulary, which are judged by that.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let Some(schema) = &self.collection.schema else { return Vec::new() };
        let own = self.members.iter().filter(|(member, _)| !self.collection.is_vocabulary(member));
        let own: Map<String, Value> = own.map(|(member, value)| (member.clone(), value.clone())).collect();
        schema.validate(&Value::Object(overlaid(own, &self.collection.observed, self.observed)))
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

/// What is wrong with a schedule that a mapping made, said of the place in the
/// document that it was made from.
#[must_use]
pub fn unschedulable(spec: &ActivitySpec, mapping: &Mapping, refusals: Vec<Refusal>) -> Vec<Violation> {
    let pointer = made_from(mapping).to_string();
    let say = |refusal: Refusal| Violation {
        pointer: pointer.clone(),
        detail: format!(
            "the document gives `{}` a schedule that cannot be kept: `{}`: {}",
            spec.name, refusal.path, refusal.detail
        ),
    };
    refusals.into_iter().map(say).collect()
}

/// The place in the document that holds everything that a mapped schedule is made of.
fn made_from(mapping: &Mapping) -> Pointer {
    let expression = mapping.schedule.as_ref();
    let mut reads = expression.into_iter().flat_map(|expression| expression.reads(Variable::Document));
    let Some(mut common) = reads.next() else { return Pointer::new(Vec::new()) };
    for read in reads {
        let same = common.iter().zip(&read).take_while(|(one, other)| one == other).count();
        common.truncate(same);
    }
    Pointer::new(common)
}
