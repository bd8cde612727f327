//! It.

mod exec;
