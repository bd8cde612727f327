//! Programs as work: real processes under real supervisors.

mod canary;
mod cgroups;
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
