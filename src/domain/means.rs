//! With what attempts are made, whichever operation they are of.

use super::outward::Relay;
use super::secret::Surroundings;

/// What the work of every operation is given beside what its own declaration
/// says: an attempt keeps what it was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    /// What templates can refer to beside the job.
    pub surroundings: Surroundings,
    /// Who takes letters, if anybody.
    pub relay: Option<Relay>,
    /// Where the service is reached, without a path: reports are sent there.
    pub public: String,
    /// How much of what an attempt writes is kept, in bytes.
    pub log_bytes_max: u64,
}

impl Means {
    /// How much is kept of what an attempt writes, unless the operator says otherwise.
    pub const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
}

impl Default for Means {
    fn default() -> Self {
        Self {
            surroundings: Surroundings::default(),
            relay: None,
            public: "http://127.0.0.1:7117".to_owned(),
            log_bytes_max: Self::LOG_BYTES_MAX,
        }
    }
}
