//! Heeler brings resources to heel.

pub mod api;
pub mod clock;
pub mod domain;
pub mod reconcile;
pub mod runner;
pub mod state;
pub mod store;
