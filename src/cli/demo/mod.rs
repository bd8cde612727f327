//! x
use super::args::DemoArgs;
use super::exit::Failure;
pub(super) fn run(_: &DemoArgs) -> Result<(), Failure> {
    Ok(())
}
