//! A document: the members of a resource that belong to its clients.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::id::Uid;
use super::json::Pointer;
use super::time::Timestamp;
use super::version::Generation;

/// The members that the service writes, beside those of the client.
pub const ID: &str = "id";
/// Observed state.
pub const STATUS: &str = "status";
/// Where things are.
pub const LINKS: &str = "_links";

/// What clients wrote: all members but `id`, `status` and `_links`.
///
/// Kept twice: as a tree for the rules, and as the bytes that are stored and
/// sent, so that neither is made from the other on the way of a request. Cheap
/// to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    members: Arc<Map<String, Value>>,
    bytes: Bytes,
}

/// Members with those that are observed in their places. Where something else
/// than an object is in the way, that stays.
#[must_use]
pub fn overlaid(
    mut members: Map<String, Value>,
    places: &[Pointer],
    observed: &Map<String, Value>,
) -> Map<String, Value> {
    for place in places {
        if let Some(value) = place.get(observed) {
            place.put(&mut members, value.clone());
        }
    }
    members
}

/// Stored bytes that are not a document.
#[derive(Debug, thiserror::Error)]
#[error("these bytes are not a JSON object")]
pub struct NotADocument(#[source] serde_json::Error);

impl Document {
    /// The document with these members.
    #[must_use]
    pub fn new(members: Map<String, Value>) -> Self {
        let bytes = serde_json::to_vec(&members).expect("a JSON object can always be written");
        Self { members: Arc::new(members), bytes: bytes.into() }
    }

    /// The document that was written as these bytes.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, NotADocument> {
        let members = serde_json::from_slice(&bytes).map_err(NotADocument)?;
        Ok(Self { members: Arc::new(members), bytes })
    }

    /// The members, in the order in which they were written.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The document as JSON.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Desired state: a document and how it came to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// What clients wrote.
    pub document: Document,
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
