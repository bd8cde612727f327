//! What holds for every schedule.

use proptest::prelude::*;

use super::*;
use crate::domain::schema;

fn any_cron() -> impl Strategy<Value = String> {
    let choose = |items: &[&'static str]| prop::sample::select(items.to_vec());
    let second = choose(&["", "", "", "0 ", "*/7 ", "* ", "5,59 "]);
    let minute = choose(&["*", "*/15", "0", "30", "0,30", "0-59", "59", "10-50/20"]);
    let hour = choose(&["*", "*/6", "2", "0", "1-3", "0,23", "0-23"]);
    let day = choose(&["*", "*", "*", "L", "LW", "15W", "1", "29", "1-7", "?", "*/10", "31"]);
    let month = choose(&["*", "*", "*", "2", "MAR,OCT", "11", "*/2"]);
    let weekday = choose(&["*", "*", "*", "SUN", "1-5", "5#5", "0L", "7", "MON#1"]);
    (second, minute, hour, day, month, weekday).prop_map(|(second, minute, hour, day, month, weekday)| {
        format!("{second}{minute} {hour} {day} {month} {weekday}")
    })
}

fn any_instant() -> impl Strategy<Value = Timestamp> {
    // From 1900 to 2100, mostly on even times, so that edges are met.
    let millis = -2_208_988_800_000..4_102_444_800_000_i64;
    (millis, prop::sample::select(vec![1, 1000, 60_000, 3_600_000, 86_400_000]))
        .prop_map(|(millis, grain)| Timestamp::from_millis(millis / grain * grain))
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let choose = |items: &[&'static str]| prop::sample::select(items.to_vec());
    let instants = prop::collection::vec(any_instant(), 1..30);
    let timing = prop_oneof![
        6 => any_cron().prop_map(|cron| json!({ "cron": cron })),
        1 => (1000..1_000_000_000_i64).prop_map(|millis| json!({ "every": format!("{millis}ms") })),
        1 => instants.prop_map(|instants| json!({ "at": instants })),
    ];
    let zone = choose(&[
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "Asia/Tehran",
        "Africa/Monrovia",
    ]);
    let bounds = (prop::option::weighted(0.2, any_instant()), prop::option::weighted(0.2, any_instant()));
    (timing, zone, bounds, choose(&["shift", "skip"]), choose(&["first", "both"])).prop_map(
        |(mut value, zone, (start, end), gap, overlap)| {
            value["timezone"] = zone.into();
            value["dst"] = json!({ "gap": gap, "overlap": overlap });
            for (name, bound) in [("start", start), ("end", end)] {
                if let Some(bound) = bound {
                    value[name] = json!(bound);
                }
            }
            schedule(value)
        },
    )
}

/// A value that is a schedule, or nearly.
fn any_value() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        any_cron().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        any_instant().prop_map(|at| json!(at)),
        prop::sample::select(vec![
            json!("@daily"),
            json!("1h"),
            json!("PT10M"),
            json!("0s"),
            json!("now"),
            json!("UTC"),
            json!("Asia/Tokyo"),
            json!("skip"),
            json!("latest"),
            json!("all"),
            json!(1),
            json!(0),
            json!(2.0),
            json!(null),
            json!(true),
            json!([]),
            json!(["2026-01-01T00:00:00Z"]),
            json!([1]),
            json!({}),
            json!({ "gap": "skip" }),
            json!({ "overlap": "both", "gap": "shift" }),
            json!({ "more": 1 }),
            json!("2026-01-01 00:00Z"),
        ]),
    ];
    let names =
        vec!["cron", "every", "at", "timezone", "start", "end", "limit", "jitter", "missed", "deadline", "dst", "more"];
    let members = prop::collection::btree_map(prop::sample::select(names), value, 0..4);
    (members, prop::option::weighted(0.8, any_cron())).prop_map(|(members, cron)| {
        let mut value: Value = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if let Some(cron) = cron {
            value["cron"] = cron.into();
        }
        value
    })
}

proptest! {
    #[test]
    fn the_next_tick_is_later_and_the_last_before_it_is_none(schedule in any_schedule(), after in any_instant()) {
        let calendar = schedule.calendar(after);
        let mut at = after;
        for _ in 0..5 {
            let Some(tick) = calendar.next(at) else { break };
            prop_assert!(tick.at > at);
            prop_assert!(calendar.contains(tick.at));
            prop_assert_eq!(calendar.last(at, tick.at), Some(tick));
            prop_assert_eq!(calendar.count(at, tick.at), 1);
            prop_assert_eq!(calendar.last(at, Timestamp::from_millis(tick.at.as_millis() - 1)), None);
            at = tick.at;
        }
    }

    #[test]
    fn counts_add_up(schedule in any_schedule(), mut instants in prop::array::uniform3(any_instant())) {
        instants.sort();
        let [a, b, c] = instants;
        let calendar = schedule.calendar(a);
        prop_assert_eq!(calendar.count(a, c), calendar.count(a, b) + calendar.count(b, c));
        prop_assert_eq!(calendar.count(c, a), 0);
        prop_assert_eq!(calendar.count(a, c) > 0, calendar.last(a, c).is_some());
    }

    #[test]
    fn the_nth_newest_is_found_as_by_counting_backwards(
        schedule in any_schedule(), after in any_instant(), until in any_instant(),
    ) {
        let calendar = schedule.calendar(after);
        let mut end = until;
        for n in 1..6 {
            let newest = calendar.last(after, end);
            prop_assert_eq!(calendar.nth_last(after, until, n), newest);
            let Some(newest) = newest else { break };
            end = Timestamp::from_millis(newest.at.as_millis() - 1);
        }
        let all = calendar.count(after, until);
        prop_assert_eq!(calendar.nth_last(after, until, all + 1), None);
        prop_assert_eq!(calendar.nth_last(after, until, 0), None);
        if all > 0 {
            prop_assert_eq!(calendar.nth_last(after, until, all), calendar.next(after));
        }
    }

    #[test]
    fn what_is_feasible_has_a_next_tick(schedule in any_schedule(), now in any_instant()) {
        let next = schedule.calendar(now).next(now);
        match schedule.feasible(now) {
            Ok(()) => prop_assert!(next.is_some()),
            Err(refusal) => {
                prop_assert!(next.is_none());
                prop_assert!(schedule.canonical().pointer(&refusal.path).is_some(), "{}", refusal.path);
            }
        }
    }

    #[test]
    fn what_is_read_reads_back_from_its_one_spelling(value in any_value()) {
        if let Ok(schedule) = Schedule::parse(&value) {
            let again = Schedule::parse(&schedule.canonical());
            prop_assert_eq!(again.as_ref(), Ok(&schedule));
        }
    }

    #[test]
    fn what_is_refused_is_pointed_at(value in any_value()) {
        if let Err(refusals) = Schedule::parse(&value) {
            for refusal in refusals {
                prop_assert!(value.pointer(&refusal.path).is_some(), "{value}: {refusal:?}");
                prop_assert!(refusal.detail.len() < 400, "{refusal:?}");
            }
        }
    }

    #[test]
    fn the_schema_takes_what_the_reader_takes(value in any_value()) {
        let read = Schedule::parse(&value);
        let violations = schema::Schema::compile(json_schema()).expect("a schema").validate(&value);
        if read.is_ok() {
            prop_assert!(violations.is_empty(), "{value}: {violations:?}");
        }
        // What texts mean is not known to it; everything else is.
        let refusals = read.err().unwrap_or_default();
        let of_text = refusals.iter().all(|refusal| value.pointer(&refusal.path).is_some_and(Value::is_string));
        prop_assert!(of_text || !violations.is_empty(), "{value}: {refusals:?}");
    }

    #[test]
    fn no_text_is_too_odd_for_an_expression(text in ".{0,60}", fields in "[0-9*/,LW#?a-z-]{0,6}( [0-9*/,LW#?a-z-]{0,6}){4,5}") {
        for text in [text, fields] {
            match Cron::parse(&text) {
                Ok(cron) => {
                    let again = Cron::parse(cron.as_str());
                    prop_assert_eq!(again.as_ref(), Ok(&cron));
                }
                Err(error) => prop_assert!(!error.to_string().contains("Component error"), "{text}: {error}"),
            }
        }
    }
}
