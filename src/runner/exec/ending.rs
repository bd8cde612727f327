//! What the end of a process means for its attempt.

use std::time::Duration;

use super::events::Gift;
use super::record::{Cause, End, Exit};
use crate::domain::job::{AttemptOutcome, Ending};

/// The ending of an attempt that ended so and gave this.
pub(super) fn ending(exit: &Exit, gift: &Gift) -> Ending {
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
    let (result, refusal) = match gift {
        Gift::None => (None, None),
        Gift::Value(value) => (Some(value.clone()), None),
        Gift::Refused(reason) => (None, Some(reason.clone())),
    };
    let said: Vec<String> =
        [cause(exit.cause), exit.limit.clone(), end(&exit.end), refusal].into_iter().flatten().collect();
    let detail = (!said.is_empty()).then(|| said.join("; "));
    Ending { exit_code, result, detail, ..Ending::new(outcome) }
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
            let ending = ending(&exit, &Gift::None);
            assert_eq!((ending.outcome, ending.exit_code), (outcome, code), "{exit:?}");
            assert_eq!(ending.detail.as_deref(), detail, "{exit:?}");
        }
    }

    #[test]
    fn a_limit_that_was_reached_is_said_first() {
        let exit = Exit { limit: Some("ate too much".to_owned()), ..Exit::by_itself(End::Killed(9)) };
        let ending = ending(&exit, &Gift::None);
        assert_eq!(ending.outcome, AttemptOutcome::Failed);
        assert_eq!(ending.detail.as_deref(), Some("ate too much; was killed by signal 9 (SIGKILL)"));
    }

    #[test]
    fn a_refused_result_leaves_the_outcome_alone_and_is_told() {
        let exit = Exit::by_itself(End::Exited(0));
        let ending = ending(&exit, &Gift::Refused("too large".to_owned()));
        assert_eq!(ending.outcome, AttemptOutcome::Succeeded);
        assert_eq!((ending.result, ending.detail.as_deref()), (None, Some("too large")));
    }

    #[test]
    fn what_was_given_is_the_result() {
        let ending = ending(&Exit::by_itself(End::Exited(1)), &Gift::Value(json!(5)));
        assert_eq!(ending.result, Some(json!(5)));
    }
}
