//! The real program: what it says, and how it ends.

mod demo;
mod help;
mod refusals;
mod remote;
mod serve;
pub(crate) mod world;
