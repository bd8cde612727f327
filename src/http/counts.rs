//! Requests, counted by what they were about and how they were answered.
//!
//! # Guarantees
//! No label is anything that a client made up: a route is its template, a
//! method one that the service knows, a status its class.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::{Method, StatusCode};

use super::routes::{self, Known};
use crate::metrics::{Counter, Histogram, MOMENTS, Metrics};

/// What counts for requests of no route, and of no method that is known.
const OTHER: &str = "other";

/// The requests of one kind.
type Kind = (&'static str, &'static str);

/// What is counted of requests.
#[derive(Debug)]
pub(super) struct Counts {
    metrics: Metrics,
    /// Of what there was so far: kinds that never come are not shown.
    known: RwLock<BTreeMap<Kind, OfKind>>,
}

#[derive(Debug, Clone)]
struct OfKind {
    /// By the first digit of the status, from 1.
    answered: [Counter; CLASSES.len()],
    took: Histogram,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Counts {
    pub(super) const fn new(metrics: Metrics) -> Self {
        Self { metrics, known: RwLock::new(BTreeMap::new()) }
    }

    /// Counts an answer. `took` is without the waiting that the client asked for.
    pub(super) fn count(&self, route: Option<&'static str>, method: &Method, status: StatusCode, took: Duration) {
        let kind = (route.unwrap_or(OTHER), known(method));
        let of_kind = self.of(kind);
        of_kind.took.took(took);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        of_kind.answered[class].add(1);
    }

    fn of(&self, kind: Kind) -> OfKind {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        known.unwrap_or_else(|| {
            let (route, method) = kind;
            let of = [("route", route), ("method", method)];
            let answered = CLASSES.map(|class| {
                let help = "Requests, by route, method and class of status.";
                self.metrics.counter("heeler_http_requests_total", help, &[of[0], of[1], ("status", class)])
            });
            let help = "How long requests took, without the waiting that clients asked for.";
            let took = self.metrics.histogram("heeler_http_request_duration_seconds", help, &of, MOMENTS);
            let of_kind = OfKind { answered, took };
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(kind, of_kind.clone());
            of_kind
        })
    }
}

/// The name of a method that the service knows, also where it serves none of it.
fn known(method: &Method) -> &'static str {
    const NAMES: [(Method, &str); 9] = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
        (Method::TRACE, "TRACE"),
        (Method::CONNECT, "CONNECT"),
    ];
    if routes::recognise(method) == Known::Unknown {
        return OTHER;
    }
    NAMES.iter().find(|(known, _)| known == method).map_or(OTHER, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_makes_up_becomes_a_label() {
        let metrics = Metrics::default();
        let counts = Counts::new(metrics.clone());
        let odd = Method::from_bytes(b"BREW").expect("a method");
        counts.count(None, &odd, StatusCode::NOT_IMPLEMENTED, Duration::from_millis(3));
        counts.count(Some("/v1/{collection}"), &Method::GET, StatusCode::OK, Duration::from_millis(3));
        let text = metrics.text();
        for line in [
            r#"heeler_http_requests_total{route="other",method="other",status="5xx"} 1"#,
            r#"heeler_http_requests_total{route="/v1/{collection}",method="GET",status="2xx"} 1"#,
            r#"heeler_http_request_duration_seconds_bucket{route="/v1/{collection}",method="GET",le="0.0025"} 0"#,
            r#"heeler_http_request_duration_seconds_bucket{route="/v1/{collection}",method="GET",le="0.005"} 1"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("BREW"));
    }
}
