//! `heeler restore`, `verify` and `compact`: a store as a whole, that nobody uses.

use super::args::{RestoreArgs, StockArgs};
use super::exit::Failure;
use super::output::{counted, say};
use super::settings;
use crate::clock::{Clock as _, SystemClock};
use crate::service::stock::{self, Counts, Present, Restored, Sizes};

pub(super) fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let store = settings::for_stock(&args.stock)?;
    let present = if args.replace { Present::PutAside } else { Present::Keep };
    let Restored { backup, rev, aside } = match stock::restore(&args.from, &store, present, SystemClock.now()) {
        Err(stock::Error::Exists { path }) => {
            let advice = "say --replace to put it aside and restore in its place";
            return Err(Failure::Usage(format!("{path} is there already: {advice}")));
        }
        restored => restored?,
    };
    if let Some(aside) = aside {
        say(&format!("what was there is now {}", aside.display()));
    }
    let counted = counted(backup.rows, "row");
    say(&format!("{} is restored: {counted} of revision {}; it goes on at {}", store.display(), backup.rev.0, rev.0));
    Ok(())
}

pub(super) fn verify(args: &StockArgs) -> Result<(), Failure> {
    let store = settings::for_stock(args)?;
    let Counts { rows, resources, jobs, log, findings } =
        stock::verify(&store, &mut |finding| say(&finding.to_string()))?;
    let looked = [
        counted(rows, "row"),
        counted(resources, "resource"),
        counted(jobs, "job"),
        format!("{log} in the change log"),
    ];
    let looked = looked.join(", ");
    if findings > 0 {
        let findings = counted(findings, "finding");
        return Err(Failure::Unsound(format!("{} is not sound: {findings} ({looked})", store.display())));
    }
    say(&format!("{} is sound: {looked}", store.display()));
    Ok(())
}

pub(super) fn compact(args: &StockArgs) -> Result<(), Failure> {
    let store = settings::for_stock(args)?;
    let Sizes { before, after } = stock::compact(&store)?;
    say(&format!("{} is compact: {before} bytes before, {after} after", store.display()));
    Ok(())
}
