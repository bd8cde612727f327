//! What the ends of jobs do, as the file says it.

use heeler::domain::job::JobPhase;
use insta::assert_snapshot;

use super::{read, refusal};

#[test]
fn operations_and_activities_say_what_follows_the_ends_of_their_jobs() {
    let text = r#"
[operations.bark]
exec = { command = ["true"] }
on_failure = { launch = { operation = "notify", input = "{'of': job.id}" } }
[operations.notify]
exec = { command = ["true"] }

[collections.dogs]
observed = ["/count"]
[collections.dogs.activities.barks]
on_success = { merge = "{'count': 1}", launch = { operation = "bark" } }
"#;
    let config = read(text).expect("it is right");
    let bark = &config.catalog.operations[&"bark".parse().expect("a name")].effects;
    assert!(bark.of(JobPhase::Succeeded).is_some_and(|effect| !effect.is_declared()));
    assert!(bark.of(JobPhase::Canceled).is_none());
    let lost = bark.of(JobPhase::Lost).and_then(|effect| effect.launch.as_ref()).expect("a follow-up");
    assert_eq!((lost.operation.as_str(), lost.input.is_some()), ("notify", true));
    let dogs = &config.catalog.collections[&"dogs".parse().expect("a name")];
    let barks = &dogs.activity("barks").expect("it is there").effects.success;
    assert!(barks.merge.is_some() && barks.launch.as_ref().is_some_and(|launch| launch.input.is_none()));
}

#[test]
fn what_follows_a_job_is_named_in_the_file() {
    let text = r#"
[operations.bark]
exec = { command = ["true"] }
on_success = { launch = { operation = "natify" } }
on_failure = { merge = "{'a': jb.error}", launch = { operation = "notify", inputs = "{}" } }
[operations.notify]
exec = { command = ["true"] }
on_success = {}
on_failure = { launch = "bark" }

[collections.dogs.activities.barks]
on_success = { launch = { input = "{'a': job.result + self.}" } }
on_failure = { launch = { operation = 7 }, retry = true }
[collections.dogs.activities.naps]
input = "{'a': job.id}"
operation = "bark"
show = { "/a" = "job.id" }
"#;
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:4:39: `operations.bark.on_success.launch.operation`: there is no operation `natify`; did you mean `notify`?
    heeler.toml:5:31: `operations.bark.on_failure.merge`: unknown variable `jb`: did you mean `job`?
    heeler.toml:5:76: unknown key `inputs` in `operations.bark.on_failure.launch`: did you mean `input`?
    heeler.toml:8:1: `operations.notify.on_success` needs `merge`, an expression that gives an object, or `launch`, such as `{ operation = "notify" }`
    heeler.toml:9:25: `operations.notify.on_failure.launch`: expected a table with `operation` and maybe `input`, found a string
    heeler.toml:12:16: `collections.dogs.activities.barks.on_success.launch` needs `operation`: expected the name of the operation that the job runs
    heeler.toml:12:60: `collections.dogs.activities.barks.on_success.launch.input`: `.}` is no part of an expression
    heeler.toml:13:39: `collections.dogs.activities.barks.on_failure.launch.operation`: expected the name of an operation, found an integer
    heeler.toml:13:44: unknown key `retry` in `collections.dogs.activities.barks.on_failure`: expected `merge` or `launch`
    heeler.toml:15:16: `collections.dogs.activities.naps.input`: unknown variable `job`: expected `self`, `resource` or `now`
    heeler.toml:17:18: `collections.dogs.activities.naps.show./a`: unknown variable `job`: expected `self`, `status`, `resource` or `now`
    "#);
}
