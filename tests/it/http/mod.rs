//! The wire: transcripts of whole exchanges, what clients may do to a
//! connection, and how long they may take over it.

mod client;
mod connections;
mod dogs;
mod editing;
mod forgetting;
mod ledger;
mod once;
mod paging;
mod transcripts;
mod two;
mod wire;
mod world;
