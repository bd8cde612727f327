//! `heeler diff`: what applying files would change.

use serde_json::Value;

use super::args::{DiffArgs, FilesArgs, Format};
use super::files;
use super::plan::{Made, Plan, Way};
use super::print::{Colors, line};
use super::session::Session;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::complain;

pub(super) async fn run(session: &Session, args: &DiffArgs) -> Result<(), Failure> {
    let plans = plan(session, &args.files).await?;
    show(&plans, args.output.output)?;
    let differ = plans.iter().any(|plan| plan.outcome() != Made::Unchanged);
    if differ { Err(Failure::Said(Exit::JobFailed)) } else { Ok(()) }
}

/// Reads the files, and tries each. Where one is refused, there is no plan at all.
pub(super) async fn plan(session: &Session, args: &FilesArgs) -> Result<Vec<Plan>, Failure> {
    let wanted = files::read(args)?;
    let way = if args.merge { Way::Merge } else { Way::Replace };
    let mut plans = Vec::with_capacity(wanted.len());
    let mut refused = None;
    for wanted in &wanted {
        match Plan::make(session, wanted, way, args.if_match.as_deref()).await {
            Ok(plan) => plans.push(plan),
            // Who fixes files wants to know of all that is wrong with them.
            Err(failure) if failure.exit() == Exit::Usage => {
                complain(&failure.words());
                refused = Some(Failure::Said(Exit::Usage));
            }
            Err(failure) => return Err(failure),
        }
    }
    refused.map_or(Ok(plans), Err)
}

/// Prints plans on standard output.
pub(super) fn show(plans: &[Plan], format: Format) -> Result<(), Failure> {
    let colors = Colors::of_stdout();
    let differing = || plans.iter().filter(|plan| plan.outcome() != Made::Unchanged);
    match format {
        Format::Table => differing().try_for_each(|plan| plan.lines(colors).iter().try_for_each(|text| line(text))),
        Format::Json => {
            let shown: Vec<Value> = plans.iter().map(|plan| plan.json(plan.outcome())).collect();
            shown.iter().try_for_each(|shown| line(&shown.to_string()))
        }
        Format::Name => differing().try_for_each(|plan| line(&plan.name.to_string())),
    }
}
