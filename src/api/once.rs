//! Once only: requests with an `Idempotency-Key`, and the answers to them.
//!
//! # Guarantees
//! Of requests with one key, from one principal, at most one is under way in
//! this process; the commit of the change decides between processes, and
//! between a request and one whose client has hung up.
//! # Not here
//! How the key is sent, and what the statuses mean ([`crate::http`]).

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::jobs::new_job;
use super::{Api, ApiError, ChangeRequest, View, links};
use crate::domain::catalog::Catalog;
use crate::domain::id::JobId;
use crate::domain::time::Timestamp;
use crate::state::{OnceName, OnceRecord, ResourceState, Subject};

/// An `Idempotency-Key` and what it was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceKey {
    /// Who sent it.
    pub principal: String,
    /// The key.
    pub key: String,
    /// What it was sent to: the path of the URL.
    pub target: String,
    /// A digest of method, media type and body.
    pub digest: [u8; 32],
}

impl OnceKey {
    fn name(&self) -> OnceName {
        OnceName { principal: self.principal.clone(), key: self.key.clone() }
    }

    fn hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn made(&self, record: &OnceRecord) -> bool {
        self.target == record.target && self.hex() == record.digest
    }
}

/// The numbers that a change is answered with, by what becomes of it. What
/// they mean is for others to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    /// Something was made.
    pub made: u16,
    /// It is done.
    pub done: u16,
    /// It goes on after the answer.
    pub accepted: u16,
}

/// How a request with a key stands to those before it.
#[derive(Debug, Clone)]
pub enum Once {
    /// It is the first with this key, and is remembered if it changes something.
    First(Arc<Held>),
    /// Another one with this key is not answered yet.
    InFlight,
    /// The key was used for another request.
    Reused,
}

/// What is known of a key when a request with it comes.
#[derive(Debug)]
pub enum Known {
    /// This very request was not answered before.
    New(Once),
    /// It was, with this.
    Answered(Answered),
}

/// What a request was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// Its `Location`.
    pub location: Option<String>,
    /// What it was about.
    pub subject: Subject,
}

/// The keys of requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashSet<OnceName>>);

/// That a key belongs to a request which is under way, until this is dropped.
pub struct Held {
    flights: Arc<Flights>,
    key: OnceKey,
    name: OnceName,
    statuses: Statuses,
    /// The answer as it was known in the commit.
    committed: OnceLock<(u16, Option<String>)>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("key", &self.key).field("committed", &self.committed).finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A resource whose id the service makes.
    NewResource,
    /// A resource.
    Resource,
    /// A new job of a resource.
    Launch,
    /// A job that there is.
    Job(JobId),
}

impl Api {
    /// What is known of a key. Ask before the change is made.
    ///
    /// # Errors
    /// `Store`.
    pub async fn known(&self, key: OnceKey, statuses: Statuses) -> Result<Known, ApiError> {
        let name = key.name();
        // Taken before looking: whoever held it before has been answered by
        // now, and what was answered is found.
        let Some(held) = self.hold(key, name, statuses) else { return Ok(Known::New(Once::InFlight)) };
        Ok(match self.state.remembered(&held.name).await? {
            None => Known::New(Once::First(Arc::new(held))),
            Some(record) if held.key.made(&record) => {
                let OnceRecord { status, location, subject, .. } = record;
                Known::Answered(Answered { status, location, subject })
            }
            Some(_) => Known::New(Once::Reused),
        })
    }

    /// Whether a key was used for another request than this one.
    ///
    /// # Errors
    /// `Store`.
    pub async fn is_reused(&self, key: &OnceKey) -> Result<bool, ApiError> {
        Ok(self.state.remembered(&key.name()).await?.is_some_and(|record| !key.made(&record)))
    }

    fn hold(&self, key: OnceKey, name: OnceName, statuses: Statuses) -> Option<Held> {
        let free = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        let flights = Arc::clone(&self.flights);
        free.then(|| Held { flights, key, name, statuses, committed: OnceLock::new() })
    }

    /// What an answer was about, as it is now; `None` where it is gone.
    ///
    /// # Errors
    /// `Store`.
    pub async fn present(&self, subject: &Subject) -> Result<Option<View>, ApiError> {
        let found = match subject {
            Subject::Job(id) => self.job(*id).await,
            Subject::Resource { key, uid } => match self.state.resource(key).await? {
                Some(stored) if stored.desired.uid == *uid => Ok(self.view(key, &stored)),
                Some(_) | None => return Ok(None),
            },
        };
        match found {
            Ok(view) => Ok(Some(view)),
            Err(ApiError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes what a change was answered with in the end, where that is not
    /// what its commit remembers: it may have been waited for.
    ///
    /// # Errors
    /// `Store`.
    pub async fn answered(&self, held: &Held, status: u16, location: Option<&str>) -> Result<(), ApiError> {
        let Some(committed) = held.committed.get() else { return Ok(()) };
        let answer = (status, location.map(str::to_owned));
        if *committed == answer {
            return Ok(());
        }
        Ok(self.state.correct(&held.name, answer.0, answer.1).await?)
    }
}

impl Held {
    pub(super) const fn name(&self) -> &OnceName {
        &self.name
    }

    /// What is remembered of a change, given the states before and after it.
    pub(super) fn record(
        &self,
        about: About,
        before: &ResourceState,
        after: &ResourceState,
        expires: Timestamp,
        catalog: &Catalog,
    ) -> OnceRecord {
        let key = &after.key;
        let (status, location, job) = match about {
            About::NewResource | About::Resource if before.desired.is_none() => {
                (self.statuses.made, Some(links::resource(catalog, key)), None)
            }
            About::NewResource | About::Resource if after.is_deleting() => (self.statuses.accepted, None, None),
            About::NewResource | About::Resource => (self.statuses.done, None, None),
            About::Launch => {
                let job = new_job(after, |id| before.jobs.contains_key(&id));
                let location = job.map(|job| links::activity_job(catalog, key, &job.activity, job.id));
                (self.statuses.accepted, location, job.map(|job| job.id))
            }
            About::Job(id) => {
                let is_final = after.jobs.get(&id).is_none_or(|job| job.phase.is_final());
                (if is_final { self.statuses.done } else { self.statuses.accepted }, None, Some(id))
            }
        };
        let uid = after.desired.as_ref().or(before.desired.as_ref()).map(|desired| desired.uid);
        let subject = match (job, uid) {
            (None, Some(uid)) => Subject::Resource { key: key.clone(), uid },
            (Some(job), _) => Subject::Job(job),
            (None, None) => unreachable!("a change is of something that is there before it or after it"),
        };
        OnceRecord { target: self.key.target.clone(), digest: self.key.hex(), status, location, subject, expires }
    }

    /// The change is made, and this is remembered of it.
    pub(super) fn committed(&self, record: Option<&OnceRecord>) {
        if let Some(OnceRecord { status, location, .. }) = record {
            self.committed.get_or_init(|| (*status, location.clone()));
        }
    }
}

/// Refuses a change whose key is not its own. Judged after existence, before
/// what the client believes.
pub(super) const fn judge(request: &ChangeRequest) -> Result<(), ApiError> {
    match &request.once {
        None | Some(Once::First(_)) => Ok(()),
        Some(Once::InFlight) => Err(ApiError::KeyInFlight),
        Some(Once::Reused) => Err(ApiError::KeyReused),
    }
}
