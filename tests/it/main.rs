//! Everything that is tested from outside, in one binary.

mod config;
mod exec;
mod store;
