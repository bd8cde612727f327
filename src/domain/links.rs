//! Where things are: the one place that builds paths of URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::catalog::Catalog;
use super::id::{ActivityName, CollectionName, JobId, OperationName, ResourceKey};
use super::json::Pointer;

/// What else a representation of a resource links to, beside its activities.
pub const RELATIONS: [&str; 7] = ["self", "collection", "describedby", "form", "ticks", "run-now", "cancel"];

/// What a link of ours says.
pub const LINK_MEMBERS: [&str; 4] = ["href", "method", "type", "name"];

/// A collection.
#[must_use]
pub fn collection(catalog: &Catalog, name: &CollectionName) -> String {
    catalog.path_of(name).into_owned()
}

/// A resource. Ids hold only characters that a path segment may hold as they are (RFC 3986, 3.3).
#[must_use]
pub fn resource(catalog: &Catalog, key: &ResourceKey) -> String {
    format!("{}/{}", catalog.path_of(&key.collection), key.id)
}

/// The schema of the representations of a collection's resources.
#[must_use]
pub fn schema(name: &CollectionName) -> String {
    format!("/schemas/{name}")
}

/// The jobs of an activity.
#[must_use]
pub fn activity(catalog: &Catalog, key: &ResourceKey, activity: &ActivityName) -> String {
    format!("{}/{}/{activity}", catalog.path_of(&key.collection), key.id)
}

/// How to ask an activity for a job.
#[must_use]
pub fn form(catalog: &Catalog, key: &ResourceKey, activity: &ActivityName) -> String {
    format!("{}/{}/{activity}/form", catalog.path_of(&key.collection), key.id)
}

/// What became of the ticks of an activity.
#[must_use]
pub fn ticks(catalog: &Catalog, key: &ResourceKey, activity: &ActivityName) -> String {
    format!("{}/{}/{activity}/ticks", catalog.path_of(&key.collection), key.id)
}

/// A job under its resource.
#[must_use]
pub fn activity_job(catalog: &Catalog, key: &ResourceKey, activity: &ActivityName, job: JobId) -> String {
    format!("{}/{}/{activity}/{job}", catalog.path_of(&key.collection), key.id)
}

/// A job among all jobs.
#[must_use]
pub fn job(job: JobId) -> String {
    format!("/v1/jobs/{job}")
}

/// Where workers ask for jobs of an operation.
#[must_use]
pub fn leases(name: &OperationName) -> String {
    format!("/v1/operations/{name}/leases")
}

/// The log of a job.
#[must_use]
pub fn job_log(job: JobId) -> String {
    format!("/v1/jobs/{job}/log")
}

/// A member of a representation.
#[must_use]
pub fn member(catalog: &Catalog, key: &ResourceKey, pointer: &Pointer) -> String {
    let segments = pointer.tokens().iter().map(|token| utf8_percent_encode(token, RESERVED));
    segments.fold(resource(catalog, key), |path, segment| format!("{path}/{segment}"))
}

/// All but what stands for itself in every part of a URL (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
