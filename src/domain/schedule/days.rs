//! Days, months and years of the Gregorian calendar as numbers, and the days of
//! them that a cron expression matches.

/// The days of a month, a bit for each: bit 0 is the 1st.
pub(super) type DaySet = u32;

/// A month, counted from January of the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(i64);

impl Month {
    /// The month of a day, and which day of it that is, from 0. Days count from 1970-01-01.
    pub(super) const fn of(day: i64) -> (Self, i64) {
        // Years from March on, in eras of 400 of them, so that leap days come last.
        let shifted = day + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * from_march + 2) / 5;
        (Self((era * 400 + year_of_era) * 12 + from_march + 2), day_of_month)
    }

    /// The January of a year.
    pub(super) const fn january(year: i64) -> Self {
        Self(year * 12)
    }

    /// The year it lies in.
    pub(super) const fn year(self) -> i64 {
        self.0.div_euclid(12)
    }

    /// Which month of its year it is, from 0.
    pub(super) const fn index(self) -> i64 {
        self.0.rem_euclid(12)
    }

    /// Its first day.
    pub(super) const fn first_day(self) -> i64 {
        let from_march = self.0 - 2;
        let (year, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
        let year_of_era = year.rem_euclid(400);
        let days = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + (153 * month + 2) / 5;
        year.div_euclid(400) * 146_097 + days - 719_468
    }

    /// The number of its days.
    pub(super) const fn len(self) -> i64 {
        match self.index() {
            1 if is_leap(self.year()) => 29,
            1 => 28,
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        }
    }

    /// The month after it.
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The month before it.
    pub(super) const fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The weekday of a day, from 0 = Sunday.
const fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

/// Which days match: by the month of the year, its length and its first weekday.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Days {
    /// A bit for each month that matches, January first.
    months: u16,
    /// The days of a month with so many days more than 28 that starts on such a weekday.
    layouts: [[DaySet; 7]; 4],
}

impl Days {
    pub(super) const fn new(months: u16, layouts: [[DaySet; 7]; 4]) -> Self {
        Self { months, layouts }
    }

    /// Whether any day of any year matches.
    pub(super) fn any(&self) -> bool {
        const LENGTHS: [&[usize]; 12] = [&[3], &[0, 1], &[3], &[2], &[3], &[2], &[3], &[3], &[2], &[3], &[2], &[3]];
        let of_month = |month: usize| LENGTHS.get(month).copied().unwrap_or_default().iter();
        let mut layouts = (0..12).filter(|month| self.months >> month & 1 == 1).flat_map(of_month);
        layouts.any(|length| self.layouts.get(*length).is_some_and(|starts| starts.iter().any(|days| *days != 0)))
    }

    /// The days of a month that match.
    fn of(&self, month: Month) -> DaySet {
        if self.months >> month.index() & 1 == 0 {
            return 0;
        }
        let index = |number: i64| usize::try_from(number).unwrap_or_default();
        let starts = self.layouts.get(index(month.len() - 28));
        let days = starts.and_then(|starts| starts.get(index(weekday(month.first_day()))));
        days.copied().unwrap_or_default()
    }

    pub(super) fn contains(&self, day: i64) -> bool {
        let (month, day) = Month::of(day);
        self.of(month) >> day & 1 == 1
    }

    /// The first day that matches in `from..=to`.
    pub(super) fn first(&self, from: i64, to: i64) -> Option<i64> {
        let (mut month, day) = Month::of(from);
        let mut days = self.of(month) & (DaySet::MAX << day);
        loop {
            let first = month.first_day();
            if days != 0 {
                return Some(first + i64::from(days.trailing_zeros())).filter(|day| *day <= to);
            }
            if first > to {
                return None;
            }
            month = month.next();
            days = self.of(month);
        }
    }

    /// The last day that matches in `from..=to`.
    pub(super) fn last(&self, from: i64, to: i64) -> Option<i64> {
        let (mut month, day) = Month::of(to);
        let mut days = self.of(month) & !(DaySet::MAX << day << 1);
        loop {
            let first = month.first_day();
            if days != 0 {
                return Some(first + i64::from(days.ilog2())).filter(|day| *day >= from);
            }
            if first < from {
                return None;
            }
            month = month.previous();
            days = self.of(month);
        }
    }

    /// How many days match in `from..to`.
    pub(super) fn count(&self, from: i64, to: i64) -> i64 {
        if from >= to {
            return 0;
        }
        let ((first, before), (last, upto)) = (Month::of(from), Month::of(to));
        // What is cut off at both ends belongs to months that are counted whole, or not at all.
        self.count_months(first, last) - bits(self.of(first) & below(before)) + bits(self.of(last) & below(upto))
    }

    /// How many days match in the months `from..to`.
    fn count_months(&self, from: Month, to: Month) -> i64 {
        let mut days = 0;
        let mut month = from;
        let mut years: [[Option<i64>; 7]; 2] = [[None; 7]; 2];
        while month < to {
            let whole = Month::january(month.year() + 1);
            if month.index() > 0 || whole > to {
                days += bits(self.of(month));
                month = month.next();
                continue;
            }
            // Years of one length that start on one weekday are alike.
            let alike = years.get_mut(usize::from(is_leap(month.year())));
            let start = usize::try_from(weekday(month.first_day())).unwrap_or_default();
            let Some(known) = alike.and_then(|starts| starts.get_mut(start)) else { break };
            days += *known.get_or_insert_with(|| {
                let months = std::iter::successors(Some(month), |month| Some(month.next()));
                months.take(12).map(|month| bits(self.of(month))).sum()
            });
            month = whole;
        }
        days
    }
}

fn bits(days: DaySet) -> i64 {
    i64::from(days.count_ones())
}

/// The days of a month before this one, which is counted from 0.
const fn below(day: i64) -> DaySet {
    !(DaySet::MAX << day)
}
