//! Numbers for who watches the service from outside, in the text format of
//! Prometheus (0.0.4).
//!
//! # Guarantees
//! What is counted is there from the start, as zero, once it is registered.
//! Counting takes no lock. Names, labels and their order are the same in every
//! answer, and no label has a value that a client chose.
//! # Not here
//! What is worth counting: whoever does it registers it.

mod histogram;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use histogram::{AT_ONCE, Histogram, MOMENTS, Present, WORK};

/// What the answer is, as scrapers know it.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted in this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Mutex<BTreeMap<&'static str, Family>>>);

/// All series of one name.
#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: Kind,
    /// By their labels, as they are written.
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Summary,
    Histogram,
}

#[derive(Debug, Clone)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Present(Present),
    Summary(Summary),
    Histogram(Histogram),
}

/// What a label is called, and what it is here.
pub type Label<'l> = (&'static str, &'l str);

/// Something that only ever gets more.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// How often something was measured, and the sum of what was.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    sum: Gauge,
    count: Counter,
}

impl Counter {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many it were.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// It is this now.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// It is so much more now.
    fn add(&self, more: f64) {
        let add = |bits: u64| Some((f64::from_bits(bits) + more).to_bits());
        // It never gives up: the function always has a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// What it is.
    #[must_use]
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Summary {
    /// Takes another measurement in.
    pub fn observe(&self, value: f64) {
        self.sum.add(value);
        self.count.add(1);
    }
}

impl Default for Metrics {
    /// With nothing but which version this is.
    fn default() -> Self {
        let metrics = Self(Arc::default());
        let build = metrics.gauge(
            "heeler_build_info",
            "Which version this is; always 1.",
            &[("version", env!("CARGO_PKG_VERSION"))],
        );
        build.set(1.0);
        metrics
    }
}

impl Metrics {
    /// The counter of that name with those labels; registered, if it was not.
    #[must_use]
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) -> Counter {
        match self.series(name, help, labels, || Series::Counter(Counter::default())) {
            Series::Counter(counter) => counter,
            Series::Gauge(_) | Series::Present(_) | Series::Summary(_) | Series::Histogram(_) => Counter::default(),
        }
    }

    /// The gauge of that name with those labels; registered, if it was not.
    #[must_use]
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) -> Gauge {
        match self.series(name, help, labels, || Series::Gauge(Gauge::default())) {
            Series::Gauge(gauge) => gauge,
            Series::Counter(_) | Series::Present(_) | Series::Summary(_) | Series::Histogram(_) => Gauge::default(),
        }
    }

    /// The summary of that name with those labels; registered, if it was not.
    #[must_use]
    pub fn summary(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) -> Summary {
        match self.series(name, help, labels, || Series::Summary(Summary::default())) {
            Series::Summary(summary) => summary,
            Series::Counter(_) | Series::Gauge(_) | Series::Present(_) | Series::Histogram(_) => Summary::default(),
        }
    }

    /// The number of things that are there, by that name and with those
    /// labels; registered, if it was not. It is shown as a gauge.
    #[must_use]
    pub fn present(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) -> Present {
        match self.series(name, help, labels, || Series::Present(Present::default())) {
            Series::Present(present) => present,
            Series::Counter(_) | Series::Gauge(_) | Series::Summary(_) | Series::Histogram(_) => Present::default(),
        }
    }

    /// The histogram of that name with those labels; registered, if it was not.
    /// All of one name have the same bounds.
    #[must_use]
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        bounds: &'static [f64],
    ) -> Histogram {
        match self.series(name, help, labels, || Series::Histogram(Histogram::new(bounds))) {
            Series::Histogram(histogram) => histogram,
            Series::Counter(_) | Series::Gauge(_) | Series::Present(_) | Series::Summary(_) => Histogram::new(bounds),
        }
    }

    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[Label<'_>],
        new: impl FnOnce() -> Series,
    ) -> Series {
        let new = new();
        let kind = new.kind();
        let mut families = self.families();
        let family = families.entry(name).or_insert_with(|| Family { help, kind, series: BTreeMap::new() });
        debug_assert_eq!(family.kind, kind, "`{name}` is two things");
        family.series.entry(written(labels)).or_insert(new).clone()
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it, as it is now.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in &*self.families() {
            let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes everything");
            line(format_args!("# HELP {name} {}", family.help));
            line(format_args!("# TYPE {name} {}", family.kind.as_str()));
            for (labels, series) in &family.series {
                match series {
                    Series::Counter(counter) => line(format_args!("{name}{labels} {}", counter.value())),
                    Series::Gauge(gauge) => line(format_args!("{name}{labels} {}", gauge.value())),
                    Series::Present(present) => line(format_args!("{name}{labels} {}", present.value())),
                    Series::Histogram(histogram) => histogram.write(name, labels, &mut line),
                    Series::Summary(Summary { sum, count }) => {
                        line(format_args!("{name}_sum{labels} {}", sum.value()));
                        line(format_args!("{name}_count{labels} {}", count.value()));
                    }
                }
            }
        }
        text
    }
}

impl Series {
    const fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) | Self::Present(_) => Kind::Gauge,
            Self::Summary(_) => Kind::Summary,
            Self::Histogram(_) => Kind::Histogram,
        }
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
            Self::Histogram => "histogram",
        }
    }
}

/// `{kind="sweep",outcome="done"}`, or nothing.
fn written(labels: &[Label<'_>]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_with_what_it_means_and_in_one_order() {
        let metrics = Metrics::default();
        let done = metrics.counter("heeler_runs_total", "Runs.", &[("kind", "b"), ("outcome", "done")]);
        let _ = metrics.counter("heeler_runs_total", "Runs.", &[("kind", "a"), ("outcome", "done")]);
        let seconds = metrics.summary("heeler_seconds", "How long they took.", &[]);
        metrics.gauge("heeler_last_seconds", "The last one.", &[("odd", "a\"b\\c\nd")]).set(1.5);
        done.add(2);
        seconds.observe(0.25);
        seconds.observe(0.5);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "# HELP heeler_build_info Which version this is; always 1.
# TYPE heeler_build_info gauge
heeler_build_info{{version=\"{version}\"}} 1
# HELP heeler_last_seconds The last one.
# TYPE heeler_last_seconds gauge
heeler_last_seconds{{odd=\"a\\\"b\\\\c\\nd\"}} 1.5
# HELP heeler_runs_total Runs.
# TYPE heeler_runs_total counter
heeler_runs_total{{kind=\"a\",outcome=\"done\"}} 0
heeler_runs_total{{kind=\"b\",outcome=\"done\"}} 2
# HELP heeler_seconds How long they took.
# TYPE heeler_seconds summary
heeler_seconds_sum 0.75
heeler_seconds_count 2
"
        );
        assert_eq!(metrics.text(), expected);
    }

    #[test]
    fn a_histogram_counts_each_measurement_within_its_bound_and_all_above() {
        let metrics = Metrics::default();
        let labels = [("operation", "a")];
        let histogram = metrics.histogram("heeler_h_seconds", "H.", &labels, &[0.5, 1.0]);
        [0.5, 0.75, 3.0].into_iter().for_each(|value| histogram.observe(value));
        let plain = metrics.histogram("heeler_p", "P.", &[], &[2.0]);
        plain.observe(2.0);
        let present = metrics.present("heeler_there", "There.", &labels);
        present.come(3);
        present.gone(1);
        let text = metrics.text();
        let expected = "# HELP heeler_h_seconds H.
# TYPE heeler_h_seconds histogram
heeler_h_seconds_bucket{operation=\"a\",le=\"0.5\"} 1
heeler_h_seconds_bucket{operation=\"a\",le=\"1\"} 2
heeler_h_seconds_bucket{operation=\"a\",le=\"+Inf\"} 3
heeler_h_seconds_sum{operation=\"a\"} 4.25
heeler_h_seconds_count{operation=\"a\"} 3
# HELP heeler_p P.
# TYPE heeler_p histogram
heeler_p_bucket{le=\"2\"} 1
heeler_p_bucket{le=\"+Inf\"} 1
heeler_p_sum 2
heeler_p_count 1
# HELP heeler_there There.
# TYPE heeler_there gauge
heeler_there{operation=\"a\"} 2
";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn the_same_name_and_labels_are_the_same_number() {
        let metrics = Metrics::default();
        let labels = [("kind", "a")];
        metrics.counter("heeler_x_total", "X.", &labels).add(1);
        metrics.clone().counter("heeler_x_total", "X.", &labels).add(1);
        assert_eq!(metrics.counter("heeler_x_total", "X.", &labels).value(), 2);
    }
}
