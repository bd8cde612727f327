//! Where the time of a request goes: told in `Server-Timing`
//! (<https://www.w3.org/TR/server-timing/>), and logged where it is much.
//!
//! # Guarantees
//! Every answer says it, so that nobody has to try again under a magnifier.
//! # Not here
//! What happens to the answer on its way: the client alone sees that.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method, StatusCode};
use tracing::info;
use warp::reply::Response;

use super::routes::Route;
use crate::api::{Stage, Stages};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// A request that takes longer, waiting that it asked for aside, is logged. All
/// that is well takes a tenth of it, and a person has noticed by then.
const SLOW: Duration = Duration::from_secs(1);

/// What a request is waiting for, or doing, on this side of the use cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// For its body.
    Body,
    /// For the use case of a read.
    Load,
    /// As its client prefers, and for what is read meanwhile.
    Wait,
    /// Compressing its answer.
    Encode,
}

impl Step {
    const COUNT: usize = 4;
}

/// Where the time of one request goes.
#[derive(Debug)]
pub(super) struct Timing {
    started: Instant,
    steps: [AtomicU64; Step::COUNT],
    /// What only changes have.
    stages: OnceLock<Arc<Stages>>,
    route: OnceLock<&'static str>,
}

impl Timing {
    /// From now on.
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), steps: Default::default(), stages: OnceLock::new(), route: OnceLock::new() }
    }

    /// How long it took so far.
    pub(super) fn total(&self) -> Duration {
        self.started.elapsed()
    }

    /// The same without the waiting that the client asked for.
    pub(super) fn busy(&self) -> Duration {
        self.total().saturating_sub(self.step(Step::Wait).unwrap_or_default())
    }

    /// What the request was about, as a template, if about anything.
    pub(super) fn route(&self) -> Option<&'static str> {
        self.route.get().copied()
    }

    /// Where the use case of a change notes what it waits for.
    pub(super) fn stages(&self) -> &Arc<Stages> {
        self.stages.get_or_init(Arc::default)
    }

    /// What the request is about.
    pub(super) fn on(&self, route: &Route) {
        self.route.get_or_init(|| route.label());
    }

    /// Does something, and notes how long that took.
    pub(super) async fn of<T>(&self, step: Step, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        self.steps[step as usize].fetch_add(nanos, Ordering::Relaxed);
        done
    }

    fn step(&self, step: Step) -> Option<Duration> {
        match self.steps[step as usize].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    fn stage(&self, stage: Stage) -> Option<Duration> {
        self.stages.get()?.spent(stage)
    }

    /// Each part of the time that there is, in the order in which they come.
    fn parts(&self) -> [(&'static str, Option<Duration>); 7] {
        // What a read loads is noted here, and what a change loads there.
        let load = self.step(Step::Load).or_else(|| self.stage(Stage::Load));
        [
            ("body", self.step(Step::Body)),
            (Stage::Lock.as_str(), self.stage(Stage::Lock)),
            (Stage::Load.as_str(), load),
            (Stage::Decide.as_str(), self.stage(Stage::Decide)),
            (Stage::Commit.as_str(), self.stage(Stage::Commit)),
            ("wait", self.step(Step::Wait)),
            ("encode", self.step(Step::Encode)),
        ]
    }

    /// Says in the answer where the time went, and in the log if it was much.
    pub(super) fn tell(&self, method: &Method, response: &mut Response) {
        let total = self.total();
        let mut text = String::with_capacity(128);
        for (name, spent) in self.parts() {
            if let Some(spent) = spent {
                add(&mut text, name, spent);
            }
        }
        add(&mut text, "total", total);
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(SERVER_TIMING, value);
        }
        if total.saturating_sub(self.step(Step::Wait).unwrap_or_default()) >= SLOW {
            self.log(method, response.status(), total);
        }
    }

    fn log(&self, method: &Method, status: StatusCode, total: Duration) {
        let [body, lock, load, decide, commit, wait, encode] = self.parts().map(|(_, spent)| spent.map(millis));
        info!(
            http.method = %method,
            http.route = self.route.get(),
            http.status = status.as_u16(),
            time.body_ms = body,
            time.lock_ms = lock,
            time.load_ms = load,
            time.decide_ms = decide,
            time.commit_ms = commit,
            time.wait_ms = wait,
            time.encode_ms = encode,
            time.total_ms = millis(total),
            "a slow request"
        );
    }
}

/// `name;dur=1.2`, in milliseconds.
fn add(text: &mut String, name: &str, spent: Duration) {
    let separator = if text.is_empty() { "" } else { ", " };
    let tenths = (spent.as_micros() + 50) / 100;
    // Writing to a string does not fail.
    let _ = write!(text, "{separator}{name};dur={}.{}", tenths / 10, tenths % 10);
}

/// In whole milliseconds.
pub(super) fn millis(spent: Duration) -> u64 {
    u64::try_from(spent.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_milliseconds_with_one_decimal() {
        let mut text = String::new();
        for (name, micros) in [("a", 0), ("b", 49), ("c", 50), ("d", 1_249), ("e", 12_345_678)] {
            add(&mut text, name, Duration::from_micros(micros));
        }
        assert_eq!(text, "a;dur=0.0, b;dur=0.0, c;dur=0.1, d;dur=1.2, e;dur=12345.7");
    }

    #[tokio::test]
    async fn an_answer_tells_what_its_request_came_to_and_nothing_else() {
        let timing = Timing::start();
        timing.of(Step::Encode, async {}).await;
        timing.of(Step::Body, async {}).await;
        let mut response = Response::default();
        timing.tell(&Method::GET, &mut response);
        let told = response.headers()[SERVER_TIMING].to_str().expect("text").to_owned();
        let names: Vec<_> = told.split(", ").filter_map(|part| part.split(';').next()).collect();
        assert_eq!(names, ["body", "encode", "total"]);
    }
}
