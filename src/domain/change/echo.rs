//! What comes back of what the service showed, and what of it is more than an echo.

use serde_json::{Map, Value};

use super::{Before, ChangeError, read_only};
use crate::domain::catalog::{ActivitySpec, Collection};
use crate::domain::document::{ID, LINKS};
use crate::domain::expression::{Expression, Variable};
use crate::domain::id::{ActivityName, ResourceId};
use crate::domain::json::{self, Pointer};
use crate::domain::links::{LINK_MEMBERS, RELATIONS};
use crate::domain::patch::{Operation, PatchError};
use crate::domain::precondition::Strictness;
use crate::domain::schema::Violation;
use crate::domain::time::Timestamp;

/// Takes apart what is the client's and what is the service's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echo<'a> {
    pub(super) collection: &'a Collection,
    pub(super) strictness: Strictness,
    pub(super) id: &'a ResourceId,
}

/// The members of `status`, beside those of the activities.
const STATUS_MEMBERS: [&str; 7] = ["uid", "generation", "created", "updated", "settled", "conditions", "deletion"];

/// The members of an activity's status.
const ACTIVITY_STATUS: [&str; 11] = [
    "phase",
    "effective",
    "progress",
    "active",
    "activeCount",
    "last",
    "next",
    "upcoming",
    "upcomingLocal",
    "previous",
    "ticks",
];

impl Echo<'_> {
    /// Strips the members that are always the service's from a body that was
    /// read from it, or refuses the body where more than an echo stands there.
    pub(super) fn take_own(
        &self,
        body: &mut Map<String, Value>,
        id: &ResourceId,
        shown: Option<&Value>,
    ) -> Result<(), ChangeError> {
        if let Some(found) = body.shift_remove(ID)
            && found.as_str() != Some(id.as_str())
        {
            let detail = format!("the URL says `{id}`, and an id never changes");
            return Err(ChangeError::Invalid(vec![Violation { pointer: "/id".to_owned(), detail }]));
        }
        let name = self.collection.observed_as.as_str();
        if let Some(status) = body.shift_remove(name) {
            let at = json::pointer(&[name]);
            echoes(&at, &status, |member| STATUS_MEMBERS.contains(&member) || self.is_activity(member))?;
            for spec in &self.collection.activities {
                if let Some(activity) = status.get(spec.name.as_str()) {
                    let at = json::pointer(&[name, spec.name.as_str()]);
                    echoes(&at, activity, |member| ACTIVITY_STATUS.contains(&member))?;
                }
            }
            let now = shown.and_then(|shown| shown.get(name));
            if self.is_strict() && now.is_some_and(|now| !json::equal(now, &status)) {
                return Err(read_only(&at, "it differs from what the resource shows now"));
            }
        }
        if let Some(links) = body.shift_remove(LINKS) {
            echoes("/_links", &links, |member| RELATIONS.contains(&member) || self.is_activity(member))?;
            for (relation, found) in links.as_object().into_iter().flatten() {
                let at = json::pointer(&[LINKS, relation]);
                let targets = found.as_array().map_or(std::slice::from_ref(found), Vec::as_slice);
                targets.iter().try_for_each(|link| echoes(&at, link, |member| LINK_MEMBERS.contains(&member)))?;
            }
            let now = shown.and_then(|shown| shown.get(LINKS));
            if self.is_strict() && now.is_some_and(|now| !json::equal(now, &links)) {
                return Err(read_only("/_links", "it differs from what the resource shows now"));
            }
        }
        Ok(())
    }

    fn is_activity(&self, member: &str) -> bool {
        self.collection.activity(member).is_some()
    }

    fn is_strict(&self) -> bool {
        self.strictness == Strictness::WholeTag
    }

    /// Strips what the service shows within the document from the body of a
    /// PUT. What a new resource begins with among the observed members is returned.
    pub(super) fn take_shown(
        &self,
        body: &mut Map<String, Value>,
        before: Option<&Before<'_>>,
    ) -> Result<Map<String, Value>, ChangeError> {
        let mut begins_with = Map::new();
        if let Some(before) = before {
            self.leaves_room(body, before)?;
        }
        for place in self.collection.shown_places() {
            let Some(found) = place.get(body) else { continue };
            let now = before.and_then(|before| shown_at(before, place));
            if self.is_wish(place, found, now, before) {
                continue;
            }
            self.judge_echo(place, found, now)?;
            let taken = take(place, body, before.map(|before| before.document.members()));
            match before {
                None if self.collection.observed.contains(place) => {
                    place.put(&mut begins_with, taken.unwrap_or_default());
                }
                // What the client wrote at this place before is still what it wants.
                Some(before) => restore(place, body, before),
                None => {}
            }
        }
        Ok(begins_with)
    }

    /// Strips what the service shows within the document from a merge patch.
    /// What it says anew of a schedule restarts that: those activities are returned.
    pub(super) fn take_patched(
        &self,
        patch: &mut Map<String, Value>,
        before: &Before<'_>,
    ) -> Result<Vec<ActivityName>, ChangeError> {
        let mut restarts = Vec::new();
        self.leaves_room(patch, before)?;
        for place in self.collection.shown_places() {
            let Some(found) = place.get(patch) else { continue };
            let now = shown_at(before, place);
            if self.is_wish(place, found, now, Some(before)) {
                restarts.extend(self.scheduled_by(place).map(|spec| spec.name.clone()));
                continue;
            }
            if found.is_null() && now.is_some_and(|now| !now.is_null()) {
                return Err(read_only(&place.to_string(), "the service writes it, and it cannot be removed"));
            }
            self.judge_echo(place, found, now)?;
            // A merge patch that holds nothing at a place leaves that place alone.
            take(place, patch, None);
        }
        Ok(restarts)
    }

    /// Whether a value at a place where the service shows something says what
    /// the client wants: where the mapping reads the place, and the value is
    /// another than the one that is shown, and than any that was or will be
    /// shown as a tick of the schedule that is made from it.
    fn is_wish(&self, place: &Pointer, found: &Value, now: Option<&Value>, before: Option<&Before<'_>>) -> bool {
        let Some(before) = before else { return self.is_input(place) };
        self.is_input(place) && now.is_none_or(|now| !json::equal(now, found) && !self.is_tick(place, found, before))
    }

    /// Whether a value at a place is a tick of a schedule that is made from it.
    fn is_tick(&self, place: &Pointer, found: &Value, before: &Before<'_>) -> bool {
        let Some(instant) = found.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else { return false };
        self.scheduled_by(place).any(|spec| {
            let schedule = before.schedule(self.collection, self.id, spec);
            let anchor = before.anchors.get(&spec.name);
            schedule.zip(anchor).is_some_and(|(schedule, anchor)| schedule.calendar(*anchor).contains(instant))
        })
    }

    /// The activities whose schedules are made from a place.
    fn scheduled_by(&self, place: &Pointer) -> impl Iterator<Item = &ActivitySpec> {
        self.collection.activities.iter().filter(|spec| {
            let schedule = spec.mapping.as_ref().and_then(|mapping| mapping.schedule.as_ref());
            schedule.is_some_and(|schedule| reads(schedule, place))
        })
    }

    /// Whether the mapping of an activity reads a place.
    fn is_input(&self, place: &Pointer) -> bool {
        let mappings = self.collection.activities.iter().filter_map(|spec| spec.mapping.as_ref());
        let mut expressions = mappings.flat_map(|mapping| [&mapping.input, &mapping.schedule]).flatten();
        expressions.any(|expression| reads(expression, place))
    }

    /// Refuses a body that has something else than an object around what the
    /// service shows: that would hide it, or take it away. What is computed goes
    /// and comes with the client's own members around it; what is observed stays.
    fn leaves_room(&self, body: &Map<String, Value>, before: &Before<'_>) -> Result<(), ChangeError> {
        for place in self.read_only_places().filter(|place| shown_at(before, place).is_some()) {
            let mut around = (1..place.tokens().len()).map(|length| above(place, length));
            let Some(around) = around.find(|around| around.get(body).is_some_and(|value| !value.is_object())) else {
                continue;
            };
            if self.is_observed(place) || around.get(before.document.members()).is_none() {
                return Err(read_only(&place.to_string(), "the service writes it, and it cannot be removed"));
            }
        }
        Ok(())
    }

    /// Where the service shows something, and no client can wish for anything.
    fn read_only_places(&self) -> impl Iterator<Item = &Pointer> {
        self.collection.shown_places().filter(|place| !self.is_input(place))
    }

    fn is_observed(&self, place: &Pointer) -> bool {
        self.collection.observed.contains(place)
    }

    fn judge_echo(&self, place: &Pointer, found: &Value, now: Option<&Value>) -> Result<(), ChangeError> {
        match now {
            Some(now) if self.is_strict() && !json::equal(now, found) => {
                Err(read_only(&place.to_string(), "it differs from what the resource shows now"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// An operation that names a place of the service as its target is refused,
    /// even if it would put there what is there already.
    pub(super) fn keeps_read_only(&self, operation: &Operation, before: &Before<'_>) -> Result<(), ChangeError> {
        let written = match operation {
            Operation::Add { path, .. } | Operation::Replace { path, .. } | Operation::Remove { path } => {
                [Some(path), None]
            }
            Operation::Move { from, path } => [Some(from), Some(path)],
            Operation::Copy { path, .. } => [Some(path), None],
            Operation::Test { .. } => [None, None],
        };
        for path in written.into_iter().flatten() {
            let own = |root: &str| [ID, LINKS, self.collection.observed_as.as_str()].contains(&root);
            let shown = |place: &Pointer| path.is_within(place) && !self.is_input(place);
            if path.tokens().first().is_some_and(|root| own(root)) || self.collection.shown_places().any(shown) {
                return Err(read_only(&path.to_string(), "only `test` may name it"));
            }
        }
        // What is shown comes back where it was, and would be there twice.
        if let Operation::Move { from, .. } = operation
            && let Some(place) =
                self.read_only_places().find(|place| place.is_within(from) && shown_at(before, place).is_some())
        {
            return Err(read_only(&place.to_string(), "the service writes it, and it cannot be moved"));
        }
        Ok(())
    }

    /// The client's members of a patched representation. The service's must be
    /// as they were, whatever way the patch took.
    /// What it says anew of a schedule restarts that: those activities are returned.
    pub(super) fn own_members(
        &self,
        before: &Before<'_>,
        after: Value,
    ) -> Result<(Value, Vec<ActivityName>), ChangeError> {
        let mut restarts = Vec::new();
        let Value::Object(mut members) = after else {
            return Err(ChangeError::Patch(PatchError::NotAnObject { index: 0 }));
        };
        for member in [ID, &self.collection.observed_as, LINKS] {
            let same = match (before.shown.get(member), members.shift_remove(member)) {
                (Some(before), Some(after)) => json::equal(before, &after),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !same {
                return Err(read_only(&json::pointer(&[member]), "the patch would change it"));
            }
        }
        for place in self.read_only_places() {
            self.judge_after(place, &members, before)?;
        }
        for place in self.collection.shown_places() {
            let Some(found) = place.get(&members) else { continue };
            if self.is_wish(place, found, shown_at(before, place), Some(before)) {
                restarts.extend(self.scheduled_by(place).map(|spec| spec.name.clone()));
            } else {
                take(place, &mut members, Some(before.document.members()));
                restore(place, &mut members, before);
            }
        }
        Ok((Value::Object(members), restarts))
    }

    /// Refuses a patch that changes or removes what is shown at a place, by way
    /// of something around it. What is computed may go with members around it
    /// that are the client's, and comes back with them or without.
    fn judge_after(
        &self,
        place: &Pointer,
        members: &Map<String, Value>,
        before: &Before<'_>,
    ) -> Result<(), ChangeError> {
        let detail = match (shown_at(before, place), place.get(members)) {
            (None, _) => return Ok(()),
            (Some(before), Some(after)) if json::equal(before, after) => return Ok(()),
            (Some(_), Some(_)) => "the service writes it, and the patch would change it",
            (Some(_), None) if !self.is_observed(place) && goes_with_own(place, members, before) => return Ok(()),
            (Some(_), None) => "the service writes it, and the patch would remove it",
        };
        Err(read_only(&place.to_string(), detail))
    }
}

/// Whether an expression reads a place, something in it, or what is around it.
fn reads(expression: &Expression, place: &Pointer) -> bool {
    let mut read = expression.reads(Variable::Document).into_iter().map(Pointer::new);
    read.any(|read| read.is_within(place) || place.is_within(&read))
}

/// Whether what is no longer around a place, or is another there, was the client's.
fn goes_with_own(place: &Pointer, members: &Map<String, Value>, before: &Before<'_>) -> bool {
    let mut around = (1..place.tokens().len()).map(|length| above(place, length));
    let gone = around.find(|around| !around.get(members).is_some_and(Value::is_object));
    // Where all is still there, the patch put another object around the place.
    gone.is_none_or(|gone| gone.get(before.document.members()).is_some())
}

/// The place around another that is so many names deep.
fn above(place: &Pointer, length: usize) -> Pointer {
    Pointer::new(place.tokens()[..length].to_vec())
}

/// An echo is an object with no member that ours do not have.
fn echoes(at: &str, value: &Value, known: impl Fn(&str) -> bool) -> Result<(), ChangeError> {
    let Value::Object(members) = value else {
        return Err(read_only(at, "the service writes it: send it back as it was read, or leave it out"));
    };
    match members.keys().find(|member| !known(member)) {
        None => Ok(()),
        Some(member) => Err(read_only(
            &format!("{at}/{}", json::escape_pointer(member)),
            "the service writes everything here, and has no such member",
        )),
    }
}

fn shown_at<'a>(before: &Before<'a>, place: &Pointer) -> Option<&'a Value> {
    place.get(before.shown.as_object()?)
}

/// Puts back what the client wrote at a place under what is shown there, as far
/// as there is still something to put it into.
fn restore(place: &Pointer, members: &mut Map<String, Value>, before: &Before<'_>) {
    if let Some(stored) = place.get(before.document.members()) {
        place.put(members, stored.clone());
    }
}

/// Takes a value away, and the objects around it that held nothing else, but
/// for those that the client's own document has.
fn take(place: &Pointer, members: &mut Map<String, Value>, own: Option<&Map<String, Value>>) -> Option<Value> {
    let taken = place.take(members);
    for length in (1..place.tokens().len()).rev() {
        let around = above(place, length);
        let empty = around.get(members).and_then(Value::as_object).is_some_and(Map::is_empty);
        if !empty || own.is_some_and(|own| around.get(own).is_some()) {
            break;
        }
        around.take(members);
    }
    taken
}
