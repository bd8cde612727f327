//! `heeler jobs`: lists jobs.

use super::args::JobsArgs;
use super::get::{Kind, list};
use super::session::Session;
use super::target::encoded;
use crate::cli::exit::Failure;

pub(super) async fn run(session: &Session, args: &JobsArgs) -> Result<(), Failure> {
    let filters = [
        ("operation", args.operation.as_ref().map(|name| name.as_str())),
        ("phase", args.phase.map(|phase| phase.as_str())),
        ("collection", args.collection.as_ref().map(|name| name.as_str())),
        ("resource", args.resource.as_deref()),
    ];
    let filters = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let filter: String = filters.map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
    list(session, "/v1/jobs", &filter, args.limit, args.output.output, Kind::Job).await
}
