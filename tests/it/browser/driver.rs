//! A real browser without a screen, driven as WebDriver says (<https://www.w3.org/TR/webdriver2/>).
//!
//! # Guarantees
//! No process that was started here outlives its [`Browser`], nor the process of the tests, however that ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::client::{JSON, request};

/// How a browser of a test is started: without a screen, a sandbox that containers forbid, or anything that asks the
/// network by itself.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--window-size=1200,900",
];

/// The key of an element in answers, which the standard fixes.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Longer than the browser takes on a busy machine to show what it was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a page is looked at: it has to have time for what it does, too.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Starts what drives the browser, and ends all of it when nobody holds the other end of its standard input any more.
/// `$1` is the folder with everything that the browser writes.
const KEEPER: &str = r#"chromedriver --port=0 &
cat >/dev/null
trap '' TERM
kill -TERM 0
wait
sleep 1
rm -rf "$1"
kill -KILL 0"#;

/// A browser with a profile of its own. One of its windows is in front.
pub(super) struct Browser {
    keeper: Child,
    address: SocketAddr,
    session: String,
}

/// A window of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window(String);

/// Whether there is what drives a browser.
pub(super) fn is_here() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("chromedriver").is_file())
}

impl Browser {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder").keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .env("TMPDIR", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh can be started");
        let said = BufReader::new(keeper.stdout.take().expect("its output is a pipe"));
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("it says its port")));
        let mut browser = Self { keeper, address, session: String::new() };
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PATIENCE.as_millis() as u64, "pageLoad": PATIENCE.as_millis() as u64 },
        } } });
        let session = browser.tell("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// What the driver gives for a command, or its error.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let target = if path == "/session" { path.to_owned() } else { format!("/session/{}{path}", self.session) };
        let asked = request(method, &target);
        let asked = if method == "POST" { asked.json(JSON, body) } else { asked };
        let answer = asked.send(self.address).unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        let value = answer.json()["value"].take();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    /// One new window, and no other; with nothing said. Not if the browser is no longer there.
    pub(super) fn clear(&self) -> Result<(), Value> {
        let old = self.ask("GET", "/window/handles", &json!(null))?;
        let new = self.another_window();
        for window in old.as_array().into_iter().flatten() {
            self.front(&Window(window.as_str().expect("a window").to_owned()));
            self.tell("DELETE", "/window", &json!(null));
        }
        self.front(&new);
        self.logged();
        Ok(())
    }

    pub(super) fn go(&self, url: &str) {
        self.tell("POST", "/url", &json!({ "url": url }));
    }

    /// A new window, which is in front now.
    pub(super) fn another_window(&self) -> Window {
        let made = self.tell("POST", "/window/new", &json!({ "type": "window" }));
        let window = Window(made["handle"].as_str().expect("a window").to_owned());
        self.front(&window);
        window
    }

    pub(super) fn window(&self) -> Window {
        Window(self.tell("GET", "/window", &json!(null)).as_str().expect("a window").to_owned())
    }

    pub(super) fn front(&self, window: &Window) {
        self.tell("POST", "/window", &json!({ "handle": window.0 }));
    }

    /// What a function of JavaScript with this body gives, in the page in front.
    pub(super) fn js(&self, body: &str) -> Value {
        self.tell("POST", "/execute/sync", &json!({ "script": body, "args": [] }))
    }

    fn element(&self, css: &str) -> Result<String, Value> {
        let found = self.ask("POST", "/element", &json!({ "using": "css selector", "value": css }))?;
        Ok(found[ELEMENT].as_str().expect("an element").to_owned())
    }

    /// Does something with an element as soon as it can be done: when it is there, shown and enabled.
    fn act(&self, css: &str, act: impl Fn(&str) -> Result<Value, Value>) {
        let start = Instant::now();
        while let Err(error) = self.element(css).and_then(|element| act(&element)) {
            assert!(start.elapsed() < PATIENCE, "{css}: {error}\n{}", self.page());
            thread::sleep(LOOK_EVERY);
        }
    }

    pub(super) fn click(&self, css: &str) {
        self.act(css, |element| self.ask("POST", &format!("/element/{element}/click"), &json!({})));
    }

    /// Types into a field, over what is there.
    pub(super) fn fill(&self, css: &str, text: &str) {
        self.act(css, |element| {
            self.ask("POST", &format!("/element/{element}/clear"), &json!({}))?;
            self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }))
        });
    }

    /// The text of what is shown, or nothing.
    pub(super) fn text(&self, css: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]);
                      return found?.checkVisibility() ? found.innerText.trim() : '';";
        let text = self.tell("POST", "/execute/sync", &json!({ "script": script, "args": [css] }));
        text.as_str().expect("a text").to_owned()
    }

    /// What is in a field.
    pub(super) fn value(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.value ?? '';";
        let value = self.tell("POST", "/execute/sync", &json!({ "script": script, "args": [css] }));
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Waits until what the page shows passes.
    pub(super) fn until(&self, what: &str, passes: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !passes(self) {
            assert!(start.elapsed() < PATIENCE, "{what}:\n{}", self.page());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until an element shows this text, beside others perhaps.
    pub(super) fn shows(&self, css: &str, text: &str) {
        self.until(&format!("{css} shows {text:?}"), |page| page.text(css).contains(text));
    }

    /// All that the page in front shows, for who wonders.
    fn page(&self) -> String {
        let address = self.js("return location.href;");
        format!("{address}\n{}\n{:?}", self.text("body"), self.logged())
    }

    /// What the browser has said of its pages since it was last asked.
    pub(super) fn logged(&self) -> Vec<Value> {
        let entries = self.tell("POST", "/se/log", &json!({ "type": "browser" }));
        entries.as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
