//! JSON Schema, compiled once and bounded in what it can cost.

/// A compiled schema.
#[derive(Debug)]
pub struct Schema;
