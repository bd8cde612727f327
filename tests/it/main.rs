//! Everything that is tested from outside, in one binary.
#![expect(clippy::disallowed_methods, reason = "tests spawn what they race and what they serve")]

mod api;
mod browser;
mod cli;
mod config;
mod declared;
mod exec;
mod housekeeping;
mod http;
mod kill;
mod native;
mod outward;
mod readme;
mod reload;
mod schemas;
mod seeds;
mod service;
mod state;
mod stock;
mod store;
mod tidy;
mod watching;
mod wire;
mod workers;
