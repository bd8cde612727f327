//! Configurations that are wrong, and what is said about them.

use std::path::Path;

use heeler::config::{ConfigErrors, ERRORS_MAX, load};
use insta::assert_snapshot;

use super::{read, refusal};

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let text = r#"
[server]
listen = "localhost"
hosts = ["https://heeler.example.com", 7]
ports = [1]

[operations.transcode]
input = "schemas/none.json"
exec = { comand = ["ffmpeg"], cwd = 1 }
timeout = "ten minutes"
on_unknown = "retyr"

[collections.jobs]
schema = "schemas/wrong.json"
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn a_text_that_is_not_toml_is_refused_with_its_place() {
    let text = "[server]\nlisten = \"127.0.0.1:7117\nhosts = []\n[server]\n[store\n";
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn an_unknown_key_is_named_with_the_near_one_or_all() {
    let text = r#"
operation = {}
color = "red"
[server]
lsiten = 1
[store]
path = "x"
[limits]
patch-operations = 3
[operations.o]
exec = { command = ["true"], shell = true }
time_out = "1s"
rates = "1/s"
retry = { atempts = 3 }
[collections.c]
schemas = "x"
[collections.c.activities.a]
colour = 1
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn what_a_later_version_will_understand_is_refused_and_not_ignored() {
    let text = r#"
[server.cors]
origins = ["https://app.example.com"]

[operations.notify]
http = { url = "https://hooks.example.com/notify", method = "POST" }
[operations.letter]
mail = { to = "${resource.email}", subject = "Woof", text = "…" }
[operations.render]
worker = { lease = "30s" }
[operations.transcode]
exec = { command = ["true", "${secret.HOOK}"] }
rate = "100/1m"
concurrency = { limit = 2, per = "resource.owner" }
reply = { mode = "sync" }
on_success = {}
on_failure = {}

[collections.dogs]
path = "/v1/dogs"
observed = ["/barkCount"]
observed_as = "_status"
retired = true
reply = { patch = 205 }
[collections.dogs.activities.barks]
operation = "bark"
schedule = "…"
editable = true
[[collections.dogs.rules]]
when = "true"

[mail]
relay = "smtp://localhost:25"
[secrets]
HOOK = { env = "HOOK_TOKEN" }
[aliases]
"/mostRecentTasks" = "/v1/tasks/main/processing"
[retention]
ticks = "30d"
[housekeeping]
[[auth.tokens]]
name = "ui"
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_what_was_expected() {
    let text = r#"
[server]
listen = 7117
hosts = "heeler.example.com"
[store]
url = ["redb:x"]
[limits]
running = "64"
body = 1.5
depth = true
[operations.o]
description = 1979-05-27
input = {}
exec = { command = "true", cwd = [], env = { A = 1 } }
timeout = 30
grace = false
retry = [3]
concurrency = "4"
priority = 1.0
on_unknown = 0
[operations]
p = "exec"
[collections.c]
schema = 1
preconditions = true
activities = ["processing"]
"#;
    assert_snapshot!(refusal(&text.replace("[operations]\np", "[operations.p]\nexec")), @"");
}

#[test]
fn a_value_out_of_bounds_is_refused_with_the_bounds() {
    let text = r#"
[limits]
running = 0
body = "1GiB"
document = 12
depth = 101
patch_operations = 0x186a1
[operations.o]
exec.command = ["true"]
timeout = "0s"
grace = "-1s"
retry = { attempts = 101, factor = 0.5, backoff = "1h", max = "1m", never = [0, 256, "x"] }
concurrency = 0
priority = 2147483648
[operations.p]
exec.command = ["true"]
retry = { attempts = 0, factor = inf, max = "1s" }
[operations.q]
exec.command = ["true"]
on_unknown = "retry"
retry.attempts = 1
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn a_size_or_store_that_cannot_be_read_is_refused_with_examples() {
    let text = "[limits]\nbody = \"1MB\"\ndocument = \"big\"\n[store]\nurl = \"postgres://localhost\"";
    assert_snapshot!(refusal(text), @"");
    for (url, message) in [
        ("heeler.redb", "`store.url`: `heeler.redb` names no store that is known here: expected `redb:PATH` or `memory:`"),
        ("redb:", "`store.url`: `redb:` needs the path of a file, such as `redb:heeler.redb`"),
        ("memory:x", "`store.url`: `memory:x`: nothing can follow `memory:`"),
    ] {
        assert_eq!(refusal(&format!("[store]\nurl = \"{url}\"")), format!("heeler.toml:2:7: {message}"));
    }
}

#[test]
fn an_operation_has_exactly_one_runner_and_a_program_of_the_operators_choice() {
    let text = r#"
[operations.none]
description = "nothing runs"
[operations.two]
exec.command = ["true"]
worker = {}
[operations.no-command]
exec = {}
[operations.empty-command]
exec.command = []
[operations.empty-program]
exec.command = ["", "x"]
[operations.foreign-program]
exec.command = ["${input.program}"]
[operations.folder]
exec = { command = ["true"], cwd = "${input.folder}" }
[operations.environment]
exec = { command = ["true"], env = { HEELER_JOB = "x", "A=B" = "x", "" = "x" } }
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn an_expression_that_is_wrong_is_pointed_at_within_its_string() {
    let text = r#"
[operations.o.exec]
command = ["a", "ä ${imput.x}", '-n ${size(input.a)}', "${input.a", "\t${}", "a\u0000"]
env = { A = "${env.HOME}", B = """
${}""" }
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_where_it_is_named() {
    let text = r#"
[operations.o]
exec.command = ["true"]
input = "schemas/remote.json"
[collections.a]
schema = "schemas/none.json"
[collections.b]
schema = "schemas/wrong.json"
[collections.c]
schema = "schemas/torn.json"
[collections.d]
schema = ""
[collections.e]
schema = "schemas/remote.json"
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn a_name_that_cannot_stand_in_a_path_or_belongs_to_the_service_is_refused() {
    let text = r#"
[operations."a b"]
exec.command = ["true"]
[collections.admin]
[collections."ä"]
[collections.c.activities]
"1st" = {}
status = {}
id = {}
"#;
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn what_is_not_a_table_is_no_section() {
    let text = "server = 1\nstore = []\nlimits = \"\"\noperations = true\n[collections]\nc = 1\nd.activities.e = 1\n";
    assert_snapshot!(refusal(text), @"");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let refused = load(Path::new("no/such/heeler.toml")).map(|_| ()).map_err(|errors| errors.to_string());
    assert_eq!(refused, Err("no/such/heeler.toml:1:1: cannot be read: No such file or directory (os error 2)".to_owned()));
}

#[test]
fn a_file_full_of_errors_is_answered_with_the_first_of_them() {
    let text: String = (0..1_000).map(|at| format!("k{at} = 1\n")).collect();
    let errors: ConfigErrors = read(&text).expect_err("unknown keys");
    assert_eq!(errors.as_slice().len(), ERRORS_MAX);
    assert_eq!(errors.as_slice()[0].line, 1);
}
