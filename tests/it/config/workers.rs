//! Operations whose jobs workers outside pull.

use std::time::Duration;

use heeler::domain::operation::{RunnerKind, RunnerSpec, WorkerSpec};
use insta::assert_snapshot;

use super::read;

#[test]
fn a_lease_is_as_long_as_the_operator_says_or_half_a_minute() {
    for (given, seconds) in [("{}", 30), ("{ lease = \"1s\" }", 1), ("{ lease = \"1d\" }", 86_400)] {
        let config = read(&format!("[operations.render]\nworker = {given}")).expect("it is right");
        let operation = config.catalog.operations.values().next().expect("an operation");
        assert_eq!(operation.runner.kind(), RunnerKind::Worker);
        let RunnerSpec::Worker(WorkerSpec { lease }) = &operation.runner else { panic!("{:?}", operation.runner) };
        assert_eq!(*lease, Duration::from_secs(seconds), "{given}");
    }
}

#[test]
fn a_lease_that_nobody_could_keep_or_wait_for_is_refused() {
    let text = r#"
[operations.a]
worker = { lease = "999ms" }
[operations.b]
worker = { lease = "1d 1s" }
[operations.c]
worker = { lease = 30 }
[operations.d]
worker = { leese = "30s" }
[operations.e]
worker = "30s"
[operations.f]
worker = {}
grace = "5s"
"#;
    let errors = read(text).expect_err("it is wrong").to_string();
    assert_snapshot!(errors, @r#"
    heeler.toml:3:20: `operations.a.worker.lease`: expected a duration from 1s to 1d
    heeler.toml:5:20: `operations.b.worker.lease`: expected a duration from 1s to 1d
    heeler.toml:7:20: `operations.c.worker.lease`: expected a duration such as "30m", found an integer
    heeler.toml:9:12: unknown key `leese` in `operations.d.worker`: did you mean `lease`?
    heeler.toml:11:10: `operations.e.worker`: expected a table, found a string
    heeler.toml:14:9: `operations.f.grace`: nobody kills a worker: its job is given up when its lease ends
    "#);
}
