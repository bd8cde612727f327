//! Where things lead, for programs that read header fields (RFC 8288).

use std::fmt::Write as _;

use http::HeaderValue;

use super::routes::Route;
use crate::api::links;
use crate::domain::catalog::Catalog;
use crate::domain::id::{ActivityName, CollectionName, ResourceKey};

/// The media type of a JSON Schema.
const SCHEMA: &str = "application/schema+json";

/// The OpenAPI document.
pub(super) const OPENAPI: &str = "/openapi.json";
/// The media type of one.
pub(super) const OPENAPI_MEDIA: &str = "application/vnd.oai.openapi+json";

/// The links of what a route names, as one field; nothing where there are none.
///
/// Names and paths hold nothing that a quoted string could not (RFC 9110, 5.6.4).
pub(super) fn links_of(route: &Route, catalog: &Catalog) -> Option<HeaderValue> {
    let mut field = Field(String::with_capacity(FIELD_BYTES));
    match route {
        Route::Home => home(&mut field, catalog),
        Route::Collection(name) => described(&mut field, name),
        Route::Resource(key) => resource(&mut field, key, catalog),
        Route::Activity(key, name) | Route::EditableActivity(key, name) => activity(&mut field, key, name, catalog),
        Route::LastJob(key, name) | Route::ActivityJob(key, name, _) => {
            field.plain(&links::activity(catalog, key, name), "collection");
            field.plain(&links::resource(catalog, key), "up");
        }
        Route::Form(key, name) | Route::Ticks(key, name) => field.plain(&links::activity(catalog, key, name), "up"),
        Route::Member(key, _) => field.plain(&links::resource(catalog, key), "up"),
        Route::Job(_) => field.plain("/v1/jobs", "collection"),
        Route::JobLog(job) | Route::JobQueue(job) => field.plain(&links::job(*job), "up"),
        Route::Operation(_) => field.plain("/v1/operations", "collection"),
        Route::Leases(name) => field.plain(&format!("/v1/operations/{name}"), "up"),
        Route::Problem(_) => field.plain("/problems", "collection"),
        Route::Server
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::Backup
        | Route::OpenApi
        | Route::Schema(_)
        | Route::Problems
        | Route::Jobs
        | Route::Operations => {}
    }
    field.value()
}

fn home(field: &mut Field, catalog: &Catalog) {
    field.link(OPENAPI, "service-desc").of(OPENAPI_MEDIA);
    field.plain("/problems", "help");
    for name in catalog.collections.keys() {
        field.link(&links::collection(catalog, name), "item").called(name.as_str());
    }
}

fn described(field: &mut Field, name: &CollectionName) {
    field.link(&links::schema(name), "describedby").of(SCHEMA);
}

fn resource(field: &mut Field, key: &ResourceKey, catalog: &Catalog) {
    field.plain(&links::collection(catalog, &key.collection), "collection");
    described(field, &key.collection);
    let Some(collection) = catalog.collections.get(&key.collection) else { return };
    for spec in &collection.activities {
        field.link(&links::activity(catalog, key, &spec.name), "related").called(spec.name.as_str());
        field.link(&links::form(catalog, key, &spec.name), "create-form").called(spec.name.as_str());
    }
}

fn activity(field: &mut Field, key: &ResourceKey, name: &ActivityName, catalog: &Catalog) {
    field.plain(&links::resource(catalog, key), "up");
    field.link(&links::form(catalog, key, name), "create-form").called(name.as_str());
}

/// The value of a `Link` field.
struct Field(String);

/// As much as the links of most things take.
const FIELD_BYTES: usize = 256;

impl Field {
    fn link(&mut self, href: &str, relation: &str) -> &mut Self {
        let separator = if self.0.is_empty() { "" } else { ", " };
        write!(self.0, "{separator}<{href}>; rel=\"{relation}\"").expect("a string takes everything");
        self
    }

    fn plain(&mut self, href: &str, relation: &str) {
        self.link(href, relation);
    }

    fn of(&mut self, media: &str) -> &mut Self {
        write!(self.0, "; type=\"{media}\"").expect("a string takes everything");
        self
    }

    fn called(&mut self, title: &str) -> &mut Self {
        write!(self.0, "; title=\"{title}\"").expect("a string takes everything");
        self
    }

    fn value(self) -> Option<HeaderValue> {
        if self.0.is_empty() { None } else { HeaderValue::try_from(self.0).ok() }
    }
}
