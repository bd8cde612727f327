//! `heeler apply`: makes resources what files say.
//!
//! # Guarantees
//! Nothing is changed unless the service would take all of it. Each change is
//! made on the version that its plan was shown for, or not at all.

use super::args::{ApplyArgs, Format};
use super::diff;
use super::plan::{Made, Plan};
use super::print::{Colors, line};
use super::session::Session;
use super::target::Target;
use super::wait;
use crate::cli::exit::{Exit, Failure, Worst};
use crate::cli::output::complain;

pub(super) async fn run(session: &Session, args: &ApplyArgs) -> Result<(), Failure> {
    let plans = diff::plan(session, &args.files).await?;
    if args.dry_run {
        return diff::show(&plans, args.output.output);
    }
    let colors = Colors::of_stderr();
    let differing = plans.iter().filter(|plan| plan.outcome() != Made::Unchanged);
    differing.flat_map(|plan| plan.lines(colors)).for_each(|text| complain(&text));
    let mut worst = Worst::default();
    let mut applied = Vec::new();
    for plan in &plans {
        match apply(session, plan, args.output.output).await {
            Ok(()) => applied.push(Target::Resource(plan.name.clone())),
            Err(failure) => {
                worst.note(&failure);
                // Whether others can be reached is no longer to be expected.
                if matches!(failure.exit(), Exit::Unreachable | Exit::Done) {
                    break;
                }
            }
        }
    }
    if let Some(timeout) = args.wait.wait {
        let said = |text: String| {
            complain(&text);
            Ok(())
        };
        if let Err(failure) = wait::all(session, &applied, timeout, said).await {
            worst.note(&failure);
        }
    }
    worst.verdict()
}

async fn apply(session: &Session, plan: &Plan, format: Format) -> Result<(), Failure> {
    let made = plan.carry_out(session).await?;
    match format {
        Format::Table => line(&format!("{} {}", plan.name, made.as_str())),
        Format::Json => line(&plan.json(made).to_string()),
        Format::Name => line(&plan.name.to_string()),
    }
}
