//! What the service does for itself, on the real store and by the real program.

mod chores;
mod declarations;
mod program;
mod world;
