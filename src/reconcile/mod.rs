//! Decides what follows from everything that can happen to a resource.
//!
//! One way through: [`step()`] takes the state of one resource, an event and a
//! moment, and returns the state after it, already planned. [`plan()`] compares
//! desired with observed state and proposes the next actions; it reads nothing
//! but its arguments and can be asked again at any time.
//!
//! # Guarantees
//! The same arguments give the same result. A state that `step` returns is
//! planned: planning it again at the same instant proposes nothing.
//! # Assumptions
//! The state holds every unfinished job of the resource.
//! # Not here
//! Limits across resources (they belong to the claim), storing
//! ([`crate::state`]), running ([`crate::engine`]).

mod effect;
mod event;
mod invariants;
pub mod job_list;
pub mod keep;
pub mod ledger;
mod plan;
mod scheduled;
pub mod show;
mod state;
mod step;
mod ticks;
mod transitions;
pub mod waiting;

pub use event::{Event, Launch, Refused};
pub use invariants::violations;
pub use plan::{Action, Look, Plan, plan};
pub use scheduled::{OffReason, OffTime, PREVIOUS_MAX, Scheduled};
pub use state::{
    ActiveJob, ActivityStatus, Asked, EffectRefused, Fate, Held, LastJob, Observed, Phase, Ready, ResourceState,
    SchemaViolation, UNFINISHED_MAX,
};
pub use step::step;
pub use ticks::{CATCH_UP_MAX, TickVerdict, Verdict};

#[cfg(test)]
pub(crate) mod tests;
