//! Stores as a whole: backed up while they are written, restored, verified and
//! compacted, by the library and by the real program.

mod damages;
mod housekeeping;
mod killed;
mod program;
mod restoring;
mod service;
