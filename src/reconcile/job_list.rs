//! Which list of jobs a client saw.

use sha2::{Digest, Sha256};

use super::state::ActivityStatus;
use crate::domain::id::{ActivityName, Uid};
use crate::domain::job::JobPhase;
use crate::domain::version::Revision;

/// A number that is another one whenever the list of an activity's jobs is
/// another one to edit: when a job is launched, is told to stop, or ends. It
/// stays while jobs wait, start, report or are tried again.
///
/// It stands where the tag of a resource has the revision of the last desired
/// change. No revision in the store does what is needed here: observed state
/// is rewritten with each report of progress. So it is a digest, and as the
/// others it never comes back: jobs are added, told to stop and ended, and
/// each of these once, so neither do the unfinished jobs together with the one
/// that ended last.
#[must_use]
pub fn version(uid: Uid, activity: &ActivityName, status: Option<&ActivityStatus>) -> Revision {
    let mut digest = Sha256::new();
    digest.update(uid.as_bytes());
    digest.update(activity.as_str());
    for job in status.iter().flat_map(|status| &status.active) {
        digest.update([if job.phase == JobPhase::Canceling { 1 } else { 0 }]);
        digest.update(job.id.as_bytes());
    }
    if let Some(last) = status.and_then(|status| status.last.as_ref()) {
        digest.update([2]);
        digest.update(last.id.as_bytes());
    }
    number_of(digest)
}

/// A digest where the tag of a resource has a revision.
pub(super) fn number_of(digest: Sha256) -> Revision {
    let hash = digest.finalize();
    let number = hash[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    Revision::from_number(number)
}
