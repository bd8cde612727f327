//! The core from outside: sentences of the wire's page, and what always holds.

mod follow;
mod judged;
mod keep;
mod leases;
mod limits;
mod lists;
mod overlap;
mod properties;
mod retired;
mod schedules;
mod sentences;
mod shape;
mod shown;
mod transitions;
pub(crate) mod world;
