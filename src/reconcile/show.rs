//! What clients see of a resource and of a job.
//!
//! A resource is shown by splicing: the document's bytes go out as they came
//! in, with the members of the service around them. No tree is built of them.

mod effective;
mod job;
mod recurring;
mod tick;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::state::{
    ActivityStatus, EffectRefused, LastJob, LastResult, Observed, Phase, ResourceState, SchemaViolation,
};
use super::transitions::{may_run, to_cancel};
use crate::domain::activity::Activity;
use crate::domain::catalog::{ActivitySpec, Catalog, Collection};
use crate::domain::condition::{Reason, Settlement};
use crate::domain::document::{STATUS, overlaid};
use crate::domain::expression::Variable;
use crate::domain::id::{ActivityName, JobId, ResourceKey, Uid};
use crate::domain::job::{JobError, JobPhase, Progress};
use crate::domain::links;
use crate::domain::time::Timestamp;
use crate::domain::version::Generation;
use crate::domain::wanted::Subject;

use effective::Effective;
pub use job::{JobShown, job};
pub use recurring::{LocalTime, upcoming};
use recurring::{Recurring, off_time};
pub use tick::{TickShown, tick};

/// The unfinished jobs that a status names; more are counted only.
const ACTIVE_SHOWN_MAX: usize = 20;

/// A resource as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Where it is.
    pub key: &'a ResourceKey,
    /// The document's bytes: a JSON object.
    pub document: &'a [u8],
    /// This incarnation.
    pub uid: Uid,
    /// How often its desired state changed.
    pub generation: Generation,
    /// When it was created.
    pub created: Timestamp,
    /// When its desired state last changed.
    pub updated: Timestamp,
    /// Observed state, if anything was ever decided.
    pub observed: Option<&'a Observed>,
}

/// The representation of a resource, as JSON.
#[must_use]
pub fn resource(shown: &Shown<'_>, catalog: &Catalog) -> Bytes {
    let collection = catalog.declared(&shown.key.collection);
    if let Some(collection) = collection.filter(|collection| collection.keeps_its_shape()) {
        return in_its_shape(shown, collection, catalog);
    }
    let members = shown.document.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or_default();
    let declared: &[ActivitySpec] = collection.map_or(&[], |collection| &collection.activities);
    let wanted = wanted(shown.document, declared);
    let status = status(shown, declared, &wanted, catalog);
    spliced(members, &status, &Links { shown, wanted: &wanted, collection, catalog })
}

/// The representation of a resource whose document the service has to look
/// into: what is shown there is put in its places.
fn in_its_shape(shown: &Shown<'_>, collection: &Collection, catalog: &Catalog) -> Bytes {
    static NO_MEMBERS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    let members: Map<String, Value> = serde_json::from_slice(shown.document).unwrap_or_default();
    let subject = Subject {
        collection,
        id: &shown.key.id,
        members: &members,
        observed: shown.observed.map_or(&*NO_MEMBERS, |observed| &observed.members),
        updated: shown.updated,
    };
    let wanted = wants(&subject);
    let status = status(shown, &collection.activities, &wanted, catalog);
    let mut whole = overlaid(members.clone(), &collection.observed, subject.observed);
    let (document, resource, now) = (subject.document(), subject.resource(), json!(shown.updated));
    for spec in collection.activities.iter().filter(|spec| !spec.show.is_empty()) {
        let observed = json!(status.activities.get(spec.name.as_str()));
        let given = [
            (Variable::Document, &document),
            (Variable::Status, &observed),
            (Variable::Resource, &resource),
            (Variable::Now, &now),
        ];
        for member in &spec.show {
            // Where there is nothing to show, nothing is shown.
            if let Ok(value) = member.value.evaluate(&given) {
                member.pointer.put(&mut whole, value);
            }
        }
    }
    let whole = serde_json::to_vec(&whole).expect("a JSON object can always be written");
    let members = whole.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or_default();
    spliced(members, &status, &Links { shown, wanted: &wanted, collection: Some(collection), catalog })
}

fn wants<'a>(subject: &Subject<'a>) -> BTreeMap<&'a str, Activity> {
    let specs = subject.collection.activities.iter();
    specs.filter_map(|spec| Some((spec.name.as_str(), subject.wants(spec).activity()?))).collect()
}

/// Members of a JSON object, with those of the service around them.
fn spliced(members: &[u8], status: &Status<'_>, links: &Links<'_>) -> Bytes {
    let mut json = Vec::with_capacity(members.len() + 1024);
    json.extend_from_slice(b"{\"id\":");
    write(&mut json, links.shown.key.id.as_str());
    if !members.is_empty() {
        json.push(b',');
        json.extend_from_slice(members);
    }
    json.push(b',');
    write(&mut json, links.collection.map_or(STATUS, |collection| &collection.observed_as));
    json.push(b':');
    write(&mut json, status);
    json.extend_from_slice(b",\"_links\":");
    write(&mut json, links);
    json.push(b'}');
    json.into()
}

/// The status of one activity, as expressions see it.
pub(super) fn activity_status(state: &ResourceState, spec: &ActivitySpec, catalog: &Catalog) -> Value {
    let wanted = state.wanted(&spec.name, catalog).activity();
    let status = state.status(&spec.name).unwrap_or(&NOTHING_YET);
    json!(activity(status, wanted.as_ref(), catalog))
}

fn write<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(json, value).expect("writing what we made to memory does not fail");
}

/// Observed state: what the service knows of a resource, and each of its activities by name.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status<'a> {
    /// This incarnation: new with each creation.
    uid: Uid,
    /// How often the desired state changed.
    generation: Generation,
    created: Timestamp,
    /// When the desired state last changed.
    updated: Timestamp,
    /// Whether nothing is in flight or due now.
    settled: bool,
    /// Why it is settled, or is not.
    conditions: Vec<Condition>,
    /// That it is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<Deletion>,
    #[serde(flatten)]
    activities: BTreeMap<&'a str, ActivityShown<'a>>,
}

/// Something that holds of a resource or does not, with the reason.
#[derive(Debug, Serialize, JsonSchema)]
struct Condition {
    #[serde(rename = "type")]
    kind: ConditionKind,
    status: Holds,
    /// A word for programs.
    reason: &'static str,
    /// The same for people.
    message: Cow<'static, str>,
    since: Timestamp,
}

/// What a condition is about.
#[derive(Debug, Serialize, JsonSchema)]
enum ConditionKind {
    /// Whether anything is in flight or due now.
    Settled,
    /// That the end of a job could not have its effect.
    EffectRefused,
    /// That the document is not what the schema of its collection takes.
    SchemaViolation,
    /// Whether the ticks of a schedule were looked at in time.
    OnTime,
}

/// Whether a condition holds.
#[derive(Debug, Serialize, JsonSchema)]
enum Holds {
    True,
    False,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Deletion {
    /// When it was asked for.
    requested: Timestamp,
}

/// What became of an activity.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ActivityStatus")]
struct ActivityShown<'a> {
    phase: Phase,
    /// The activity with every default filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective: Option<Effective<'a>>,
    progress: Option<&'a Progress>,
    /// The oldest of its unfinished jobs.
    active: Vec<ActiveShown>,
    /// How many jobs are unfinished, those that are not listed included.
    active_count: usize,
    /// The job that finished last.
    last: Option<LastShown<'a>>,
    #[serde(flatten)]
    recurring: Option<Recurring<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ActiveJob")]
struct ActiveShown {
    id: JobId,
    href: String,
    phase: JobPhase,
    attempt: u32,
    started: Option<Timestamp>,
    /// When its next attempt starts at the earliest, while it waits after a failed one.
    #[serde(rename = "notBefore", skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LastJob")]
struct LastShown<'a> {
    id: JobId,
    href: String,
    phase: JobPhase,
    finished: Timestamp,
    /// What it gave, or where that is if it is large.
    result: Option<Value>,
    error: Option<&'a JobError>,
}

fn status<'a>(
    shown: &Shown<'a>,
    declared: &'a [ActivitySpec],
    wanted: &'a BTreeMap<&str, Activity>,
    catalog: &'a Catalog,
) -> Status<'a> {
    let past = shown.observed.iter().flat_map(|observed| &observed.activities);
    let mut activities: BTreeMap<&str, ActivityShown<'_>> =
        past.map(|(name, status)| (name.as_str(), activity(status, wanted.get(name.as_str()), catalog))).collect();
    for ActivitySpec { name, .. } in declared {
        let shown = || activity(&NOTHING_YET, wanted.get(name.as_str()), catalog);
        activities.entry(name.as_str()).or_insert_with(shown);
    }
    let settlement = shown
        .observed
        .map_or_else(|| Settlement { reason: Reason::Settled, since: shown.created }, |observed| observed.settlement);
    let refused = shown.observed.iter().flat_map(|observed| &observed.activities);
    let refused = refused.filter_map(|(name, status)| Some(refusal(name, status.refused.as_ref()?)));
    let violated = shown.observed.and_then(|observed| observed.violation.as_ref()).map(violated);
    let schedules = shown.observed.into_iter().flat_map(Observed::schedules);
    let off = schedules.filter_map(|(name, scheduled)| Some(off_time(name, scheduled.off.as_ref()?)));
    Status {
        uid: shown.uid,
        generation: shown.generation,
        created: shown.created,
        updated: shown.updated,
        settled: settlement.reason.is_settled(),
        conditions: std::iter::once(condition(settlement, shown.observed))
            .chain(violated)
            .chain(refused)
            .chain(off)
            .collect(),
        deletion: shown.observed.and_then(|observed| observed.deleting_since).map(|requested| Deletion { requested }),
        activities,
    }
}

static NOTHING_YET: ActivityStatus = ActivityStatus {
    asked: None,
    active: Vec::new(),
    progress: None,
    last: None,
    before_follow_ups: None,
    refused: None,
    edited: None,
    schedule: None,
};

/// That the effect of a job was refused, and why.
fn refusal(activity: &ActivityName, refused: &EffectRefused) -> Condition {
    Condition {
        kind: ConditionKind::EffectRefused,
        status: Holds::True,
        reason: "EffectRefused",
        message: format!("the end of job {} of `{activity}` had no effect: {}", refused.job, refused.detail).into(),
        since: refused.since,
    }
}

/// That the document is not what the schema takes by now, and what is wrong with it.
fn violated(violation: &SchemaViolation) -> Condition {
    let SchemaViolation { pointer, detail, since } = violation;
    let place = if pointer.is_empty() { String::new() } else { format!("`{pointer}`: ") };
    Condition {
        kind: ConditionKind::SchemaViolation,
        status: Holds::True,
        reason: "SchemaViolation",
        message: format!("the document is not what the schema takes: {place}{detail}").into(),
        since: *since,
    }
}

fn condition(settlement: Settlement, observed: Option<&Observed>) -> Condition {
    let waits = observed.iter().flat_map(|o| o.activities.values()).flat_map(|status| &status.active);
    let until = waits.filter_map(|job| job.not_before).min().filter(|_| settlement.reason == Reason::Backoff);
    Condition {
        kind: ConditionKind::Settled,
        status: if settlement.reason.is_settled() { Holds::True } else { Holds::False },
        reason: settlement.reason.as_str(),
        message: match until {
            Some(until) => format!("{}, until {until}", settlement.reason.message()).into(),
            None => settlement.reason.message().into(),
        },
        since: settlement.since,
    }
}

fn activity<'a>(status: &'a ActivityStatus, wanted: Option<&'a Activity>, catalog: &'a Catalog) -> ActivityShown<'a> {
    let active = status.active.iter().take(ACTIVE_SHOWN_MAX).map(|job| ActiveShown {
        id: job.id,
        href: links::job(job.id),
        phase: job.phase,
        attempt: job.attempt,
        started: job.started,
        not_before: job.not_before,
    });
    ActivityShown {
        phase: status.phase(wanted),
        effective: wanted.map(|activity| Effective::of(activity, catalog)),
        progress: status.progress.as_ref(),
        active: active.collect(),
        active_count: status.active.len(),
        last: status.last.as_ref().map(last),
        recurring: Recurring::of(status, wanted),
    }
}

fn last(last: &LastJob) -> LastShown<'_> {
    LastShown {
        id: last.id,
        href: links::job(last.id),
        phase: last.phase,
        finished: last.finished,
        result: match &last.result {
            LastResult::None => None,
            LastResult::Value(value) => Some(value.clone()),
            LastResult::Large => Some(json!({"href": links::job(last.id)})),
        },
        error: last.error.as_ref(),
    }
}

/// What a document says of its activities, read without building a tree of the rest.
fn wanted<'a>(document: &[u8], declared: &'a [ActivitySpec]) -> BTreeMap<&'a str, Activity> {
    if declared.is_empty() {
        return BTreeMap::new();
    }
    let mut json = serde_json::Deserializer::from_slice(document);
    json.deserialize_map(ActivityMembers(declared)).unwrap_or_default()
}

struct ActivityMembers<'n>(&'n [ActivitySpec]);

impl<'de, 'n> Visitor<'de> for ActivityMembers<'n> {
    type Value = BTreeMap<&'n str, Activity>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = map.next_key_seed(OneOf(self.0))? {
            match name {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(spec) => {
                    let activity = Activity::parse(spec, &map.next_value()?).ok();
                    found.extend(activity.map(|activity| (spec.name.as_str(), activity)));
                }
            }
        }
        Ok(found)
    }
}

/// Reads the name of a member, and keeps it only if it is one of these.
struct OneOf<'n>(&'n [ActivitySpec]);

impl<'de, 'n> DeserializeSeed<'de> for OneOf<'n> {
    type Value = Option<&'n ActivitySpec>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for OneOf<'n> {
    type Value = Option<&'n ActivitySpec>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, member: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|spec| spec.name.as_str() == member))
    }
}

/// Where things are and what can be done, written without building a tree of it.
#[derive(Debug)]
pub struct Links<'a> {
    shown: &'a Shown<'a>,
    wanted: &'a BTreeMap<&'a str, Activity>,
    collection: Option<&'a Collection>,
    catalog: &'a Catalog,
}

/// Where something is.
#[derive(Debug, Serialize, JsonSchema)]
struct Link<'a> {
    href: String,
    /// What to do there, if not to read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl Link<'_> {
    const fn to(href: String) -> Self {
        Self { href, method: None, media: None, name: None }
    }
}

impl<'a> Links<'a> {
    fn activities(&self) -> &'a [ActivitySpec] {
        self.collection.map_or(&[], |collection| &collection.activities)
    }

    fn status(&self, name: &ActivityName) -> &ActivityStatus {
        let observed = self.shown.observed.and_then(|observed| observed.activities.get(name));
        observed.unwrap_or(&NOTHING_YET)
    }

    /// How to ask an activity for a job.
    fn form(&self, spec: &'a ActivitySpec) -> Link<'a> {
        let name = Some(spec.name.as_str());
        Link { name, ..Link::to(links::form(self.catalog, self.shown.key, &spec.name)) }
    }

    /// What became of the ticks of an activity that has a schedule, or had one.
    fn ticks(&self, spec: &'a ActivitySpec) -> Option<Link<'a>> {
        let wanted = self.wanted.get(spec.name.as_str());
        let ticks =
            self.status(&spec.name).schedule.is_some() || wanted.is_some_and(|wanted| wanted.schedule.is_some());
        let href = || links::ticks(self.catalog, self.shown.key, &spec.name);
        ticks.then(|| Link { name: Some(spec.name.as_str()), ..Link::to(href()) })
    }

    /// Starting a job as the document says, while that is possible.
    fn run_now(&self, spec: &'a ActivitySpec) -> Option<Link<'a>> {
        let name = spec.name.as_str();
        let possible = may_run(spec, self.wanted.get(name), self.status(&spec.name), self.catalog);
        let href = || links::activity(self.catalog, self.shown.key, &spec.name);
        let link = |href| Link { href, method: Some("POST"), media: Some("application/json"), name: Some(name) };
        possible.then(|| link(href()))
    }

    /// Stopping a job, while there is one to be stopped.
    fn cancel(&self, spec: &'a ActivitySpec) -> Option<Link<'a>> {
        let link = |job| Link { method: Some("DELETE"), name: Some(spec.name.as_str()), ..Link::to(links::job(job)) };
        to_cancel(self.status(&spec.name)).map(link)
    }

    /// One link of each activity that has one: a list, unless there is only one activity.
    fn entries<M: SerializeMap>(
        &self,
        map: &mut M,
        relation: &str,
        link: impl Fn(&'a ActivitySpec) -> Option<Link<'a>>,
    ) -> Result<(), M::Error> {
        let mut links: Vec<_> = self.activities().iter().filter_map(link).collect();
        match (self.activities(), links.pop()) {
            (_, None) => Ok(()),
            ([_], Some(only)) => map.serialize_entry(relation, &only),
            (_, Some(last)) => {
                links.push(last);
                map.serialize_entry(relation, &links)
            }
        }
    }
}

impl JsonSchema for Links<'_> {
    fn schema_name() -> Cow<'static, str> {
        "ResourceLinks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let link = generator.subschema_for::<Link<'_>>();
        json_schema!({
            "type": "object",
            "description": "Where things are, and what can be done now, by relation. Each activity has its own.",
            "required": ["self", "collection", "describedby"],
            "additionalProperties": { "anyOf": [link, { "type": "array", "items": link }] },
        })
    }
}

impl Serialize for Links<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = self.shown.key;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("self", &Link::to(links::resource(self.catalog, key)))?;
        map.serialize_entry("collection", &Link::to(links::collection(self.catalog, &key.collection)))?;
        let schema = Link { media: Some(SCHEMA_MEDIA), ..Link::to(links::schema(&key.collection)) };
        map.serialize_entry("describedby", &schema)?;
        for ActivitySpec { name, .. } in self.activities() {
            map.serialize_entry(name.as_str(), &Link::to(links::activity(self.catalog, key, name)))?;
        }
        self.entries(&mut map, "form", |spec| Some(self.form(spec)))?;
        self.entries(&mut map, "ticks", |spec| self.ticks(spec))?;
        if self.shown.observed.is_none_or(|observed| observed.deleting_since.is_none()) {
            self.entries(&mut map, "run-now", |spec| self.run_now(spec))?;
            self.entries(&mut map, "cancel", |spec| self.cancel(spec))?;
        }
        map.end()
    }
}

/// Describes what is shown, each type by its name.
#[must_use]
pub fn describe(generator: &mut SchemaGenerator) -> [(&'static str, Schema); 4] {
    [
        ("Job", generator.subschema_for::<JobShown<'_>>()),
        ("ResourceLinks", generator.subschema_for::<Links<'_>>()),
        ("Status", generator.subschema_for::<Status<'_>>()),
        ("Tick", generator.subschema_for::<TickShown>()),
    ]
}

/// What a JSON Schema is.
const SCHEMA_MEDIA: &str = "application/schema+json";
