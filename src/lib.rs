//! Heeler brings resources to heel.
#![allow(missing_docs)]

pub mod domain;


