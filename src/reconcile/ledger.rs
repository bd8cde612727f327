//! Which part of a ledger a client saw.

use sha2::{Digest, Sha256};

use super::job_list::number_of;
use crate::domain::id::{ActivityName, Uid};
use crate::domain::tick::TickOutcome;
use crate::domain::time::Timestamp;
use crate::domain::version::Revision;

/// A number that is another one whenever these rows of a ledger are others.
///
/// A ledger has no revision of its own: its rows are written together with the
/// resource, and forgotten without it. So it is a digest.
#[must_use]
pub fn version(uid: Uid, activity: &ActivityName, rows: &[(Timestamp, TickOutcome)]) -> Revision {
    let mut digest = Sha256::new();
    digest.update(uid.as_bytes());
    digest.update(activity.as_str());
    for (at, outcome) in rows {
        digest.update([0]);
        digest.update(at.as_millis().to_be_bytes());
        match outcome {
            TickOutcome::Launched { job } => digest.update(job.as_bytes()),
            TickOutcome::Skipped(run) => {
                digest.update(run.reason.as_str());
                digest.update(run.until.as_millis().to_be_bytes());
                digest.update(run.count.to_be_bytes());
            }
        }
    }
    number_of(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::JobId;
    use crate::domain::tick::{SkipReason, SkippedRun};

    #[test]
    fn other_rows_have_another_number() {
        let uid = Uid::from_bytes([1; 16]);
        let activity: ActivityName = "processing".parse().expect("a name");
        let at = Timestamp::from_millis;
        let launched = |byte| TickOutcome::Launched { job: JobId::from_bytes([byte; 16]) };
        let skipped = |reason, until, count| TickOutcome::Skipped(SkippedRun { reason, until: at(until), count });
        let missed = skipped(SkipReason::Missed, 9, 1);
        let ledgers = [
            vec![],
            vec![(at(9), launched(1))],
            vec![(at(9), launched(2))],
            vec![(at(8), launched(1))],
            vec![(at(9), missed)],
            vec![(at(9), skipped(SkipReason::Overlap, 9, 1))],
            vec![(at(9), skipped(SkipReason::Missed, 10, 2))],
            vec![(at(9), skipped(SkipReason::Missed, 10, 3))],
            vec![(at(9), launched(1)), (at(8), launched(1))],
            vec![(at(8), launched(1)), (at(9), launched(1))],
        ];
        let mut numbers: Vec<Revision> = ledgers.iter().map(|rows| version(uid, &activity, rows)).collect();
        numbers.push(version(Uid::from_bytes([2; 16]), &activity, &ledgers[1]));
        numbers.push(version(uid, &"other".parse().expect("a name"), &ledgers[1]));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
