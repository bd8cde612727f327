//! What becomes of jobs and acknowledged writes when the service is killed,
//! stopped, or let down by its disk: on the real binary, by requests alone.

mod disk;
mod load;
mod named;
mod schedules;
