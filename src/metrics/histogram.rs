//! How often something was measured to be at most so much.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Counter, Gauge};

/// The upper bounds of what is over in moments, such as a request or a commit,
/// in seconds: from what a flush takes to what a person waits for.
pub const MOMENTS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The upper bounds of what work takes, and waits for, in seconds: from a
/// moment to a day.
pub const WORK: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0];

/// The upper bounds of how many things are done at once: the powers of two up
/// to the largest group.
pub const AT_ONCE: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Measurements, counted by how large they were.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    /// How many were within each bound and not within the one before; the last
    /// are those beyond all of them.
    counts: Arc<[AtomicU64]>,
    sum: Gauge,
}

impl Histogram {
    /// One that counts nothing yet; the bounds are in order.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: Gauge::default() }
    }

    /// Takes another measurement in.
    pub fn observe(&self, value: f64) {
        let within = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.counts[within].fetch_add(1, Ordering::Relaxed);
        self.sum.add(value);
    }

    /// Takes in how long something took.
    pub fn took(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// Writes its lines, each under the labels of the series.
    pub(super) fn write(&self, name: &str, labels: &str, line: &mut impl FnMut(fmt::Arguments<'_>)) {
        let begun = labels.strip_suffix('}').map_or_else(|| "{".to_owned(), |labels| format!("{labels},"));
        let mut count = 0;
        let bounds = self.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, within) in bounds.zip(self.counts.iter()) {
            count += within.load(Ordering::Relaxed);
            line(format_args!("{name}_bucket{begun}le=\"{bound}\"}} {count}"));
        }
        line(format_args!("{name}_sum{labels} {}", self.sum.value()));
        // The same number as that of the last bucket, whatever is measured meanwhile.
        line(format_args!("{name}_count{labels} {count}"));
    }
}

/// How many things are there now, counted as they come and go.
#[derive(Debug, Clone, Default)]
pub struct Present {
    come: Counter,
    gone: Counter,
}

impl Present {
    /// So many more are there.
    pub fn come(&self, more: u64) {
        self.come.add(more);
    }

    /// So many are there no more.
    pub fn gone(&self, less: u64) {
        self.gone.add(less);
    }

    /// How many are there; none, where more went than were ever seen to come.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.come.value().saturating_sub(self.gone.value())
    }
}
