//! Heeler brings resources to heel: clients write what they want into JSON
//! documents over HTTP, and Heeler makes it so, keeps it so, and shows in the
//! same documents how far it got.
//!
//! A program embeds it by building a service and letting functions of its own
//! do the work of operations:
//!
//! ```
//! use heeler::{CollectionOptions, Heeler, NativeJob, NativeResult, StoreUrl};
//! use serde_json::{Value, json};
//!
//! /// Barks as often as the document says.
//! async fn bark(job: NativeJob) -> NativeResult<Value> {
//!     let times = job.resource()["loudness"].as_u64().unwrap_or(1);
//!     for bark in 0..times {
//!         job.progress(bark as f64 / times as f64, "Woof!");
//!     }
//!     Ok(json!({ "barked": times }))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Heeler::builder()
//!     .collection("dogs", CollectionOptions::default().activity("barks", ["bark"]))
//!     .operation("bark", bark)
//!     .store(StoreUrl::Memory)
//!     .listen(([127, 0, 0, 1], 0).into())
//!     .build()
//!     .await?;
//!
//! // Clients ask over HTTP, and the program itself can without a connection:
//! let client = service.client();
//! let asking = async move {
//!     let put = http::Request::put("/v1/dogs/rex")
//!         .header("content-type", "application/json")
//!         .header("prefer", "wait=10")
//!         .body(r#"{ "loudness": 3, "barks": { "trigger": 1 } }"#)?;
//!     let document: Value = serde_json::from_slice(client.send(put).await.body())?;
//!     assert_eq!(document["status"]["barks"]["last"]["result"], json!({ "barked": 3 }));
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! };
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let (served, asked) = tokio::join!(
//!     service.serve(async { stopped.await.unwrap_or_default() }),
//!     async { let asked = asking.await; drop(stop); asked },
//! );
//! served?;
//! asked
//! # }
//! ```
//!
//! `examples/embed` is such a program in full. What is re-exported at the root
//! of the crate is what programs can rely on: it changes as [Semantic
//! Versioning](https://semver.org) says. The modules below are open for the
//! tests of this very crate, and for readers; they change whenever that is
//! better, without notice.
//!
//! # How it is made
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
//! 5. [`runner`]: what does the work; programs on this machine, under supervisors, and functions.
//! 6. [`engine`]: the loops that claim, start, hear, stop and look again.
//! 7. [`api`]: what can be done with resources and jobs, without HTTP.
//! 8. [`http`]: the wire.
//! 9. [`config`] and [`service`]: the operator's file, and all of it put together; with the
//!    feature `cli`, which is on by default, `cli` and `telemetry`: the command and its logs.
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

#[cfg(feature = "cli")]
pub mod telemetry;

pub mod metrics;

pub mod service;

#[cfg(feature = "cli")]
pub mod cli;

pub use config::{Changes, ConfigError, ConfigErrors, Limits, StoreUrl};
pub use domain::retention::Retention;
pub use domain::retry::{Never, RetryPolicy};
pub use runner::native::{LogWriter, NativeError, NativeJob, NativeResult};
pub use service::{Builder, Client, CollectionOptions, Error, Heeler, OperationOptions, Reloader, supervise_if_asked};

/// The programs in the README, held to this crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
