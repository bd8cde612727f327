//! Heeler brings resources to heel.
#![allow(missing_docs, reason = "not all modules are there yet")]

pub mod domain;
pub mod runner;
