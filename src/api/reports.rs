//! What whoever does the work of an attempt outside says of it, by its token.
//!
//! # Guarantees
//! Only the attempt that is under way can get on or end, and only once. The
//! same report of an end again finds it made, whatever happened since; any
//! other one is stale, and changes nothing.
//! # Not here
//! When an attempt is given up that nobody reports of ([`crate::reconcile`]).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tracing::info;

use super::jobs::{believes_job, invalid, job_view, no_job};
use super::once::About;
use super::{Api, ApiError, ChangeRequest, View};
use crate::domain::id::{JobId, Token};
use crate::domain::job::{
    Attempt, AttemptOutcome, Ending, Job, JobError, PROGRESS_MESSAGE_BYTES_MAX, RESULT_BYTES_MAX, WorkPatch, clip,
};
use crate::domain::json;
use crate::domain::near::did_you_mean;
use crate::domain::operation::RunnerKind;
use crate::domain::schema::Violation;
use crate::domain::time::{Timestamp, parse_duration};
use crate::state::{ApplyError, Decision, Event, Refused};

/// The member that makes a change of a job a report of its attempt.
pub const TOKEN: &str = "token";

/// A report of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkReport {
    /// The attempt; `None` where no attempt can have what was sent.
    token: Option<Token>,
    progress: Option<(Option<f64>, Option<String>)>,
    ending: Option<Ending>,
}

impl Api {
    /// Takes a report of an attempt whose work is done outside.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `StaleToken`, `Invalid`, those of every commit.
    pub async fn report(&self, id: JobId, report: &WorkReport, request: &ChangeRequest) -> Result<View, ApiError> {
        let (job, _) = self.find(id).await?;
        let applied = self.enact(&job.resource, About::Job(id), request, |loaded| {
            let job = loaded.state.jobs.get(&id).ok_or_else(|| no_job(id))?;
            believes_job(loaded, job, request)?;
            decide(job, report, self.state.wall())
        });
        let applied = applied.await.map_err(|error| {
            // Its time had come before this did.
            let late = matches!(error, ApplyError::Refused(Refused::Job(_)));
            let error = if late { ApiError::StaleToken } else { self.refusal(&job.resource, error, None) };
            if matches!(error, ApiError::StaleToken) {
                info!(job = %id, "a report of an attempt that is over was refused");
            }
            error
        })?;
        let job = applied.state.jobs.get(&id).ok_or_else(|| no_job(id))?;
        Ok(job_view(job, applied.job_etag(id).ok_or_else(|| no_job(id))?, &self.catalog))
    }
}

/// What a report makes of a job.
fn decide(job: &Job, report: &WorkReport, wall: Timestamp) -> Result<Decision, ApiError> {
    // Who was asked over HTTP can be faster than his answer to that is recorded.
    let reports = |attempt: &&Attempt| attempt.remote.is_some() || attempt.runner == RunnerKind::Http;
    let named = job.attempts.iter().find(|attempt| Some(attempt.token) == report.token);
    let attempt = named.filter(reports).ok_or(ApiError::StaleToken)?;
    if attempt.outcome.is_some() {
        let same =
            report.ending.as_ref().is_some_and(|ending| attempt.report.is_some() && ending.report == attempt.report);
        return if same { Ok(Decision::Leave) } else { Err(ApiError::StaleToken) };
    }
    if report.ending.as_ref().is_some_and(|ending| ending.outcome == AttemptOutcome::Canceled) && job.cancel.is_none() {
        return Err(invalid("/phase", "nobody asked the job to stop: say `failed`, and it can be tried again"));
    }
    let got_on = report.progress.as_ref().is_some_and(|(fraction, message)| {
        job.progress
            .as_ref()
            .is_none_or(|known| (known.fraction, known.message.as_ref()) != (*fraction, message.as_ref()))
    });
    let renews = attempt.remote.as_ref().is_some_and(|remote| remote.is_renewed_by(wall));
    if report.ending.is_none() && !got_on && !renews {
        return Ok(Decision::Leave);
    }
    Ok(Decision::Happen(Event::Reported {
        job: job.id,
        token: attempt.token,
        progress: report.progress.clone().filter(|_| got_on),
        ending: report.ending.clone().map(Box::new),
    }))
}

/// Reads a report.
///
/// # Errors
/// `Invalid`
pub fn work_report(body: &Map<String, Value>) -> Result<WorkReport, ApiError> {
    const MEMBERS: [&str; 7] = [TOKEN, "progress", "phase", "result", "error", "retryAfter", "patch"];
    let mut errors = Vec::new();
    for member in body.keys().filter(|member| !MEMBERS.contains(&member.as_str())) {
        let detail = match member.as_str() {
            "canceled" => "who does the work answers a cancel with `\"phase\": \"canceled\"`".to_owned(),
            _ => format!("a report has no such member{}", did_you_mean(member, MEMBERS)),
        };
        errors.push(Violation { pointer: json::pointer(&[member]), detail });
    }
    let mut read = Reader { body, errors };
    let token = read.token();
    let progress = read.progress();
    let ending = read.ending();
    match read.errors.is_empty() {
        true => Ok(WorkReport { token, progress, ending }),
        false => Err(ApiError::Invalid { errors: read.errors }),
    }
}

struct Reader<'a> {
    body: &'a Map<String, Value>,
    errors: Vec<Violation>,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&mut self, pointer: &str, detail: impl Into<String>) -> Option<T> {
        self.errors.push(Violation { pointer: pointer.to_owned(), detail: detail.into() });
        None
    }

    fn token(&mut self) -> Option<Token> {
        match self.body.get(TOKEN) {
            Some(Value::String(text)) => Token::from_text(text),
            Some(_) | None => self.wrong("/token", "expected the token that came with the job"),
        }
    }

    /// Fraction and message; nothing where it says nothing.
    fn progress(&mut self) -> Option<(Option<f64>, Option<String>)> {
        let members = self.object("progress", &["fraction", "message"])?;
        let fraction = match members.get("fraction") {
            None | Some(Value::Null) => None,
            Some(value) => match value.as_f64().filter(|fraction| (0.0..=1.0).contains(fraction)) {
                Some(fraction) => Some(fraction),
                None => self.wrong("/progress/fraction", "expected a number from 0 to 1, or null"),
            },
        };
        let message = self.text("progress", members, "message");
        Some((fraction, message.map(|text| clip(text, PROGRESS_MESSAGE_BYTES_MAX))))
    }

    fn ending(&mut self) -> Option<Ending> {
        const PHASES: [(&str, AttemptOutcome); 3] = [
            ("succeeded", AttemptOutcome::Succeeded),
            ("failed", AttemptOutcome::Failed),
            ("canceled", AttemptOutcome::Canceled),
        ];
        let phase = self.body.get("phase");
        let outcome = match phase {
            None => None,
            Some(phase) => match PHASES.iter().find(|(word, _)| phase == word) {
                Some((_, outcome)) => Some(*outcome),
                None => self.wrong("/phase", "expected \"succeeded\", \"failed\" or \"canceled\""),
            },
        };
        let result = self.value("result");
        if result.is_some_and(|result| json::encoded_len(result) > RESULT_BYTES_MAX) {
            let most = RESULT_BYTES_MAX / 1024;
            let _: Option<()> = self.wrong("/result", format!("expected at most {most} KiB of JSON"));
        }
        if result.is_some() && phase.is_none() {
            let _: Option<()> = self.wrong("/result", "only who is done has a result: say `phase`, too");
        }
        let error = self.error();
        let retry_after = self.retry_after();
        let patch = self.patch();
        if patch.is_some() && phase.is_none() {
            let _: Option<()> = self.wrong("/patch", "it counts at the end: say `phase`, too");
        }
        // Where the phase is no phase, that is said already.
        let fails = outcome == Some(AttemptOutcome::Failed) || (outcome.is_none() && phase.is_some());
        for member in ["error", "retryAfter"] {
            if !fails && self.value(member).is_some() {
                let _: Option<()> = self.wrong(&json::pointer(&[member]), "only of `\"phase\": \"failed\"`");
            }
        }
        let outcome = outcome?;
        Some(Ending {
            result: result.cloned(),
            detail: error.as_ref().map(|error| error.message.clone()),
            error,
            patch,
            retry_after,
            report: Some(self.digest()),
            ..Ending::new(outcome)
        })
    }

    /// What tells this end from every other one.
    fn digest(&self) -> String {
        let end = ["phase", "result", "error", "retryAfter", "patch"].into_iter();
        let said: Map<String, Value> =
            end.filter_map(|member| Some((member.to_owned(), self.value(member)?.clone()))).collect();
        let digest = Sha256::digest(json::canonical(&Value::Object(said)));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Why it failed, in words or with a reason. What is too long is cut: that
    /// it failed counts more than its last line.
    fn error(&mut self) -> Option<JobError> {
        let value = self.value("error")?;
        if !value.is_string() {
            let members = self.object("error", &["reason", "message", "details"])?;
            self.text("error", members, "reason");
            self.text("error", members, "message");
        }
        JobError::said(value.clone())
    }

    fn patch(&mut self) -> Option<WorkPatch> {
        let mut patch = WorkPatch::default();
        patch.collect(self.value("patch")?.clone());
        let refused = patch.operations().err().map(str::to_owned);
        match refused {
            None => Some(patch),
            Some(why) => self.wrong("/patch", why),
        }
    }

    fn retry_after(&mut self) -> Option<std::time::Duration> {
        let value = self.value("retryAfter")?;
        match value.as_str().and_then(|text| parse_duration(text).ok()) {
            Some(wait) => Some(wait),
            None => self.wrong("/retryAfter", "expected a duration such as \"30s\""),
        }
    }

    /// What is said under that name; null says nothing.
    fn value(&self, member: &str) -> Option<&'a Value> {
        self.body.get(member).filter(|value| !value.is_null())
    }

    /// The object of that name, with no other members than these.
    fn object(&mut self, name: &str, members: &[&str]) -> Option<&'a Map<String, Value>> {
        match self.value(name)? {
            Value::Object(object) => {
                for member in object.keys().filter(|member| !members.contains(&member.as_str())) {
                    let hint = did_you_mean(member, members.iter().copied());
                    let detail = format!("`{name}` has no such member{hint}");
                    let _: Option<()> = self.wrong(&json::pointer(&[name, member]), detail);
                }
                Some(object)
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                self.wrong(&json::pointer(&[name]), "expected an object")
            }
        }
    }

    fn text<'t>(&mut self, of: &str, members: &'t Map<String, Value>, name: &str) -> Option<&'t str> {
        match members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => self.wrong(&json::pointer(&[of, name]), "expected text"),
        }
    }
}
