//! Heeler.
fn main() {}
