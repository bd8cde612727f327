//! Programs as work: real processes under real supervisors.

mod canary;
mod limits;
mod once;
mod output;
mod start;
mod stop;
mod temporary;
mod users;
mod world;
