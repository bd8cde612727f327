//! Who is heard, where the file and the program both speak.

use super::*;
use crate::domain::operation::{OnUnknown, Operation, ReplyMode, RunnerKind};
use crate::domain::retry::RetryPolicy;

/// The operation `bark` of a program that says much of it, under this configuration.
fn bark(text: &str) -> Operation {
    let seconds = Duration::from_secs;
    let options = OperationOptions::default()
        .description("Bark")
        .input_schema(serde_json::json!({ "type": "object" }))
        .timeout(seconds(1))
        .grace(seconds(2))
        .retry(RetryPolicy { attempts: 7, ..RetryPolicy::default() })
        .concurrency_per(3, "resource.owner")
        .rate(5, seconds(60))
        .deadline(seconds(3))
        .start_deadline(seconds(4))
        .priority(9)
        .synchronous();
    let builder = Heeler::builder()
        .operation_with("bark", options, |_| async { Ok::<_, NativeError>(()) })
        .config_text(format!("[operations.bark]\nnative = {{}}\n{text}"));
    let config = builder.config().expect("it is right");
    let bark = config.catalog.operations.into_values().next().expect("an operation");
    Arc::unwrap_or_clone(bark)
}

#[test]
fn each_key_of_the_file_counts_before_what_the_program_says_and_no_other_does() {
    // All that there is to say of it, in the words of its parts.
    let said = |text: &str| {
        let bark = bark(text);
        assert_eq!(bark.runner.kind(), RunnerKind::Native);
        [
            ("description", format!("{:?}", bark.description)),
            ("input", format!("{:?}", bark.input.is_some())),
            ("timeout", format!("{:?}", bark.timeout)),
            ("grace", format!("{:?}", bark.grace)),
            ("retry", format!("{:?}", (bark.retry, bark.attempts_max))),
            ("concurrency", format!("{:?}", bark.concurrency)),
            ("rate", format!("{:?}", bark.rate)),
            ("deadline", format!("{:?}", bark.deadline)),
            ("start_deadline", format!("{:?}", bark.start_deadline)),
            ("priority", format!("{:?}", bark.priority)),
            ("on_unknown", format!("{:?}", bark.on_unknown)),
            ("reply", format!("{:?}", bark.reply)),
        ]
    };
    let program = said("");
    for (key, value) in [
        ("description", "'Loudly'"),
        ("timeout", "'1m'"),
        ("grace", "'1m'"),
        ("retry", "{ attempts = 2 }"),
        ("concurrency", "1"),
        ("rate", "'1/1m'"),
        ("deadline", "'1m'"),
        ("start_deadline", "'1m'"),
        ("priority", "1"),
        ("on_unknown", "'retry'"),
        ("reply", "{ mode = 'async' }"),
    ] {
        let file = said(&format!("{key} = {value}"));
        let changed: Vec<&str> =
            program.iter().zip(&file).filter(|(one, other)| one != other).map(|((key, _), _)| *key).collect();
        assert_eq!(changed, [key], "{value}");
    }
}

#[test]
fn another_attempt_after_an_unknown_fate_has_room_for_one_whoever_asks_for_it() {
    let plain = || Heeler::builder().operation("bark", |_| async { Ok::<_, NativeError>(()) });
    let text = "[operations.bark]\nnative = {}\non_unknown = 'retry'";
    let config = plain().config_text(text).config().expect("it is right");
    let bark = config.catalog.operations.values().next().expect("an operation");
    assert_eq!((bark.on_unknown, bark.retry.attempts), (OnUnknown::Retry, 3));
    let config = plain().config().expect("it is right");
    let bark = config.catalog.operations.values().next().expect("an operation");
    assert_eq!((bark.on_unknown, bark.retry.attempts, bark.reply.mode), (OnUnknown::Fail, 1, ReplyMode::Async));
}
