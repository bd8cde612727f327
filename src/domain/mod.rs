//! The words of Heeler as types, and its rules as functions.
//!
//! # Guarantees
//! Everything here is synchronous, total and deterministic: time, ids and
//! randomness are arguments, and no function panics on any input.
//! # Not here
//! Planning what follows from a change ([`crate::reconcile`]), storing it
//! ([`crate::state`]), serving it ([`crate::http`]).

pub mod time;
pub mod id;
pub mod version;
pub mod operation;
pub mod job;
pub mod retry;
pub mod expression;
pub mod schema;
