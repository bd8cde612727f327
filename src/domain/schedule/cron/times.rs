//! Times of a day, in seconds from midnight.

/// Which times of a day match: each combination of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) hours: u32,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
}

impl Times {
    pub(super) fn contains(&self, time: i64) -> bool {
        let [hour, minute, second] = parts(time);
        self.hours >> hour & 1 == 1 && self.minutes >> minute & 1 == 1 && self.seconds >> second & 1 == 1
    }

    /// The first time that matches, from `time` on.
    pub(super) fn first(&self, time: i64) -> Option<i64> {
        let [hour, minute, second] = parts(time);
        let (first_minute, first_second) = (from(self.minutes, 0)?, from(self.seconds, 0)?);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = from(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = from(self.minutes, minute + 1) {
                return Some(hour * 3600 + minute * 60 + first_second);
            }
        }
        Some(from(u64::from(self.hours), hour + 1)? * 3600 + first_minute * 60 + first_second)
    }

    /// The last time that matches, up to `time`.
    pub(super) fn last(&self, time: i64) -> Option<i64> {
        let [hour, minute, second] = parts(time);
        let (last_minute, last_second) = (below(self.minutes, 60)?, below(self.seconds, 60)?);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = below(self.seconds, second + 1)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = below(self.minutes, minute) {
                return Some(hour * 3600 + minute * 60 + last_second);
            }
        }
        Some(below(u64::from(self.hours), hour)? * 3600 + last_minute * 60 + last_second)
    }

    /// How many times match before this one, which can be the end of the day.
    pub(super) fn count_before(&self, time: i64) -> i64 {
        let [hour, minute, second] = parts(time);
        let bits = |mask: u64| i64::from(mask.count_ones());
        let (minutes, seconds) = (bits(self.minutes), bits(self.seconds));
        let mut count = bits(u64::from(self.hours) & ones(hour)) * minutes * seconds;
        if self.hours >> hour.min(31) & 1 == 1 {
            count += bits(self.minutes & ones(minute)) * seconds;
            if self.minutes >> minute & 1 == 1 {
                count += bits(self.seconds & ones(second));
            }
        }
        count
    }
}

const fn parts(time: i64) -> [i64; 3] {
    [time / 3600, time / 60 % 60, time % 60]
}

/// The lowest so many bits.
const fn ones(count: i64) -> u64 {
    !(u64::MAX << count)
}

/// The first bit that is set, from `bit` on, which is at most 60.
fn from(mask: u64, bit: i64) -> Option<i64> {
    let rest = mask & !ones(bit);
    (rest != 0).then(|| i64::from(rest.trailing_zeros()))
}

/// The last bit that is set below `bit`, which is at most 60.
fn below(mask: u64, bit: i64) -> Option<i64> {
    let rest = mask & ones(bit);
    (rest != 0).then(|| i64::from(rest.ilog2()))
}
