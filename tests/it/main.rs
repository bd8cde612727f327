//! It.
mod http;
mod store;
