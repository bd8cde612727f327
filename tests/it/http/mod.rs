//! The wire: transcripts of whole exchanges, what clients may do to a
//! connection, and how long they may take over it.

mod client;
mod connections;
mod dogs;
mod forgetting;
mod transcripts;
mod wire;
mod world;
