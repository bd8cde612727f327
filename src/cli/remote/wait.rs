//! `heeler wait`: until resources are settled, or jobs finished.

use std::time::Duration;

use tokio::time::Instant;

use super::args::WaitArgs;
use super::poll;
use super::print::line;
use super::session::Session;
use super::target::Target;
use crate::cli::exit::{Failure, Worst};

pub(super) async fn run(session: &Session, args: &WaitArgs) -> Result<(), Failure> {
    all(session, &args.targets, args.timeout, |text| line(&text)).await
}

/// Waits for all of them, and says of each how it ended.
pub(super) async fn all(
    session: &Session,
    targets: &[Target],
    timeout: Duration,
    say: impl Fn(String) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let mut worst = Worst::default();
    for target in targets {
        match poll::done(session, target, deadline).await {
            Ok(words) => say(format!("{target} {words}"))?,
            Err(failure) => {
                worst.note(&failure);
            }
        }
    }
    worst.verdict()
}
