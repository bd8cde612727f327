//! Configurations that are right.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heeler::config::{Config, Limits, StoreUrl, load};
use heeler::domain::catalog::PreconditionPolicy;
use heeler::domain::expression::Scope;
use heeler::domain::limit::Rate;
use heeler::domain::operation::{Account, ExecLimits, ExecSpec, OnUnknown, Operation, RunnerSpec, Scratch};
use heeler::domain::principal::{Access, Role};
use heeler::domain::retry::{Never, RetryPolicy};
use heeler::domain::secret::{Secrets, Surroundings};
use serde_json::json;

use super::{cron, read};

const FULL: &str = r#"
[server]
listen = "127.0.0.1:7117"
hosts  = ["heeler.example.com"]
cors   = { origins = ["https://App.example.com:443", "http://localhost:3000"] }

[store]
url = "redb:heeler.redb"

[[auth.tokens]]
name   = "ui"
role   = "writer"
sha256 = "BB0347F468D97F35FB3DDFFCCA4112D02AE8B97DD0BC69ED1C8EAEDE1E0D8BC6"

[limits]
running = 8
body = "2MiB"
document = 4096
depth = 32
patch_operations = 50
log = "64KiB"

[operations.transcode]
description = "Transcode a video"
input  = "schemas/transcode.json"
exec   = { command = ["ffmpeg", "-i", "${input.source}", "-y", "${input.target}"], cwd = "media", env = { LANG = "C" } }
timeout = "30m"
grace   = "5s"
retry   = { attempts = 5, backoff = "20s", factor = 3, max = "6m", never = [65] }
concurrency = 4
priority = -3
on_unknown = "retry"

[operations.notify]
exec.command = ["./bin/notify"]

[collections.videos]
schema = "schemas/video.json"
preconditions = "optional"

[collections.videos.activities.zoom]
[collections.videos.activities.crop]

[collections.notes]

[collections.plain]
activities = {}
"#;

/// What the design shows, less the one key that this version does not have.
const DESIGN: &str = r#"
[server]
listen = "127.0.0.1:7117"
hosts  = ["heeler.example.com"]

[store]
url = "redb:heeler.redb"          # the embedded default; a distributed engine by another scheme

[limits]
running = 64                       # jobs at once in this process (exec, http, mail, native)

[operations.transcode]
description = "Transcode a video"
input  = "schemas/transcode.json"  # JSON Schema of `input`; optional
exec   = { command = ["ffmpeg", "-i", "${input.source}", "-y", "${input.target}"], cwd = "media", env = { LANG = "C" } }
timeout = "30m"                    # of one attempt
grace   = "10s"                    # between SIGTERM and SIGKILL
retry   = { attempts = 3, backoff = "10s", factor = 2.0, max = "5m", never = [65] }   # attempts: all tries together
concurrency = 4                    # jobs of this operation at once
priority = 0                       # orders waiting jobs of all operations
on_unknown = "fail"                # an attempt whose fate cannot be known

[collections.videos]
schema = "schemas/video.json"
preconditions = "required"         # or "optional"

[collections.notes]
"#;

fn accepted(text: &str) -> Config {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn operation(text: &str) -> Operation {
    let config = accepted(&format!("[operations.o]\n{text}\nexec.command = [\"true\"]"));
    let operation = config.catalog.operations.into_values().next().expect("one operation");
    Operation::clone(&operation)
}

fn exec(config: &Config, name: &str) -> ExecSpec {
    let name = name.parse().expect("a name");
    let RunnerSpec::Exec(exec) = config.catalog.operations[&name].runner.clone() else { panic!("it is a program") };
    exec
}

fn activities(config: &Config, collection: &str) -> Vec<String> {
    let name = collection.parse().expect("a name");
    config.catalog.collections[&name].activities.iter().map(|activity| activity.name.to_string()).collect()
}

#[test]
fn a_full_file_is_read_as_it_is_written() {
    let config = accepted(FULL);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7117");
    assert_eq!(config.server.hosts, ["heeler.example.com"]);
    assert_eq!(config.server.origins, ["https://app.example.com", "http://localhost:3000"]);
    let Access::Holders(tokens) = &config.access else { panic!("{:?}", config.access) };
    assert_eq!(
        tokens.iter().map(|token| (token.name.as_str(), token.role)).collect::<Vec<_>>(),
        [("ui", Role::Writer)]
    );
    assert_eq!(
        tokens[0].digest,
        "bb0347f468d97f35fb3ddffcca4112d02ae8b97dd0bc69ed1c8eaede1e0d8bc6".parse().expect("a digest")
    );
    assert_eq!(config.store, StoreUrl::Redb(PathBuf::from("/etc/heeler/heeler.redb")));
    let limits = Limits {
        running: 8,
        connections: 16_384,
        body_bytes: 2 * 1024 * 1024,
        document_bytes: 4096,
        depth: 32,
        patch_operations: 50,
        log_bytes: 65_536,
    };
    assert_eq!(config.limits, limits);

    let transcode = &config.catalog.operations[&"transcode".parse().expect("a name")];
    assert_eq!(transcode.description.as_deref(), Some("Transcode a video"));
    assert_eq!(format!("{:?}", transcode.input), "Some(Schema(Transcode))");
    assert_eq!(transcode.timeout, Some(Duration::from_secs(1800)));
    assert_eq!(transcode.grace, Duration::from_secs(5));
    let retry = RetryPolicy {
        attempts: 5,
        backoff: Duration::from_secs(20),
        factor: 3.0,
        max: Duration::from_secs(360),
        never: vec![Never::Code(65)],
    };
    assert_eq!(transcode.retry, retry);
    assert_eq!((limit(transcode), transcode.priority), (Some(4), -3));
    assert_eq!(transcode.on_unknown, OnUnknown::Retry);

    let videos = &config.catalog.collections[&"videos".parse().expect("a name")];
    assert_eq!(format!("{:?}", videos.schema), "Some(Schema(Video))");
    assert_eq!(videos.preconditions, PreconditionPolicy::Optional);
}

#[test]
fn limits_of_every_kind_are_read() {
    let config = accepted(
        r#"
[operations.a]
exec = { command = ["true"] }
concurrency = { limit = 2, per = "resource.owner" }
rate = "100/1m"
deadline = "2h"
start_deadline = "10m"
retry = { attempts = 3, attempts_max = 10, never = [65, "Gone"] }
[operations.b]
exec = { command = ["true"] }
"#,
    );
    let operation = |name: &str| &config.catalog.operations[&name.parse().expect("a name")];
    let (a, b) = (operation("a"), operation("b"));
    assert!(a.concurrency.as_ref().is_some_and(|it| it.limit == 2 && it.per.is_some()), "{:?}", a.concurrency);
    assert_eq!(a.rate, Some(Rate { count: 100, period: Duration::from_secs(60) }));
    assert_eq!((a.deadline, a.start_deadline), (Some(Duration::from_secs(7200)), Some(Duration::from_secs(600))));
    assert_eq!((a.retry.attempts, a.attempts_max), (3, 10));
    assert_eq!(a.retry.never, [Never::Code(65), Never::Reason("Gone".to_owned())]);
    assert_eq!((b.rate, b.deadline, b.start_deadline, b.attempts_max), (None, None, None, 100));
}

#[test]
fn what_the_design_shows_is_read() {
    let config = accepted(DESIGN);
    assert_eq!((config.catalog.operations.len(), config.catalog.collections.len()), (1, 2));
    assert_eq!(activities(&config, "videos"), ["processing"]);
}

#[test]
fn the_example_in_the_documentation_is_read() {
    let source = include_str!("../../../src/config/mod.rs");
    let lines = source.lines().map(|line| line.trim_start_matches("//!").trim_start());
    let example: Vec<_> =
        lines.skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```").collect();
    let config = super::read_by_a_program(&example.join("\n"), "bark").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.limits, Limits::default());
    assert_eq!((config.catalog.operations.len(), config.catalog.collections.len()), (5, 1));
}

#[test]
fn a_secret_comes_from_the_environment_or_from_a_file_without_its_line_end() {
    let config = accepted("[secrets]\nHOOK = { env = \"HOOK_TOKEN\" }\nFILE = { file = \"hook.token\" }\n");
    let Surroundings { secrets, env } = &config.surroundings;
    assert_eq!((secrets.get("HOOK"), secrets.get("FILE")), (Some("canary"), Some("canary of a file")));
    assert_eq!(env.get("HOOK_TOKEN"), Some("canary"));
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
}

#[test]
fn line_ends_and_a_byte_order_mark_of_another_system_are_no_trouble() {
    accepted(&format!("\u{feff}{}", FULL.replace('\n', "\r\n")));
}

#[test]
fn each_element_of_a_command_becomes_one_argument() {
    let transcode = exec(&accepted(FULL), "transcode");
    let input = json!({"source": "a b; rm -rf /", "target": "${input.source}"});
    let none = Secrets::none();
    let scope = Scope { input: &input, resource: &json!({}), job: &json!({}), secret: &none, env: &none };
    let command: Vec<_> = transcode.command.iter().map(|element| element.render(&scope).expect("text")).collect();
    assert_eq!(command, ["ffmpeg", "-i", "a b; rm -rf /", "-y", "${input.source}"]);
    assert_eq!(transcode.env["LANG"].as_literal(), Some("C"));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = accepted(FULL);
    assert_eq!(exec(&config, "transcode").cwd.as_deref(), Some(Path::new("/etc/heeler/media")));
    let notify = exec(&config, "notify");
    assert_eq!(notify.cwd.as_deref(), Some(Path::new("/etc/heeler")));
    assert_eq!(notify.command[0].as_literal(), Some("/etc/heeler/bin/notify"));
    // A name without a folder is looked up in PATH, and an absolute path stays.
    assert_eq!(exec(&config, "transcode").command[0].as_literal(), Some("ffmpeg"));
    let config = accepted(
        "[operations.o]\nexec = { command = [\"/bin/true\"], cwd = \"/srv\" }\n[collections.c]\nschema = \"/srv/video.json\"",
    );
    assert_eq!(exec(&config, "o").command[0].as_literal(), Some("/bin/true"));
    assert_eq!(exec(&config, "o").cwd.as_deref(), Some(Path::new("/srv")));
}

#[test]
fn what_an_attempt_may_use_and_has_for_itself_is_read() {
    let config = accepted(
        r#"
[operations.o.exec]
command = ["true"]
scratch = true
user = "nobody"
group = 65534
secrets = { "token.txt" = "x" }
limits = { memory = "512MiB", cpu = "150%", cpu_time = "1500ms", processes = 64, files = 256, file_size = "1GiB" }
[operations.p.exec]
command = ["true"]
scratch = true
cwd = "media"
user = "1000"
"#,
    );
    let o = exec(&config, "o");
    assert_eq!((o.cwd, o.scratch), (None, Scratch::Folder));
    assert_eq!((o.user, o.group), (Some(Account::Name("nobody".to_owned())), Some(Account::Id(65534))));
    assert_eq!(o.secrets["token.txt"].as_literal(), Some("x"));
    let limits = ExecLimits {
        memory: Some(512 << 20),
        cpu_percent: Some(150),
        cpu_seconds: Some(2),
        processes: Some(64),
        files: Some(256),
        file_size: Some(1 << 30),
    };
    assert_eq!(o.limits, limits);
    let p = exec(&config, "p");
    assert_eq!((p.cwd.as_deref(), p.scratch), (Some(Path::new("/etc/heeler/media")), Scratch::Folder));
    assert_eq!((p.user, p.limits), (Some(Account::Id(1000)), ExecLimits::default()));
}

#[test]
fn a_collection_has_the_activities_that_it_names_in_their_order_or_else_processing() {
    let config = accepted(FULL);
    assert_eq!(activities(&config, "notes"), ["processing"]);
    assert_eq!(activities(&config, "videos"), ["zoom", "crop"]);
    assert_eq!(activities(&config, "plain"), [""; 0]);
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = accepted("");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7117");
    assert_eq!(config.store, StoreUrl::Redb(PathBuf::from("/etc/heeler/heeler.redb")));
    assert_eq!(config.limits, Limits::default());
    assert!(config.catalog.operations.is_empty() && config.catalog.collections.is_empty());
}

#[test]
fn an_operation_has_these_defaults() {
    let operation = operation("");
    assert_eq!((operation.timeout, operation.grace), (None, Duration::from_secs(10)));
    assert_eq!((limit(&operation), operation.priority), (None, 0));
    assert_eq!((operation.on_unknown, operation.retry), (OnUnknown::Fail, RetryPolicy::default()));
}

#[test]
fn how_often_an_operation_is_tried() {
    for (text, attempts) in [
        ("", 1),
        ("on_unknown = \"fail\"", 1),
        ("on_unknown = \"retry\"", 3),
        ("on_unknown = \"retry\"\nretry = { backoff = \"1s\" }", 3),
        ("on_unknown = \"retry\"\nretry = { attempts = 2 }", 2),
        ("retry = { attempts = 100 }", 100),
    ] {
        assert_eq!(operation(text).retry.attempts, attempts, "{text}");
    }
}

#[test]
fn a_first_wait_beyond_the_default_of_the_longest_is_kept() {
    let retry = operation("retry = { backoff = \"1h\" }").retry;
    assert_eq!((retry.backoff, retry.max), (Duration::from_secs(3600), Duration::from_secs(3600)));
}

#[test]
fn a_store_is_a_file_or_memory() {
    let store = |url: &str| accepted(&format!("[store]\nurl = \"{url}\"")).store;
    assert_eq!(store("memory:"), StoreUrl::Memory);
    assert_eq!(store("redb:/var/lib/heeler.redb"), StoreUrl::Redb(PathBuf::from("/var/lib/heeler.redb")));
    assert_eq!(store("redb:./a:b"), StoreUrl::Redb(PathBuf::from("/etc/heeler/a:b")));
    assert_eq!(store("redb:x").to_string(), "redb:/etc/heeler/x");
}

#[test]
fn a_file_on_disk_is_read_with_the_schemas_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("heeler.toml");
    fs::write(&file, "[collections.c]\nschema = \"c.json\"").expect("written");
    fs::write(folder.path().join("c.json"), r#"{"title": "C"}"#).expect("written");
    let config = load(&file, &cron).unwrap_or_else(|errors| panic!("{errors}"));
    let collection = &config.catalog.collections[&"c".parse().expect("a name")];
    assert_eq!(format!("{:?}", collection.schema), "Some(Schema(C))");
}

/// How many jobs of it run at once, whatever they are about.
fn limit(operation: &Operation) -> Option<u32> {
    let concurrency = operation.concurrency.as_ref()?;
    concurrency.per.is_none().then_some(concurrency.limit)
}
