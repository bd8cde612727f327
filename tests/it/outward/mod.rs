//! Operations whose work is done by other services: requests and letters, and
//! services and relays that fail in every way.

mod answers;
mod fates;
mod hosts;
mod letters;
mod peer;
mod program;
pub(crate) mod relays;
mod requests;
mod world;
