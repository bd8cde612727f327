//! Asks a service that goes on by itself to stop: a DELETE to where it said.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::{sleep, timeout};

use super::request::{assemble, fields, scope, sign, spec, target};
use super::{ANSWER_DEFAULT, HttpConfig, connect, exchange};
use crate::domain::job::{AttemptOutcome, Ending};
use crate::domain::operation::Operation;
use crate::domain::outward::{Allow, HostFrom, Target};
use crate::domain::time::friendly;
use crate::runner::{Launch, Recall};

/// The first wait between two requests; each one is twice as long.
const AGAIN: Duration = Duration::from_millis(500);

/// Nothing of the answer counts but its status.
const ANSWER_BYTES_MAX: usize = 1024;

/// Asks until the service says that the work is gone, or the grace is over. It
/// is asked once, however late that is.
pub(super) async fn recall(config: &HttpConfig, recall: Recall) -> Ending {
    let grace = recall.launch.as_ref().map_or(Operation::GRACE_DEFAULT, |launch| launch.operation.grace);
    let now = config.clock.now();
    let left = grace.saturating_sub(if now < recall.asked { Duration::ZERO } else { now.since(recall.asked) });
    let Some(location) = recall.location.as_ref().and_then(|location| location.parse::<Target>().ok()) else {
        // It hears of it if it reports meanwhile.
        sleep(left).await;
        return unknown(format!(
            "the service named nothing that could be asked to stop, and did not end within {}",
            friendly(grace)
        ));
    };
    let mut last = match timeout(left.max(ANSWER_DEFAULT), ask(config, &recall, &location)).await {
        Ok(Ok(())) => return gone(),
        Ok(Err(why)) => why,
        Err(_) => "it did not answer".to_owned(),
    };
    let again = async {
        let mut wait = AGAIN;
        loop {
            sleep(wait).await;
            match ask(config, &recall, &location).await {
                Ok(()) => return,
                Err(why) => last = why,
            }
            wait *= 2;
        }
    };
    let left = left.saturating_sub(config.clock.now().since(now));
    match timeout(left, again).await {
        Ok(()) => gone(),
        Err(_) => unknown(format!(
            "the service was asked to stop for {}, and did not say that it has: {last}",
            friendly(grace)
        )),
    }
}

/// Asks once.
async fn ask(config: &HttpConfig, recall: &Recall, location: &Target) -> Result<(), String> {
    let Asking { from, allow, fields } = asking(config, recall, location);
    let stream = connect::connect(config, location, from, &allow).await.map_err(|error| error.to_string())?;
    let request = assemble(Method::DELETE, location, fields, Bytes::new())?;
    let answer = exchange::exchange(stream, request, ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
    match answer.status {
        200..=299 | 404 | 410 => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}

struct Asking {
    from: HostFrom,
    allow: Allow,
    fields: HeaderMap,
}

/// A service that named itself is trusted as far as it was when it was asked
/// to begin; wherever else it points to must be public or allowed, and gets
/// none of the operation's header fields.
fn asking(config: &HttpConfig, recall: &Recall, location: &Target) -> Asking {
    let unknown = Asking { from: HostFrom::Expression, allow: Allow::default(), fields: HeaderMap::new() };
    let Some((launch, spec)) = recall.launch.as_ref().and_then(|launch| Some((launch, spec(launch).ok()?))) else {
        return unknown;
    };
    let foreign = Asking { allow: spec.allow.clone(), ..unknown };
    let scope = scope(launch);
    if !target(spec, &scope).is_ok_and(|target| target.has_origin_of(location)) {
        return foreign;
    }
    let fields = fields(spec, &scope).and_then(|fields| signed(config, launch, fields));
    Asking { from: spec.host_from(), fields: fields.unwrap_or_default(), ..foreign }
}

fn signed(config: &HttpConfig, launch: &Launch, mut fields: HeaderMap) -> Result<HeaderMap, String> {
    let (secrets, now) = (&launch.means.surroundings.secrets, config.clock.now());
    sign(&mut fields, spec(launch)?, secrets, launch.attempt.job, &[], now)?;
    Ok(fields)
}

fn gone() -> Ending {
    let detail = "the service was asked to stop, and says that the work is gone";
    Ending { detail: Some(detail.to_owned()), ..Ending::new(AttemptOutcome::Canceled) }
}

fn unknown(detail: String) -> Ending {
    Ending { detail: Some(detail), ..Ending::new(AttemptOutcome::Lost) }
}
