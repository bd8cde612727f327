//! Heeler brings resources to heel.

pub mod domain;
pub mod reconcile;
pub mod store;
pub mod state;
pub mod runner;
pub mod clock;
