//! What the end of a job does beside ending: what the operator declared of it.

use super::expression::Expression;
use super::id::OperationName;
use super::job::JobPhase;

/// The most jobs in a row of which each follows the end of the one before:
/// work in a few steps has its place, and what is longer is a circle that
/// nobody meant.
pub const FOLLOW_UPS_MAX: u32 = 8;

/// The largest input of a follow-up, in bytes of JSON: as much as a client may
/// send by default.
pub const FOLLOW_UP_INPUT_BYTES_MAX: usize = 1 << 20;

/// The deepest input of a follow-up: one that is deeper could be written and
/// not be read again, and follow-ups that hand on their input wrap it again.
pub const FOLLOW_UP_INPUT_DEPTH_MAX: usize = 64;

/// What the ends of jobs do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// When a job did its work.
    pub success: Effect,
    /// When it did not, for good, or is lost.
    pub failure: Effect,
}

/// What the end of a job does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    /// To observed members: an object that is merged into the document.
    pub merge: Option<Expression>,
    /// The job that follows.
    pub launch: Option<FollowUp>,
}

/// A job that follows the end of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    /// What is run: fixed by the operator.
    pub operation: OperationName,
    /// What it is run with; `{}` without one.
    pub input: Option<Expression>,
}

impl Effects {
    /// What the end of a job does that ended so. One that was cancelled did
    /// neither what was wanted nor fail at it.
    #[must_use]
    pub const fn of(&self, phase: JobPhase) -> Option<&Effect> {
        match phase {
            JobPhase::Succeeded => Some(&self.success),
            JobPhase::Failed | JobPhase::Lost => Some(&self.failure),
            JobPhase::Canceled | JobPhase::Queued | JobPhase::Starting | JobPhase::Running | JobPhase::Canceling => {
                None
            }
        }
    }
}

impl Effect {
    /// Whether anything is declared.
    #[must_use]
    pub const fn is_declared(&self) -> bool {
        self.merge.is_some() || self.launch.is_some()
    }
}
