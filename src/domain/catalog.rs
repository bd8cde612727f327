//! What the operator declared: the collections and the operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::{ActivityName, CollectionName, OperationName};
use super::operation::Operation;
use super::schema::Schema;

/// Everything that is declared, as it is now.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The collections, by name.
    pub collections: BTreeMap<CollectionName, Arc<Collection>>,
    /// The operations, by name.
    pub operations: BTreeMap<OperationName, Arc<Operation>>,
}

/// A named set of resources.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its name.
    pub name: CollectionName,
    /// What the client-owned members must look like, without `id` and activities.
    pub schema: Option<Arc<Schema>>,
    /// Whether a change of an existing resource must name a precondition.
    pub preconditions: PreconditionPolicy,
    /// The members of a document that ask for work.
    pub activities: Vec<ActivityName>,
}

impl Collection {
    /// Whether a member of a document of this collection asks for work.
    #[must_use]
    pub fn is_activity(&self, member: &str) -> bool {
        self.activities.iter().any(|name| name.as_str() == member)
    }
}

/// Whether a change of an existing resource must name a precondition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PreconditionPolicy {
    /// Without one the change is refused (RFC 6585, 428).
    #[default]
    Required,
    /// Without one the change is made to whatever is there.
    Optional,
}
