//! The core from outside: sentences of the wire's page, and what always holds.

mod keep;
mod overlap;
mod properties;
mod sentences;
mod shown;
mod transitions;
pub(crate) mod world;
