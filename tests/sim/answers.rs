//! Requests on their way, and what must be true of their answers.

use std::sync::{Arc, Mutex};

use heeler::api::{
    AlreadyApplied, AnswerWhen, Answered, Api, ApiError, Cancelled, ChangeRequest, Deleted, Intent, Known, LaunchBody,
    LaunchRequest, Launched, OnceKey, PostedTo, Put, Statuses, View,
};
use heeler::domain::id::{JobId, ResourceKey};
use heeler::domain::patch::PatchBody;
use heeler::domain::precondition::{Preconditions, Strength, Strictness, Tag, TagList};
use heeler::domain::version::ETag;
use heeler::state::UNFINISHED_MAX;
use heeler::store::Rev;
use serde_json::{Map, Value, json};

use crate::clients::{Clients, Kind, Request};
use crate::history::{Belief, Change};
use crate::once::PRINCIPAL;
use crate::oracle::Oracle;
use crate::world::lock;

/// How many jobs of a full activity may end between judgement and answer.
const ENDED_SINCE: usize = 8;

/// What the answer to one request is judged by.
struct Exchange {
    oracle: Arc<Mutex<Oracle>>,
    clients: Arc<Mutex<Clients>>,
    request: Request,
    /// The newest commit when the request was sent.
    sent: Rev,
}

/// Sends a request and judges the answer. Dropped, the client hung up, and
/// nobody knows what happened.
pub(crate) async fn send(api: Api, request: Request, oracle: Arc<Mutex<Oracle>>, clients: Arc<Mutex<Clients>>) {
    let belief = match request.if_match {
        Some(etag) => Belief::ChangedAt(Rev(etag.changed.number())),
        None if request.if_absent => Belief::Absent,
        None => Belief::None,
    };
    let tag = |etag: ETag| {
        let opaque = etag.to_string().trim_matches('"').to_owned();
        TagList::Tags(vec![Tag { strength: Strength::Strong, opaque }])
    };
    let mut change = ChangeRequest {
        preconditions: Preconditions {
            if_match: request.if_match.map(tag),
            if_none_match: request.if_absent.then_some(TagList::Any),
            ..Preconditions::NONE
        },
        strictness: Strictness::DesiredState,
        fingerprint: request.fingerprint,
        intent: Intent::Make,
        once: None,
    };
    let sent = {
        let mut oracle = lock(&oracle);
        match &request.kind {
            Kind::Create(wanted) => oracle.history.send(&request, None, wanted, belief),
            Kind::Change(wanted) => oracle.history.send(&request, Some(&request.key), wanted, belief),
            Kind::Launch(..) => oracle.history.posts += usize::from(request.once.is_none()),
            Kind::Get | Kind::Delete | Kind::Cancel(_) => {}
        }
        oracle.rev
    };
    let exchange = Exchange { oracle, clients, request: request.clone(), sent };
    if let Some(key) = &request.once {
        match api.known(once_key(key, &request), STATUSES).await {
            Ok(Known::New(once)) => change.once = Some(once),
            Ok(Known::Answered(answered)) => return exchange.replayed(key, answered),
            Err(error) => {
                exchange.is_refusal(&error);
                return;
            }
        }
    }
    let key = &request.key;
    match request.kind {
        Kind::Get => exchange.read(api.get(key).await),
        Kind::Create(Change::Put(body)) => {
            let answer = api.create(&key.collection, Value::Object(body), &change).await;
            let answer = answer.map(|(key, view)| {
                lock(&exchange.clients).created.push(key.clone());
                exchange.remembered(STATUSES.made, Some(format!("/v1/{}/{}", key.collection, key.id)));
                (key, view)
            });
            exchange.changed(answer);
        }
        Kind::Change(Change::Put(body)) => {
            let answer = api.put(key, Value::Object(body), &change).await;
            match &answer {
                Ok(Put::Created(_)) => {
                    exchange.remembered(STATUSES.made, Some(format!("/v1/{}/{}", key.collection, key.id)));
                }
                Ok(Put::Updated(_)) => exchange.remembered(STATUSES.done, None),
                Err(_) => {}
            }
            exchange.changed(answer.map(|(Put::Created(view) | Put::Updated(view))| (key.clone(), view)));
        }
        Kind::Create(Change::Merge(body)) | Kind::Change(Change::Merge(body)) => {
            let patch = PatchBody::merge(Value::Object(body)).expect("an object");
            exchange.patched(api.patch(key, &patch, &change).await);
        }
        Kind::Create(Change::Set(member, value)) | Kind::Change(Change::Set(member, value)) => {
            let operations = json!([{"op": "add", "path": format!("/{member}"), "value": value}]);
            let patch = PatchBody::json(operations).expect("a patch");
            exchange.patched(api.patch(key, &patch, &change).await);
        }
        Kind::Delete => exchange.deleted(api.delete(key, &change).await),
        Kind::Launch(activity, body) => {
            let body = body.map_or(LaunchBody::Empty, LaunchBody::Json);
            let launch = LaunchRequest { body, when: AnswerWhen::AsDeclared, at: PostedTo::List };
            exchange.launched(api.launch(key, &activity, &launch, &change).await);
        }
        Kind::Cancel(job) => exchange.canceled(job, api.cancel_job(job, &change).await),
    }
}

/// The numbers of the answers.
const STATUSES: Statuses = Statuses { made: 201, done: 200, accepted: 202 };

fn once_key(key: &str, request: &Request) -> OnceKey {
    let target = request.key.to_string();
    OnceKey { principal: PRINCIPAL.to_owned(), key: key.to_owned(), target, digest: request.fingerprint }
}

impl Exchange {
    /// I14: a replay says what was said when it was made.
    fn replayed(&self, key: &str, answered: Answered) {
        self.done("answers: replayed");
        let mut oracle = lock(&self.oracle);
        oracle.told(key, answered.status, answered.location);
        oracle.history.acknowledge(&self.request.fingerprint);
    }

    /// What was made under a key is remembered as it is answered now.
    fn remembered(&self, status: u16, location: Option<String>) {
        if let Some(key) = &self.request.once {
            lock(&self.oracle).told(key, status, location);
        }
    }

    /// Counts the answer; whether it says for certain that nothing changed.
    fn is_refusal(&self, error: &ApiError) -> bool {
        let what = match error {
            ApiError::OutcomeUnknown => "answers: unknown",
            ApiError::PreconditionFailed { already_applied: AlreadyApplied::Yes, .. } => "answers: already applied",
            ApiError::PreconditionFailed { already_applied: AlreadyApplied::No, .. } => "answers: 412",
            ApiError::PreconditionRequired { .. } => "answers: 428",
            ApiError::Deleting { .. } => "answers: deleting",
            ApiError::Overlap { .. } | ApiError::NotAccepting { .. } => "answers: overlap or standing",
            ApiError::KeyInFlight => "answers: key in flight",
            ApiError::Busy => "answers: busy",
            ApiError::DiskFull => "answers: full",
            ApiError::Stopping => "answers: stopping",
            ApiError::NotFound { .. } | ApiError::Patch(_) | ApiError::Invalid { .. } => "answers: 404 or 422",
            ApiError::TooManyJobs { .. } if self.is_full() => "answers: too many jobs",
            ApiError::ReadOnly { .. }
            | ApiError::Forbidden { .. }
            | ApiError::InvalidId { .. }
            | ApiError::NoPlace { .. }
            | ApiError::NotWaiting { .. }
            | ApiError::TooManyJobs { .. }
            | ApiError::StaleToken
            | ApiError::NotOfWorkers { .. }
            | ApiError::KeyReused
            | ApiError::Tried(_)
            | ApiError::BadCursor
            | ApiError::Store(_) => {
                lock(&self.oracle).say(format!("a client was answered: {error:?}"));
                "answers: impossible"
            }
        };
        lock(&self.oracle).count(what);
        let known = !matches!(error, ApiError::OutcomeUnknown);
        // Who is told to come back does.
        if known && !matches!(error, ApiError::KeyInFlight) {
            lock(&self.clients).answered(&self.request);
        }
        known
    }

    /// Whether an activity of the resource has about as many unfinished jobs as
    /// it can have: some may have ended since the request was judged.
    fn is_full(&self) -> bool {
        let oracle = lock(&self.oracle);
        let observed = oracle.models.get(&self.request.key).and_then(|model| model.state.observed.as_ref());
        let mut statuses = observed.iter().flat_map(|observed| observed.activities.values());
        statuses.any(|status| status.active.len() + ENDED_SINCE >= UNFINISHED_MAX)
    }

    fn done(&self, what: &'static str) {
        lock(&self.oracle).count(what);
        lock(&self.clients).answered(&self.request);
    }

    /// I15: an answer shows a state that held between request and answer.
    fn shows_the_truth(&self, key: &ResourceKey, view: &View) {
        let shown: Option<Map<String, Value>> = serde_json::from_slice(&view.body).ok();
        let document = shown.map(|mut shown| {
            for member in ["id", "status", "_links"] {
                shown.shift_remove(member);
            }
            shown
        });
        let mut oracle = lock(&self.oracle);
        let rev = Rev(view.etag.changed.number());
        let held = oracle.history.since(key, self.sent).iter().find(|version| version.rev == rev);
        if document.is_none() || held.and_then(|version| version.document.as_ref()) != document.as_ref() {
            let held: Vec<_> =
                oracle.history.since(key, self.sent).iter().map(|v| (v.rev, v.document.clone())).collect();
            oracle.say(format!("{key} was shown as {document:?} at {rev:?}, and was {held:?}"));
        }
        lock(&self.clients).saw(key, view.etag);
    }

    fn read(&self, answer: Result<View, ApiError>) {
        match answer {
            Ok(view) => {
                self.done("answers: read");
                self.shows_the_truth(&self.request.key, &view);
            }
            Err(error) => {
                self.is_refusal(&error);
                let mut oracle = lock(&self.oracle);
                if !oracle.history.was_absent(&self.request.key, self.sent) {
                    oracle.say(format!("{} was not shown, and was there: {error:?}", self.request.key));
                }
            }
        }
    }

    /// I1, P4, P5: what is acknowledged is there, and is what was asked for.
    fn changed(&self, answer: Result<(ResourceKey, View), ApiError>) {
        let fingerprint = &self.request.fingerprint;
        match answer {
            Ok((key, view)) => {
                self.done("answers: changed");
                self.shows_the_truth(&key, &view);
                let mut oracle = lock(&self.oracle);
                oracle.history.acknowledge(fingerprint);
                let rev = Rev(view.etag.changed.number());
                let made = oracle.history.since(&key, self.sent).iter().find(|version| version.rev == rev);
                let (Kind::Create(change) | Kind::Change(change)) = &self.request.kind else { return };
                // Either this request made it, or there was nothing to do.
                let good = made.is_some_and(|made| {
                    made.fingerprint == *fingerprint
                        || made.document.as_ref().is_some_and(|document| change.make(Some(document)) == *document)
                });
                if !good {
                    let violation = format!("{change:?} of {key} was acknowledged and is not there: {made:?}");
                    oracle.say(violation);
                }
            }
            Err(error) => {
                if self.is_refusal(&error) {
                    self.judge_refusal(&error);
                    lock(&self.oracle).history.refuse(fingerprint);
                }
            }
        }
    }

    fn patched(&self, answer: Result<View, ApiError>) {
        if answer.is_ok() {
            self.remembered(STATUSES.done, None);
        }
        self.changed(answer.map(|view| (self.request.key.clone(), view)));
    }

    fn judge_refusal(&self, error: &ApiError) {
        let ApiError::PreconditionFailed { already_applied, .. } = error else { return };
        let mut oracle = lock(&self.oracle);
        let versions = oracle.history.since(&self.request.key, self.sent);
        let mine = |version: &&crate::history::Version| version.fingerprint == self.request.fingerprint;
        let (some, all) = (versions.iter().any(|v| mine(&v)), versions.iter().all(|v| mine(&v)));
        let good = match already_applied {
            AlreadyApplied::Yes => some,
            AlreadyApplied::No => !all || versions.is_empty(),
        };
        if !good {
            oracle.say(format!("{:?} was answered {already_applied:?}", self.request));
        }
    }

    fn deleted(&self, answer: Result<Deleted, ApiError>) {
        let key = &self.request.key;
        match answer {
            Ok(Deleted::Gone) => {
                self.remembered(STATUSES.done, None);
                self.done("answers: gone");
                let mut oracle = lock(&self.oracle);
                if !oracle.history.since(key, self.sent).iter().any(|v| v.document.is_none() && v.rev > self.sent) {
                    oracle.say(format!("{key} was said to be gone, and nothing deleted it"));
                }
            }
            Ok(Deleted::Deleting(_)) => {
                self.remembered(STATUSES.accepted, None);
                self.done("answers: goes");
                let mut oracle = lock(&self.oracle);
                let observed = oracle.models.get(key).and_then(|model| model.state.observed.as_ref());
                let going = observed.is_some_and(|observed| observed.deleting_since.is_some());
                if !going && !oracle.history.was_absent(key, self.sent) {
                    oracle.say(format!("{key} was said to go, and stays"));
                }
            }
            Err(error) => drop(self.is_refusal(&error)),
        }
    }

    fn launched(&self, answer: Result<Launched, ApiError>) {
        match answer {
            Ok(Launched { id: job, .. }) => {
                if let Kind::Launch(activity, _) = &self.request.kind {
                    let ResourceKey { collection, id } = &self.request.key;
                    self.remembered(STATUSES.accepted, Some(format!("/v1/{collection}/{id}/{activity}/{job}")));
                }
                self.done("answers: launched");
                let mut oracle = lock(&self.oracle);
                if oracle.job(job).map_or(!oracle.forgotten.contains(&job), |job| job.resource != self.request.key) {
                    oracle.say(format!("job {job} was acknowledged and is not there"));
                }
            }
            Err(error) => {
                if self.is_refusal(&error) && self.request.once.is_none() {
                    lock(&self.oracle).history.posts -= 1;
                }
            }
        }
    }

    fn canceled(&self, job: JobId, answer: Result<Cancelled, ApiError>) {
        match answer {
            Ok(Cancelled::Final(_) | Cancelled::Stopping(_)) => {
                let status = if matches!(answer, Ok(Cancelled::Final(_))) { STATUSES.done } else { STATUSES.accepted };
                self.remembered(status, None);
                self.done("answers: canceled");
                let mut oracle = lock(&self.oracle);
                if !oracle.is_ending(job) {
                    oracle.say(format!("job {job} was said to be stopped, and goes on"));
                }
            }
            Err(error) => drop(self.is_refusal(&error)),
        }
    }
}
