//! The core from outside: sentences of the wire's page, and what always holds.

mod lists;
mod overlap;
mod properties;
mod sentences;
mod shown;
pub(crate) mod world;
