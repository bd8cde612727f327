//! Everything that is tested from outside, in one binary.

mod cli;
mod config;
mod exec;
mod http;
mod readme;
mod state;
mod store;
mod tidy;
