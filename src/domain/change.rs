//! What a change makes of a document, and whether that is allowed.
//!
//! Clients see their members and the service's in one representation, and send
//! them back in one. Here the two are taken apart again, and nothing that a
//! client would write into the service's members is lost in silence.

mod echo;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::activity::judge_input;
use super::catalog::{ActivitySpec, Catalog, Collection};
use super::document::{Document, ID, overlaid};
use super::expression::{EvaluationError, Variable};
use super::id::{ActivityName, ResourceId};
use super::json;
use super::patch::{PatchBody, PatchError, PatchLimits, apply_patch};
use super::precondition::Strictness;
use super::schedule::Schedule;
use super::schema::Violation;
use super::time::Timestamp;
use super::wanted::{Subject, Wanted, unschedulable};
use echo::Echo;

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Members that only the service writes would change.
    #[error("`{pointer}` is read-only: {detail}")]
    ReadOnly {
        /// The first of them.
        pointer: String,
        /// What is wrong, and what to do instead.
        detail: String,
    },
    /// The patch does not apply, or the result would be beyond a limit.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The result breaks a rule.
    #[error("the document would not be valid")]
    Invalid(Vec<Violation>),
    /// A rule of the operator forbids it.
    #[error("{message}")]
    Forbidden {
        /// The status that the operator chose, a client error.
        status: u16,
        /// Why, in the operator's words.
        message: String,
    },
}

/// What a change is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// The collection of the resource.
    pub collection: &'a Collection,
    /// Everything that is declared.
    pub catalog: &'a Catalog,
    /// How large and deep a document may be.
    pub limits: &'a PatchLimits,
    /// How literally the client wants to be taken.
    pub strictness: Strictness,
    /// When the change happens; asked only where that matters.
    pub now: &'a dyn Now,
}

/// What time it is.
pub trait Now: fmt::Debug + Sync {
    /// The instant of this question.
    fn now(&self) -> Timestamp;
}

impl Now for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}

/// A resource before a change.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// What clients wrote.
    pub document: &'a Document,
    /// The members that effects wrote.
    pub observed: &'a Map<String, Value>,
    /// The representation, where [`Judge::reads`] says that it is looked at.
    pub shown: &'a Value,
    /// The instants that the schedules of its activities count from.
    pub anchors: &'a BTreeMap<ActivityName, Timestamp>,
    /// When clients last changed it.
    pub updated: Timestamp,
}

/// What a change looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// What clients wrote.
    Document,
    /// All that is shown of the resource.
    Representation,
}

/// What a change makes of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// What clients want now.
    pub document: Document,
    /// The observed members that a new resource begins with; empty for one that exists.
    pub observed: Map<String, Value>,
    /// The activities whose schedules begin anew even if the document stays as it is.
    pub restarts: Vec<ActivityName>,
}

impl Judge<'_> {
    /// Whether a change looks at the representation as it is shown, which then
    /// has to be made for it.
    #[must_use]
    pub fn reads(&self, patch: Option<&PatchBody>) -> Reads {
        let whole = match patch {
            Some(PatchBody::Json(_)) => true,
            Some(PatchBody::Merge(_)) | None => false,
        };
        if whole || self.strictness == Strictness::WholeTag || self.collection.shows_in_document() {
            Reads::Representation
        } else {
            Reads::Document
        }
    }

    /// What a new resource would be, its id chosen by the service.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn create(&self, id: &ResourceId, body: Map<String, Value>) -> Result<Changed, ChangeError> {
        if body.contains_key(ID) {
            let detail = "the service chooses it: leave it out, or PUT to the URL with the id that you want".to_owned();
            return Err(ChangeError::Invalid(vec![Violation { pointer: "/id".to_owned(), detail }]));
        }
        self.replace(id, body, None)
    }

    /// What a PUT to `id` would make.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn replace(
        &self,
        id: &ResourceId,
        mut body: Map<String, Value>,
        before: Option<&Before<'_>>,
    ) -> Result<Changed, ChangeError> {
        let echo = Echo { collection: self.collection, strictness: self.strictness, id };
        echo.take_own(&mut body, id, before.map(|before| before.shown))?;
        let given = echo.take_shown(&mut body, before)?;
        let observed = before.map_or(&given, |before| before.observed);
        let document = self.judge(id, body, observed, before)?;
        Ok(Changed { document, observed: given, restarts: Vec::new() })
    }

    /// What a PATCH of `id` would make. A JSON Patch sees the whole representation.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn patch(&self, id: &ResourceId, before: &Before<'_>, patch: &PatchBody) -> Result<Changed, ChangeError> {
        let echo = Echo { collection: self.collection, strictness: self.strictness, id };
        let restarts;
        let members = match patch {
            PatchBody::Merge(body) => {
                let mut body = body.clone();
                echo.take_own(&mut body, id, Some(before.shown))?;
                restarts = echo.take_patched(&mut body, before)?;
                let document = Value::Object(before.document.members().clone());
                apply_patch(&document, &PatchBody::Merge(body), self.limits)?
            }
            PatchBody::Json(operations) => {
                operations.iter().try_for_each(|operation| echo.keeps_read_only(operation, before))?;
                // The limit is the document's; what the service shows beside it comes on top.
                let beside = json::encoded_len(before.shown).saturating_sub(before.document.bytes().len());
                let limits = PatchLimits { bytes_max: self.limits.bytes_max.saturating_add(beside), ..*self.limits };
                let after = apply_patch(before.shown, patch, &limits).map_err(|error| {
                    let too_large = matches!(error, PatchError::TooLarge { .. });
                    // What is shown beside the document is not the client's to know.
                    if too_large { PatchError::TooLarge { limit: self.limits.bytes_max } } else { error }
                })?;
                let (members, wishes) = echo.own_members(before, after)?;
                restarts = wishes;
                members
            }
        };
        let Value::Object(members) = members else {
            return Err(ChangeError::Patch(PatchError::NotAnObject { index: 0 }));
        };
        let document = self.judge(id, members, before.observed, Some(before))?;
        Ok(Changed { document, observed: Map::new(), restarts })
    }

    /// Judges a change that was made by the operator's rules.
    ///
    /// A rule that reads a member that is not there does not hold. One that has
    /// no value for another reason forbids: nobody can know what it would say.
    ///
    /// # Errors
    /// [`ChangeError::Forbidden`] by the first rule that holds.
    pub fn obeys_rules(&self, changed: &Changed, before: Option<&Before<'_>>) -> Result<(), ChangeError> {
        if self.collection.rules.is_empty() {
            return Ok(());
        }
        let places = &self.collection.observed;
        let whole =
            |document: &Document, observed| Value::Object(overlaid(document.members().clone(), places, observed));
        let observed = before.map_or(&changed.observed, |before| before.observed);
        let new = whole(&changed.document, observed);
        let old = before.map_or(Value::Null, |before| whole(before.document, before.observed));
        for rule in &self.collection.rules {
            match rule.when.evaluate(&[(Variable::Document, &new), (Variable::Old, &old)]) {
                Ok(Value::Bool(false)) | Err(EvaluationError::Missing { .. }) => {}
                Ok(Value::Bool(true)) => {
                    return Err(ChangeError::Forbidden { status: rule.status, message: rule.message.clone() });
                }
                Ok(other) => return Err(unjudged(&format!("it gives {}", json::kind(&other)))),
                Err(EvaluationError::Failed { detail }) => return Err(unjudged(&detail)),
            }
        }
        Ok(())
    }

    /// The document with these members, if they obey every limit and schema.
    fn judge(
        &self,
        id: &ResourceId,
        members: Map<String, Value>,
        observed: &Map<String, Value>,
        before: Option<&Before<'_>>,
    ) -> Result<Document, ChangeError> {
        let value = Value::Object(members);
        let depth_max = self.limits.depth_max.min(json::NESTING_MAX);
        if json::depth(&value) > depth_max {
            return Err(PatchError::TooDeep { limit: depth_max }.into());
        }
        if json::encoded_len(&value) > self.limits.bytes_max {
            return Err(PatchError::TooLarge { limit: self.limits.bytes_max }.into());
        }
        let Value::Object(members) = value else { unreachable!("it was made as an object") };
        let violations = self.violations(id, &members, observed, before);
        if violations.is_empty() { Ok(Document::new(members)) } else { Err(ChangeError::Invalid(violations)) }
    }

    /// The collection's schema judges the members without activities in the
    /// standard vocabulary, which judges those.
    fn violations(
        &self,
        id: &ResourceId,
        members: &Map<String, Value>,
        observed: &Map<String, Value>,
        before: Option<&Before<'_>>,
    ) -> Vec<Violation> {
        let mut violations = Vec::new();
        let read = OnceCell::new();
        let now = || *read.get_or_init(|| self.now.now());
        // Only mappings ask when a document was changed.
        let updated = if self.collection.keeps_its_shape() { now() } else { Timestamp::EPOCH };
        let subject = Subject { collection: self.collection, id, members, observed, updated };
        for spec in &self.collection.activities {
            let wanted = subject.wants(spec);
            if let Wanted::Activity(activity) = &wanted
                && let Some(schedule) = &activity.schedule
            {
                violations.extend(self.impossible(id, spec, schedule, before, &now));
            }
            match (wanted, &spec.mapping) {
                (Wanted::Activity(activity), None) => violations.extend(activity.judge(&spec.name, self.catalog)),
                (Wanted::Activity(activity), Some(_)) => {
                    let operation = self.catalog.operations.get(&activity.operation);
                    let found = operation.map(|operation| judge_input("", operation, &activity.input));
                    violations.extend(found.unwrap_or_default().into_iter().map(|violation| Violation {
                        pointer: String::new(),
                        detail: format!(
                            "the document asks `{}` for an input that `{}` does not take: `{}`: {}",
                            spec.name, activity.operation, violation.pointer, violation.detail
                        ),
                    }));
                }
                (Wanted::Unreadable(found), _) => violations.extend(found),
                // An expression that fails is a condition of the resource, and no fault of this change.
                (Wanted::Nothing | Wanted::Failed(_), _) => {}
            }
        }
        violations.extend(subject.violations());
        violations
    }

    /// What is wrong with a schedule that is new: it has no tick to come, or
    /// costs too much. One that was there before may have come to its end.
    fn impossible(
        &self,
        id: &ResourceId,
        spec: &ActivitySpec,
        schedule: &Schedule,
        before: Option<&Before<'_>>,
        now: &dyn Fn() -> Timestamp,
    ) -> Vec<Violation> {
        let known = before.and_then(|before| before.schedule(self.collection, id, spec));
        if known.as_ref() == Some(schedule) {
            return Vec::new();
        }
        let Err(refusal) = schedule.feasible(now()) else { return Vec::new() };
        match &spec.mapping {
            Some(mapping) => unschedulable(spec, mapping, vec![refusal]),
            None => vec![Violation {
                pointer: format!("{}{}", json::pointer(&[spec.name.as_str(), "schedule"]), refusal.path),
                detail: refusal.detail,
            }],
        }
    }
}

impl Before<'_> {
    /// The schedule of an activity.
    fn schedule(&self, collection: &Collection, id: &ResourceId, spec: &ActivitySpec) -> Option<Schedule> {
        let (members, observed, updated) = (self.document.members(), self.observed, self.updated);
        Subject { collection, id, members, observed, updated }.wants(spec).activity()?.schedule
    }
}

fn unjudged(why: &str) -> ChangeError {
    ChangeError::Forbidden { status: 403, message: format!("a rule of this collection cannot be judged: {why}") }
}

fn read_only(pointer: &str, detail: &str) -> ChangeError {
    ChangeError::ReadOnly { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
