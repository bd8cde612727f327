//! Resources: read, list, create, replace, patch, delete.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::jobs::tag;
use super::members::{Edit, Found, found, no_member};
use super::once::{self, About};
use super::{AlreadyApplied, Api, ApiError, ChangeRequest, Deleted, ListView, PAGE_BYTES_MAX, PageRequest, Put, View};
use crate::domain::catalog::{Collection, PreconditionPolicy};
use crate::domain::change::{Before, ChangeError, Changed, Judge, Reads};
use crate::domain::document::Desired;
use crate::domain::id::{ActivityName, CollectionName, ResourceId, ResourceKey};
use crate::domain::json::{self, Pointer};
use crate::domain::patch::{PatchBody, PatchError};
use crate::domain::precondition::{self, Current, Failed};
use crate::domain::time::Timestamp;
use crate::domain::version::ETag;
use crate::state::{
    Applied, ApplyError, Decision, Event, Loaded, Observed, Refused, StateError, StoredResource, UNFINISHED_MAX,
};

/// How many resources of a list are read at once: enough to make a page of
/// small ones in one go, and few enough to end a page of large ones early.
const LIST_CHUNK: usize = 100;

impl Api {
    /// A resource as it is now.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn get(&self, key: &ResourceKey) -> Result<View, ApiError> {
        self.collection(&key.collection)?;
        let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
        Ok(self.view(key, &stored))
    }

    /// The resources of a collection, by id.
    ///
    /// # Errors
    /// `NotFound`, `BadCursor`, `Store`.
    pub async fn list(&self, collection: &CollectionName, page: &PageRequest) -> Result<ListView, ApiError> {
        self.collection(collection)?;
        let mut after = page.cursor.as_deref().map(read_cursor).transpose()?;
        // Before the items are read: so the tag is never newer than they are.
        let etag = self.collection_tag(collection);
        let (mut items, mut bytes, mut more) = (Vec::new(), 0, true);
        while more && items.len() < page.limit && bytes < PAGE_BYTES_MAX {
            let limit = LIST_CHUNK.min(page.limit - items.len());
            let (found, found_more) = self.state.resources(collection, after.as_ref(), limit).await?;
            more = found_more;
            for (key, stored) in found {
                if bytes >= PAGE_BYTES_MAX {
                    more = true;
                    break;
                }
                let body = stored.show(&key, &self.catalog);
                bytes += body.len();
                items.push(body);
                after = Some(key.id);
            }
        }
        let next = if more { after.as_ref().map(write_cursor) } else { None };
        Ok(ListView { items, next, etag: Some(etag), revision: Some(etag.revision) })
    }

    /// Creates a resource with an id that the service makes.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Invalid`, `ReadOnly`, `Patch`, those of every commit.
    pub async fn create(
        &self,
        collection: &CollectionName,
        body: Value,
        request: &ChangeRequest,
    ) -> Result<(ResourceKey, View), ApiError> {
        let declared = self.collection(collection)?;
        once::judge(request)?;
        // Of several who believe the same of the list, one is first.
        let _alone = match request.preconditions.is_empty_for_write() {
            true => None,
            false => Some(self.creating.lock().await),
        };
        self.believes_list(collection, request)?;
        let judge = self.judge(declared, request);
        let id = self.state.new_resource_id();
        let changed = judge.create(&id, object(body)?)?;
        judge.obeys_rules(&changed, None)?;
        let key = ResourceKey { collection: collection.clone(), id };
        let Changed { document, observed, restarts } = changed;
        let event = Event::Changed { document, observed, fingerprint: request.fingerprint, restarts };
        let create = |_: &Loaded| {
            self.believes_list(collection, request)?;
            Ok(Decision::Happen(event.clone()))
        };
        let applied = self.enact(&key, About::NewResource, request, create).await;
        let applied = applied.map_err(|error| self.refusal(&key, error, None))?;
        let view = self.applied(&applied).ok_or_else(|| absent(&key))?;
        Ok((key, view))
    }

    /// Replaces the client's members of a resource, or creates it.
    ///
    /// # Errors
    /// `PreconditionFailed`, `PreconditionRequired`, `Deleting`, `Invalid`,
    /// `ReadOnly`, `Patch`, those of every commit.
    pub async fn put(&self, key: &ResourceKey, body: Value, request: &ChangeRequest) -> Result<Put, ApiError> {
        let collection = self.collection(&key.collection)?;
        let body = object(body)?;
        let judge = self.judge(collection, request);
        let mut existed = false;
        let of = Of { presence: Presence::Optional, reads: judge.reads(None), member: None };
        let applied = self.change(key, &judge, request, of, |before| {
            existed = before.is_some();
            Ok(judge.replace(&key.id, body.clone(), before)?)
        });
        let view = self.applied(&applied.await?).ok_or_else(|| absent(key))?;
        Ok(if existed { Put::Updated(view) } else { Put::Created(view) })
    }

    /// Patches a resource.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `PreconditionRequired`, `Deleting`,
    /// `Patch`, `Invalid`, `ReadOnly`, those of every commit.
    pub async fn patch(&self, key: &ResourceKey, body: &PatchBody, request: &ChangeRequest) -> Result<View, ApiError> {
        self.edit(key, &mut Edit::Patch(body), request).await
    }

    /// Patches a resource, with a patch that may depend on what is there.
    pub(super) async fn edit(
        &self,
        key: &ResourceKey,
        edit: &mut Edit<'_>,
        request: &ChangeRequest,
    ) -> Result<View, ApiError> {
        let collection = self.collection(&key.collection)?;
        let judge = self.judge(collection, request);
        let presence = Presence::Needed;
        let of = match edit {
            Edit::Patch(body) => Of { presence, reads: judge.reads(Some(body)), member: None },
            Edit::Member(member) => Of { presence, reads: Reads::Representation, member: Some(member.target()) },
        };
        let applied = self.change(key, &judge, request, of, |before| {
            let before = before.ok_or_else(|| absent(key))?;
            match edit {
                Edit::Patch(body) => Ok(judge.patch(&key.id, before, body)?),
                Edit::Member(member) => {
                    let operation = member.operation(key, before.shown)?;
                    let patch = PatchBody::Json(vec![operation]);
                    judge.patch(&key.id, before, &patch).map_err(|error| member.fault(error))
                }
            }
        });
        self.applied(&applied.await?).ok_or_else(|| absent(key))
    }

    /// Deletes a resource: at once, or when its jobs are gone.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `PreconditionRequired`, those of every commit.
    pub async fn delete(&self, key: &ResourceKey, request: &ChangeRequest) -> Result<Deleted, ApiError> {
        let collection = self.collection(&key.collection)?;
        let mut etag = None;
        let applied = self.enact(key, About::Resource, request, |loaded| {
            let desired = loaded.state.desired.as_ref().ok_or_else(|| absent(key))?;
            etag = loaded.etag();
            once::judge(request)?;
            if is_deleting(loaded) {
                return Ok(Decision::Leave);
            }
            self.believes(loaded, Some(desired), collection, Found::Present, request)?;
            Ok(Decision::Happen(Event::DeleteAsked))
        });
        let applied = applied.await.map_err(|error| self.refusal(key, error, etag))?;
        Ok(self.applied(&applied).map_or(Deleted::Gone, Deleted::Deleting))
    }

    /// The resource once it is settled, or as it is after `wait`.
    ///
    /// # Errors
    /// `NotFound`, also when it goes while waiting; `Store`.
    pub async fn settled(&self, key: &ResourceKey, wait: Duration) -> Result<View, ApiError> {
        let is_settled = || async {
            let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
            let settled = stored.observed.as_ref().is_none_or(|observed| observed.settlement.reason.is_settled());
            Ok((settled, self.view(key, &stored)))
        };
        self.wait_until(wait, is_settled).await
    }

    /// What is left of a resource that is being deleted, after `wait` at most:
    /// nothing once it is gone.
    ///
    /// # Errors
    /// `Store`.
    pub async fn gone(&self, key: &ResourceKey, wait: Duration) -> Result<Option<View>, ApiError> {
        let is_gone = || async {
            let stored = self.state.resource(key).await?;
            // One that nobody deletes is another one.
            let is_left = |stored: &StoredResource| {
                stored.observed.as_ref().is_some_and(|observed| observed.deleting_since.is_some())
            };
            let left = stored.filter(is_left).map(|stored| self.view(key, &stored));
            Ok((left.is_none(), left))
        };
        self.wait_until(wait, is_gone).await
    }

    /// Asks again after each commit, until the answer says yes or time is up.
    pub(super) async fn wait_until<T, A>(&self, wait: Duration, ask: impl Fn() -> A) -> Result<T, ApiError>
    where
        A: Future<Output = Result<(bool, T), ApiError>>,
    {
        // Subscribed before the first look, so that no commit falls in between.
        let mut commits = self.state.store().committed();
        let mut time_is_up = std::pin::pin!(self.state.clock().sleep(wait));
        loop {
            let (done, answer) = ask().await?;
            if done {
                return Ok(answer);
            }
            tokio::select! {
                () = &mut time_is_up => return Ok(ask().await?.1),
                changed = commits.changed() => if changed.is_err() { return Ok(answer) },
            }
        }
    }

    /// Judges a change and makes it: preconditions, then deletion, then what
    /// `make` makes of what is there, then the rules of the operator.
    async fn change(
        &self,
        key: &ResourceKey,
        judge: &Judge<'_>,
        request: &ChangeRequest,
        of: Of<'_>,
        mut make: impl FnMut(Option<&Before<'_>>) -> Result<Changed, ApiError>,
    ) -> Result<Applied, ApiError> {
        let mut etag = None;
        let applied = self.enact(key, About::Resource, request, |loaded| {
            let desired = loaded.state.desired.as_ref();
            etag = loaded.etag();
            if desired.is_none() {
                may_be_created(key, judge.collection, of.presence)?;
            }
            let shown = || match (desired, of.reads) {
                (Some(_), Reads::Representation) => tree(&loaded.show(&self.catalog)),
                (Some(_), Reads::Document) | (None, _) => Ok(Value::Null),
            };
            // Whether there is such a member comes before what is believed of it.
            let (seen, found) = match of.member {
                None => (None, Found::Present),
                Some((pointer, presence)) => {
                    let seen = shown()?;
                    let found = found(&seen, pointer);
                    if (found, presence) == (Found::Absent, Presence::Needed) {
                        once::judge(request)?;
                        return Err(no_member(key, pointer));
                    }
                    (Some(seen), found)
                }
            };
            self.believes(loaded, desired, judge.collection, found, request)?;
            if is_deleting(loaded) {
                return Err(deleting(loaded));
            }
            let shown = seen.map_or_else(shown, Ok)?;
            let nothing = Map::new();
            let observed = loaded.state.observed.as_ref().map_or(&nothing, |observed| &observed.members);
            let anchors = anchors(loaded);
            let before = desired.map(|desired| Before {
                document: &desired.document,
                observed,
                shown: &shown,
                anchors: &anchors,
                updated: desired.updated,
            });
            let changed = make(before.as_ref())?;
            let same = |before: &Desired| equal(before.document.members(), changed.document.members());
            if desired.is_some_and(same) && changed.restarts.is_empty() {
                return Ok(Decision::Leave);
            }
            judge.obeys_rules(&changed, before.as_ref())?;
            let Changed { document, observed, restarts } = changed;
            Ok(Decision::Happen(Event::Changed { document, observed, fingerprint: request.fingerprint, restarts }))
        });
        applied.await.map_err(|error| self.refusal(key, error, etag))
    }

    /// Judges whose key it is and what a client believes of a document, or of a
    /// member that was found in it or was not.
    fn believes(
        &self,
        loaded: &Loaded,
        desired: Option<&Desired>,
        collection: &Collection,
        found: Found,
        request: &ChangeRequest,
    ) -> Result<(), ApiError> {
        once::judge(request)?;
        let etag = loaded.etag();
        let preconditions = &request.preconditions;
        let required = collection.preconditions == PreconditionPolicy::Required;
        if let (Some(etag), true, true) = (etag, required, preconditions.is_empty_for_write()) {
            return Err(ApiError::PreconditionRequired { etag });
        }
        let same_request = desired.is_some_and(|desired| desired.fingerprint == request.fingerprint);
        let by_date = preconditions.if_match.is_none() && preconditions.if_unmodified_since.is_some();
        if same_request && by_date {
            return Err(ApiError::PreconditionFailed { why: None, etag, already_applied: AlreadyApplied::Yes });
        }
        let current = etag.zip(desired).map(|(etag, desired)| Current { etag, changed_at: desired.updated });
        let already_applied = if same_request { AlreadyApplied::Yes } else { AlreadyApplied::No };
        let judged = match found {
            Found::Present => precondition::check(preconditions, current.as_ref(), request.strictness),
            Found::Absent => preconditions
                .of_absent_part()
                .and_then(|rest| precondition::check(&rest, current.as_ref(), request.strictness)),
        };
        judged.map_err(|why| ApiError::PreconditionFailed { why: Some(why), etag, already_applied })
    }

    /// Judges what a client believes about the list of a collection.
    fn believes_list(&self, collection: &CollectionName, request: &ChangeRequest) -> Result<(), ApiError> {
        let etag = self.collection_tag(collection);
        let current = Current { etag, changed_at: Timestamp::EPOCH };
        precondition::check(&request.preconditions.without_dates(), Some(&current), request.strictness)
            .map_err(|why| failed(why, etag))
    }

    fn collection_tag(&self, collection: &CollectionName) -> ETag {
        tag(self.state.last_change(collection))
    }

    pub(super) fn collection(&self, name: &CollectionName) -> Result<&Collection, ApiError> {
        let declared = self.catalog.collections.get(name).map(AsRef::as_ref);
        declared.ok_or_else(|| ApiError::NotFound { what: format!("the collection `{name}`") })
    }

    fn judge<'a>(&'a self, collection: &'a Collection, request: &ChangeRequest) -> Judge<'a> {
        let Self { catalog, limits, state, .. } = self;
        Judge { collection, catalog, limits, strictness: request.strictness, now: state }
    }

    pub(super) fn view(&self, key: &ResourceKey, stored: &StoredResource) -> View {
        View { body: stored.show(key, &self.catalog), etag: stored.etag, changed_at: stored.desired.updated }
    }

    fn applied(&self, applied: &Applied) -> Option<View> {
        let desired = applied.state.desired.as_ref()?;
        Some(View { body: applied.show(&self.catalog), etag: applied.etag()?, changed_at: desired.updated })
    }

    /// What a refused commit means to a client.
    pub(super) fn refusal(&self, key: &ResourceKey, error: ApplyError<ApiError>, etag: Option<ETag>) -> ApiError {
        match error {
            ApplyError::Decided(error) => error,
            ApplyError::Refused(Refused::Deleting) => {
                etag.map_or_else(|| absent(key), |etag| ApiError::Deleting { etag })
            }
            ApplyError::Refused(Refused::Overlap(detail)) => ApiError::Overlap { detail },
            ApplyError::Refused(Refused::NotAccepting(detail)) => ApiError::NotAccepting { detail },
            ApplyError::Refused(Refused::TooManyJobs) => ApiError::TooManyJobs { limit: UNFINISHED_MAX },
            ApplyError::Refused(Refused::Absent | Refused::Job(_) | Refused::NotReady) => absent(key),
            ApplyError::Undeclared => ApiError::NotFound { what: format!("the collection `{}`", key.collection) },
            // The change that took the key is not answered: its client hung up.
            ApplyError::Remembered => ApiError::KeyInFlight,
            ApplyError::Busy => ApiError::Busy,
            ApplyError::Full => ApiError::DiskFull,
            ApplyError::Stopped => ApiError::Stopping,
            ApplyError::Unknown => ApiError::OutcomeUnknown,
            ApplyError::State(error) => error.into(),
        }
    }
}

/// What a change is of.
#[derive(Debug, Clone, Copy)]
struct Of<'a> {
    /// Of the resource.
    presence: Presence,
    reads: Reads,
    /// The one member that it is of.
    member: Option<(&'a Pointer, Presence)>,
}

/// Whether a change can be made to what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It cannot: absence is judged before what the client believes.
    Needed,
    /// It creates the resource.
    Optional,
}

/// Whether a change may make what is not there.
fn may_be_created(key: &ResourceKey, collection: &Collection, presence: Presence) -> Result<(), ApiError> {
    match (presence, &collection.id) {
        (Presence::Needed, _) => Err(absent(key)),
        (Presence::Optional, Some(pattern)) if !pattern.takes(&key.id) => {
            Err(ApiError::InvalidId { pattern: pattern.as_str().to_owned() })
        }
        (Presence::Optional, _) => Ok(()),
    }
}

pub(super) fn absent(key: &ResourceKey) -> ApiError {
    ApiError::NotFound { what: format!("the resource `{key}`") }
}

/// What a client believes is not so, and its last change is not this very one.
pub(super) const fn failed(why: Failed, etag: ETag) -> ApiError {
    ApiError::PreconditionFailed { why: Some(why), etag: Some(etag), already_applied: AlreadyApplied::No }
}

pub(super) fn is_deleting(loaded: &Loaded) -> bool {
    loaded.state.is_deleting()
}

pub(super) fn deleting(loaded: &Loaded) -> ApiError {
    loaded.etag().map_or_else(|| absent(&loaded.state.key), |etag| ApiError::Deleting { etag })
}

fn object(body: Value) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(members) = body else {
        return Err(ApiError::Patch(PatchError::NotAnObject { index: 0 }));
    };
    Ok(members)
}

fn equal(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    before.len() == after.len()
        && before.iter().all(|(member, value)| after.get(member).is_some_and(|other| json::equal(value, other)))
}

/// Our own representation as a tree.
pub(super) fn tree(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::Store(std::sync::Arc::new(error)))
}

/// The instants that the schedules of a resource count from.
fn anchors(loaded: &Loaded) -> BTreeMap<ActivityName, Timestamp> {
    let schedules = loaded.state.observed.iter().flat_map(Observed::schedules);
    schedules.map(|(activity, scheduled)| (activity.clone(), scheduled.anchor)).collect()
}

/// A cursor is the id before it, in hex: opaque, and safe in a query.
fn write_cursor(id: &ResourceId) -> String {
    id.as_str().bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_cursor(cursor: &str) -> Result<ResourceId, ApiError> {
    let digits = cursor.as_bytes().chunks_exact(2);
    let whole = digits.remainder().is_empty();
    let pairs = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Option<Vec<u8>> = pairs.collect();
    let id = bytes.filter(|_| whole).and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    id.ok_or(ApiError::BadCursor)
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> Self {
        Self::Store(std::sync::Arc::new(error))
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::ReadOnly { pointer, detail } => Self::ReadOnly { pointer, detail },
            ChangeError::Patch(error) => Self::Patch(error),
            ChangeError::Invalid(errors) => Self::Invalid { errors },
            ChangeError::Forbidden { status, message } => Self::Forbidden { status, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_id_that_it_was_made_of_and_nothing_else_is_one() {
        let id: ResourceId = "a.b_c~d:e@f-9".parse().expect("an id");
        assert_eq!(read_cursor(&write_cursor(&id)).expect("a cursor"), id);
        for foreign in ["", "6", "zz", "ff", "2f", "é0"] {
            assert!(matches!(read_cursor(foreign), Err(ApiError::BadCursor)), "{foreign}");
        }
    }
}
