//! What the subcommands share: whom they ask, and where things are there.

use std::cell::Cell;

use http::StatusCode;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::args::ServerArgs;
use super::target::{ResourceName, Target, encoded};
use crate::cli::client::{Ask, Client, Nobody, Reply};
use crate::cli::exit::Failure;
use crate::cli::output::complain;
use crate::cli::token;
use crate::domain::id::{ActivityName, CollectionName};
use crate::domain::near::did_you_mean;

/// A service that is asked.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    /// The collections that the home page names, read when they are first needed.
    collections: OnceCell<Vec<Collection>>,
    /// Whether another program has the terminal now, and hears Ctrl-C.
    pub(super) terminal_is_lent: Cell<bool>,
}

/// A collection, as the home page shows it.
#[derive(Debug)]
struct Collection {
    name: String,
    href: String,
    activities: Vec<String>,
}

impl Session {
    pub(super) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let authorization = token::authorization(args.token_file.as_deref())?;
        if authorization.is_some() && args.server.is_overheard() {
            complain(&format!(
                "heeler: warning: whoever listens on the way to {} sees the token: use https",
                args.server
            ));
        }
        Ok(Self {
            client: Client::new(args.server.clone(), authorization, args.request_timeout),
            collections: OnceCell::new(),
            terminal_is_lent: Cell::new(false),
        })
    }

    /// Asks; whatever is not success is a failure.
    pub(super) async fn demand(&self, ask: &Ask<'_>) -> Result<Reply, Failure> {
        Ok(self.client.demand(ask).await?)
    }

    /// Reads a document.
    pub(super) async fn read(&self, path: &str) -> Result<Value, Failure> {
        let reply = self.demand(&Ask::get(path)).await?;
        json_of(path, &reply)
    }

    /// Reads a document of a service that was there a moment ago.
    pub(super) async fn read_again(&self, path: &str) -> Result<Value, Failure> {
        let reply = self.demand(&Ask::get(path).when_nobody_is_there(Nobody::IsWaitedFor)).await?;
        json_of(path, &reply)
    }

    /// Where something is.
    pub(super) async fn path(&self, target: &Target) -> Result<String, Failure> {
        match target {
            Target::Collection(name) => self.collection_path(name).await,
            Target::Resource(name) => self.resource_path(name).await,
            Target::Activity(name, activity) => Ok(format!("{}/{activity}", self.resource_path(name).await?)),
            Target::Jobs => Ok("/v1/jobs".to_owned()),
            Target::Job(id) => Ok(format!("/v1/jobs/{id}")),
        }
    }

    /// Where a resource is.
    pub(super) async fn resource_path(&self, name: &ResourceName) -> Result<String, Failure> {
        Ok(format!("{}/{}", self.collection_path(&name.collection).await?, encoded(&name.id)))
    }

    async fn collection_path(&self, name: &CollectionName) -> Result<String, Failure> {
        Ok(self.collection(name).await?.href.clone())
    }

    /// The activity that is meant where none is named: the only one.
    pub(super) async fn only_activity(&self, name: &ResourceName) -> Result<ActivityName, Failure> {
        let activities = &self.collection(&name.collection).await?.activities;
        let listed =
            || activities.iter().map(|activity| format!("`{name}/{activity}`")).collect::<Vec<_>>().join(" or ");
        match activities.as_slice() {
            [activity] => activity.parse().map_err(|error| Failure::Refused(format!("{error}"))),
            [] => Err(Failure::Refused(format!("resources in `{}` have no activities", name.collection))),
            _ => Err(Failure::Refused(format!("`{name}` has several activities: say {}", listed()))),
        }
    }

    async fn collection(&self, name: &CollectionName) -> Result<&Collection, Failure> {
        let collections = self.collections.get_or_try_init(|| self.read_home()).await?;
        collections.iter().find(|collection| collection.name == name.as_str()).ok_or_else(|| {
            let meant = did_you_mean(name.as_str(), collections.iter().map(|collection| collection.name.as_str()));
            Failure::Refused(format!("{} has no collection `{name}`{meant}", self.client.server()))
        })
    }

    async fn read_home(&self) -> Result<Vec<Collection>, Failure> {
        let home = self.read("/").await?;
        let Some(collections) = home["collections"].as_array() else {
            return Err(Failure::Refused(format!("{} is no service of Heeler", self.client.server())));
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let collection = |shown: &Value| Collection {
            name: text(&shown["name"]),
            href: text(&shown["href"]),
            activities: shown["activities"].as_array().into_iter().flatten().map(text).collect(),
        };
        Ok(collections.iter().map(collection).collect())
    }

    /// Whether there is something, and what.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Reply>, Failure> {
        let ask = Ask::get(path);
        let reply = self.client.send(&ask).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(self.client.accept(&ask, reply)?))
    }
}

/// The body of an answer, which must be JSON.
pub(super) fn json_of(path: &str, reply: &Reply) -> Result<Value, Failure> {
    reply
        .json()
        .ok_or_else(|| Failure::Unreachable(format!("{path} was answered with something that is not JSON").into()))
}
