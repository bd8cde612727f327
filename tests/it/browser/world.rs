//! The example, served: the service at one origin, the page at another, and a browser in front of it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::driver::Browser;
use super::site::Site;
use crate::seeds::copy;
use crate::service::client::{Answer, MERGE, request};
use crate::service::{Service, World};

/// Where the example's page is served from when people follow its words.
const ORIGIN: &str = "http://127.0.0.1:8000";

/// How far the job of the open document is, from 0 to 1.
pub(super) const PROGRESS: &str = "[data-activity='processing'] progress";

/// The one browser of all tests. It is many processes, and takes seconds to start: one after another uses it.
static BROWSER: Mutex<Option<Browser>> = Mutex::new(None);

/// The turn of a test to use the browser.
pub(super) struct Turn(MutexGuard<'static, Option<Browser>>);

impl Turn {
    /// Waits for it. What those before have left in the browser is gone.
    fn wait() -> Self {
        let mut turn = BROWSER.lock().unwrap_or_else(PoisonError::into_inner);
        if turn.as_ref().is_none_or(|browser| browser.clear().is_err()) {
            *turn = Some(Browser::start());
        }
        Self(turn)
    }
}

impl Deref for Turn {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        self.0.as_ref().expect("it was started when the turn came")
    }
}

/// Everything that a test needs.
pub(super) struct Stage {
    pub(super) browser: Turn,
    pub(super) service: Service,
    site: Site,
    world: World,
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/front-end")
}

impl Stage {
    pub(super) fn new() -> Self {
        let browser = Turn::wait();
        let site = Site::new(example().join("page"));
        let world = World::new("");
        copy(&example(), world.path());
        let configuration = world.text("heeler.toml");
        let ours = configuration.replace(ORIGIN, &site.origin());
        assert_ne!(ours, configuration, "the example is another one");
        world.write("heeler.toml", &ours);
        let service = start(&world, "127.0.0.1:0");
        Self { browser, service, site, world }
    }

    /// Where the page is, with a document or without.
    pub(super) fn url(&self, id: &str) -> String {
        format!("{}/?service=http://{}&collection=videos#{id}", self.site.origin(), self.service.address)
    }

    /// Opens the page in the window in front.
    pub(super) fn open(&self, id: &str) {
        self.browser.go(&self.url(id));
        self.is_live();
        if !id.is_empty() {
            self.browser.until("the document is shown", |page| !page.value("[data-member='title']").is_empty());
        }
    }

    pub(super) fn is_live(&self) {
        self.browser.until("the stream is live", |page| {
            page.js("return document.getElementById('stream').dataset.state;") == "live"
        });
    }

    /// kill -9, and a start on the same port and store.
    pub(super) fn restart(self, meanwhile: impl FnOnce(&Browser)) -> Self {
        let Self { browser, service, site, world } = self;
        let address = service.address;
        service.kill();
        meanwhile(&browser);
        let service = start(&world, &address.to_string());
        Self { browser, service, site, world }
    }

    /// A document that is there.
    pub(super) fn video(&self, id: &str, document: &Value) -> String {
        let path = format!("/v1/videos/{id}");
        let answer = self.service.put(&path, document);
        assert_eq!(answer.status, 201, "{}", answer.text());
        path
    }

    /// What somebody else does, with another client.
    pub(super) fn patch(&self, path: &str, patch: &Value) -> Answer {
        let answer = self.service.ask(&request("PATCH", path).field("If-Match", "*").json(MERGE, patch));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// The page had no mistake, its policy held, and the network failed only where a test says so.
    pub(super) fn is_clean(&self, network: impl Fn(&str) -> bool) {
        for entry in self.browser.logged() {
            let message = entry["message"].as_str().unwrap_or_default();
            assert!(entry["source"] == "network" && network(message), "{entry}");
        }
    }
}

fn start(world: &World, address: &str) -> Service {
    let mut command = world.command();
    command.args(["--listen", address]);
    world.start_by(command)
}

/// A video whose job goes on for a while, and says how far it is.
pub(super) fn running(title: &str) -> Value {
    json!({
        "title": title,
        "notes": "none",
        "tags": ["sea"],
        "processing": { "operation": "transcode", "input": { "frames": 300, "pause": 0.1 } },
    })
}
