//! It.
mod store;
