//! The stores.

mod conformance;
