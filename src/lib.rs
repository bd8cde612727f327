//! Heeler brings resources to heel.

pub mod domain;

pub mod reconcile;

pub mod store;

pub mod state;

pub mod runner;

pub mod engine;

pub mod api;

pub mod config;

pub mod clock;
