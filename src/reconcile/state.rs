//! The state of one resource: what is desired, what is observed, and its jobs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::scheduled::Scheduled;
use crate::domain::activity::Activity;
use crate::domain::catalog::Catalog;
use crate::domain::condition::Settlement;
use crate::domain::document::Desired;
use crate::domain::id::{ActivityName, JobId, ResourceKey};
use crate::domain::job::{Job, JobError, JobPhase, Progress, StartRule, TriggerKind};
use crate::domain::json;
use crate::domain::lease::Period;
use crate::domain::limit::LimitKey;
use crate::domain::tick::TickOutcome;
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;
use crate::domain::wanted::{Subject, Wanted};

/// The most unfinished jobs of one activity: its status names them all, and a
/// status must stay small.
pub const UNFINISHED_MAX: usize = 100;

/// The most bytes of input that the unfinished jobs of one activity may have
/// for another one to be made: all of them can be cancelled in one transaction,
/// which holds their records.
pub(super) const UNFINISHED_INPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Everything that is known of one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceState {
    /// Where it is.
    pub key: ResourceKey,
    /// What clients want; `None` where there is no such resource.
    pub desired: Option<Desired>,
    /// What the service did about it; `None` where it never decided anything.
    pub observed: Option<Observed>,
    /// Every unfinished job, and those that the event at hand is about.
    pub jobs: BTreeMap<JobId, Job>,
    /// The rows of the ledger that were written by what happened last; those
    /// before are never looked at again.
    pub ledger: BTreeMap<(ActivityName, Timestamp), TickOutcome>,
}

/// Observed state: written by the service alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The latest instant that anything here happened at. Time does not go back behind it.
    pub latest: Timestamp,
    /// Since when the resource is being deleted.
    pub deleting_since: Option<Timestamp>,
    /// Whether it is settled, and if not, why not.
    pub settlement: Settlement,
    /// Per activity, what is asked and what became of it.
    pub activities: BTreeMap<ActivityName, ActivityStatus>,
    /// The members of the document that effects wrote, each in its place.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub members: Map<String, Value>,
    /// That the document is not what the schema takes that its collection has
    /// by now, as far as it was judged since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<SchemaViolation>,
}

/// That a stored document is not what the schema of its collection takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaViolation {
    /// The first place that is wrong (RFC 6901).
    pub pointer: String,
    /// What is wrong there, for people.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is asked of one activity, and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ActivityStatus {
    /// What the document asked last. Present while the document has the activity.
    pub asked: Option<Asked>,
    /// The unfinished jobs, the oldest first.
    pub active: Vec<ActiveJob>,
    /// How far the newest reporting job got.
    pub progress: Option<Progress>,
    /// The job that became final last.
    pub last: Option<LastJob>,
    /// How the newest one ended that is no follow-up, where `last` is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_follow_ups: Option<JobPhase>,
    /// That the effect of a job could not be applied, until one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<EffectRefused>,
    /// What tells the request that edited the list of its jobs last from every
    /// other one, in hex. Gone once a client changes the list in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<String>,
    /// How far the ticks of its schedule are decided, once it has had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Scheduled>,
}

/// That the effect of a job could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRefused {
    /// The job.
    pub job: JobId,
    /// Why, for people.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// What the document asked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// [`Activity::digest`] of the ask.
    pub digest: String,
    /// [`Activity::trigger_digest`] of the ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The generation that asked.
    pub generation: Generation,
    /// What became of it.
    pub fate: Fate,
    /// The job that was launched for it last.
    pub job: Option<JobId>,
}

/// What became of an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Nothing: with a schedule, what is to be run is not asked for.
    Noted,
    /// It waits for a job to be launched.
    Pending,
    /// A job was launched and is not finished.
    Launched,
    /// Its job did the work.
    Succeeded,
    /// Its job failed for good, or is lost.
    Failed,
    /// Its job was cancelled by itself.
    Canceled,
}

/// An unfinished job, as the status shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveJob {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub phase: JobPhase,
    /// The number of its newest attempt; 0 before the first.
    pub attempt: u32,
    /// When its first attempt started.
    pub started: Option<Timestamp>,
    /// Why it exists.
    pub trigger: TriggerKind,
    /// How its start waits for other jobs.
    pub start: StartRule,
    /// The earliest start of its next attempt, until that instant was seen to pass.
    pub not_before: Option<Timestamp>,
    /// When it fails, while no attempt has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by: Option<Timestamp>,
    /// When it fails or is stopped, while it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_by: Option<Timestamp>,
    /// That it may be claimed, and its place among those that wait.
    pub ready: Option<Ready>,
    /// When its attempt is looked at, where the work is done outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// Until when an attempt is believed to be under way whose work is done outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// When to look at it, which is not after its lease or its time ends.
    pub look_at: Timestamp,
    /// The time that it may take, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Period>,
}

/// The place of a job among those that may be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The priority of its operation.
    pub priority: i32,
    /// When it became ready.
    pub at: Timestamp,
    /// What it is counted by, where its operation is limited for each of something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<LimitKey>,
}

/// The job that became final last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastJob {
    /// Its id.
    pub id: JobId,
    /// How it ended.
    pub phase: JobPhase,
    /// When.
    pub finished: Timestamp,
    /// What it gave.
    pub result: LastResult,
    /// Why it failed.
    pub error: Option<JobError>,
}

/// The largest result that a document shows, in bytes of JSON; a larger one is at its job.
pub(super) const LAST_RESULT_BYTES_MAX: usize = 4 * 1024;

/// What the last job gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LastResult {
    /// Nothing.
    None,
    /// This.
    Value(Value),
    /// More than a document shows.
    Large,
}

/// The word that sums up an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ActivityPhase")]
pub enum Phase {
    /// Nothing happened yet.
    Idle,
    /// Nothing is to be done before the next tick of its schedule.
    Scheduled,
    /// A job waits.
    Queued,
    /// A job runs.
    Running,
    /// A job is being stopped.
    Canceling,
    /// The last job did its work.
    Succeeded,
    /// The last job failed, or is lost.
    Failed,
    /// The last job was cancelled, or the document says `canceled: true`.
    Canceled,
    /// The document says `suspend: true`.
    Suspended,
}

impl Phase {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Suspended => "suspended",
        }
    }
}

impl ActivityStatus {
    /// Sums up the activity, given what the document says of it.
    #[must_use]
    pub fn phase(&self, wanted: Option<&Activity>) -> Phase {
        use crate::domain::activity::Standing;
        let any = |phases: &[JobPhase]| self.active.iter().any(|job| phases.contains(&job.phase));
        if any(&[JobPhase::Starting, JobPhase::Running]) {
            return Phase::Running;
        }
        if any(&[JobPhase::Canceling]) {
            return Phase::Canceling;
        }
        match wanted.map(|activity| activity.standing) {
            Some(Standing::Canceled) => return Phase::Canceled,
            Some(Standing::Suspended) => return Phase::Suspended,
            Some(Standing::Active) | None => {}
        }
        let pending = self.asked.as_ref().is_some_and(|asked| asked.fate == Fate::Pending);
        if pending || !self.active.is_empty() {
            return Phase::Queued;
        }
        if wanted.is_some_and(|activity| activity.schedule.is_some())
            && self.schedule.as_ref().is_some_and(|scheduled| scheduled.next.is_some())
        {
            return Phase::Scheduled;
        }
        // What follows an end does not change how that ended.
        match self.before_follow_ups.or_else(|| self.last.as_ref().map(|last| last.phase)) {
            None => Phase::Idle,
            Some(JobPhase::Succeeded) => Phase::Succeeded,
            Some(JobPhase::Failed | JobPhase::Lost) => Phase::Failed,
            Some(JobPhase::Canceled) => Phase::Canceled,
            Some(JobPhase::Queued | JobPhase::Starting | JobPhase::Running | JobPhase::Canceling) => Phase::Idle,
        }
    }
}

impl ActiveJob {
    /// Whether it follows another job: nobody triggered it, and `overlap` does not see it.
    #[must_use]
    pub fn is_follow_up(&self) -> bool {
        self.trigger == TriggerKind::Follow
    }
}

impl Observed {
    /// The instant of the next timer: the end of the earliest wait of a job, a
    /// look at an attempt outside, or the next tick.
    ///
    /// Of a planned state it is always in the future: a wait that is over is
    /// forgotten even where the job may not start yet, or its timer would go
    /// off again and again.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let active = self.activities.values().flat_map(|status| &status.active);
        let look_at = |job: &ActiveJob| job.held.as_ref().map(|held| held.look_at);
        let waits = active.flat_map(|job| [job.not_before, job.start_by, job.done_by, look_at(job)]).flatten();
        waits.chain(self.schedules().filter_map(|(_, scheduled)| scheduled.due)).min()
    }

    /// What is known of the schedules of the activities.
    pub fn schedules(&self) -> impl Iterator<Item = (&ActivityName, &Scheduled)> {
        self.activities.iter().filter_map(|(name, status)| Some((name, status.schedule.as_ref()?)))
    }
}

impl ResourceState {
    /// A place where there is no resource.
    #[must_use]
    pub const fn absent(key: ResourceKey) -> Self {
        Self { key, desired: None, observed: None, jobs: BTreeMap::new(), ledger: BTreeMap::new() }
    }

    /// What expressions see of the resource, where there is one in a collection
    /// that is declared.
    #[must_use]
    pub fn subject<'a>(&'a self, catalog: &'a Catalog) -> Option<Subject<'a>> {
        static NO_MEMBERS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        let desired = self.desired.as_ref()?;
        Some(Subject {
            collection: catalog.declared(&self.key.collection)?,
            id: &self.key.id,
            members: desired.document.members(),
            observed: self.observed.as_ref().map_or(&*NO_MEMBERS, |observed| &observed.members),
            updated: desired.updated,
        })
    }

    /// What the resource wants of an activity; nothing of one that is not declared.
    #[must_use]
    pub fn wanted(&self, name: &ActivityName, catalog: &Catalog) -> Wanted {
        let Some(subject) = self.subject(catalog) else { return Wanted::Nothing };
        subject.collection.activity(name.as_str()).map_or(Wanted::Nothing, |spec| subject.wants(spec))
    }

    /// Whether the resource goes once its jobs are gone.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| observed.deleting_since.is_some())
    }

    /// Whether an activity may have another unfinished job beside these.
    #[must_use]
    pub fn has_room(&self, unfinished: &[ActiveJob]) -> bool {
        let inputs = unfinished.iter().filter_map(|active| self.jobs.get(&active.id));
        let bytes: usize = inputs.map(|job| json::encoded_len(&job.input)).sum();
        unfinished.len() < UNFINISHED_MAX && bytes < UNFINISHED_INPUT_BYTES_MAX
    }

    /// The status of an activity, if anything was ever decided about it.
    #[must_use]
    pub fn status(&self, name: &ActivityName) -> Option<&ActivityStatus> {
        self.observed.as_ref()?.activities.get(name)
    }
}
