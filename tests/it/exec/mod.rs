//! Programs as work: real processes under real supervisors.

mod once;
mod output;
mod start;
mod stop;
mod world;
