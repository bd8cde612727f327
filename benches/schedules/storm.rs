//! What became of ticks that all fell due in one second.

use std::time::Duration;

/// What the columns are.
pub(crate) const HEAD: &str =
    "                                      ticks     once    twice     lost    p50 s    p99 s    max s";

/// How late each tick was, and how often it came.
#[derive(Debug)]
pub(crate) struct Storm {
    ticks: usize,
    once: usize,
    twice: usize,
    late: Vec<Duration>,
}

impl Storm {
    /// `times` says how often each tick came, `late` how late each of those was.
    pub(crate) fn new(times: &[usize], mut late: Vec<Duration>) -> Self {
        late.sort_unstable();
        let came = |often: fn(&usize) -> bool| times.iter().filter(|times| often(times)).count();
        Self { ticks: times.len(), once: came(|times| *times == 1), twice: came(|times| *times > 1), late }
    }

    pub(crate) fn line(&self, name: &str) -> String {
        let lost = self.ticks - self.once - self.twice;
        let at = |part: f64| {
            let last = self.late.len().saturating_sub(1);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a place in a short list"
            )]
            let index = (last as f64 * part) as usize;
            self.late.get(index).copied().unwrap_or_default().as_secs_f64()
        };
        format!(
            "{name:34} {:>8} {:>8} {:>8} {lost:>8} {:>8.3} {:>8.3} {:>8.3}",
            self.ticks,
            self.once,
            self.twice,
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}
