//! What the work says of itself: JSON Lines, read as they come.
//!
//! # Guarantees
//! Any bytes are taken: what is no event is skipped, memory is bounded, and
//! what comes out can be stored and read back.
//! # Not here
//! Reading the file: [`super::watch`]. What patches may write: [`crate::reconcile`].

use serde_json::Value;

use crate::domain::job::{JobError, PROGRESS_MESSAGE_BYTES_MAX, RESULT_BYTES_MAX, WorkPatch, clip};

/// The longest line that is read: a result of the largest size, with room for
/// escapes and spaces that are not counted there.
pub(super) const LINE_BYTES_MAX: usize = 2 * RESULT_BYTES_MAX;

/// How deep a result may be nested: deeper, the record of its job could be
/// written but not be read again.
const RESULT_DEPTH_MAX: usize = 64;

/// How far the work got.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Progress {
    /// From 0 to 1, where it is known.
    pub(super) fraction: Option<f64>,
    /// In words.
    pub(super) message: Option<String>,
}

/// What the work gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Gift {
    /// Nothing.
    #[default]
    None,
    /// This.
    Value(Value),
    /// Something that is not kept, for this reason.
    Refused(String),
}

/// What the work said until its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Said {
    /// What it gave.
    pub(super) gift: Gift,
    /// What it wants to be written into observed members.
    pub(super) patch: Option<WorkPatch>,
    /// Why it failed.
    pub(super) error: Option<JobError>,
}

/// What is known from the events so far.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    overlong: bool,
    progress: Option<Progress>,
    said: Said,
    skipped: u64,
}

impl Events {
    /// Takes the next bytes of the file. A line counts once it is complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    /// Takes the end of the file: the last line may lack its line break.
    pub(super) fn finish(&mut self) {
        self.end_line();
    }

    /// Notes that what comes after this many bytes is not read.
    pub(super) fn refuse_rest(&mut self, bytes_max: u64) {
        self.begin_line();
        let much = format!("it wrote more than {} MiB of events", bytes_max / (1024 * 1024));
        if let Some(patch) = &mut self.said.patch {
            patch.refuse(much.clone());
        }
        self.said.gift = Gift::Refused(format!("{much}, and its result was dropped"));
    }

    /// Forgets a line that was begun, and the patches: the file was written
    /// anew, and who reads it later reads nothing else.
    pub(super) fn restart(&mut self) {
        self.begin_line();
        self.said.patch = None;
    }

    fn begin_line(&mut self) {
        self.line.clear();
        self.overlong = false;
    }

    /// The newest progress, once.
    pub(super) const fn take_progress(&mut self) -> Option<Progress> {
        self.progress.take()
    }

    /// The last result and error, and all patches.
    pub(super) const fn said(&self) -> &Said {
        &self.said
    }

    /// How many lines were no events.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len();
        self.overlong |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.overlong) {
            self.skipped += 1;
            if line.trim_ascii_start().starts_with(b"{\"result\"") {
                self.said.gift = too_large();
            } else if line.trim_ascii_start().starts_with(b"{\"patch\"") {
                let patch = self.said.patch.get_or_insert_default();
                patch.refuse(format!("its patch is longer than {} KiB", LINE_BYTES_MAX / 1024));
            }
        } else if !line.trim_ascii().is_empty() {
            match serde_json::from_slice(&line) {
                Ok(Value::Object(event)) => self.event(event),
                Ok(_) | Err(_) => self.skipped += 1,
            }
        }
    }

    fn event(&mut self, mut event: serde_json::Map<String, Value>) {
        match event.remove("progress") {
            Some(Value::Object(said)) => {
                let message = said.get("message").and_then(Value::as_str);
                self.progress = Some(Progress {
                    fraction: said.get("fraction").and_then(fraction),
                    message: message.map(|text| clip(text, PROGRESS_MESSAGE_BYTES_MAX)),
                });
            }
            Some(number @ Value::Number(_)) => {
                self.progress = Some(Progress { fraction: fraction(&number), message: None });
            }
            Some(_) => self.skipped += 1,
            None => {}
        }
        if let Some(result) = event.remove("result") {
            self.said.gift = accept(result);
        }
        if let Some(patch) = event.remove("patch") {
            self.said.patch.get_or_insert_default().collect(patch);
        }
        if let Some(error) = event.remove("error") {
            match JobError::said(error) {
                Some(error) => self.said.error = Some(error),
                None => self.skipped += 1,
            }
        }
    }
}

fn fraction(value: &Value) -> Option<f64> {
    value.as_f64().map(|fraction| fraction.clamp(0.0, 1.0))
}

fn accept(result: Value) -> Gift {
    if result.to_string().len() > RESULT_BYTES_MAX {
        too_large()
    } else if is_deeper(&result, RESULT_DEPTH_MAX) {
        Gift::Refused(format!("its result is nested deeper than {RESULT_DEPTH_MAX} and was dropped"))
    } else {
        Gift::Value(result)
    }
}

fn too_large() -> Gift {
    Gift::Refused(format!(
        "its result is larger than {} KiB and was dropped; write it to a file and name that",
        RESULT_BYTES_MAX / 1024
    ))
}

fn is_deeper(value: &Value, depth_max: usize) -> bool {
    match value {
        Value::Array(items) => depth_max == 0 || items.iter().any(|item| is_deeper(item, depth_max - 1)),
        Value::Object(members) => depth_max == 0 || members.values().any(|item| is_deeper(item, depth_max - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn after(text: &str) -> Events {
        let mut events = Events::default();
        events.feed(text.as_bytes());
        events.finish();
        events
    }

    #[test]
    fn progress_is_read_in_each_of_its_forms() {
        let progress =
            |fraction, message: Option<&str>| Some(Progress { fraction, message: message.map(str::to_owned) });
        for (name, text, want) in [
            ("whole", r#"{"progress":{"fraction":0.4,"message":"m"}}"#, progress(Some(0.4), Some("m"))),
            ("short", r#"{"progress":0.4}"#, progress(Some(0.4), None)),
            ("unknown fraction", r#"{"progress":{"fraction":null,"message":"m"}}"#, progress(None, Some("m"))),
            ("more than all", r#"{"progress":7}"#, progress(Some(1.0), None)),
            ("less than nothing", r#"{"progress":-7}"#, progress(Some(0.0), None)),
            ("unknown members", r#"{"progress":{"fraction":1,"x":2},"y":3}"#, progress(Some(1.0), None)),
            ("the newest of several", "{\"progress\":0.1}\n{\"progress\":0.2}\n", progress(Some(0.2), None)),
            ("not a progress", r#"{"progress":"soon"}"#, None),
            ("no event", "[1]\n{\n\n \u{7f}nonsense", None),
            ("a patch", r#"{"patch":[],"error":"x"}"#, None),
        ] {
            assert_eq!(after(text).take_progress(), want, "{name}");
        }
    }

    #[test]
    fn the_last_result_counts() {
        let events = after("{\"result\":1}\nnonsense\n{\"result\":{\"a\":[2]}}\n{\"progress\":1}");
        assert_eq!(events.said().gift, Gift::Value(json!({"a": [2]})));
        assert_eq!(events.skipped(), 1);
        assert_eq!(after("{\"result\":null}").said().gift, Gift::Value(Value::Null));
        assert_eq!(after("").said().gift, Gift::None);
    }

    #[test]
    fn a_result_that_cannot_be_kept_says_so() {
        let deep = format!("{{\"result\":{}1{}}}", "[".repeat(65), "]".repeat(65));
        let long = format!("{{\"result\":\"{}\"}}", "x".repeat(RESULT_BYTES_MAX));
        let longer = format!("{{\"result\":\"{}\"}}\n", "x".repeat(LINE_BYTES_MAX));
        for text in [deep, long, longer] {
            assert!(matches!(after(&text).said().gift, Gift::Refused(_)), "{} bytes", text.len());
        }
        let fits = format!("{{\"result\":\"{}\"}}", "x".repeat(RESULT_BYTES_MAX - 2));
        assert!(matches!(after(&fits).said().gift, Gift::Value(_)));
    }

    #[test]
    fn patches_are_collected_and_the_last_error_counts() {
        let events = after(
            "{\"patch\":[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]}\n{\"error\":\"a\"}\n\
             {\"patch\":[{\"op\":\"remove\",\"path\":\"/a\"}],\"error\":{\"reason\":\"B\",\"message\":\"b\"}}\n{\"error\":7}",
        );
        let patch = events.said().patch.as_ref().expect("a patch");
        assert_eq!(patch.operations().map(<[_]>::len), Ok(2));
        assert_eq!(events.said().error, Some(JobError::new("B", "b")));
        assert_eq!(events.skipped(), 1);
    }

    #[test]
    fn a_patch_that_was_not_read_whole_is_refused() {
        let one = "{\"patch\":[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]}\n";
        let refused = |events: &Events| events.said().patch.as_ref().is_some_and(|patch| patch.operations().is_err());
        assert!(refused(&after(&format!("{one}{{\"patch\":[\"{}\"]}}\n", "x".repeat(LINE_BYTES_MAX)))));
        let mut events = after(one);
        events.refuse_rest(1);
        assert!(refused(&events));
        // What is written anew is read anew, and nothing of it was before.
        let mut events = after(one);
        events.restart();
        assert_eq!(events.said().patch, None);
    }

    #[test]
    fn an_overlong_line_hides_only_itself() {
        let mut events = after(&format!("{}\n{{\"result\":1}}\n", "x".repeat(10 * LINE_BYTES_MAX)));
        assert_eq!(events.said().gift, Gift::Value(json!(1)));
        assert_eq!((events.skipped(), events.take_progress()), (1, None));
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_their_bytes_come(
            lines in prop::collection::vec("X", 0..9),
            size in 1..20_usize,
        ) {
            let text = lines.join("\n");
            let mut pieces = Events::default();
            text.as_bytes().chunks(size).for_each(|piece| pieces.feed(piece));
            pieces.finish();
            let mut whole = after(&text);
            prop_assert_eq!(pieces.said(), whole.said());
            prop_assert_eq!(pieces.take_progress(), whole.take_progress());
            prop_assert_eq!(pieces.skipped(), whole.skipped());
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut events = Events::default();
            events.feed(&bytes);
            events.finish();
        }
    }
}
