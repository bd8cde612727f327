//! The form of a schedule, as a schema.

use serde_json::{Value, json};

use super::cron::CRON_BYTES_MAX;
use super::{Fold, Gap, INSTANTS_MAX, Missed};

/// What a schedule must look like.
///
/// What is taken is never refused by it. It does not know zones, the grammar of
/// cron, the spellings of instants and lengths of time, nor whether a schedule ever ticks.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = json!({
        "type": "object",
        "description": "When jobs are due: one of `cron`, `every` and `at`.",
        "properties": {
            "cron": {
                "type": "string",
                "minLength": 6,
                "maxLength": CRON_BYTES_MAX,
                "description": "5 fields (minute, hour, day of month, month, day of week), 6 with seconds first, or a \
                                macro. Names, `L`, `#` and `W` are taken; where neither field of days is `*`, a day \
                                matches if either does.",
                "examples": ["0 3 * * *", "*/15 9-17 * * MON-FRI", "@daily"],
            },
            "every": duration("Even intervals of at least 1s, from `start` on, or from the commit."),
            "at": {
                "anyOf": [
                    instant("One instant."),
                    { "type": "array", "minItems": 1, "maxItems": INSTANTS_MAX, "items": instant("An instant.") },
                ],
                "description": "One instant, or several.",
            },
            "timezone": {
                "type": "string",
                "minLength": 1,
                "default": "UTC",
                "description": "The zone of the IANA database whose local time `cron` speaks of.",
                "examples": ["Europe/Berlin"],
            },
            "start": instant("From when on it ticks, inclusive; `now` is the commit. `every` counts from here."),
            "end": instant("Until when it ticks, inclusive."),
            "limit": { "type": "integer", "minimum": 1, "description": "The most launches." },
            "jitter": duration("Spreads launches behind their ticks, at most 24h."),
            "missed": word(Missed::ALL.map(Missed::as_str), "What becomes of ticks that nobody was there for."),
            "deadline": duration("How late a launch can be."),
            "dst": {
                "type": "object",
                "description": "What a change of the clock does to times of `cron`.",
                "properties": {
                    "gap": word(Gap::ALL.map(Gap::as_str), "For a time that does not exist on its day."),
                    "overlap": word(Fold::ALL.map(Fold::as_str), "For a time that comes twice on its day."),
                },
                "additionalProperties": false,
            },
        },
        "oneOf": [{ "required": ["cron"] }, { "required": ["every"] }, { "required": ["at"] }],
        "additionalProperties": false,
    });
    schema["properties"]["missed"]["default"] = Missed::default().as_str().into();
    schema["properties"]["dst"]["properties"]["gap"]["default"] = Gap::default().as_str().into();
    schema["properties"]["dst"]["properties"]["overlap"]["default"] = Fold::default().as_str().into();
    schema
}

fn word<const N: usize>(words: [&str; N], says: &str) -> Value {
    json!({ "enum": words.as_slice(), "description": says })
}

/// A length of time. It has more spellings than a pattern could tell.
fn duration(says: &str) -> Value {
    json!({ "type": "string", "minLength": 2, "description": says, "examples": ["10s", "1h 30m", "PT10M"] })
}

/// An instant. It has more spellings than the format of RFC 3339.
fn instant(says: &str) -> Value {
    json!({ "type": "string", "minLength": 3, "description": says, "examples": ["2026-11-21T10:00:00Z"] })
}
