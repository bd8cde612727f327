//! Programs as work: real processes under real supervisors.

mod canary;
mod escape;
mod limits;
mod logs;
mod once;
mod output;
mod start;
mod stop;
mod temporary;
mod users;
mod world;
