//! Heeler brings resources to heel.
#![allow(missing_docs, reason = "not all modules are there yet")]

pub mod domain;
pub mod runner;

pub mod engine;

pub mod api;

pub mod config;

pub mod clock;
