//! What a change makes of a document, and whether that is allowed.
//!
//! Clients see their members and the service's in one representation, and send
//! them back in one. Here the two are taken apart again, and nothing that a
//! client would write into the service's members is lost in silence.

use serde_json::{Map, Value};

use super::activity::Activity;
use super::catalog::{ActivitySpec, Catalog, Collection};
use super::document::{Document, ID, LINKS, STATUS};
use super::id::ResourceId;
use super::json;
use super::links::RELATIONS;
use super::patch::{Operation, PatchBody, PatchError, PatchLimits, apply_patch};
use super::precondition::Strictness;
use super::schema::Violation;

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Members that only the service writes would change.
    #[error("`{pointer}` is read-only: {detail}")]
    ReadOnly {
        /// The first of them.
        pointer: String,
        /// What is wrong, and what to do instead.
        detail: String,
    },
    /// The patch does not apply, or the result would be beyond a limit.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The result breaks a rule.
    #[error("the document would not be valid")]
    Invalid(Vec<Violation>),
}

/// What a change is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// The collection of the resource.
    pub collection: &'a Collection,
    /// Everything that is declared.
    pub catalog: &'a Catalog,
    /// How large and deep a document may be.
    pub limits: &'a PatchLimits,
    /// How literally the client wants to be taken.
    pub strictness: Strictness,
}

impl Judge<'_> {
    /// The document that a new resource would have, its id chosen by the service.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn create(&self, body: Map<String, Value>) -> Result<Document, ChangeError> {
        if body.contains_key(ID) {
            let detail = "the service chooses it: leave it out, or PUT to the URL with the id that you want".to_owned();
            return Err(ChangeError::Invalid(vec![Violation { pointer: "/id".to_owned(), detail }]));
        }
        let members = self.take_apart(body, None, None)?;
        self.judge(members)
    }

    /// The document that a PUT to `id` would make. `shown` is the
    /// representation now, if there is one.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn replace(
        &self,
        id: &ResourceId,
        body: Map<String, Value>,
        shown: Option<&Value>,
    ) -> Result<Document, ChangeError> {
        let members = self.take_apart(body, Some(id), shown)?;
        self.judge(members)
    }

    /// The document that a PATCH of `id` would make. `shown` is the
    /// representation now; a JSON Patch sees all of it.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn patch(
        &self,
        id: &ResourceId,
        document: &Document,
        shown: &Value,
        patch: &PatchBody,
    ) -> Result<Document, ChangeError> {
        let members = match patch {
            PatchBody::Merge(body) => {
                let body = self.take_apart(body.clone(), Some(id), Some(shown))?;
                let before = Value::Object(document.members().clone());
                apply_patch(&before, &PatchBody::Merge(body), self.limits)?
            }
            PatchBody::Json(operations) => {
                operations.iter().try_for_each(keeps_read_only)?;
                // The limit is the document's; what the service shows beside it comes on top.
                let beside = json::encoded_len(shown).saturating_sub(document.bytes().len());
                let limits = PatchLimits { bytes_max: self.limits.bytes_max.saturating_add(beside), ..*self.limits };
                let after = apply_patch(shown, patch, &limits).map_err(|error| {
                    let too_large = matches!(error, PatchError::TooLarge { .. });
                    // What is shown beside the document is not the client's to know.
                    if too_large { PatchError::TooLarge { limit: self.limits.bytes_max } } else { error }
                })?;
                own_members(shown, after)?
            }
        };
        let Value::Object(members) = members else {
            return Err(ChangeError::Patch(PatchError::NotAnObject { index: 0 }));
        };
        self.judge(members)
    }

    /// Strips what only the service writes from a body that was read from it,
    /// or refuses the body where more than an echo stands there.
    fn take_apart(
        &self,
        mut body: Map<String, Value>,
        id: Option<&ResourceId>,
        shown: Option<&Value>,
    ) -> Result<Map<String, Value>, ChangeError> {
        if let (Some(found), Some(id)) = (body.shift_remove(ID), id)
            && found.as_str() != Some(id.as_str())
        {
            let detail = format!("the URL says `{id}`, and an id never changes");
            return Err(ChangeError::Invalid(vec![Violation { pointer: "/id".to_owned(), detail }]));
        }
        if let Some(status) = body.shift_remove(STATUS) {
            self.echoes("/status", &status, |member| self.is_status_member(member))?;
            for ActivitySpec { name, .. } in &self.collection.activities {
                if let Some(activity) = status.get(name.as_str()) {
                    let at = format!("/status/{}", json::escape_pointer(name.as_str()));
                    self.echoes(&at, activity, |member| ACTIVITY_STATUS.contains(&member))?;
                }
            }
            let now = shown.and_then(|shown| shown.get(STATUS));
            if self.strictness == Strictness::WholeTag && now.is_some_and(|now| !json::equal(now, &status)) {
                return Err(read_only("/status", "it differs from what the resource shows now"));
            }
        }
        if let Some(links) = body.shift_remove(LINKS) {
            self.echoes("/_links", &links, |member| {
                RELATIONS.contains(&member) || self.collection.activity(member).is_some()
            })?;
        }
        Ok(body)
    }

    /// An echo is an object with no member that ours do not have.
    fn echoes(&self, at: &str, value: &Value, known: impl Fn(&str) -> bool) -> Result<(), ChangeError> {
        let Value::Object(members) = value else {
            return Err(read_only(at, "the service writes it: send it back as it was read, or leave it out"));
        };
        match members.keys().find(|member| !known(member)) {
            None => Ok(()),
            Some(member) => Err(read_only(
                &format!("{at}/{}", json::escape_pointer(member)),
                "the service writes everything here, and has no such member",
            )),
        }
    }

    fn is_status_member(&self, member: &str) -> bool {
        STATUS_MEMBERS.contains(&member) || self.collection.activity(member).is_some()
    }

    /// The document with these members, if they obey every rule.
    fn judge(&self, members: Map<String, Value>) -> Result<Document, ChangeError> {
        let value = Value::Object(members);
        let depth_max = self.limits.depth_max.min(json::NESTING_MAX);
        if json::depth(&value) > depth_max {
            return Err(PatchError::TooDeep { limit: depth_max }.into());
        }
        if json::encoded_len(&value) > self.limits.bytes_max {
            return Err(PatchError::TooLarge { limit: self.limits.bytes_max }.into());
        }
        let Value::Object(members) = value else { unreachable!("it was made as an object") };
        let violations = self.violations(&members);
        if violations.is_empty() { Ok(Document::new(members)) } else { Err(ChangeError::Invalid(violations)) }
    }

    /// The collection's schema judges the members without activities, and the
    /// vocabulary judges the activities.
    fn violations(&self, members: &Map<String, Value>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for ActivitySpec { name, .. } in &self.collection.activities {
            if let Some(member) = members.get(name.as_str()) {
                match Activity::parse(name, member) {
                    Ok(activity) => violations.extend(activity.judge(name, self.catalog)),
                    Err(found) => violations.extend(found),
                }
            }
        }
        if let Some(schema) = &self.collection.schema {
            let own = members.iter().filter(|(member, _)| !self.collection.is_vocabulary(member));
            let own: Map<String, Value> = own.map(|(member, value)| (member.clone(), value.clone())).collect();
            violations.extend(schema.validate(&Value::Object(own)));
        }
        violations
    }
}

/// The members of `status`, beside those of the activities.
const STATUS_MEMBERS: [&str; 7] = ["uid", "generation", "created", "updated", "settled", "conditions", "deletion"];

/// The members of an activity's status.
const ACTIVITY_STATUS: [&str; 6] = ["phase", "effective", "progress", "active", "activeCount", "last"];

fn read_only(pointer: &str, detail: &str) -> ChangeError {
    ChangeError::ReadOnly { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// An operation that names a place of the service as its target is refused,
/// even if it would put there what is there already.
fn keeps_read_only(operation: &Operation) -> Result<(), ChangeError> {
    let written = match operation {
        Operation::Add { path, .. } | Operation::Replace { path, .. } | Operation::Remove { path } => {
            [Some(path), None]
        }
        Operation::Move { from, path } => [Some(from), Some(path)],
        Operation::Copy { path, .. } => [Some(path), None],
        Operation::Test { .. } => [None, None],
    };
    for path in written.into_iter().flatten() {
        if path.tokens().first().is_some_and(|root| matches!(root.as_str(), ID | STATUS | LINKS)) {
            return Err(read_only(&path.to_string(), "only `test` may name it"));
        }
    }
    Ok(())
}

/// The client's members of a patched representation. The service's must be as
/// they were, whatever way the patch took.
fn own_members(before: &Value, after: Value) -> Result<Value, ChangeError> {
    let Value::Object(mut members) = after else {
        return Err(ChangeError::Patch(PatchError::NotAnObject { index: 0 }));
    };
    for member in [ID, STATUS, LINKS] {
        let same = match (before.get(member), members.shift_remove(member)) {
            (Some(before), Some(after)) => json::equal(before, &after),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            return Err(read_only(&format!("/{member}"), "the patch would change it"));
        }
    }
    Ok(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn collection() -> Collection {
        let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]});
        Collection {
            schema: Some(std::sync::Arc::new(crate::domain::schema::Schema::compile(schema).expect("a schema"))),
            activities: vec![ActivitySpec::new("processing".parse().expect("a name"))],
            ..Collection::new("videos".parse().expect("a name"))
        }
    }

    fn shown() -> Value {
        json!({"id": "42", "title": "Holiday", "n": [1, 2],
               "status": {"generation": 1, "processing": {"phase": "idle"}}, "_links": {"self": {"href": "/v1/videos/42"}}})
    }

    fn document() -> Document {
        Document::new(json!({"title": "Holiday", "n": [1, 2]}).as_object().expect("an object").clone())
    }

    fn with<T>(strictness: Strictness, run: impl FnOnce(&Judge<'_>) -> T) -> T {
        let (collection, catalog, limits) = (collection(), Catalog::default(), PatchLimits::default());
        run(&Judge { collection: &collection, catalog: &catalog, limits: &limits, strictness })
    }

    fn put(body: Value, strictness: Strictness) -> Result<Document, ChangeError> {
        let body = body.as_object().expect("an object").clone();
        with(strictness, |judge| judge.replace(&"42".parse().expect("an id"), body, Some(&shown())))
    }

    fn patch(body: Value) -> Result<Document, ChangeError> {
        let patch = if body.is_array() { PatchBody::json(body) } else { PatchBody::merge(body) }.expect("a patch");
        with(Strictness::DesiredState, |judge| {
            judge.patch(&"42".parse().expect("an id"), &document(), &shown(), &patch)
        })
    }

    #[test]
    fn a_representation_sent_back_as_it_was_read_is_the_same_document() {
        for strictness in [Strictness::DesiredState, Strictness::WholeTag] {
            assert_eq!(put(shown(), strictness), Ok(document()));
        }
        assert_eq!(patch(shown()), Ok(document()));
    }

    #[test]
    fn what_the_service_writes_is_never_written_by_a_client_in_silence() {
        for (name, body) in [
            ("an unknown member of status", json!({"title": "x", "status": {"phase": "done"}})),
            ("an unknown member of an activity's status", json!({"title": "x", "status": {"processing": {"done": 1}}})),
            ("a status that is no object", json!({"title": "x", "status": "done"})),
            ("an unknown link", json!({"title": "x", "_links": {"evil": {}}})),
            ("links that are no object", json!({"title": "x", "_links": null})),
        ] {
            assert!(matches!(put(body.clone(), Strictness::DesiredState), Err(ChangeError::ReadOnly { .. })), "{name}");
            assert!(matches!(patch(body), Err(ChangeError::ReadOnly { .. })), "{name}");
        }
        for (name, operations) in [
            ("replace", json!([{"op": "replace", "path": "/status/generation", "value": 2}])),
            ("replace by the same", json!([{"op": "replace", "path": "/id", "value": "42"}])),
            ("remove", json!([{"op": "remove", "path": "/status"}])),
            ("move from", json!([{"op": "move", "from": "/status/generation", "path": "/g"}])),
            ("copy to", json!([{"op": "copy", "from": "/title", "path": "/_links/self"}])),
            ("the root", json!([{"op": "replace", "path": "", "value": {"title": "x"}}])),
            ("the root, disguised", json!([{"op": "copy", "from": "/status", "path": ""}])),
        ] {
            let result = patch(operations);
            assert!(matches!(result, Err(ChangeError::ReadOnly { .. })), "{name}: {result:?}");
        }
    }

    #[test]
    fn a_stale_status_is_an_echo_unless_the_client_wants_to_be_taken_literally() {
        let body = json!({"title": "Holiday", "status": {"generation": 7}});
        assert!(put(body.clone(), Strictness::DesiredState).is_ok());
        assert!(matches!(put(body, Strictness::WholeTag), Err(ChangeError::ReadOnly { .. })));
    }

    #[test]
    fn another_id_is_refused() {
        for body in
            [json!({"id": "43", "title": "x"}), json!({"id": 42, "title": "x"}), json!({"id": null, "title": "x"})]
        {
            assert!(matches!(put(body, Strictness::DesiredState), Err(ChangeError::Invalid(_))));
        }
    }

    #[test]
    fn a_test_may_look_at_observed_state_and_guards_the_rest_of_the_patch() {
        let start = |phase| {
            patch(
                json!([{"op": "test", "path": "/status/processing/phase", "value": phase}, {"op": "add", "path": "/x", "value": 1}]),
            )
        };
        assert_eq!(start("idle").map(|document| document.members()["x"].clone()), Ok(json!(1)));
        assert!(matches!(start("running"), Err(ChangeError::Patch(PatchError::TestFailed { .. }))));
    }

    #[test]
    fn the_result_is_judged_by_the_schema_and_by_the_vocabulary() {
        let errors = |result: Result<Document, ChangeError>| match result {
            Err(ChangeError::Invalid(violations)) => violations.into_iter().map(|v| v.pointer).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(errors(patch(json!({"title": 7}))), ["/title"]);
        assert_eq!(errors(patch(json!({"processing": {"operation": "nope"}}))), ["/processing/operation"]);
        assert_eq!(errors(patch(json!({"title": null, "processing": {}}))).len(), 2);
    }

    proptest! {
        #[test]
        fn observed_state_is_the_same_whatever_a_patch_does(ops in proptest::collection::vec(
            (0usize..5, 0usize..6, 0usize..6), 1..6,
        )) {
            const PATHS: [&str; 6] = ["", "/title", "/status", "/status/generation", "/_links", "/n/0"];
            let ops: Vec<Value> = ops.into_iter().map(|(op, path, from)| {
                let op = ["add", "remove", "replace", "move", "copy"][op];
                json!({"op": op, "path": PATHS[path], "from": PATHS[from], "value": "x"})
            }).collect();
            if let Ok(document) = patch(Value::Array(ops)) {
                for member in [ID, STATUS, LINKS] {
                    prop_assert!(!document.members().contains_key(member));
                }
            }
        }
    }
}
