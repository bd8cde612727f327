//! How operations and collections answer.

use heeler::domain::catalog::PatchedReply;
use heeler::domain::operation::{Complete, Keep, Reply, ReplyMode, SyncStatus};
use insta::assert_snapshot;

use super::{read, refusal};

fn answers(line: &str) -> (Reply, Keep) {
    let config = read(&format!("[operations.bark]\nexec.command = [\"true\"]\n{line}")).expect(line);
    let operation = &config.catalog.operations[&"bark".parse().expect("a name")];
    (operation.reply, operation.keep)
}

#[test]
fn an_operation_answers_at_once_unless_it_says_otherwise() {
    use ReplyMode::{Async, Sync};
    for (line, mode, complete, keep) in [
        ("", Async, Complete::Job, Keep::Record),
        ("reply = {}", Async, Complete::Job, Keep::Record),
        ("reply = { mode = \"async\" }", Async, Complete::Job, Keep::Record),
        ("reply.complete = 303", Async, Complete::Resource, Keep::Record),
        ("reply = { mode = \"sync\" }", Sync(SyncStatus::Ok), Complete::Job, Keep::Record),
        ("reply = { mode = \"sync\", status = 200 }\nkeep = true", Sync(SyncStatus::Ok), Complete::Job, Keep::Record),
        ("reply = { mode = \"sync\" }\nkeep = false", Sync(SyncStatus::Ok), Complete::Job, Keep::Nothing),
        ("reply = { mode = \"sync\", status = 201 }", Sync(SyncStatus::Created), Complete::Job, Keep::Record),
        (
            "keep = false\nreply = { mode = \"sync\", status = 204 }",
            Sync(SyncStatus::NoContent),
            Complete::Job,
            Keep::Nothing,
        ),
        (
            "reply = { mode = \"sync\", status = 303, complete = 303 }",
            Sync(SyncStatus::SeeOther),
            Complete::Resource,
            Keep::Record,
        ),
    ] {
        assert_eq!(answers(line), (Reply { mode, complete }, keep), "{line}");
    }
}

#[test]
fn a_collection_can_ask_for_205() {
    for (line, patched) in [
        ("", PatchedReply::NoContent),
        ("reply = {}", PatchedReply::NoContent),
        ("reply = { patch = 204 }", PatchedReply::NoContent),
        ("reply = { patch = 205 }", PatchedReply::ResetContent),
    ] {
        let config = read(&format!("[collections.dogs]\n{line}")).expect(line);
        assert_eq!(config.catalog.collections[&"dogs".parse().expect("a name")].patched, patched, "{line}");
    }
}

#[test]
fn an_activity_is_not_called_as_a_link_is_that_every_resource_has() {
    let text = "[collections.dogs.activities]\nself = {}\nrun-now = {}\nruns = {}\n";
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:2:1: `collections.dogs.activities.self`: `self` is a link that every resource has
    heeler.toml:3:1: `collections.dogs.activities.run-now`: `run-now` is a link that every resource has
    "##);
}

#[test]
fn an_answer_that_cannot_be_given_is_refused_where_it_stands() {
    let text = r#"
[operations.a]
exec.command = ["true"]
reply = { mode = "sinc", status = 200 }
[operations.b]
exec.command = ["true"]
reply = { status = 201 }
[operations.c]
exec.command = ["true"]
reply = { mode = "async", status = 303, complete = 200 }
[operations.d]
exec.command = ["true"]
reply = { mode = "sync", status = 202 }
keep = "no"
[operations.e]
exec.command = ["true"]
keep = false
[operations.f]
exec.command = ["true"]
reply = { mode = "sync", status = 201 }
keep = false
[operations.g]
exec.command = ["true"]
reply = 303
[operations.h]
exec.command = ["true"]
reply = { mode = "sync", state = "201" }
[collections.dogs]
reply = { patch = 200, put = 205 }
[collections.cats]
reply = "205"
"#;
    assert_snapshot!(refusal(text), @r##"
    heeler.toml:4:18: `operations.a.reply.mode`: unknown value `sinc`: did you mean `sync`?
    heeler.toml:7:20: `operations.b.reply.status`: it is the status of a synchronous answer: expected `mode = "sync"` too
    heeler.toml:10:36: `operations.c.reply.status`: it is the status of a synchronous answer: expected `mode = "sync"` too
    heeler.toml:10:52: `operations.c.reply.complete`: expected `303`, found 200
    heeler.toml:13:35: `operations.d.reply.status`: expected `200`, `201`, `204` or `303`, found 202
    heeler.toml:14:8: `operations.d.keep`: expected true or false, found a string
    heeler.toml:17:8: `operations.e.keep`: only a synchronous answer can stand for a record: expected `reply = { mode = "sync" }` too
    heeler.toml:21:8: `operations.f.keep`: 201 names the job that was made, and with `keep = false` there is none
    heeler.toml:24:9: `operations.g.reply`: expected a table, found an integer
    heeler.toml:27:26: unknown key `state` in `operations.h.reply`: expected `mode`, `status` or `complete`
    heeler.toml:29:19: `collections.dogs.reply.patch`: expected `204` or `205`, found 200
    heeler.toml:29:24: unknown key `put` in `collections.dogs.reply`: expected `patch`
    heeler.toml:31:9: `collections.cats.reply`: expected a table, found a string
    "##);
}
