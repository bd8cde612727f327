//! What the end of a process means for its attempt.

use std::time::Duration;

use super::events::{Gift, Said};
use super::record::{Cause, End, Exit};
use crate::domain::job::{AttemptOutcome, Ending};

/// The ending of an attempt that ended so, said this, and wrote `last_words`.
pub(super) fn ending(exit: &Exit, said: Said, last_words: impl FnOnce() -> Option<String>) -> Ending {
    let outcome = match (&exit.end, exit.cause) {
        (End::Lost(_), _) => AttemptOutcome::Lost,
        (End::Unstartable(_), _) => AttemptOutcome::Failed,
        (End::Exited(_) | End::Killed(_), Cause::Stopped) => AttemptOutcome::Canceled,
        (End::Exited(_) | End::Killed(_), Cause::TimedOut(_)) => AttemptOutcome::TimedOut,
        (End::Exited(0), Cause::Own) => AttemptOutcome::Succeeded,
        (End::Exited(_) | End::Killed(_), Cause::Own) => AttemptOutcome::Failed,
    };
    let exit_code = match exit.end {
        End::Exited(code) => Some(code),
        End::Killed(_) | End::Unstartable(_) | End::Lost(_) => None,
    };
    let (result, refusal) = match said.gift {
        Gift::None => (None, None),
        Gift::Value(value) => (Some(value), None),
        Gift::Refused(reason) => (None, Some(reason)),
    };
    let ran = matches!(exit.end, End::Exited(_) | End::Killed(_));
    let words = if outcome == AttemptOutcome::Failed && ran { last_words() } else { None };
    let words = words.map(|line| format!("its output ends with `{line}`"));
    let told = [cause(exit.cause), exit.limit.clone(), end(&exit.end), words, refusal];
    let told: Vec<String> = told.into_iter().flatten().collect();
    let detail = (!told.is_empty()).then(|| told.join("; "));
    Ending { exit_code, result, detail, error: said.error, patch: said.patch, ..Ending::new(outcome) }
}

fn cause(cause: Cause) -> Option<String> {
    match cause {
        Cause::Own => None,
        Cause::Stopped => Some("was stopped".to_owned()),
        Cause::TimedOut(after_ms) => {
            Some(format!("took longer than {:?} and was stopped", Duration::from_millis(after_ms)))
        }
    }
}

fn end(end: &End) -> Option<String> {
    match end {
        End::Exited(0) => None,
        End::Exited(code) => Some(format!("exited with code {code}")),
        End::Killed(signal) => Some(format!("was killed by signal {signal}{}", signal_name(*signal))),
        End::Unstartable(detail) | End::Lost(detail) => Some(detail.clone()),
    }
}

/// The name of a signal in brackets, where it is the same on every machine.
const fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        14 => " (SIGALRM)",
        15 => " (SIGTERM)",
        24 => " (SIGXCPU)",
        25 => " (SIGXFSZ)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::job::{JobError, WorkPatch};
    use crate::runner::exec::record::Kept;

    #[test]
    fn each_end_has_its_outcome_and_says_why() {
        use AttemptOutcome::{Canceled, Failed, Lost, Succeeded, TimedOut};
        for (end, cause, outcome, code, detail) in [
            (End::Exited(0), Cause::Own, Succeeded, Some(0), None),
            (End::Exited(3), Cause::Own, Failed, Some(3), Some("exited with code 3")),
            (End::Killed(9), Cause::Own, Failed, None, Some("was killed by signal 9 (SIGKILL)")),
            (End::Killed(35), Cause::Own, Failed, None, Some("was killed by signal 35")),
            (End::Exited(0), Cause::Stopped, Canceled, Some(0), Some("was stopped")),
            (End::Exited(3), Cause::Stopped, Canceled, Some(3), Some("was stopped; exited with code 3")),
            (
                End::Killed(15),
                Cause::TimedOut(1500),
                TimedOut,
                None,
                Some("took longer than 1.5s and was stopped; was killed by signal 15 (SIGTERM)"),
            ),
            (End::Unstartable("no x".to_owned()), Cause::Own, Failed, None, Some("no x")),
            (End::Lost("gone".to_owned()), Cause::Own, Lost, None, Some("gone")),
        ] {
            let exit = Exit { end, cause, log: Kept::Whole, limit: None };
            let ending = ending(&exit, Said::default(), || None);
            assert_eq!((ending.outcome, ending.exit_code), (outcome, code), "{exit:?}");
            assert_eq!(ending.detail.as_deref(), detail, "{exit:?}");
        }
    }

    #[test]
    fn a_limit_that_was_reached_is_said_first() {
        let exit = Exit { limit: Some("ate too much".to_owned()), ..Exit::by_itself(End::Killed(9)) };
        let ending = ending(&exit, Said::default(), || None);
        assert_eq!(ending.outcome, AttemptOutcome::Failed);
        assert_eq!(ending.detail.as_deref(), Some("ate too much; was killed by signal 9 (SIGKILL)"));
    }

    #[test]
    fn a_refused_result_leaves_the_outcome_alone_and_is_told() {
        let exit = Exit::by_itself(End::Exited(0));
        let ending = ending(&exit, Said { gift: Gift::Refused("too large".to_owned()), ..Said::default() }, || None);
        assert_eq!(ending.outcome, AttemptOutcome::Succeeded);
        assert_eq!((ending.result, ending.detail.as_deref()), (None, Some("too large")));
    }

    #[test]
    fn what_was_given_is_the_result() {
        let ending =
            ending(&Exit::by_itself(End::Exited(1)), Said { gift: Gift::Value(json!(5)), ..Said::default() }, || None);
        assert_eq!(ending.result, Some(json!(5)));
    }

    #[test]
    fn a_failure_repeats_the_last_words_of_the_work() {
        let words = || Some("no such file".to_owned());
        for (end, detail) in [
            (End::Exited(3), Some("exited with code 3; its output ends with `no such file`")),
            (End::Killed(9), Some("was killed by signal 9 (SIGKILL); its output ends with `no such file`")),
            (End::Exited(0), None),
            (End::Unstartable("no x".to_owned()), Some("no x")),
        ] {
            assert_eq!(ending(&Exit::by_itself(end), Said::default(), words).detail.as_deref(), detail);
        }
    }

    #[test]
    fn what_the_work_says_of_its_failure_and_of_the_document_goes_with_its_end() {
        let said = Said { error: Some(JobError::new("A", "a")), patch: Some(WorkPatch::default()), gift: Gift::None };
        let ending = ending(&Exit::by_itself(End::Exited(1)), said.clone(), || None);
        assert_eq!((ending.error, ending.patch), (said.error, said.patch));
    }
}
