//! Configurations that are wrong, and what is said about them.

use std::path::Path;

use heeler::config::{ConfigErrors, ERRORS_MAX, load};
use insta::assert_snapshot;

use super::{cron, read, refusal};

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
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:3:10: `server.listen`: `localhost` cannot be listened on: expected an IP address and a port such as "127.0.0.1:7117"
    heeler.toml:4:10: `server.hosts[0]`: `https://heeler.example.com` is not a host: expected a host name such as "heeler.example.com", without scheme or path
    heeler.toml:4:40: `server.hosts[1]`: expected a host name such as "heeler.example.com", without scheme or path, found an integer
    heeler.toml:5:1: unknown key `ports` in `server`: expected `listen`, `url`, `hosts` or `cors`
    heeler.toml:8:9: `operations.transcode.input`: `/etc/heeler/schemas/none.json` cannot be read: entity not found
    heeler.toml:9:1: `operations.transcode.exec` needs `command`: expected an array of a program and its arguments
    heeler.toml:9:10: unknown key `comand` in `operations.transcode.exec`: did you mean `command`?
    heeler.toml:9:37: `operations.transcode.exec.cwd`: expected the path of a folder, found an integer
    heeler.toml:10:11: `operations.transcode.timeout`: `ten minutes` is not a duration: expected a length of time such as 10s, 1h 30m or PT10M
    heeler.toml:11:14: `operations.transcode.on_unknown`: unknown value `retyr`: did you mean `retry`?
    heeler.toml:13:14: `jobs` cannot be the name of a collection: expected a letter, then letters, digits, `_` or `-`, at most 128; not `jobs`, `operations` or `admin`
    heeler.toml:14:10: `collections.jobs.schema`: `/etc/heeler/schemas/wrong.json`: `/properties/a/type`: "strng" is not one of "array", "boolean" or 5 other candidates
    "##);
}

#[test]
fn a_text_that_is_not_toml_is_refused_with_its_place() {
    let text = "[server]\nlisten = \"127.0.0.1:7117\nhosts = []\n[server]\n[store\n";
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:2:25: invalid basic string, expected `"`
    heeler.toml:4:2: duplicate key
    heeler.toml:5:7: unclosed table, expected `]`
    "##);
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
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:2:1: unknown key `operation`: did you mean `operations`?
    heeler.toml:3:1: unknown key `color`: expected `server`, `store`, `limits`, `auth`, `operations`, `collections`, `aliases`, `retention`, `housekeeping`, `secrets` or `mail`
    heeler.toml:5:1: unknown key `lsiten` in `server`: did you mean `listen`?
    heeler.toml:7:1: unknown key `path` in `store`: expected `url`
    heeler.toml:9:1: unknown key `patch-operations` in `limits`: did you mean `patch_operations`?
    heeler.toml:11:30: unknown key `shell` in `operations.o.exec`: expected `command`, `cwd`, `env`, `secrets`, `scratch`, `limits`, `user` or `group`
    heeler.toml:12:1: unknown key `time_out` in `operations.o`: did you mean `timeout`?
    heeler.toml:13:1: unknown key `rates` in `operations.o`: did you mean `rate`?
    heeler.toml:14:11: unknown key `atempts` in `operations.o.retry`: did you mean `attempts`?
    heeler.toml:16:1: unknown key `schemas` in `collections.c`: did you mean `schema`?
    heeler.toml:18:1: unknown key `colour` in `collections.c.activities.a`: expected `operation`, `operations`, `input`, `schedule`, `show`, `on_success`, `on_failure` or `editable`
    "#);
}

#[test]
fn what_a_later_version_will_understand_is_refused_and_not_ignored() {
    let text = r#"
# Each of the lines below asks for something of a later version.


[operations.transcode]
exec = { command = ["true"] }
reply = { mode = "sync" }

[collections.dogs]
editable = true
reply = { patch = 205 }

[operations.render]
kubernetes = { template = "render.yaml" }
"#;
    assert_snapshot!(refusal(text), @r"
    heeler.toml:10:1: `collections.dogs.editable` is not in this version
    heeler.toml:14:1: `operations.render.kubernetes` is not in this version
    ");
}

#[test]
fn a_limit_that_cannot_be_kept_is_refused() {
    let text = r#"
[operations.a]
exec = { command = ["true"] }
concurrency = { limit = 0, per = "resource.owner" }
rate = "100"
deadline = "0s"
start_deadline = "soon"
retry = { attempts = 5, attempts_max = 4, never = [0, "", "Gone", 600, true] }
[operations.b]
exec = { command = ["true"] }
concurrency = { per = "resource." }
rate = "0/1m"
[operations.c]
exec = { command = ["true"] }
concurrency = { limit = 1, per = "secret.HOOK" }
rate = "1/500ms"
[operations.d]
exec = { command = ["true"] }
concurrency = { limits = 1 }
rate = 5
"#;
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:4:25: `operations.a.concurrency.limit`: expected an integer from 1 to 10000, found 0
    heeler.toml:5:8: `operations.a.rate`: expected a number of starts within a time, such as "100/1m", found `100`
    heeler.toml:6:12: `operations.a.deadline`: expected a duration longer than 0s
    heeler.toml:7:18: `operations.a.start_deadline`: `soon` is not a duration: expected a length of time such as 10s, 1h 30m or PT10M
    heeler.toml:8:40: `operations.a.retry.attempts_max`: expected an integer from 5 to 100, found 4
    heeler.toml:8:52: `operations.a.retry.never[0]`: expected an integer from 1 to 599, found 0
    heeler.toml:8:55: `operations.a.retry.never[1]`: expected a reason such as "InvalidInput", found an empty string
    heeler.toml:8:67: `operations.a.retry.never[3]`: expected an integer from 1 to 599, found 600
    heeler.toml:8:72: `operations.a.retry.never[4]`: expected an integer from 1 to 599, found a boolean
    heeler.toml:11:15: `operations.b.concurrency`: expected `limit`, how many jobs run at once
    heeler.toml:11:33: `operations.b.concurrency.per`: `.` is no part of an expression
    heeler.toml:12:8: `operations.b.rate`: expected 1 to 10000 starts, found 0
    heeler.toml:15:35: `operations.c.concurrency.per`: jobs are counted by `input`, `resource` or `job`
    heeler.toml:16:8: `operations.c.rate`: expected a time of 1s to 31d, found `1/500ms`
    heeler.toml:19:15: `operations.d.concurrency`: expected `limit`, how many jobs run at once
    heeler.toml:19:17: unknown key `limits` in `operations.d.concurrency`: did you mean `limit`?
    heeler.toml:20:8: `operations.d.rate`: expected a number of starts within a time, such as "100/1m", found an integer
    "#);
}

#[test]
fn who_may_ask_is_said_without_doubt_or_not_at_all() {
    let digest = |digit: &str| digit.repeat(64);
    let text = format!(
        r#"
[auth]
token = []
[[auth.tokens]]
name = "ui"
role = "writer"
sha256 = "{a}"
[[auth.tokens]]
name = "ui"
role = "raeder"
sha256 = "{b}"
[[auth.tokens]]
name = "anonymous"
role = 7
sha256 = "{a}"
[[auth.tokens]]
name = "a b"
token = "open-sesame"
[[auth.tokens]]
name = "c"
role = "admin"
sha256 = "open-sesame"
[[auth.tokens]]
name = "d"
role = "admin"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#,
        a = digest("a"),
        b = digest("b")
    );
    assert_snapshot!(refusal(&text), @r##"
    heeler.toml:3:1: unknown key `token` in `auth`: did you mean `tokens`?
    heeler.toml:9:8: `auth.tokens[1].name`: another token has the name `ui` already
    heeler.toml:10:8: `auth.tokens[1].role`: unknown value `raeder`: did you mean `reader`?
    heeler.toml:13:8: `auth.tokens[2].name`: `anonymous` cannot be the name of a principal: expected a letter, then letters, digits, `_` or `-`, at most 128; not `anonymous`
    heeler.toml:14:8: `auth.tokens[2].role`: expected "reader", "writer", "worker" or "admin", found an integer
    heeler.toml:15:10: `auth.tokens[2].sha256`: `ui` has the same token already
    heeler.toml:16:1: `auth.tokens[3]` needs `role`: expected "reader", "writer", "worker" or "admin"
    heeler.toml:16:1: `auth.tokens[3]` needs `sha256`: expected the SHA-256 of the token, 64 hexadecimal digits: `printf %s "$token" | sha256sum`
    heeler.toml:17:8: `auth.tokens[3].name`: `a b` cannot be the name of a principal: expected a letter, then letters, digits, `_` or `-`, at most 128; not `anonymous`
    heeler.toml:18:1: unknown key `token` in `auth.tokens[3]`: expected `name`, `role` or `sha256`
    heeler.toml:22:10: `auth.tokens[4].sha256`: expected the SHA-256 of the token, 64 hexadecimal digits: `printf %s "$token" | sha256sum`
    heeler.toml:26:10: `auth.tokens[5].sha256`: this is the SHA-256 of no bytes at all: the token was not there
    "##);
    for text in ["[auth]", "[auth]\ntokens = []"] {
        assert_eq!(
            refusal(text),
            "heeler.toml:1:2: `auth` has no `tokens`, so that nobody could ask: expected at least one `[[auth.tokens]]`"
        );
    }
    assert_eq!(
        refusal("[auth]\ntokens = \"open-sesame\""),
        "heeler.toml:2:10: `auth.tokens`: expected an array of tokens, each a `[[auth.tokens]]`, found a string"
    );
    assert_eq!(refusal("auth = true"), "heeler.toml:1:8: `auth`: expected a table, found a boolean");
}

#[test]
fn another_origin_is_let_in_by_its_name_alone() {
    let text = r#"
[server.cors]
origin = "https://app.example.com"
origins = ["*", "null", "https://app.example.com/", "https://*.example.com", "app.example.com", 7]
"#;
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:3:1: unknown key `origin` in `server.cors`: did you mean `origins`?
    heeler.toml:4:12: `server.cors.origins[0]`: `*` would let every page in: name each origin
    heeler.toml:4:17: `server.cors.origins[1]`: `null` is the origin of no page in particular: name each origin
    heeler.toml:4:25: `server.cors.origins[2]`: `https://app.example.com/` is not an origin: expected an origin such as "https://app.example.com", without a path
    heeler.toml:4:53: `server.cors.origins[3]`: `https://*.example.com` is not an origin: expected an origin such as "https://app.example.com", without a path
    heeler.toml:4:78: `server.cors.origins[4]`: `app.example.com` is not an origin: expected an origin such as "https://app.example.com", without a path
    heeler.toml:4:97: `server.cors.origins[5]`: expected an origin such as "https://app.example.com", without a path, found an integer
    "##);
    assert_eq!(
        refusal("[server.cors]\norigins = \"*\""),
        "heeler.toml:2:11: `server.cors.origins`: expected an array of origins, found a string"
    );
    assert_eq!(
        refusal("[server]\ncors = [\"https://app.example.com\"]"),
        "heeler.toml:2:8: `server.cors`: expected a table, found an array"
    );
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
    assert_snapshot!(refusal(&text.replace("[operations]\np", "[operations.p]\nexec")), @r#"
    heeler.toml:3:10: `server.listen`: expected an IP address and a port such as "127.0.0.1:7117", found an integer
    heeler.toml:4:9: `server.hosts`: expected an array of host names, found a string
    heeler.toml:6:7: `store.url`: expected a store such as "redb:heeler.redb", found an array
    heeler.toml:8:11: `limits.running`: expected an integer from 1 to 10000, found a string
    heeler.toml:9:8: `limits.body`: expected a size such as "1MiB", "64KiB" or a number of bytes, found a float
    heeler.toml:10:9: `limits.depth`: expected an integer from 1 to 100, found a boolean
    heeler.toml:12:15: `operations.o.description`: expected a string, found a date or time
    heeler.toml:13:9: `operations.o.input`: expected the path of a JSON Schema file, found a table
    heeler.toml:14:20: `operations.o.exec.command`: expected an array of a program and its arguments, found a string
    heeler.toml:14:34: `operations.o.exec.cwd`: expected the path of a folder, found an array
    heeler.toml:14:50: `operations.o.exec.env.A`: expected a string, found an integer
    heeler.toml:15:11: `operations.o.timeout`: expected a duration such as "30m", found an integer
    heeler.toml:16:9: `operations.o.grace`: expected a duration such as "30m", found a boolean
    heeler.toml:17:9: `operations.o.retry`: expected a table, found an array
    heeler.toml:18:15: `operations.o.concurrency`: expected an integer from 1 to 10000, found a string
    heeler.toml:19:12: `operations.o.priority`: expected an integer from -2147483648 to 2147483647, found a float
    heeler.toml:20:14: `operations.o.on_unknown`: expected "fail" or "retry", found an integer
    heeler.toml:22:8: `operations.p.exec`: expected a table, found a string
    heeler.toml:24:10: `collections.c.schema`: expected the path of a JSON Schema file, found an integer
    heeler.toml:25:17: `collections.c.preconditions`: expected "required" or "optional", found a boolean
    heeler.toml:26:14: `collections.c.activities`: expected a table of activities, found an array
    "#);
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
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:3:11: `limits.running`: expected an integer from 1 to 10000, found 0
    heeler.toml:4:8: `limits.body`: expected a size from 1KiB to 16MiB
    heeler.toml:5:12: `limits.document`: expected a size from 1KiB to 16MiB
    heeler.toml:6:9: `limits.depth`: expected an integer from 1 to 100, found 101
    heeler.toml:7:20: `limits.patch_operations`: expected an integer from 1 to 100000, found 0x186a1
    heeler.toml:10:11: `operations.o.timeout`: expected a duration longer than 0s
    heeler.toml:11:9: `operations.o.grace`: `-1s` is not a duration: expected a length of time such as 10s, 1h 30m or PT10M
    heeler.toml:12:22: `operations.o.retry.attempts`: expected an integer from 1 to 100, found 101
    heeler.toml:12:36: `operations.o.retry.factor`: expected a number not below 1, found 0.5
    heeler.toml:12:63: `operations.o.retry.max`: the longest wait cannot be shorter than `backoff`
    heeler.toml:12:78: `operations.o.retry.never[0]`: expected an integer from 1 to 599, found 0
    heeler.toml:13:15: `operations.o.concurrency`: expected an integer from 1 to 10000, found 0
    heeler.toml:14:12: `operations.o.priority`: expected an integer from -2147483648 to 2147483647, found 2147483648
    heeler.toml:17:22: `operations.p.retry.attempts`: expected an integer from 1 to 100, found 0
    heeler.toml:17:34: `operations.p.retry.factor`: expected a number not below 1, found inf
    heeler.toml:17:45: `operations.p.retry.max`: the longest wait cannot be shorter than the default of `backoff`, 10s
    heeler.toml:21:18: `operations.q.retry.attempts`: expected at least 2, because `on_unknown = "retry"` makes another attempt
    "#);
}

#[test]
fn a_size_or_store_that_cannot_be_read_is_refused_with_examples() {
    let text = "[limits]\nbody = \"1MB\"\ndocument = \"big\"\n[store]\nurl = \"postgres://localhost\"";
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:2:8: `limits.body`: `1MB` is not a size: expected a size such as "1MiB", "64KiB" or a number of bytes
    heeler.toml:3:12: `limits.document`: `big` is not a size: expected a size such as "1MiB", "64KiB" or a number of bytes
    heeler.toml:5:7: `store.url`: `postgres://localhost` names no store that is known here: expected `redb:PATH` or `memory:`
    "##);
    for (url, message) in [
        (
            "heeler.redb",
            "`store.url`: `heeler.redb` names no store that is known here: expected `redb:PATH` or `memory:`",
        ),
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
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:2:13: `operations.none` has no runner: expected `exec = { command = […] }`, `http = { url = … }`, `mail = { to = … }` or `worker = {}`
    heeler.toml:4:13: `operations.two` has two runners, `exec` and `worker`: expected exactly one
    heeler.toml:8:1: `operations.no-command.exec` needs `command`: expected an array of a program and its arguments
    heeler.toml:10:16: `operations.empty-command.exec.command`: expected an array of a program and its arguments, found an empty array
    heeler.toml:12:17: `operations.empty-program.exec.command[0]`: expected a program, found an empty string
    heeler.toml:14:17: `operations.foreign-program.exec.command[0]`: the program cannot come from an expression: only this file says what runs
    heeler.toml:16:36: `operations.folder.exec.cwd`: expected the path of a folder: expressions are not understood here
    heeler.toml:18:38: `operations.environment.exec.env.HEELER_JOB`: names that start with `HEELER_` are set by the service
    heeler.toml:18:56: `operations.environment.exec.env`: the name of a variable cannot be empty or contain `=`
    heeler.toml:18:69: `operations.environment.exec.env`: the name of a variable cannot be empty or contain `=`
    "##);
}

#[test]
fn an_expression_that_is_wrong_is_pointed_at_within_its_string() {
    let text = r#"
[operations.o.exec]
command = ["a", "ä ${imput.x}", '-n ${sice(input.a)}', "${input.a", "\t${}", "a\u0000"]
env = { A = "${env.HOME}", B = """
${}""" }
"#;
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:3:22: `operations.o.exec.command[1]`: unknown variable `imput`: did you mean `input`?
    heeler.toml:3:39: `operations.o.exec.command[2]`: unknown function `sice`: did you mean `size`?
    heeler.toml:3:57: `operations.o.exec.command[3]`: this `${` is never closed: expected a `}`, or `$${` for a literal `${`
    heeler.toml:3:69: `operations.o.exec.command[4]`: empty expression: expected a path such as `input.preset`
    heeler.toml:3:78: `operations.o.exec.command[5]`: a NUL byte cannot be part of an argument
    heeler.toml:5:3: `operations.o.exec.env.B`: empty expression: expected a path such as `input.preset`
    "##);
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
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:4:9: `operations.o.input`: `/etc/heeler/schemas/remote.json`: `/properties/a/$ref` refers to `https://example.com/a.json`: a schema can refer only to itself, such as `#/$defs/name`
    heeler.toml:6:10: `collections.a.schema`: `/etc/heeler/schemas/none.json` cannot be read: entity not found
    heeler.toml:8:10: `collections.b.schema`: `/etc/heeler/schemas/wrong.json`: `/properties/a/type`: "strng" is not one of "array", "boolean" or 5 other candidates
    heeler.toml:10:10: `collections.c.schema`: `/etc/heeler/schemas/torn.json` is not JSON: EOF while parsing a value at line 2 column 10
    heeler.toml:12:10: `collections.d.schema`: expected the path of a JSON Schema file, found an empty string
    heeler.toml:14:10: `collections.e.schema`: `/etc/heeler/schemas/remote.json`: `/properties/a/$ref` refers to `https://example.com/a.json`: a schema can refer only to itself, such as `#/$defs/name`
    "##);
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
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:2:13: `a b` cannot be the name of an operation: expected a letter, then letters, digits, `_` or `-`, at most 128
    heeler.toml:4:14: `admin` cannot be the name of a collection: expected a letter, then letters, digits, `_` or `-`, at most 128; not `jobs`, `operations` or `admin`
    heeler.toml:5:14: `ä` cannot be the name of a collection: expected a letter, then letters, digits, `_` or `-`, at most 128; not `jobs`, `operations` or `admin`
    heeler.toml:7:1: `1st` cannot be the name of an activity: expected a letter, then letters, digits, `_` or `-`, at most 128
    heeler.toml:8:1: `collections.c.activities.status`: the service itself writes the member `status`
    heeler.toml:9:1: `collections.c.activities.id`: the service itself writes the member `id`
    "##);
}

#[test]
fn what_is_not_a_table_is_no_section() {
    let text = "server = 1\nstore = []\nlimits = \"\"\noperations = true\n[collections]\nc = 1\nd.activities.e = 1\n";
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:1:10: `server`: expected a table, found an integer
    heeler.toml:2:9: `store`: expected a table, found an array
    heeler.toml:3:10: `limits`: expected a table, found a string
    heeler.toml:4:14: `operations`: expected a table, found a boolean
    heeler.toml:6:5: `collections.c`: expected a table, found an integer
    heeler.toml:7:18: `collections.d.activities.e`: expected a table, found an integer
    "##);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let refused = load(Path::new("no/such/heeler.toml"), &cron).map(|_| ()).map_err(|errors| errors.to_string());
    assert_eq!(
        refused,
        Err("no/such/heeler.toml:1:1: cannot be read: No such file or directory (os error 2)".to_owned())
    );
}

#[test]
fn a_file_full_of_errors_is_answered_with_the_first_of_them() {
    let text: String = (0..1_000).map(|at| format!("k{at} = 1\n")).collect();
    let errors: ConfigErrors = read(&text).expect_err("unknown keys");
    assert_eq!(errors.as_slice().len(), ERRORS_MAX);
    assert_eq!(errors.as_slice()[0].line, 1);
}

#[test]
fn a_mapping_points_at_the_place_in_its_expression() {
    let text = r#"
[operations.bark]
exec = { command = ["true"] }

[collections.dogs]
observed = ["/barkCount", "barks", "/status/x", "", "/barkCount/deep"]
observed_as = "id"
[collections.dogs.activities.barks]
operation = "meow"
input = "{'to': self.email, 'by': sefl.name}"
schedule = "{'every': 'x'"
show = { "/barks/next" = "status.next", "/id" = "1", "/barks/next/x" = "1", "/barkCount" = "1" }
on_success = { merge = "sise(self.name)" }
on_failure = { launch = 1 }
[collections.dogs.activities.naps]
input = "status.last"
[collections.dogs.activities.walks]
operation = "bark"
operations = ["bark"]
[collections.dogs.activities.eats]
operations = []
on_success = {}
[collections.cats.activities.meows]
on_success = { merge = "{}" }
[[collections.dogs.rules]]
when = "self.canceled &&"
[[collections.dogs.rules]]
message = "no"
status = 200
whn = "true"
[[collections.dogs.rules]]
when = "status.phase == 'idle'"
message = "no"
"#;
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:6:27: `collections.dogs.observed[1]`: expected a JSON Pointer such as `/a/b`: empty, or led by `/`, with `~` only in `~0` and `~1`
    heeler.toml:6:36: `collections.dogs.observed[2]`: the service itself writes `id`, `_links` or `status`
    heeler.toml:6:49: `collections.dogs.observed[3]`: expected a member of the document, not all of it
    heeler.toml:6:53: `collections.dogs.observed[4]`: `/barkCount/deep` and `/barkCount` are in each other's way
    heeler.toml:7:15: `collections.dogs.observed_as`: expected the name of a member, other than `id` and `_links`
    heeler.toml:9:13: `collections.dogs.activities.barks.operation`: there is no operation `meow`
    heeler.toml:10:35: `collections.dogs.activities.barks.input`: unknown variable `sefl`: did you mean `self`?
    heeler.toml:11:26: `collections.dogs.activities.barks.schedule`: the expression ends here: expected `}` or `,`
    heeler.toml:12:41: `collections.dogs.activities.barks.show./id`: the service itself writes `id`, `_links` or `status`
    heeler.toml:12:54: `collections.dogs.activities.barks.show`: `/barks/next/x` and `/barks/next` are in each other's way
    heeler.toml:12:77: `collections.dogs.activities.barks.show`: `/barkCount` and `/barkCount` are in each other's way
    heeler.toml:13:25: `collections.dogs.activities.barks.on_success.merge`: unknown function `sise`: did you mean `size`?
    heeler.toml:14:25: `collections.dogs.activities.barks.on_failure.launch`: expected a table with `operation` and maybe `input`, found an integer
    heeler.toml:16:1: `collections.dogs.activities.naps.input` maps a document of its own shape, so `collections.dogs.activities.naps` needs `operation`
    heeler.toml:16:10: `collections.dogs.activities.naps.input`: unknown variable `status`: expected `self`, `resource` or `now`
    heeler.toml:19:1: `collections.dogs.activities.walks` has both `operation` and `operations`: expected one of them
    heeler.toml:21:14: `collections.dogs.activities.eats.operations`: expected at least one operation
    heeler.toml:22:1: `collections.dogs.activities.eats.on_success` needs `merge`, an expression that gives an object, or `launch`, such as `{ operation = "notify" }`
    heeler.toml:24:16: `collections.cats.activities.meows.on_success.merge` has nothing to write: list the members under `observed` of the collection
    heeler.toml:25:1: `collections.dogs.rules[0]` needs `message`: expected a sentence that says why, for who is refused
    heeler.toml:26:25: `collections.dogs.rules[0].when`: the expression ends here: expected a value
    heeler.toml:27:1: `collections.dogs.rules[1]` needs `when`: expected an expression that holds for what is forbidden
    heeler.toml:29:10: `collections.dogs.rules[1].status`: expected an integer from 400 to 499, found 200
    heeler.toml:30:1: unknown key `whn` in `collections.dogs.rules[1]`: did you mean `when`?
    heeler.toml:32:9: `collections.dogs.rules[2].when`: unknown variable `status`: expected `self` or `old`
    "#);
}

#[test]
fn nothing_is_shown_within_an_activity_in_the_standard_vocabulary() {
    let text = r#"
[operations.bark]
exec = { command = ["true"] }

[collections.cats]
observed = ["/processing/count", "/count"]
[collections.dogs]
observed = ["/barks/count", "/walks/count", "/count"]
observed_as = "naps"
[collections.dogs.activities.barks]
show = { "/barks/last" = "1", "/walks/last" = "1", "/last" = "1" }
[collections.dogs.activities.naps]
[collections.dogs.activities.walks]
operation = "bark"
input = "{'to': self.walks.to}"
[collections.mice]
observed_as = "processing"
"#;
    assert_snapshot!(refusal(text), @r"
    heeler.toml:6:13: `collections.cats.observed[0]`: `/processing/count` is within the activity `processing`, which takes nothing but the members of an activity: choose another place, or map the activity with `input`
    heeler.toml:8:13: `collections.dogs.observed[0]`: `/barks/count` is within the activity `barks`, which takes nothing but the members of an activity: choose another place, or map the activity with `input`
    heeler.toml:11:10: `collections.dogs.activities.barks.show./barks/last`: `/barks/last` is within the activity `barks`, which takes nothing but the members of an activity: choose another place, or map the activity with `input`
    heeler.toml:12:30: `collections.dogs.activities.naps`: the service itself writes the member `naps`
    heeler.toml:17:15: `collections.mice.observed_as`: `processing` is the activity of a collection that names none: name another
    ");
}
