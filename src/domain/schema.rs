//! JSON Schema, compiled once and bounded in what it can cost.
