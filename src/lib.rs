//! Heeler brings resources to heel: clients write what they want into JSON
//! documents over HTTP, and Heeler makes it so, keeps it so, and shows in the
//! same documents how far it got.
//!
//! A small synchronous core decides, and a thin asynchronous shell does. The
//! core takes the world as values, the time included, and returns data that
//! says what to do. The shell has one loop for each concern, and can be killed
//! between any two lines.
//!
//! ```text
//!  HTTP ─▶ http ─▶ api ─▶ state: load ─▶ reconcile::step ─▶ commit ─▶ answer
//!                           ▲                               │ rows + change log
//!  runner ─ report ─▶ engine┘◀──────── indexes, bells ──────┘
//! ```
//!
//! # The modules, in reading order
//! 1. [`domain`]: the words of Heeler as types, and its rules as functions. Pure.
//! 2. [`reconcile`]: everything that can happen to a resource, and what follows. Pure.
//! 3. [`store`]: ordered keys, small transactions, a change log; in memory and in redb.
//! 4. [`state`]: the bridge: keys, records, and load–step–commit.
//! 5. [`runner`]: what does the work; programs on this machine, under supervisors.
//! 6. [`engine`]: the loops that claim, start, hear, stop and look again.
//! 7. [`api`]: what can be done with resources and jobs, without HTTP.
//! 8. [`http`]: the wire.
//! 9. [`config`], [`cli`] and [`telemetry`]: the operator's file, the command, its logs.
//! 10. [`clock`]: the machine's clock and randomness, behind traits; [`metrics`]: what is counted.
//!
//! # Never
//! - The core reads no clock, makes no randomness, and knows neither tokio nor disk.
//! - Nothing is done in the world before it is recorded in the store.
//! - No outcome is accepted with an old fencing token.
//! - No error becomes a problem anywhere but in `http`, a problem a status
//!   anywhere but in `http/problem.rs`, nor a failure of the command an exit
//!   code anywhere but in `cli/exit.rs`.
//! - No queue, body, page or retry is without a named limit.
//!
//! The edges between modules are checked by a test (`tests/it/tidy/`).

pub mod domain;

pub mod reconcile;

pub mod store;

pub mod state;

pub mod runner;

pub mod engine;

pub mod api;

pub mod http;

pub mod config;

pub mod clock;

pub mod telemetry;

pub mod metrics;

pub mod service;

pub mod cli;
