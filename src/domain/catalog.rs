//! What the operator declared: the collections and the operations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::STATUS;
use super::effect::Effects;
use super::expression::Expression;
use super::id::{ActivityName, CollectionName, OperationName};
use super::id_pattern::IdPattern;
use super::json::Pointer;
use super::means::Means;
use super::operation::Operation;
use super::schema::Schema;

/// Everything that is declared, as it is now.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The collections that are in service, by name. What has a URL is one of these.
    pub collections: BTreeMap<CollectionName, Arc<Collection>>,
    /// Those that are out of service, by name: their resources are kept, and
    /// nothing is done for them.
    pub retired: BTreeMap<CollectionName, Arc<Collection>>,
    /// The operations, by name.
    pub operations: BTreeMap<OperationName, Arc<Operation>>,
    /// Further paths of what has a path already.
    pub aliases: Vec<Alias>,
    /// With what attempts are made.
    pub means: Arc<Means>,
}

impl Catalog {
    /// What is declared of a collection, in service or not.
    #[must_use]
    pub fn declared(&self, name: &CollectionName) -> Option<&Collection> {
        self.collections.get(name).or_else(|| self.retired.get(name)).map(AsRef::as_ref)
    }

    /// Whether a collection is out of service.
    #[must_use]
    pub fn is_retired(&self, name: &CollectionName) -> bool {
        self.retired.contains_key(name)
    }

    /// Sets those collections apart that are declared to be out of service.
    pub fn retire(&mut self) {
        let out = |collection: &Arc<Collection>| collection.availability == Availability::Retired;
        self.retired.extend(self.collections.extract_if(.., |_, collection| out(collection)));
    }

    /// Where a collection is mounted. One that is no longer declared is named
    /// as it would be by default.
    #[must_use]
    pub fn path_of(&self, name: &CollectionName) -> Cow<'_, str> {
        match self.declared(name) {
            Some(collection) => Cow::Borrowed(&collection.path),
            None => Cow::Owned(Collection::default_path(name)),
        }
    }
}

/// A named set of resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Its name.
    pub name: CollectionName,
    /// Where it is mounted: an absolute path without a slash at its end.
    pub path: String,
    /// What the client-owned members must look like, without `id` and activities.
    pub schema: Option<Arc<Schema>>,
    /// What an id must look like that a client chooses, beside what every id does.
    pub id: Option<IdPattern>,
    /// Whether a change of an existing resource must name a precondition.
    pub preconditions: PreconditionPolicy,
    /// The members of a document that ask for work.
    pub activities: Vec<ActivitySpec>,
    /// The members that effects write. Clients may give them when they create a resource.
    pub observed: Vec<Pointer>,
    /// What the member is called under which the service shows observed state.
    pub observed_as: String,
    /// What no change may lead to.
    pub rules: Vec<Rule>,
    /// How a PATCH is answered whose client wants no representation.
    pub patched: PatchedReply,
    /// Whether it is in service.
    pub availability: Availability,
}

impl Collection {
    /// A collection about which nothing is said: any JSON object, and no activities.
    #[must_use]
    pub fn new(name: CollectionName) -> Self {
        Self {
            path: Self::default_path(&name),
            name,
            schema: None,
            id: None,
            preconditions: PreconditionPolicy::default(),
            activities: Vec::new(),
            observed: Vec::new(),
            observed_as: STATUS.to_owned(),
            rules: Vec::new(),
            patched: PatchedReply::default(),
            availability: Availability::default(),
        }
    }

    /// The places within the document where the service shows something.
    pub fn shown_places(&self) -> impl Iterator<Item = &Pointer> {
        let shown = self.activities.iter().flat_map(|activity| &activity.show).map(|member| &member.pointer);
        self.observed.iter().chain(shown)
    }

    /// Whether the service shows anything within the document.
    #[must_use]
    pub fn shows_in_document(&self) -> bool {
        self.shown_places().next().is_some()
    }

    /// Whether the service has to look into a document to show it.
    #[must_use]
    pub fn keeps_its_shape(&self) -> bool {
        self.shows_in_document() || self.activities.iter().any(|activity| activity.mapping.is_some())
    }

    /// Where a collection is mounted unless the operator says otherwise.
    #[must_use]
    pub fn default_path(name: &CollectionName) -> String {
        format!("/v1/{name}")
    }

    /// What is declared of an activity.
    #[must_use]
    pub fn activity(&self, name: &str) -> Option<&ActivitySpec> {
        self.activities.iter().find(|activity| activity.name.as_str() == name)
    }

    /// Whether a member of a document is an activity in the standard
    /// vocabulary, and so not the schema's to judge.
    #[must_use]
    pub fn is_vocabulary(&self, member: &str) -> bool {
        self.activity(member).is_some_and(|activity| activity.mapping.is_none())
    }
}

/// Whether a collection is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// It is.
    #[default]
    Served,
    /// It is not: it has no URL, its jobs are cancelled, its ticks are skipped,
    /// and all that is as before once it is in service again.
    Retired,
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

/// How a PATCH is answered whose client wants no representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatchedReply {
    /// 204.
    #[default]
    NoContent,
    /// 205: the client is to show its form anew (RFC 9110, 15.3.6).
    ResetContent,
}

/// What the operator says of one activity.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivitySpec {
    /// Its name: that of a member of the document, and of its jobs' URL.
    pub name: ActivityName,
    /// Which operations it may run.
    pub operations: OperationChoice,
    /// How the document says what it wants, where it keeps its own shape.
    pub mapping: Option<Mapping>,
    /// Members that show observed state where the document's own shape has a place for it.
    pub show: Vec<ShownMember>,
    /// What the ends of its jobs do, beside what those do of any job of their
    /// operation. Follow-ups are not among them.
    pub effects: Effects,
    /// Whether clients may edit the list of its jobs.
    pub editable: bool,
}

impl ActivitySpec {
    /// An activity about which nothing is said: the standard vocabulary, any operation.
    #[must_use]
    pub fn new(name: ActivityName) -> Self {
        Self {
            name,
            operations: OperationChoice::Any,
            mapping: None,
            show: Vec::new(),
            effects: Effects::default(),
            editable: false,
        }
    }
}

/// Which operations an activity may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationChoice {
    /// Any that is declared.
    Any,
    /// This one, which the document need not name.
    Fixed(OperationName),
    /// One of these.
    OneOf(Vec<OperationName>),
}

impl OperationChoice {
    /// Whether an operation is among them.
    #[must_use]
    pub fn allows(&self, operation: &OperationName) -> bool {
        match self {
            Self::Any => true,
            Self::Fixed(fixed) => fixed == operation,
            Self::OneOf(allowed) => allowed.contains(operation),
        }
    }

    /// Why an operation is refused that is not among them.
    #[must_use]
    pub fn refusal(&self, name: &str) -> String {
        let names: Vec<String> = match self {
            Self::Any => return format!("there is no operation `{name}`"),
            Self::Fixed(fixed) => vec![format!("`{fixed}`")],
            Self::OneOf(allowed) => allowed.iter().map(|name| format!("`{name}`")).collect(),
        };
        format!("this activity does not run `{name}`: expected {}", names.join(" or "))
    }

    /// The operation where nothing names one.
    #[must_use]
    pub const fn fixed(&self) -> Option<&OperationName> {
        match self {
            Self::Fixed(fixed) => Some(fixed),
            Self::Any | Self::OneOf(_) => None,
        }
    }
}

/// How a document of its own shape says what it wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The input of the operation; `{}` without one.
    pub input: Option<Expression>,
    /// The schedule. Where there is one, changes ask for nothing.
    pub schedule: Option<Expression>,
}

/// A member that shows observed state.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownMember {
    /// Where it is in the representation.
    pub pointer: Pointer,
    /// What it shows.
    pub value: Expression,
}

/// A guard: what no change may lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Holds for what is forbidden, given `self` and `old`.
    pub when: Expression,
    /// The status of the refusal, a client error.
    pub status: u16,
    /// Why, for people.
    pub message: String,
}

/// A further path of something that has a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The path.
    pub path: Vec<AliasSegment>,
    /// The path that it stands for; each of its variables is one of `path`.
    pub target: Vec<AliasSegment>,
}

/// A segment of a path with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasSegment {
    /// This, percent-decoded.
    Literal(String),
    /// Any one segment, by this name.
    Variable(String),
}
