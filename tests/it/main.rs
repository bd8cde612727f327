//! Behaviour through public doors only.

mod config;
