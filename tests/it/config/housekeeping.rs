//! `[housekeeping]` and `[retention]`.

use std::time::Duration;

use heeler::config::Housekeeping;
use heeler::domain::retention::Retention;
use insta::assert_snapshot;

use super::{read, refusal};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn what_is_not_said_is_as_the_design_says() {
    let config = read("").expect("it is right");
    assert_eq!(config.retention, Retention { succeeded: DAY * 7, failed: DAY * 30, per_activity: 50, ticks: DAY * 30 });
    let Housekeeping { retention, log, sweep } = config.housekeeping;
    assert_eq!([retention.as_str(), &log, &sweep], ["*/10 * * * *", "5 * * * *", "17 3 * * *"]);
}

#[test]
fn times_and_ages_are_read_as_they_are_written() {
    let text = r#"
[housekeeping]
retention = "*/30 * * * * *"
sweep = "0 4 * * MON-FRI"
[retention]
jobs = { succeeded = "12h", per_activity = 1 }
ticks = "P1D"
"#;
    let config = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    let design = Retention::default();
    let expected = Retention { succeeded: DAY / 2, per_activity: 1, ticks: DAY, ..design };
    assert_eq!(config.retention, expected);
    let expected = Housekeeping {
        retention: "*/30 * * * * *".to_owned(),
        sweep: "0 4 * * MON-FRI".to_owned(),
        ..Housekeeping::default()
    };
    assert_eq!(config.housekeeping, expected);
}

#[test]
fn a_cron_expression_has_five_or_six_fields_and_comes_some_time() {
    for (cron, right) in [
        ("* * * * *", true),
        ("* * * * * *", true),
        ("  0   3 * * *  ", true),
        ("0 3 1,15 * *", true),
        ("0 3 L * *", true),
        ("0 3 * JAN,JUL SUN", true),
        ("0 3 * * 7", true),
        ("0 0 29 2 *", true),
        ("0 0 13 * FRI", true),
        ("*/10 9-17 * * 1-5", true),
        ("", false),
        ("daily", false),
        ("@daily", false),
        ("* * * *", false),
        ("* * * * * * 2030", false),
        ("60 * * * *", false),
        ("0 24 * * *", false),
        ("0 0 0 * *", false),
        ("0 0 31 2 *", false),
        ("0 3 * * MOO", false),
        ("CRON_TZ=UTC 0 3 * * *", false),
    ] {
        let text = format!("[housekeeping]\nsweep = \"{cron}\"");
        assert_eq!(read(&text).is_ok(), right, "{cron}");
    }
}

#[test]
fn what_is_wrong_with_times_and_ages_is_said_all_at_once() {
    let text = r#"
[housekeeping]
retention = "*/10 * * *"
log = 5
sweep = "61 * * * *"
swep = "* * * * *"
[retention]
jobs = { succeeded = "1 week ago", failed = 30, per_activity = 0, canceled = "1d" }
ticks = "-1d"
"#;
    assert_snapshot!(refusal(text), @"");
}
