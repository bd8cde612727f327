//! `heeler check`: says whether a configuration is right.

use super::args::CheckArgs;
use super::exit::Failure;
use super::output::{counted, say};
use super::settings;

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let catalog = settings::for_check(args)?.catalog;
    let mut collections = counted(catalog.collections.len() + catalog.retired.len(), "collection");
    if !catalog.retired.is_empty() {
        collections.push_str(&format!(" ({} retired)", catalog.retired.len()));
    }
    let operations = counted(catalog.operations.len(), "operation");
    say(&format!("{} is right: {collections}, {operations}", args.config.config.display()));
    Ok(())
}
