//! What a change would do, as the service itself says (`?dryRun=true`).
//!
//! # Guarantees
//! What is planned is made on the very version that it was planned for.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::files::Wanted;
use super::print::{Colors, short, text};
use super::session::{Session, json_of};
use super::status;
use super::target::ResourceName;
use crate::cli::client::{Ask, Belief, Problem, Reply};
use crate::cli::exit::Failure;
use crate::domain::diff::diff;

/// How often a plan is made anew for a resource that changes while it is made.
const TRIES: usize = 5;

/// The most members that a conflict names.
const NAMED_MAX: usize = 20;

/// How what is wanted is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The document is what the file says.
    Replace,
    /// What the file does not name is left alone.
    Merge,
}

/// The version that a plan is about.
#[derive(Debug, Clone)]
enum Base {
    Absent,
    Present { tag: String, document: Map<String, Value> },
}

/// A change that was tried, and not made yet.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: ResourceName,
    path: String,
    base: Base,
    wanted: Value,
    way: Way,
    /// What the service said of it.
    trial: Value,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Created,
    Changed,
    /// It was so already.
    Unchanged,
}

impl Made {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Plan {
    /// Tries a change on the resource as it is now, or on the version with a tag.
    pub(super) async fn make(
        session: &Session,
        wanted: &Wanted,
        way: Way,
        if_match: Option<&str>,
    ) -> Result<Self, Failure> {
        let path = session.resource_path(&wanted.name).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let base = match session.find(&path).await? {
                None => Base::Absent,
                Some(reply) => base_of(&path, &reply, if_match)?,
            };
            let mut plan = Self {
                name: wanted.name.clone(),
                path: path.clone(),
                base,
                wanted: Value::Object(wanted.document.clone()),
                way,
                trial: Value::Null,
            };
            let ask = plan.ask("?dryRun=true", if_match);
            let reply = session.client.send(&ask).await?;
            let is_moving = [StatusCode::PRECONDITION_FAILED, StatusCode::NOT_FOUND].contains(&reply.status);
            if is_moving && if_match.is_some() {
                return Err(plan.conflict(session).await);
            }
            if is_moving && tries < TRIES {
                continue;
            }
            let reply = session.client.accept(&ask, reply).map_err(|error| Failure::about(&wanted.name, error))?;
            plan.trial = json_of(&path, &reply)?;
            return Ok(plan);
        }
    }

    fn ask<'a>(&'a self, query: &str, if_match: Option<&'a str>) -> Ask<'a> {
        let path = format!("{}{query}", self.path);
        match (&self.base, self.way) {
            (Base::Absent, way) => {
                let ask = match way {
                    Way::Replace => Ask::put(path, &self.wanted),
                    // There is nothing to patch, and nothing to remove.
                    Way::Merge => Ask::put(path, &without_nulls(&self.wanted)),
                };
                ask.believing(if_match.map_or(Belief::IsAbsent, Belief::IsStill))
            }
            (Base::Present { tag, .. }, Way::Replace) => Ask::put(path, &self.wanted).believing(Belief::IsStill(tag)),
            (Base::Present { tag, .. }, Way::Merge) => Ask::merge(path, &self.wanted).believing(Belief::IsStill(tag)),
        }
    }

    /// What would become of the resource.
    pub(super) fn outcome(&self) -> Made {
        match &self.base {
            Base::Absent => Made::Created,
            Base::Present { .. } if self.changes().next().is_none() => Made::Unchanged,
            Base::Present { .. } => Made::Changed,
        }
    }

    fn changes(&self) -> impl Iterator<Item = &Value> {
        self.trial["changes"].as_array().into_iter().flatten()
    }

    /// For programs.
    pub(super) fn json(&self, made: Made) -> Value {
        let mut shown = json!({ "resource": self.name.to_string(), "outcome": made.as_str() });
        for member in ["changes", "plan", "next", "ifMatch"] {
            if let Some(value) = self.trial.get(member) {
                shown[member] = value.clone();
            }
        }
        shown
    }

    /// For people: what changes, and what follows.
    pub(super) fn lines(&self, colors: Colors) -> Vec<String> {
        let made = self.outcome();
        let title = format!(
            "{} {}",
            self.name,
            match made {
                Made::Created => "is new",
                Made::Changed => "differs",
                Made::Unchanged => "is the same",
            }
        );
        let mut lines = vec![colors.title(&title)];
        if made == Made::Unchanged {
            return lines;
        }
        for change in self.changes() {
            let (pointer, from, to) = (text(&change["pointer"]), short(&change["from"]), short(&change["to"]));
            lines.push(match change["op"].as_str() {
                Some("add") => colors.good(&format!("  + {pointer}: {to}")),
                Some("remove") => colors.bad(&format!("  - {pointer}: {from}")),
                Some(_) | None => colors.other(&format!("  ~ {pointer}: {from} -> {to}")),
            });
        }
        let followed = |member: &str| self.trial["plan"][member].as_array().cloned().unwrap_or_default();
        for job in followed("launch") {
            let (operation, activity) = (text(&job["operation"]), text(&job["activity"]));
            lines.push(format!("  launches {operation} for {activity}, with {}", short(&job["input"])));
        }
        for job in followed("cancel") {
            lines.push(format!("  cancels jobs/{} of {}", text(&job["job"]), text(&job["activity"])));
        }
        for (activity, ticks) in self.trial["next"].as_object().into_iter().flatten() {
            if let Some(first) = ticks.get(0) {
                lines.push(format!("  next tick of {activity}: {}", text(first)));
            }
        }
        lines
    }

    /// Makes the change, on the version that it was planned for.
    pub(super) async fn carry_out(&self, session: &Session) -> Result<Made, Failure> {
        let outcome = self.outcome();
        if outcome == Made::Unchanged {
            return Ok(outcome);
        }
        let ask = self.ask("", None);
        let reply = session.client.send(&ask).await?;
        if reply.status == StatusCode::PRECONDITION_FAILED {
            // A try whose answer was lost may have been this very change.
            return if Problem::of(&reply).already_applied { Ok(outcome) } else { Err(self.conflict(session).await) };
        }
        let reply = session.client.accept(&ask, reply).map_err(|error| Failure::about(&self.name, error))?;
        Ok(if reply.status == StatusCode::CREATED { Made::Created } else { outcome })
    }

    /// That somebody else was first, with the members that they changed.
    async fn conflict(&self, session: &Session) -> Failure {
        let name = &self.name;
        let now = match session.find(&self.path).await {
            Ok(now) => now,
            Err(failure) => return failure,
        };
        let words = match (&self.base, now.and_then(|reply| reply.json())) {
            (Base::Absent, Some(_)) => "somebody created it meanwhile".to_owned(),
            (Base::Absent, None) => "it does not exist".to_owned(),
            (Base::Present { .. }, None) => "somebody deleted it meanwhile".to_owned(),
            (Base::Present { document, .. }, Some(now)) => others_changed(document, &now),
        };
        Failure::Conflict(format!("{name}: conflict, nothing was changed: {words}"))
    }
}

/// Where a document differs from what is there now.
pub(super) fn others_changed(before: &Map<String, Value>, now: &Value) -> String {
    let changes = diff(before, &status::document(now));
    let pointers: Vec<String> = changes.iter().map(|change| text(&json!(change)["pointer"])).collect();
    match pointers.as_slice() {
        [] => "it is not at the version that was named".to_owned(),
        pointers => {
            let more = pointers.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = pointers.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("somebody else changed {named}{more}")
        }
    }
}

fn base_of(path: &str, reply: &Reply, if_match: Option<&str>) -> Result<Base, Failure> {
    let document = status::document(&json_of(path, reply)?);
    // Without a tag there is no version to be careful about.
    let tag = if_match.map(str::to_owned).or_else(|| reply.etag.clone()).unwrap_or_else(|| "*".to_owned());
    Ok(Base::Present { tag, document })
}

/// What a merge patch makes of nothing (RFC 7396).
fn without_nulls(patch: &Value) -> Value {
    match patch {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => patch.clone(),
    }
}
