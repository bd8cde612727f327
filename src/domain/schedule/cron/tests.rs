//! Sentences about cron expressions.

use super::*;

fn cron(text: &str) -> Cron {
    Cron::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn second(text: &str) -> i64 {
    text.parse::<crate::domain::time::Timestamp>().expect("an instant").second()
}

/// The first matches in a year, as `12-31 23:59`.
fn matches(cron: &Cron, year: i64, n: usize) -> Vec<String> {
    let (from, to) = (second(&format!("{year}-01-01T00:00:00Z")), second(&format!("{}-01-01T00:00:00Z", year + 1)));
    let found = std::iter::successors(cron.first(from, to), |at| cron.first(at + 1, to));
    let shown = found.take(n).map(|at| {
        let shown = crate::domain::time::Timestamp::from_millis(at * 1000).to_string();
        format!("{} {}", &shown[5..10], shown[11..19].trim_end_matches(":00"))
    });
    shown.collect()
}

#[test]
fn every_form_means_what_the_dialect_says() {
    for (text, expected) in [
        ("0 3 * * *", ["01-01 03", "01-02 03", "01-03 03"]),
        ("15 30 3 * * *", ["01-01 03:30:15", "01-02 03:30:15", "01-03 03:30:15"]),
        ("*/25 9 1 * *", ["01-01 09", "01-01 09:25", "01-01 09:50"]),
        ("10-40/15 9 1 * *", ["01-01 09:10", "01-01 09:25", "01-01 09:40"]),
        ("5,1,3-4 0 * * *", ["01-01 00:01", "01-01 00:03", "01-01 00:04"]),
        ("0 0 * feb,DEC *", ["02-01 00", "02-02 00", "02-03 00"]),
        ("0 0 1 Jan-Mar/2 *", ["01-01 00", "03-01 00", ""]),
        // 2026-01-01 is a Thursday.
        ("0 0 * * MON", ["01-05 00", "01-12 00", "01-19 00"]),
        ("0 0 * * 0", ["01-04 00", "01-11 00", "01-18 00"]),
        ("0 0 * * 7", ["01-04 00", "01-11 00", "01-18 00"]),
        ("0 0 * * FRI-SUN", ["01-02 00", "01-03 00", "01-04 00"]),
        ("0 0 * * 5-7", ["01-02 00", "01-03 00", "01-04 00"]),
        ("0 0 * * sun-mon", ["01-04 00", "01-05 00", "01-11 00"]),
        ("0 0 * * */3", ["01-03 00", "01-04 00", "01-07 00"]),
        ("0 0 ? * TUE", ["01-06 00", "01-13 00", "01-20 00"]),
        ("0 0 1 * ?", ["01-01 00", "02-01 00", "03-01 00"]),
        ("0 0 L * *", ["01-31 00", "02-28 00", "03-31 00"]),
        ("0 0 l,1 * *", ["01-01 00", "01-31 00", "02-01 00"]),
        ("0 0 LW * *", ["01-30 00", "02-27 00", "03-31 00"]),
        // 2026-02-01 and 2026-03-01 are Sundays, 2026-08-15 is a Saturday.
        ("0 0 1W * *", ["01-01 00", "02-02 00", "03-02 00"]),
        ("0 0 15W 8,11 *", ["08-14 00", "11-16 00", ""]),
        ("0 0 31W 1,5 *", ["01-30 00", "05-29 00", ""]),
        ("0 0 L,15W * *", ["01-15 00", "01-31 00", "02-16 00"]),
        ("0 0 * * 5#2", ["01-09 00", "02-13 00", "03-13 00"]),
        ("0 0 * * FRI#5", ["01-30 00", "05-29 00", "07-31 00"]),
        ("0 0 * * 7#1", ["01-04 00", "02-01 00", "03-01 00"]),
        ("0 0 * * 5L", ["01-30 00", "02-27 00", "03-27 00"]),
        ("0 0 * * friL", ["01-30 00", "02-27 00", "03-27 00"]),
        ("0 0 * * 5#L", ["01-30 00", "02-27 00", "03-27 00"]),
        // Either field of days.
        ("0 0 13 * FRI", ["01-02 00", "01-09 00", "01-13 00"]),
        ("0 0 */10 * 1", ["01-01 00", "01-05 00", "01-11 00"]),
        ("0 0 1-31 * 1", ["01-01 00", "01-02 00", "01-03 00"]),
        ("0 0 L * 5#1", ["01-02 00", "01-31 00", "02-06 00"]),
        ("@hourly", ["01-01 00", "01-01 01", "01-01 02"]),
        ("@daily", ["01-01 00", "01-02 00", "01-03 00"]),
        ("@midnight", ["01-01 00", "01-02 00", "01-03 00"]),
        ("@Weekly", ["01-04 00", "01-11 00", "01-18 00"]),
        ("@monthly", ["01-01 00", "02-01 00", "03-01 00"]),
        ("@yearly", ["01-01 00", "", ""]),
        ("@annually", ["01-01 00", "", ""]),
    ] {
        let mut found = matches(&cron(text), 2026, 3);
        found.resize(3, String::new());
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_is_no_part_of_the_dialect_is_refused_with_what_to_write() {
    for (text, words) in [
        ("", "not an empty text"),
        ("   ", "not an empty text"),
        ("* * * *", "5 fields (minute, hour, day of month, month, day of week), or 6 with seconds first, not 4"),
        ("0 0 0 1 1 * 2026", "years are not supported"),
        ("0 0 0 1 1 * 2026 1", "not 8"),
        ("@reboot", "`@reboot` is no time"),
        ("@Reboot", "a new `trigger`"),
        ("@every 5m", "use the member `every`, such as `5m`"),
        ("@dayly", "did you mean `@daily`?"),
        ("0 0 * * @daily", "`@DAILY` in the field of the day of week"),
        ("H 0 * * *", "use `jitter`"),
        ("H/15 * * * *", "use `jitter`"),
        ("H(0-5) * * * *", "use `jitter`"),
        ("CRON_TZ=Asia/Tokyo 0 3 * * *", "use the member `timezone`, such as `Asia/Tokyo`"),
        ("TZ=UTC 0 3 * * *", "use the member `timezone`, such as `UTC`"),
        ("0 22-2 * * *", "`22-2` in the field of the hour: a range goes upwards: write `22-23,0-2`"),
        ("0 0 * * FRI-MON", "write `5-6,0-1`"),
        ("0 0 * NOV-FEB *", "write `11-12,1-2`"),
        ("5/10 * * * *", "a step needs a range: write `5-59/10` or `*/10`"),
        ("/10 * * * *", "a number from 0 to 59"),
        ("*/90 * * * *", "a step from 1 to 59; `every` has intervals of any length"),
        ("*/0 * * * *", "a step from 1 to 59"),
        ("*/ * * * *", "a number after `/`"),
        ("*/5/5 * * * *", "a number after `/`"),
        ("60 * * * *", "a number from 0 to 59"),
        ("0 24 * * *", "a number from 0 to 23"),
        ("0 0 0 * *", "a number from 1 to 31"),
        ("0 0 32 * *", "a number from 1 to 31"),
        ("0 0 * 13 *", "a number from 1 to 12, or a name from JAN to DEC"),
        ("0 0 * * 8", "a number from 0 to 7, or a name from SUN to SAT"),
        ("0 0 * * MONDAY", "or a name from SUN to SAT"),
        ("0 MON * * *", "`MON` in the field of the hour"),
        ("0 0 * JANFEB *", "`JANFEB` in the field of the month"),
        ("0 0 * MON *", "a name from JAN to DEC"),
        ("0 0 * * JAN", "a name from SUN to SAT"),
        ("1,,2 * * * *", "a value on each side of a comma"),
        ("1, * * * *", "a value on each side of a comma"),
        ("*,5 * * * *", "`*` stands alone"),
        ("0 0 ?,1 * *", "a number from 1 to 31"),
        ("0 0 ?/2 * *", "a number from 1 to 31"),
        ("? 0 * * *", "a number from 0 to 59"),
        ("0 0 * * L", "the last Friday is `5L`"),
        ("L 0 * * *", "a number from 0 to 59"),
        ("0 0 L-3 * *", "a number from 1 to 31"),
        ("0 0 L,LW * *", "`L` or `LW`, not both"),
        ("0 0 W * *", "a number from 1 to 31"),
        ("0 0 0W * *", "a number from 1 to 31"),
        ("0 0 15WW * *", "a number from 1 to 31"),
        ("0 0 1-5W * *", "a number from 1 to 31"),
        ("0 0 * * 1W", "a number from 0 to 7"),
        ("0 0 5L * *", "a number from 1 to 31"),
        ("0 0 1#2 * *", "a number from 1 to 31"),
        ("0 0 * * 5#6", "a number from 1 to 5, or `L`, after `#`"),
        ("0 0 * * 5#0", "a number from 1 to 5"),
        ("0 0 * * #2", "a number from 0 to 7"),
        ("0 0 * * 1-5#2", "a number from 0 to 7"),
        ("0 0 13 * +5", "either matches"),
        ("+5 0 * * *", "`+` is not supported"),
        ("-5 0 * * *", "a number from 0 to 59"),
        ("1-2-3 0 * * *", "a number from 0 to 59"),
        ("99999 0 * * *", "a number from 0 to 59"),
        ("0\u{a0}3 * * *", "not 4"),
        ("0 0 * * \u{17f}un", "a name from SUN to SAT"),
        ("٣ 0 * * *", "a number from 0 to 59"),
        ("0.5 0 * * *", "a number from 0 to 59"),
    ] {
        let error = Cron::parse(text).expect_err(text).to_string();
        assert!(error.contains(words), "{text:?}: {error}");
        assert!(error.len() < 300, "{error}");
    }
    let long = format!("{} * * * *", "1,".repeat(1000));
    assert!(Cron::parse(&long).expect_err("long").to_string().contains("at most 1024 bytes, not 2008"));
}

#[test]
fn an_expression_has_one_spelling() {
    for (text, spelling) in [
        ("  0   3 *\t* mon-fri ", "0 3 * * 1-5"),
        ("00 03 01 jan ?", "0 3 1 1 *"),
        ("0 0 ? * sunL", "0 0 * * 0L"),
        ("0 0 lw,l * *", ""),
        ("0 0 015w * sat-sun", "0 0 15W * 6-7"),
        ("0 0 * * sun-sun", "0 0 * * 0-0"),
        ("*/05 5 0-10/2 * * *", "*/5 5 0-10/2 * * *"),
        ("@annually", "0 0 1 1 *"),
    ] {
        match Cron::parse(text) {
            Ok(cron) => assert_eq!(cron.as_str(), spelling, "{text}"),
            Err(error) => assert_eq!("", spelling, "{text}: {error}"),
        }
    }
}

#[test]
fn what_follows_real_time_is_told_by_the_minute_and_the_hour() {
    for (text, follows) in [
        ("* * * * *", true),
        ("*/5 3 * * *", true),
        ("5 * * * *", true),
        ("5 */2 * * *", true),
        ("1,*/20 3 * * *", true),
        ("@hourly", true),
        ("0-59 0-23 * * *", false),
        ("* 5 3 * * *", false),
        ("*/5 5 3 * * *", false),
        ("5 3 * * *", false),
        ("5 3 */2 */2 */2", false),
        ("@daily", false),
    ] {
        assert_eq!(cron(text).follows_real_time(), follows, "{text}");
    }
}

#[test]
fn what_no_day_matches_never_does() {
    for (text, ever) in [
        ("0 0 30 2 *", false),
        ("0 0 31 2,4,6,9,11 *", false),
        ("0 0 30W 2 *", false),
        ("0 0 29 2 *", true),
        ("0 0 30 2 1", true),
        ("0 0 * 2 1#5", true),
        ("0 0 31 2,3 *", true),
    ] {
        assert_eq!(cron(text).ever_matches(), ever, "{text}");
    }
}

#[test]
fn matches_are_found_and_counted_as_by_looking_at_each_second() {
    let cron = cron("*/20 7,59 0,5-6,23 28-31,1 2,3,12 5");
    let (from, to) = (second("2024-02-27T00:00:00Z"), second("2024-03-04T00:00:00Z"));
    let all: Vec<i64> = (from..to).filter(|at| cron.contains(*at)).collect();
    // 28 and 29 February, and 1 March, which is a Friday, too.
    assert_eq!(all.len(), 3 * 4 * 2 * 3);
    let found: Vec<i64> = std::iter::successors(cron.first(from, to), |at| cron.first(at + 1, to)).collect();
    assert_eq!(found, all);
    let found: Vec<i64> = std::iter::successors(cron.last(from, to), |at| cron.last(from, *at)).collect();
    assert!(found.iter().rev().eq(&all));
    for edge in (from..to).step_by(1009) {
        let before = all.iter().filter(|at| **at < edge).count() as i64;
        assert_eq!(cron.count(from, edge), before, "{edge}");
        assert_eq!(cron.count(edge, to), all.len() as i64 - before, "{edge}");
    }
}

#[test]
fn days_are_numbered_as_calendars_do() {
    use super::super::days::Month;
    let mut month = Month::january(-1);
    let mut day = month.first_day();
    assert_eq!(Month::january(1970).first_day(), 0);
    while month < Month::january(2801) {
        assert_eq!(month.first_day(), day, "{month:?}");
        for of_month in [0, month.len() - 1] {
            assert_eq!(Month::of(day + of_month), (month, of_month), "{month:?}");
        }
        if (1..=12).contains(&(month.index() + 1)) {
            let year = i16::try_from(month.year()).expect("small");
            let date = jiff::civil::date(year, i8::try_from(month.index() + 1).expect("small"), 1);
            assert_eq!(i64::from(date.days_in_month()), month.len(), "{month:?}");
        }
        day += month.len();
        month = month.next();
    }
}
