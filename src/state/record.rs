//! How rows are encoded: a format byte, a body, a checksum.
//!
//! A document's body is its header in fixed places and then its bytes as they
//! are sent, so that serving one copies nothing. Observed state and jobs are
//! JSON, which can grow members without a new format.

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::document::{Desired, Document};
use crate::domain::id::{JobId, ResourceId, ResourceKey, Uid};
use crate::domain::job::{Job, JobPhase};
use crate::domain::marks::Marks;
use crate::domain::tick::TickOutcome;
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;
use crate::reconcile::Observed;

/// The format of every record that this version writes.
const FORMAT: u8 = 1;

/// A stored value that is not what its key says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It was written by a newer version.
    #[error("the record has format {0}, which this version does not know")]
    Format(u8),
    /// It was changed after it was written.
    #[error("the record's checksum does not match")]
    Checksum,
    /// It is too short or does not read.
    #[error("the record does not read: {0}")]
    Body(String),
}

/// A stored document, its bytes not yet read.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredRecord {
    /// The document as it is sent.
    pub document: Bytes,
    /// This incarnation of the resource.
    pub uid: Uid,
    /// How often it changed.
    pub generation: Generation,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// A digest of the request that changed it last.
    pub fingerprint: [u8; 32],
}

const UID: usize = 16;
const NUMBER: usize = 8;
const FINGERPRINT: usize = 32;
const HEADER: usize = UID + 3 * NUMBER + FINGERPRINT;

/// Encodes a document.
#[must_use]
pub fn encode_desired(desired: &Desired) -> Bytes {
    let document = desired.document.bytes();
    seal(HEADER + document.len(), |body| {
        body.put_slice(desired.uid.as_bytes());
        body.put_u64(desired.generation.number());
        body.put_i64(desired.created.as_millis());
        body.put_i64(desired.updated.as_millis());
        body.put_slice(&desired.fingerprint);
        body.put_slice(document);
    })
}

/// Decodes a document, up to its bytes.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_desired(value: &Bytes) -> Result<DesiredRecord, RecordError> {
    let body = open(value)?;
    if body.len() < HEADER {
        return Err(RecordError::Body("it is too short".to_owned()));
    }
    Ok(DesiredRecord {
        uid: Uid::from_bytes(array(&body, 0)),
        generation: Generation::from_number(u64::from_be_bytes(array(&body, UID))),
        created: Timestamp::from_millis(i64::from_be_bytes(array(&body, UID + NUMBER))),
        updated: Timestamp::from_millis(i64::from_be_bytes(array(&body, UID + 2 * NUMBER))),
        fingerprint: array(&body, UID + 3 * NUMBER),
        document: body.slice(HEADER..),
    })
}

impl DesiredRecord {
    /// Reads the document's bytes, too.
    ///
    /// # Errors
    /// They are not a document.
    pub fn read(self) -> Result<Desired, RecordError> {
        let document = Document::from_bytes(self.document).map_err(|error| RecordError::Body(error.to_string()))?;
        Ok(Desired {
            document,
            uid: self.uid,
            generation: self.generation,
            created: self.created,
            updated: self.updated,
            fingerprint: self.fingerprint,
        })
    }
}

/// Encodes a row of a ledger.
#[must_use]
pub fn encode_tick(outcome: &TickOutcome) -> Bytes {
    encode_json(outcome)
}

/// Decodes a row of a ledger.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_tick(value: &Bytes) -> Result<TickOutcome, RecordError> {
    decode_json(value)
}

/// Encodes observed state.
#[must_use]
pub fn encode_observed(observed: &Observed) -> Bytes {
    encode_json(observed)
}

/// Decodes observed state.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_observed(value: &Bytes) -> Result<Observed, RecordError> {
    decode_json(value)
}

/// Encodes a job.
#[must_use]
pub fn encode_job(job: &Job) -> Bytes {
    encode_json(job)
}

/// Decodes a job.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_job(value: &Bytes) -> Result<Job, RecordError> {
    decode_json(value)
}

/// What the index of attempts says of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptValue {
    /// The resource of its job.
    pub resource: ResourceKey,
    /// Where its job stands.
    pub phase: JobPhase,
    /// Whether somebody outside of this process does its work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_remote: bool,
}

/// Encodes an entry of the index of attempts.
#[must_use]
pub fn encode_attempt(attempt: &AttemptValue) -> Bytes {
    encode_json(attempt)
}

/// Decodes an entry of the index of attempts.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_attempt(value: &Bytes) -> Result<AttemptValue, RecordError> {
    decode_json(value)
}

/// Encodes when a place in a rate was taken.
#[must_use]
pub fn encode_place(since: Timestamp) -> Bytes {
    encode_json(&since)
}

/// Decodes when a place in a rate was taken.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_place(value: &Bytes) -> Result<Timestamp, RecordError> {
    decode_json(value)
}

/// Encodes the resource that an entry of the queue belongs to.
#[must_use]
pub fn encode_key(key: &ResourceKey) -> Bytes {
    encode_json(key)
}

/// Decodes the resource that an entry of the queue belongs to.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_key(value: &Bytes) -> Result<ResourceKey, RecordError> {
    decode_json(value)
}

/// One entry of the change log: that something visible of a resource changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The resource.
    pub key: ResourceKey,
    /// This incarnation of it.
    pub uid: Uid,
    /// Whether it is still there.
    pub kind: LogKind,
    /// How often its desired state has changed.
    pub generation: Generation,
    /// The job that changed, and where it stands now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<(JobId, JobPhase)>,
}

/// What an entry of the change log says of its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// It is there, and different from before.
    Put,
    /// It is gone.
    Delete,
}

/// Encodes an entry of the change log.
#[must_use]
pub fn encode_log(entry: &LogEntry) -> Bytes {
    encode_json(entry)
}

/// Decodes an entry of the change log.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_log(value: &Bytes) -> Result<LogEntry, RecordError> {
    decode_json(value)
}

/// Encodes how far the change log had come when it was looked at.
#[must_use]
pub fn encode_marks(marks: &Marks) -> Bytes {
    encode_json(marks)
}

/// Decodes how far the change log had come when it was looked at.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_marks(value: &Bytes) -> Result<Marks, RecordError> {
    decode_json(value)
}

/// What was answered under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnceRecord {
    /// What the request was sent to.
    pub target: String,
    /// A digest of the request, in hex.
    pub digest: String,
    /// The status of the answer.
    pub status: u16,
    /// Its `Location`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<String>,
    /// What it was about.
    pub subject: Subject,
    /// When it is forgotten.
    pub expires: Timestamp,
}

/// What a change was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// One incarnation of a resource.
    Resource {
        /// Where it is, or was.
        key: ResourceKey,
        /// Which one.
        uid: Uid,
    },
    /// A job.
    Job(JobId),
}

/// How far the resources of a collection are looked at under a declaration of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredRecord {
    /// What tells that declaration from every other one.
    pub digest: String,
    /// How far.
    pub seen: Seen,
}

/// Which resources of a collection are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// Those up to this one.
    Until(ResourceId),
    /// All.
    All,
}

/// Encodes how far a collection is looked at.
#[must_use]
pub fn encode_declared(record: &DeclaredRecord) -> Bytes {
    encode_json(record)
}

/// Decodes how far a collection is looked at.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_declared(value: &Bytes) -> Result<DeclaredRecord, RecordError> {
    decode_json(value)
}

/// Encodes what was answered under an idempotency key.
#[must_use]
pub fn encode_once(record: &OnceRecord) -> Bytes {
    encode_json(record)
}

/// Decodes what was answered under an idempotency key.
///
/// # Errors
/// [`RecordError`]: the value is something else.
pub fn decode_once(value: &Bytes) -> Result<OnceRecord, RecordError> {
    decode_json(value)
}

fn encode_json<T: Serialize>(value: &T) -> Bytes {
    let json = serde_json::to_vec(value).expect("records have string keys and no fallible parts");
    seal(json.len(), |body| body.put_slice(&json))
}

fn decode_json<T: DeserializeOwned>(value: &Bytes) -> Result<T, RecordError> {
    serde_json::from_slice(&open(value)?).map_err(|error| RecordError::Body(error.to_string()))
}

/// Puts the format byte before a body and the checksum of both behind it.
fn seal(len: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut sealed = BytesMut::with_capacity(1 + len + 4);
    sealed.put_u8(FORMAT);
    write(&mut sealed);
    let checksum = crc32fast::hash(&sealed);
    sealed.put_u32(checksum);
    sealed.freeze()
}

/// The body of a sealed value.
fn open(value: &Bytes) -> Result<Bytes, RecordError> {
    match value.first() {
        Some(&FORMAT) if value.len() >= 5 => {}
        Some(&FORMAT) | None => return Err(RecordError::Body("it is too short".to_owned())),
        Some(&newer) => return Err(RecordError::Format(newer)),
    }
    let end = value.len() - 4;
    if crc32fast::hash(&value[..end]).to_be_bytes() != value[end..] {
        return Err(RecordError::Checksum);
    }
    Ok(value.slice(1..end))
}

fn array<const N: usize>(body: &Bytes, from: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&body[from..from + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::{AttemptOutcome, Ending};
    use crate::reconcile::Event;
    use crate::reconcile::tests::world::World;
    use serde_json::json;

    fn desired() -> Desired {
        let members = json!({"title": "Holiday", "big": u64::MAX}).as_object().expect("an object").clone();
        Desired {
            document: Document::new(members),
            uid: Uid::from_bytes([1; 16]),
            generation: Generation::from_number(8),
            created: Timestamp::from_millis(1),
            updated: Timestamp::from_millis(-2),
            fingerprint: [3; 32],
        }
    }

    #[test]
    fn a_document_reads_as_it_was_written() {
        let read = decode_desired(&encode_desired(&desired())).and_then(DesiredRecord::read);
        assert_eq!(read, Ok(desired()));
    }

    /// The fixture of format 1: stores that were written with it must stay readable.
    #[test]
    fn a_document_of_format_1_is_these_bytes() {
        let hex: String = encode_desired(&desired()).iter().map(|byte| format!("{byte:02x}")).collect();
        insta::assert_snapshot!(hex);
    }

    #[test]
    fn a_changed_bit_is_seen_wherever_it_is() {
        let sealed = encode_desired(&desired());
        for index in 0..sealed.len() * 8 {
            let mut damaged = sealed.to_vec();
            damaged[index / 8] ^= 1 << (index % 8);
            assert!(decode_desired(&damaged.into()).is_err(), "bit {index}");
        }
        for len in 0..sealed.len() {
            assert!(decode_desired(&sealed.slice(..len)).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_said_to_be_one() {
        let mut newer = encode_desired(&desired()).to_vec();
        newer[0] = 2;
        assert_eq!(decode_desired(&newer.into()), Err(RecordError::Format(2)));
    }

    /// The fixtures of the records that are JSON between a format byte and a
    /// checksum: a member may be added with a default, and none may change.
    #[test]
    fn the_records_of_format_1_are_these_bytes_and_read_as_they_were_written() {
        let mut world = World::with(&json!({"processing": {"operation": "flaky", "input": {"n": 1}}}));
        world.claim(0).expect("it is ready");
        let (id, token) = (world.id(0), world.token(0));
        let fraction = Some(0.5);
        let report = Event::Progressed { job: id, token, fraction, message: Some("half".to_owned()) };
        world.happen(report).expect("it runs");
        let detail = Some("exited with code 1".to_owned());
        let ending = Ending { exit_code: Some(1), detail, ..Ending::new(AttemptOutcome::Failed) };
        world.end_with(0, ending).expect("it runs");
        let observed = world.state.observed.clone().expect("something was decided");
        let job = world.job(0).clone();
        let attempt = AttemptValue { resource: job.resource.clone(), phase: JobPhase::Running, is_remote: false };
        let log = LogEntry {
            key: job.resource.clone(),
            uid: job.uid,
            kind: LogKind::Put,
            generation: Generation::FIRST,
            job: Some((id, JobPhase::Running)),
        };
        let once = |subject| OnceRecord {
            target: "/v1/videos/42/processing".to_owned(),
            digest: "07".repeat(32),
            status: 202,
            location: Some(format!("/v1/videos/42/processing/{id}")),
            subject,
            expires: Timestamp::from_millis(86_400_000),
        };
        let declared = DeclaredRecord { digest: "07".repeat(16), seen: Seen::All };
        let under_way = DeclaredRecord { seen: Seen::Until(job.resource.id.clone()), ..declared.clone() };
        let of_job = once(Subject::Job(id));
        let of_resource = once(Subject::Resource { key: job.resource.clone(), uid: job.uid });
        let encoded = [
            ("observed", encode_observed(&observed)),
            ("job", encode_job(&job)),
            ("attempt", encode_attempt(&attempt)),
            ("queued", encode_key(&job.resource)),
            ("log", encode_log(&log)),
            ("once, of a job", encode_once(&of_job)),
            ("once, of a resource", encode_once(&OnceRecord { location: None, ..of_resource.clone() })),
            ("declared, under way", encode_declared(&under_way)),
            ("declared", encode_declared(&declared)),
        ];
        let lines: Vec<String> =
            encoded.iter().map(|(kind, value)| format!("{kind}: {}", value.escape_ascii())).collect();
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!(decode_observed(&encoded[0].1), Ok(observed));
        assert_eq!(decode_job(&encoded[1].1), Ok(job.clone()));
        assert_eq!(decode_attempt(&encoded[2].1), Ok(attempt));
        assert_eq!(decode_key(&encoded[3].1), Ok(job.resource));
        assert_eq!(decode_log(&encoded[4].1), Ok(log));
        assert_eq!(decode_once(&encoded[5].1), Ok(of_job));
        assert_eq!(decode_once(&encoded[6].1), Ok(OnceRecord { location: None, ..of_resource }));
        assert_eq!(decode_declared(&encoded[7].1), Ok(under_way));
        assert_eq!(decode_declared(&encoded[8].1), Ok(declared));
    }
}
