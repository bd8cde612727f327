//! `heeler get`: shows resources and jobs.

use serde_json::Value;

use super::args::{Format, GetArgs};
use super::print::{self, JOB_HEAD, RESOURCE_HEAD, Table, job_row, line, pretty, resource_row, text};
use super::session::Session;
use super::target::Target;
use crate::cli::exit::Failure;

/// How many items are asked for at a time.
const PAGE: u64 = 500;

pub(super) async fn run(session: &Session, args: &GetArgs) -> Result<(), Failure> {
    let path = session.path(&args.target).await?;
    let printer = match &args.target {
        Target::Collection(_) => return list(session, &path, "", args.limit, args.output.output, Kind::Resource).await,
        Target::Jobs => return list(session, &path, "", args.limit, args.output.output, Kind::Job).await,
        Target::Resource(_) | Target::Activity(..) => Kind::Resource,
        Target::Job(_) => Kind::Job,
    };
    one(&session.read(&path).await?, args.output.output, printer, &args.target)
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Resource,
    Job,
}

impl Kind {
    const fn head(self) -> &'static [&'static str] {
        match self {
            Self::Resource => RESOURCE_HEAD,
            Self::Job => JOB_HEAD,
        }
    }

    fn row(self, shown: &Value) -> Vec<String> {
        match self {
            Self::Resource => resource_row(shown),
            Self::Job => job_row(shown),
        }
    }
}

fn one(shown: &Value, format: Format, kind: Kind, target: &Target) -> Result<(), Failure> {
    match format {
        Format::Json => line(&pretty(shown)),
        Format::Name => line(&target.to_string()),
        Format::Table => Table::new(kind.head()).lines(&[kind.row(shown)]).iter().try_for_each(|row| line(row)),
    }
}

/// Prints the items of a list, page by page.
pub(super) async fn list(
    session: &Session,
    path: &str,
    filter: &str,
    limit: Option<u64>,
    format: Format,
    kind: Kind,
) -> Result<(), Failure> {
    let mut left = limit.unwrap_or(u64::MAX);
    let mut next = Some(format!("{path}?limit={}{filter}", left.min(PAGE)));
    let mut table = Table::new(kind.head());
    let mut begun = false;
    let prefix = match kind {
        Kind::Job => "jobs".to_owned(),
        Kind::Resource => path.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    while let Some(page) = next.take() {
        let page = session.read(&page).await?;
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let items = &items[..usize::try_from(left).map_or(items.len(), |left| left.min(items.len()))];
        left -= items.len() as u64;
        match format {
            Format::Table => {
                let rows: Vec<_> = items.iter().map(|item| kind.row(item)).collect();
                table.lines(&rows).iter().try_for_each(|row| line(row))?;
            }
            Format::Name => items.iter().try_for_each(|item| line(&format!("{prefix}/{}", text(&item["id"]))))?,
            Format::Json => {
                for item in items {
                    let before = if begun { ",\n" } else { "{\n  \"items\": [\n" };
                    begun = true;
                    print::bytes(format!("{before}    {}", pretty(item).replace('\n', "\n    ")).as_bytes())?;
                }
            }
        }
        next = page["_links"]["next"]["href"].as_str().filter(|_| left > 0).map(str::to_owned);
    }
    match (format, begun) {
        (Format::Json, true) => line("\n  ]\n}"),
        (Format::Json, false) => line("{\n  \"items\": []\n}"),
        (Format::Table | Format::Name, _) => Ok(()),
    }
}
