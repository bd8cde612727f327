//! What brings one resource closer to what is desired of it.

mod outside;
mod recurring;
mod retired;

use serde_json::{Value, json};

use super::show;
use super::state::{ActiveJob, ActivityStatus, Asked, Fate, Held, Observed, ResourceState};
use super::ticks::Verdict;
use crate::domain::activity::{Activity, Overlap, Standing, judge_input};
use crate::domain::catalog::Catalog;
use crate::domain::condition::Reason;
use crate::domain::expression::Scope;
use crate::domain::id::{ActivityName, JobId, OperationName};
use crate::domain::job::{AttemptOutcome, CancelReason, JobPhase, StartRule, TriggerKind};
use crate::domain::limit::LimitKey;
use crate::domain::moment::Past;
use crate::domain::retry::RetryPolicy;
use crate::domain::schedule::Schedule;
use crate::domain::secret::Secrets;
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;
use crate::domain::wanted::Wanted;

/// What is to be done now, when to look again, and how things stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is to be done now, in this order. Empty when nothing is.
    pub actions: Vec<Action>,
    /// When to look again if nothing else happens; always in the future.
    pub wake_at: Option<Timestamp>,
    /// Whether the resource is settled, and if not, why not.
    pub reason: Reason,
}

/// One thing to be done to the state of a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The document asks for something new: remember it.
    Ask {
        /// The activity.
        activity: ActivityName,
        /// What tells this ask from every other.
        asked: Told,
    },
    /// The document says something new that asks for nothing: remember it.
    Note {
        /// The activity.
        activity: ActivityName,
        /// What tells it from everything else.
        asked: Told,
    },
    /// The document has another schedule, whose ticks count from now on.
    Schedule {
        /// The activity.
        activity: ActivityName,
        /// The schedule.
        schedule: Schedule,
    },
    /// The schedule is no longer there, or no longer counts.
    Unschedule {
        /// The activity.
        activity: ActivityName,
    },
    /// The time of ticks has come, or the next one is another.
    Tick {
        /// The activity.
        activity: ActivityName,
        /// What is decided of them.
        verdict: Verdict,
        /// The job of those that launch one, if any may.
        job: Option<Box<LaunchAction>>,
    },
    /// The ask is to be answered again: its work did not succeed and is held back.
    Reopen {
        /// The activity.
        activity: ActivityName,
    },
    /// The document no longer has the activity: forget what it asked.
    Forget {
        /// The activity.
        activity: ActivityName,
    },
    /// Queue a job for the pending ask.
    Launch(LaunchAction),
    /// Stop a job.
    Cancel {
        /// The job.
        job: JobId,
        /// Why.
        reason: CancelReason,
    },
    /// The attempt of a job is over whose work is done outside: its lease or its time is.
    GiveUp {
        /// The job.
        job: JobId,
        /// How it ended.
        outcome: AttemptOutcome,
        /// Why, for people.
        detail: String,
    },
    /// Look at such an attempt again at another time.
    Watch {
        /// The job.
        job: JobId,
        /// When its lease ends, where that is changed.
        until: Option<Timestamp>,
        /// When it is looked at, if it is.
        held: Option<Held>,
    },
    /// The wait of a job after a failed attempt is over.
    EndWait {
        /// The job.
        job: JobId,
    },
    /// A queued job may be claimed.
    MakeReady {
        /// The job.
        job: JobId,
        /// The priority of its operation.
        priority: i32,
        /// What it is counted by.
        limit_key: Option<LimitKey>,
    },
    /// A queued job that may be claimed is of another priority by now.
    Reorder {
        /// The job.
        job: JobId,
        /// The priority of its operation.
        priority: i32,
    },
    /// The time of a job is over.
    Overdue {
        /// The job.
        job: JobId,
    },
    /// A queued job may not be claimed for now.
    Hold {
        /// The job.
        job: JobId,
    },
    /// Nothing of the resource is left to wait for: it is gone.
    Remove,
}

/// What a document says of an activity, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What tells it from everything else.
    pub digest: String,
    /// What tells its `trigger` from every other.
    pub trigger: Option<String>,
    /// The generation that says it.
    pub generation: Generation,
}

/// A job to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchAction {
    /// The activity.
    pub activity: ActivityName,
    /// What is run.
    pub operation: OperationName,
    /// What it is run with.
    pub input: Value,
    /// Why.
    pub trigger: TriggerKind,
    /// The tick that it is launched for.
    pub scheduled_for: Option<Timestamp>,
    /// How its start waits for older jobs.
    pub start: StartRule,
    /// Retries, where the document overrides the operation.
    pub retry: Option<RetryPolicy>,
    /// The longest attempt in milliseconds, where the document overrides the operation.
    pub timeout_ms: Option<u64>,
}

/// When is looked, and how time went until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Now.
    pub now: Timestamp,
    /// How time went.
    pub past: Past,
    /// Whether the document may be another one in a moment: what has its time
    /// by now belongs to the one that is there, even where it is held back by
    /// its jitter.
    pub closing: bool,
}

impl From<Timestamp> for Look {
    fn from(now: Timestamp) -> Self {
        Self { now, past: Past::steady(now), closing: false }
    }
}

/// Proposes what to do now. See [`super`] for what it promises.
#[must_use]
pub fn plan(state: &ResourceState, catalog: &Catalog, look: impl Into<Look>) -> Plan {
    let look = look.into();
    let now = look.now;
    let mut actions = Vec::new();
    let mut reason = Reason::Settled;
    for name in activities(state, catalog) {
        let view = ActivityView::new(state, catalog, &name, look);
        view.plan(&mut actions);
        if reason.is_settled() {
            reason = view.reason();
        }
    }
    if state.is_deleting() {
        reason = Reason::Deleting;
        if actions.is_empty()
            && !state.observed.iter().flat_map(|o| o.activities.values()).any(|s| !s.active.is_empty())
        {
            actions = vec![Action::Remove];
        }
    }
    let wake_at = state.observed.as_ref().and_then(Observed::wake_at).filter(|at| now < *at);
    Plan { actions, wake_at, reason }
}

/// Those that the operator declared, in that order, and those that still have a past.
fn activities(state: &ResourceState, catalog: &Catalog) -> Vec<ActivityName> {
    let specs = catalog.declared(&state.key.collection).into_iter().flat_map(|collection| &collection.activities);
    let declared: Vec<ActivityName> = specs.map(|spec| spec.name.clone()).collect();
    let past = state.observed.iter().flat_map(|observed| observed.activities.keys());
    let past: Vec<ActivityName> = past.filter(|name| !declared.contains(name)).cloned().collect();
    declared.into_iter().chain(past).collect()
}

/// One activity and all that its plan depends on.
#[derive(Debug)]
pub(super) struct ActivityView<'a> {
    name: &'a ActivityName,
    wanted: Wanted,
    status: ActivityStatus,
    state: &'a ResourceState,
    catalog: &'a Catalog,
    now: Timestamp,
    look: Look,
}

impl<'a> ActivityView<'a> {
    pub(super) fn new(state: &'a ResourceState, catalog: &'a Catalog, name: &'a ActivityName, look: Look) -> Self {
        let wanted = state.wanted(name, catalog);
        let status = state.status(name).cloned().unwrap_or_default();
        Self { name, wanted, status, state, catalog, now: look.now, look }
    }

    fn plan(&self, actions: &mut Vec<Action>) {
        self.give_up(actions);
        if self.state.is_deleting() {
            self.cancel_all(CancelReason::Deleted, actions);
            self.unschedule(actions);
            return;
        }
        if self.is_retired() {
            return self.retire(actions);
        }
        self.end_waits(actions);
        match &self.wanted {
            // That it was asked for once tells a removed activity from one
            // that was never there, whose jobs somebody posted.
            Wanted::Nothing if self.status.asked.is_some() => {
                self.cancel_all(CancelReason::Removed, actions);
                self.unschedule(actions);
                actions.push(Action::Forget { activity: self.name.clone() });
            }
            Wanted::Nothing | Wanted::Unreadable(_) | Wanted::Failed(_) => {
                self.hold_ticks(actions);
                self.ready(Standing::Active, actions);
            }
            Wanted::Activity(activity) => {
                let before = actions.len();
                self.pursue(activity, actions);
                // What is asked for goes first, and ticks see what became of it.
                if actions.len() == before {
                    self.keep_schedule(activity, actions);
                }
            }
        }
    }

    /// Pursues what the document asks.
    fn pursue(&self, activity: &Activity, actions: &mut Vec<Action>) {
        let digest = activity.digest();
        let Some(asked) = self.status.asked.as_ref().filter(|asked| asked.digest == digest) else {
            let generation = self.state.desired.as_ref().map_or(Generation::FIRST, |desired| desired.generation);
            let asked = Told { digest, trigger: activity.trigger_digest(), generation };
            let before = self.status.asked.as_ref().and_then(|asked| asked.trigger.as_ref());
            let asks = activity.schedule.is_none() || asked.trigger.as_ref().is_some_and(|new| Some(new) != before);
            let activity = self.name.clone();
            actions.push(if asks { Action::Ask { activity, asked } } else { Action::Note { activity, asked } });
            return;
        };
        if activity.standing == Standing::Canceled {
            self.cancel_all(CancelReason::Canceled, actions);
            // Whatever becomes of the jobs that are stopped now: what did not
            // succeed is wanted again once `canceled` is taken back.
            if matches!(asked.fate, Fate::Launched | Fate::Failed | Fate::Canceled) {
                actions.push(Action::Reopen { activity: self.name.clone() });
            }
            return;
        }
        if asked.fate == Fate::Pending {
            let before = actions.len();
            self.answer(activity, actions);
            // What is cancelled now must not be made ready in the same breath.
            if actions.len() > before {
                return;
            }
        }
        self.ready(activity.standing, actions);
    }

    /// Answers the pending ask with a job, or prepares for that. Whatever
    /// stands in the way of the new job, an older change that still waits will
    /// never start, and what is to be replaced makes room for the new job.
    fn answer(&self, activity: &Activity, actions: &mut Vec<Action>) {
        let overlap = activity.overlap.unwrap_or(Overlap::FOR_CHANGES);
        let obstacle = self.obstacle(activity);
        let replaces = overlap == Overlap::Replace && matches!(obstacle, None | Some(Reason::TooManyJobs));
        for job in self.rivals().filter(|job| job.phase != JobPhase::Canceling) {
            let waits = job.phase == JobPhase::Queued && job.attempt == 0 && job.trigger == TriggerKind::Change;
            if waits && overlap != Overlap::Allow {
                actions.push(Action::Cancel { job: job.id, reason: CancelReason::Superseded });
            } else if replaces {
                actions.push(Action::Cancel { job: job.id, reason: CancelReason::Replaced });
            }
        }
        if obstacle.is_none() {
            actions.push(self.launch(activity, overlap));
        }
    }

    fn launch(&self, activity: &Activity, overlap: Overlap) -> Action {
        Action::Launch(LaunchAction {
            activity: self.name.clone(),
            operation: activity.operation.clone(),
            input: activity.input.clone(),
            trigger: TriggerKind::Change,
            scheduled_for: None,
            start: overlap.start_rule(),
            retry: retry_of(activity, self.catalog),
            timeout_ms: timeout_ms_of(activity),
        })
    }

    fn end_waits(&self, actions: &mut Vec<Action>) {
        let over = self.status.active.iter().filter(|job| job.not_before.is_some_and(|at| at <= self.now));
        actions.extend(over.map(|job| Action::EndWait { job: job.id }));
        let late = |by: Option<Timestamp>| by.is_some_and(|by| by <= self.now);
        let overdue = self.status.active.iter().filter(|job| late(job.start_by) || late(job.done_by));
        actions.extend(overdue.map(|job| Action::Overdue { job: job.id }));
    }

    /// Why a pending ask cannot be answered with a job now.
    fn obstacle(&self, activity: &Activity) -> Option<Reason> {
        let Some(operation) = self.catalog.operations.get(&activity.operation) else {
            return Some(Reason::UnknownOperation);
        };
        match activity.standing {
            Standing::Suspended => return Some(Reason::Suspended),
            Standing::Canceled => return Some(Reason::Settled),
            Standing::Active => {}
        }
        if !judge_input("", operation, &activity.input).is_empty() {
            return Some(Reason::InvalidInput);
        }
        (!self.state.has_room(&self.status.active)).then_some(Reason::TooManyJobs)
    }

    /// The unfinished jobs that somebody triggered: those that `overlap` is about.
    pub(super) fn rivals(&self) -> impl Iterator<Item = &ActiveJob> {
        self.status.active.iter().filter(|job| !job.is_follow_up())
    }

    /// Lets at most one queued job of the activity be claimed at a time, so
    /// that no resource crowds out the others; and one follow-up beside it, which
    /// a backlog would hold up until it is of no use.
    fn ready(&self, standing: Standing, actions: &mut Vec<Action>) {
        self.ready_of(false, standing, actions);
        self.ready_of(true, standing, actions);
    }

    fn ready_of(&self, follow_ups: bool, standing: Standing, actions: &mut Vec<Action>) {
        let mut taken = false;
        let queued = |job: &ActiveJob| job.phase == JobPhase::Queued && job.is_follow_up() == follow_ups;
        let any_ready = self.status.active.iter().any(|job| queued(job) && job.ready.is_some());
        for (older, job) in self.status.active.iter().enumerate().filter(|(_, job)| queued(job)) {
            let eligible = self.place(job).filter(|_| standing == Standing::Active && self.may_start(older, job));
            match (eligible, &job.ready) {
                (Some((priority, key)), Some(ready)) if ready.limit_key == key => {
                    taken = true;
                    // It keeps its turn among those of its new priority.
                    if ready.priority != priority {
                        actions.push(Action::Reorder { job: job.id, priority });
                    }
                }
                // It is counted by something else now: its place is another one.
                (Some(_) | None, Some(_)) => actions.push(Action::Hold { job: job.id }),
                (Some((priority, limit_key)), None) if !taken && !any_ready => {
                    taken = true;
                    actions.push(Action::MakeReady { job: job.id, priority, limit_key });
                }
                (Some(_) | None, None) => {}
            }
        }
    }

    fn may_start(&self, older: usize, job: &ActiveJob) -> bool {
        let alone = match job.start {
            StartRule::AtOnce => true,
            StartRule::WhenAlone => self.status.active[..older].iter().all(ActiveJob::is_follow_up),
        };
        alone && job.not_before.is_none_or(|at| at <= self.now)
    }

    /// The priority of a job and what it is counted by, while its operation is declared.
    fn place(&self, active: &ActiveJob) -> Option<(i32, Option<LimitKey>)> {
        let job = self.state.jobs.get(&active.id)?;
        let operation = self.catalog.operations.get(&job.operation)?;
        let Some(concurrency) = operation.concurrency.as_ref().filter(|concurrency| concurrency.per.is_some()) else {
            return Some((operation.priority, None));
        };
        let resource = self.state.subject(self.catalog).map_or(Value::Null, |subject| subject.document());
        let shown = json!(show::job(job, self.catalog));
        static NONE: Secrets = Secrets::none();
        let scope = Scope { input: &job.input, resource: &resource, job: &shown, secret: &NONE, env: &NONE };
        Some((operation.priority, concurrency.key(&scope)))
    }

    /// Whether the operation of a job is declared.
    fn is_declared(&self, active: &ActiveJob) -> bool {
        self.state.jobs.get(&active.id).is_some_and(|job| self.catalog.operations.contains_key(&job.operation))
    }

    fn cancel_all(&self, reason: CancelReason, actions: &mut Vec<Action>) {
        let stoppable = self.status.active.iter().filter(|job| job.phase != JobPhase::Canceling);
        actions.extend(stoppable.map(|job| Action::Cancel { job: job.id, reason }));
    }

    /// Whether the activity is settled, and if not, why not.
    fn reason(&self) -> Reason {
        let pending = self.status.asked.as_ref().filter(|asked| asked.fate == Fate::Pending);
        let obstacle = match (&self.wanted, pending) {
            (_, _) if self.is_retired() => None,
            (Wanted::Unreadable(_), _) => Some(Reason::InvalidActivity),
            (Wanted::Failed(_), _) => Some(Reason::ExpressionFailed),
            (Wanted::Activity(activity), Some(_)) => self.obstacle(activity).filter(|reason| !reason.is_settled()),
            (Wanted::Activity(activity), None) if self.has_due_tick() => self.obstacle_of_ticks(activity),
            (Wanted::Activity(_) | Wanted::Nothing, _) => None,
        };
        let of_jobs = self.status.active.iter().map(|job| self.reason_of(job)).min_by_key(|(rank, _)| *rank);
        of_jobs.map(|(_, reason)| reason).or(obstacle).unwrap_or(Reason::Settled)
    }

    /// What an unfinished job says, and how much that outweighs what others say.
    pub(super) fn reason_of(&self, job: &ActiveJob) -> (u8, Reason) {
        match job.phase {
            JobPhase::Starting | JobPhase::Running => (0, Reason::JobRunning),
            JobPhase::Canceling => (1, Reason::JobCanceling),
            JobPhase::Queued if !self.is_declared(job) => (3, Reason::UnknownOperation),
            JobPhase::Queued if self.is_suspended() => (4, Reason::Suspended),
            JobPhase::Queued if job.not_before.is_some_and(|at| self.now < at) => (5, Reason::Backoff),
            JobPhase::Queued | JobPhase::Succeeded | JobPhase::Failed | JobPhase::Canceled | JobPhase::Lost => {
                (2, Reason::Queued)
            }
        }
    }

    fn is_suspended(&self) -> bool {
        matches!(&self.wanted, Wanted::Activity(activity) if activity.standing == Standing::Suspended)
    }
}

/// The retries of a job that the activity asks for, where it overrides the operation's.
pub(super) fn retry_of(activity: &Activity, catalog: &Catalog) -> Option<RetryPolicy> {
    let operation = catalog.operations.get(&activity.operation)?;
    activity.retry.as_ref().map(|retry| retry.over(&operation.retry, operation.attempts_max))
}

/// The longest attempt of a job that the activity asks for, where it overrides the operation's.
pub(super) fn timeout_ms_of(activity: &Activity) -> Option<u64> {
    activity.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
}

impl Asked {
    /// An ask that is new.
    pub(super) fn new(told: Told) -> Self {
        Self { digest: told.digest, trigger: told.trigger, generation: told.generation, fate: Fate::Pending, job: None }
    }

    /// What is said anew, and asks for nothing: what was asked before stays.
    pub(super) fn noted(told: Told, before: Option<&Self>) -> Self {
        let (fate, job) = before.map_or((Fate::Noted, None), |before| (before.fate, before.job));
        Self { fate, job, ..Self::new(told) }
    }
}
