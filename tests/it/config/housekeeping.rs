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
    assert_eq!(
        config.retention,
        Retention { succeeded: DAY * 7, failed: DAY * 30, per_activity: 50, ticks: DAY * 30, log: DAY * 7 }
    );
    let Housekeeping { retention, log, sweep, backup, backups } = config.housekeeping;
    assert_eq!([retention.as_str(), &log, &sweep], ["*/10 * * * *", "5 * * * *", "17 3 * * *"]);
    assert_eq!(backup, None);
    assert!(backups.folder.is_absolute() && backups.folder.ends_with("backups"), "{backups:?}");
    assert_eq!(backups.keep, 7);
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
log = "2d"
"#;
    let config = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    let design = Retention::default();
    let expected = Retention { succeeded: DAY / 2, per_activity: 1, ticks: DAY, log: DAY * 2, ..design };
    assert_eq!(config.retention, expected);
    let expected = Housekeeping {
        retention: "*/30 * * * * *".to_owned(),
        sweep: "0 4 * * MON-FRI".to_owned(),
        backups: config.housekeeping.backups.clone(),
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
fn backups_are_made_when_and_kept_where_the_file_says() {
    let text = r#"
[housekeeping]
backup = "0 4 * * *"
backups = { folder = "safe/place", keep = 3 }
"#;
    let Housekeeping { backup, backups, .. } = read(text).unwrap_or_else(|errors| panic!("{errors}")).housekeeping;
    assert_eq!((backup.as_deref(), backups.keep), (Some("0 4 * * *"), 3));
    assert!(backups.folder.is_absolute() && backups.folder.ends_with("safe/place"), "{backups:?}");
    let absolute = "[housekeeping]\nbackup = \"0 4 * * *\"\nbackups = { folder = \"/var/backups\" }";
    let Housekeeping { backups, .. } = read(absolute).unwrap_or_else(|errors| panic!("{errors}")).housekeeping;
    assert_eq!((backups.folder.to_str(), backups.keep), (Some("/var/backups"), 7));
}

#[test]
fn what_is_wrong_with_backups_is_said_all_at_once() {
    let text = r#"
[housekeeping]
backup = "0 25 * * *"
backups = { folder = "", keep = 0, kept = 7 }
"#;
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:3:10: `housekeeping.backup`: `0 25 * * *` is not a cron expression: one of its fields cannot be read
    heeler.toml:4:22: `housekeeping.backups.folder`: expected a folder such as "backups", found an empty text
    heeler.toml:4:33: `housekeeping.backups.keep`: expected an integer from 1 to 10000, found 0
    heeler.toml:4:36: unknown key `kept` in `housekeeping.backups`: expected `folder` or `keep`
    "#);
    assert_snapshot!(
        refusal("[housekeeping]\nbackups = { keep = 3 }"),
        @"heeler.toml:2:11: `backups` says where backups are kept: expected `backup`, too, which says when they are made"
    );
    assert_snapshot!(
        refusal("[housekeeping]\nbackup = \"0 4 * * *\"\nbackups = \"backups\""),
        @r#"heeler.toml:3:11: `housekeeping.backups`: expected a table such as { folder = "backups", keep = 7 }, found a string"#
    );
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
    assert_snapshot!(refusal(text), @r#"
    heeler.toml:3:13: `housekeeping.retention`: `*/10 * * *` is not a cron expression: expected five fields (minute, hour, day, month, weekday) or six (a second before them)
    heeler.toml:4:7: `housekeeping.log`: expected a cron expression such as "*/10 * * * *", found an integer
    heeler.toml:5:9: `housekeeping.sweep`: `61 * * * *` is not a cron expression: one of its fields cannot be read
    heeler.toml:6:1: unknown key `swep` in `housekeeping`: did you mean `sweep`?
    heeler.toml:8:22: `retention.jobs.succeeded`: `1 week ago` is not a duration: expected a length of time such as 10s, 1h 30m or PT10M
    heeler.toml:8:45: `retention.jobs.failed`: expected a duration such as "30m", found an integer
    heeler.toml:8:64: `retention.jobs.per_activity`: expected an integer from 1 to 10000, found 0
    heeler.toml:8:67: unknown key `canceled` in `retention.jobs`: expected `succeeded`, `failed` or `per_activity`
    heeler.toml:9:9: `retention.ticks`: `-1d` is not a duration: expected a length of time such as 10s, 1h 30m or PT10M
    "#);
}
