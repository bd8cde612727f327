//! What an edit of the list of an activity's jobs asks for.
//!
//! A client edits the list as it is shown: an item without an `id` is a job to
//! be launched, an unfinished one that is missing or says `canceled: true` is
//! to be cancelled, and nothing else about a list can be changed.
//!
//! # Not here
//! Whether a job may be launched, and whether the list is still the one that
//! the client saw.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::change::ChangeError;
use super::document::{ID, LINKS};
use super::id::JobId;
use super::job::{Job, JobPhase};
use super::json;
use super::near::did_you_mean;
use super::patch::{PatchBody, PatchLimits, apply_patch};
use super::schema::Violation;

/// A job of the list, as it is shown now.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The job.
    pub job: Job,
    /// Its representation.
    pub shown: Value,
}

/// How a client edits a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// It sends the list as it is to be. What only the service writes in an
    /// item is taken for an echo, which may be old.
    Whole(Value),
    /// It sends a JSON Patch, which means everything that it writes.
    Patch(PatchBody),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wishes {
    /// The items that ask for a new job, each with its index, in their order.
    pub launch: Vec<(usize, Value)>,
    /// The jobs to be cancelled.
    pub cancel: Vec<JobId>,
}

/// The one member of the list beside its links.
const ITEMS: &str = "items";
/// The one member of a job that a client may change.
const CANCELED: &str = "canceled";

/// Members of a job that move while somebody edits the list.
const OBSERVED: [&str; 10] =
    ["phase", "reason", "attempt", "attempts", "progress", "result", "error", "started", "finished", LINKS];

/// How many levels of arrays and objects the list has around an input.
const LEVELS_AROUND: usize = 3;

/// What an edit of the list asks for, given the jobs that it shows and its links.
///
/// # Errors
/// [`ChangeError`]: it asks for something that cannot be changed.
pub fn wishes(listed: &[Listed], links: &Value, edit: &Edit, limits: &PatchLimits) -> Result<Wishes, ChangeError> {
    let patched = match edit {
        Edit::Whole(body) => return Reading { listed, manner: Manner::Echoing }.read(body, links),
        Edit::Patch(patch) => {
            let items: Vec<&Value> = listed.iter().map(|item| &item.shown).collect();
            let list = json!({ ITEMS: items, LINKS: links });
            // The limits are those of what the client adds to what is shown.
            let limits = PatchLimits {
                bytes_max: limits.bytes_max.saturating_add(json::encoded_len(&list)),
                depth_max: limits.depth_max.saturating_add(LEVELS_AROUND),
                ..*limits
            };
            apply_patch(&list, patch, &limits)?
        }
    };
    Reading { listed, manner: Manner::Literal }.read(&patched, links)
}

/// A list that was sent, beside the one that is there.
struct Reading<'a> {
    listed: &'a [Listed],
    manner: Manner,
}

/// What a difference in what the service writes says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// That the client read it a while ago.
    Echoing,
    /// That the client wants it so.
    Literal,
}

impl Reading<'_> {
    fn is_literal(&self) -> bool {
        self.manner == Manner::Literal
    }

    fn read(&self, list: &Value, links: &Value) -> Result<Wishes, ChangeError> {
        let Value::Object(members) = list else { return Err(invalid("", "expected an object with `items`")) };
        for (member, value) in members {
            match member.as_str() {
                ITEMS => {}
                LINKS => self.links(value, links)?,
                other => {
                    let hint = did_you_mean(other, [ITEMS]);
                    return Err(invalid(&at(&[other]), &format!("a list has no member `{other}`{hint}")));
                }
            }
        }
        match members.get(ITEMS) {
            Some(Value::Array(items)) => self.items(items),
            Some(_) => Err(invalid("/items", "expected an array")),
            None if self.is_literal() => Err(read_only("/items".to_owned(), "a list always has its items")),
            None => Err(invalid("/items", "is required: what is not in it is cancelled")),
        }
    }

    fn links(&self, sent: &Value, links: &Value) -> Result<(), ChangeError> {
        let echo =
            sent.as_object().is_some_and(|sent| sent.keys().all(|name| matches!(name.as_str(), "self" | "next")));
        if json::equal(sent, links) || (echo && !self.is_literal()) {
            return Ok(());
        }
        Err(read_only(at(&[LINKS]), "the service writes it: send it back as it was read, or leave it out"))
    }

    fn items(&self, items: &[Value]) -> Result<Wishes, ChangeError> {
        let mut wishes = Wishes::default();
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let Value::Object(members) = item else {
                return Err(invalid(&at(&[ITEMS, &index.to_string()]), "expected an object"));
            };
            if !members.contains_key(ID) {
                wishes.launch.push((index, item.clone()));
                continue;
            }
            let Some(place) = self.find(index, members)? else { continue };
            if self.is_literal() && seen.last().is_some_and(|last| place < *last) {
                let detail = "the order is the service's: the newest job is the first";
                return Err(read_only(at(&[ITEMS, &index.to_string()]), detail));
            }
            if !seen.insert(place) {
                return Err(invalid(&at(&[ITEMS, &index.to_string(), ID]), "this job occurs twice"));
            }
            wishes.cancel.extend(self.item(index, members, &self.listed[place])?);
        }
        self.missing(&seen, &mut wishes)?;
        Ok(wishes)
    }

    /// The place of the job that an item names; none where it says of itself
    /// that it is finished, and is forgotten since: that asks for nothing.
    fn find(&self, index: usize, item: &Map<String, Value>) -> Result<Option<usize>, ChangeError> {
        let id: Option<JobId> = item.get(ID).and_then(Value::as_str).and_then(|id| id.parse().ok());
        let place = id.and_then(|id| self.listed.iter().position(|listed| listed.job.id == id));
        let word = item.get("phase").and_then(Value::as_str).and_then(JobPhase::from_word);
        if place.is_none() && id.is_some() && !self.is_literal() && word.is_some_and(JobPhase::is_final) {
            return Ok(None);
        }
        place.map(Some).ok_or_else(|| {
            let detail = "no job of this list has this id: leave it out to launch a new one";
            invalid(&at(&[ITEMS, &index.to_string(), ID]), detail)
        })
    }

    /// The job, if its item says that it is to be cancelled.
    fn item(&self, index: usize, item: &Map<String, Value>, now: &Listed) -> Result<Option<JobId>, ChangeError> {
        let index = index.to_string();
        let known = now.shown.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        for (name, sent) in item.iter().filter(|(name, _)| *name != CANCELED) {
            match now.shown.get(name) {
                None => {
                    let hint = did_you_mean(name, known);
                    return Err(invalid(&at(&[ITEMS, &index, name]), &format!("a job has no member `{name}`{hint}")));
                }
                Some(_) if !self.is_literal() && OBSERVED.contains(&name.as_str()) => {}
                Some(shown) if json::equal(shown, sent) => {}
                Some(_) => return Err(read_only(at(&[ITEMS, &index, name]), ONLY_CANCELED)),
            }
        }
        if self.is_literal()
            && let Some(gone) = known.clone().find(|name| !item.contains_key(*name))
        {
            return Err(read_only(at(&[ITEMS, &index, gone]), ONLY_CANCELED));
        }
        let refuse = |detail: &str| Err(read_only(at(&[ITEMS, &index, CANCELED]), detail));
        match (item.get(CANCELED), now.job.cancel.is_some()) {
            (None, _) | (Some(Value::Bool(false)), false) | (Some(Value::Bool(true)), true) => Ok(None),
            (Some(Value::Bool(true)), false) if now.job.phase.is_final() => refuse("the job is finished"),
            (Some(Value::Bool(true)), false) => Ok(Some(now.job.id)),
            (Some(Value::Bool(false)), true) => refuse("a job cannot be taken up again"),
            (Some(_), _) => Err(invalid(&at(&[ITEMS, &index, CANCELED]), "expected true or false")),
        }
    }

    /// What is no longer in the list: cancelled, if that means something.
    fn missing(&self, seen: &BTreeSet<usize>, wishes: &mut Wishes) -> Result<(), ChangeError> {
        for (place, Listed { job, .. }) in self.listed.iter().enumerate().filter(|(place, _)| !seen.contains(place)) {
            if job.phase.is_final() && self.is_literal() {
                let detail = "the job is finished, and stays in the list for as long as finished jobs are kept";
                return Err(read_only(at(&[ITEMS, &place.to_string()]), detail));
            }
            if !job.phase.is_final() && job.cancel.is_none() {
                wishes.cancel.push(job.id);
            }
        }
        Ok(())
    }
}

const ONLY_CANCELED: &str = "all that can be changed about a job is `canceled`";

fn at(tokens: &[&str]) -> String {
    json::pointer(tokens)
}

fn read_only(pointer: String, detail: &str) -> ChangeError {
    ChangeError::ReadOnly { pointer, detail: detail.to_owned() }
}

fn invalid(pointer: &str, detail: &str) -> ChangeError {
    ChangeError::Invalid(vec![Violation { pointer: pointer.to_owned(), detail: detail.to_owned() }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Uid;
    use crate::domain::job::{Cancel, CancelReason, StartRule, Trigger, TriggerKind};
    use crate::domain::operation::Keep;
    use crate::domain::time::Timestamp;
    use crate::domain::version::Generation;

    fn id(number: u8) -> JobId {
        JobId::from_bytes([number; 16])
    }

    fn listed(number: u8, phase: JobPhase) -> Listed {
        let stopped = matches!(phase, JobPhase::Canceling | JobPhase::Canceled);
        let job = Job {
            id: id(number),
            resource: crate::domain::id::ResourceKey {
                collection: "c".parse().expect("a name"),
                id: "x".parse().expect("an id"),
            },
            uid: Uid::from_bytes([2; 16]),
            activity: "processing".parse().expect("a name"),
            operation: "transcode".parse().expect("a name"),
            input: json!({}),
            trigger: Trigger {
                kind: TriggerKind::Manual,
                scheduled_for: None,
                generation: Generation::FIRST,
                follows: None,
            },
            start: StartRule::AtOnce,
            retry: None,
            timeout_ms: None,
            start_by: None,
            done_by: None,
            keep: Keep::Record,
            phase,
            cancel: stopped.then_some(Cancel { at: Timestamp::EPOCH, reason: CancelReason::Requested }),
            attempts: Vec::new(),
            not_before: None,
            progress: None,
            result: None,
            error: None,
            created: Timestamp::EPOCH,
            started: None,
            finished: None,
        };
        let shown = json!({
            "id": job.id, "operation": "transcode", "input": {}, "phase": phase, "canceled": stopped, "progress": null,
        });
        Listed { job, shown }
    }

    /// The newest runs, one is being stopped, and one is done.
    fn list() -> Vec<Listed> {
        vec![listed(3, JobPhase::Running), listed(2, JobPhase::Canceling), listed(1, JobPhase::Succeeded)]
    }

    fn links() -> Value {
        json!({ "self": { "href": "/v1/c/x/processing" } })
    }

    fn put(body: Value) -> Result<Wishes, ChangeError> {
        wishes(&list(), &links(), &Edit::Whole(body), &PatchLimits::default())
    }

    fn patch(operations: Value) -> Result<Wishes, ChangeError> {
        let patch = PatchBody::json(operations).expect("a patch");
        wishes(&list(), &links(), &Edit::Patch(patch), &PatchLimits::default())
    }

    fn shown(number: usize) -> Value {
        list()[number].shown.clone()
    }

    fn with(number: usize, member: &str, value: Value) -> Value {
        let mut item = shown(number);
        item[member] = value;
        item
    }

    #[test]
    fn a_list_sent_back_as_it_was_read_asks_for_nothing() {
        let read = json!({ "items": [shown(0), shown(1), shown(2)], "_links": links() });
        assert_eq!(put(read), Ok(Wishes::default()));
        assert_eq!(patch(json!([])), Ok(Wishes::default()));
        assert_eq!(
            patch(json!([{ "op": "test", "path": "/items/0/phase", "value": "running" }])),
            Ok(Wishes::default())
        );
    }

    #[test]
    fn what_was_read_a_while_ago_is_an_echo() {
        let stale = with(0, "progress", json!({ "fraction": 0.1 }));
        assert_eq!(put(json!({ "items": [stale, { "id": id(2) }] })), Ok(Wishes::default()));
    }

    #[test]
    fn a_finished_job_that_is_forgotten_since_is_no_reason_to_refuse_the_list() {
        let forgotten = json!({ "id": id(0), "operation": "transcode", "phase": "failed", "canceled": false });
        let new = json!({ "operation": "transcode" });
        let wished = put(json!({ "items": [new, shown(0), shown(1), shown(2), forgotten] })).expect("wishes");
        assert_eq!(wished, Wishes { launch: vec![(0, new)], cancel: vec![] });
    }

    #[test]
    fn an_item_without_an_id_is_a_new_job_and_a_missing_one_is_cancelled() {
        let new = json!({ "operation": "transcode" });
        let wished = put(json!({ "items": [shown(1), new] })).expect("wishes");
        assert_eq!(wished, Wishes { launch: vec![(1, new)], cancel: vec![id(3)] });
        let wished = put(json!({ "items": [with(0, "canceled", json!(true))] })).expect("wishes");
        assert_eq!(wished, Wishes { launch: vec![], cancel: vec![id(3)] });
    }

    #[test]
    fn a_patch_means_the_same_as_the_list_that_it_makes() {
        for (operations, launch, cancel) in [
            (json!([{ "op": "add", "path": "/items/-", "value": {} }]), vec![(3, json!({}))], vec![]),
            (
                json!([{ "op": "add", "path": "/items/0", "value": { "input": {} } }]),
                vec![(0, json!({ "input": {} }))],
                vec![],
            ),
            (json!([{ "op": "remove", "path": "/items/0" }]), vec![], vec![id(3)]),
            (json!([{ "op": "remove", "path": "/items/1" }]), vec![], vec![]),
            (json!([{ "op": "replace", "path": "/items/0/canceled", "value": true }]), vec![], vec![id(3)]),
            (json!([{ "op": "add", "path": "/items/0/canceled", "value": true }]), vec![], vec![id(3)]),
            (
                json!([{ "op": "remove", "path": "/items/0" }, { "op": "add", "path": "/items/0", "value": {} }]),
                vec![(0, json!({}))],
                vec![id(3)],
            ),
            (
                json!([{ "op": "add", "path": "/items/-", "value": {} }, { "op": "remove", "path": "/items/3" }]),
                vec![],
                vec![],
            ),
        ] {
            assert_eq!(patch(operations.clone()), Ok(Wishes { launch, cancel }), "{operations}");
        }
    }

    #[test]
    fn nothing_else_can_be_changed() {
        let pointer = |result: Result<Wishes, ChangeError>| match result {
            Err(ChangeError::ReadOnly { pointer, .. }) => pointer,
            Err(ChangeError::Invalid(violations)) => violations[0].pointer.clone(),
            other => panic!("{other:?}"),
        };
        for (operation, at) in [
            (json!({ "op": "remove", "path": "/items/2" }), "/items/2"),
            (json!({ "op": "replace", "path": "/items/2/canceled", "value": true }), "/items/2/canceled"),
            (json!({ "op": "replace", "path": "/items/1/canceled", "value": false }), "/items/1/canceled"),
            (json!({ "op": "replace", "path": "/items/0/phase", "value": "succeeded" }), "/items/0/phase"),
            (json!({ "op": "remove", "path": "/items/0/progress" }), "/items/0/progress"),
            (json!({ "op": "replace", "path": "/items/0/input", "value": { "a": 1 } }), "/items/0/input"),
            (json!({ "op": "add", "path": "/items/0/speed", "value": 1 }), "/items/0/speed"),
            (json!({ "op": "copy", "from": "/items/0", "path": "/items/0" }), "/items/1/id"),
            (json!({ "op": "move", "from": "/items/0", "path": "/items/2" }), "/items/2"),
            (json!({ "op": "remove", "path": "/items" }), "/items"),
            (json!({ "op": "replace", "path": "/_links", "value": {} }), "/_links"),
            (json!({ "op": "add", "path": "/items/-", "value": 7 }), "/items/3"),
            (json!({ "op": "add", "path": "/more", "value": 7 }), "/more"),
        ] {
            assert_eq!(pointer(patch(json!([operation.clone()]))), at, "{operation}");
        }
        for (body, at) in [
            (json!([]), ""),
            (json!({}), "/items"),
            (json!({ "items": {} }), "/items"),
            (json!({ "items": [], "itmes": [] }), "/itmes"),
            (json!({ "items": [{ "id": id(9) }] }), "/items/0/id"),
            (json!({ "items": [{ "id": id(9), "phase": "running" }] }), "/items/0/id"),
            (json!({ "items": [{ "id": "x", "phase": "failed" }] }), "/items/0/id"),
            (json!({ "items": [{ "id": 7 }] }), "/items/0/id"),
            (json!({ "items": [{ "id": id(3) }, { "id": id(3) }] }), "/items/1/id"),
            (json!({ "items": [with(0, "operation", json!("other"))] }), "/items/0/operation"),
            (json!({ "items": [with(0, "canceled", json!("yes"))] }), "/items/0/canceled"),
            (json!({ "items": [with(1, "canceled", json!(false))] }), "/items/0/canceled"),
            (json!({ "items": [], "_links": { "evil": {} } }), "/_links"),
        ] {
            assert_eq!(pointer(put(body.clone())), at, "{body}");
        }
    }

    #[test]
    fn a_patch_that_does_not_apply_says_so() {
        let wrong = json!([{ "op": "test", "path": "/items/0/phase", "value": "queued" }]);
        assert!(matches!(patch(wrong), Err(ChangeError::Patch(_))));
    }
}
