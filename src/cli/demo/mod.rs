//! x
use super::exit::Failure;
use super::args::DemoArgs;
pub(super) fn run(_: &DemoArgs) -> Result<(), Failure> { Ok(()) }
