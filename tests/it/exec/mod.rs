//! Programs as work: real processes under real supervisors.

mod canary;
mod once;
mod output;
mod start;
mod stop;
mod world;
