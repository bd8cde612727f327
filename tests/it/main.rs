//! Everything that is tested from outside, in one binary.

mod cli;
mod config;
mod exec;
mod http;
mod kill;
mod readme;
mod service;
mod store;
mod tidy;
mod wire;
