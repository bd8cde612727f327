//! The words of Heeler as types, and its rules as functions.
//!
//! # Guarantees
//! Everything here is synchronous, total and deterministic: time, ids and
//! randomness are arguments, and no function panics on any input.
//! # Not here
//! Planning what follows from a change ([`crate::reconcile`]), storing it
//! ([`crate::state`]), serving it ([`crate::http`]).

pub mod activity;
pub mod catalog;
pub mod change;
pub mod condition;
pub mod diff;
pub mod document;
pub mod effect;
pub mod expression;
pub mod fields;
pub mod form;
pub mod id;
pub mod id_pattern;
pub mod job;
pub mod job_list;
pub mod json;
pub mod lease;
pub mod limit;
pub mod links;
pub mod log;
pub mod marks;
pub mod means;
pub mod moment;
pub mod near;
pub mod operation;
pub mod outlook;
pub mod outward;
pub mod patch;
pub mod paths;
pub mod precondition;
pub mod principal;
pub mod retention;
pub mod retry;
pub mod schedule;
pub mod schema;
pub mod secret;
pub mod tick;
pub mod time;
pub mod version;
pub mod wanted;
