//! What a demo wants done, and how far that is.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A resource of the collection `files`, and what is asked of it.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Its id.
    pub(super) id: &'static str,
    /// Its document.
    pub(super) document: Value,
    /// The merge patch that asks for the work.
    pub(super) patch: Value,
}

impl Wish {
    pub(super) fn path(&self) -> String {
        format!("/v1/files/{}", self.id)
    }
}

/// Text that any Linux has some of.
const TEXTS: [&str; 4] = ["/etc/services", "/etc/protocols", "/etc/passwd", "/proc/cpuinfo"];

/// The wishes of a demo: this very program, some text, and the shell, all of
/// them files of this machine.
pub(super) fn wishes() -> Vec<Wish> {
    let program = std::env::current_exe().ok();
    let text = TEXTS.iter().map(PathBuf::from).find(|path| path.is_file());
    let shell = Path::new("/bin/sh").canonicalize().ok();
    // Each rests a little after every part of the file, as one does on a busy
    // disk; it also lets a person see the progress.
    let wanted = [
        ("program", "This program", program, "digest", json!({ "algorithm": "sha256", "pause": 0.18 })),
        ("text", "Some text", text, "count", json!({ "pause": 0.1 })),
        ("shell", "The shell", shell, "compress", json!({ "level": 9, "pause": 0.14 })),
    ];
    let wishes = wanted.into_iter().filter_map(|(id, title, path, operation, input)| {
        let path = path?.into_os_string().into_string().ok()?;
        Some(Wish {
            id,
            document: json!({ "title": title, "path": path }),
            patch: json!({ "processing": { "operation": operation, "input": input } }),
        })
    });
    wishes.collect()
}

/// How far a wish is, as its resource shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    /// Whether nothing more will happen by itself.
    pub(super) settled: bool,
    /// The phase of the activity.
    pub(super) phase: String,
    /// From 0 to 1.
    pub(super) fraction: f64,
    /// In words: the progress, or what came of it.
    pub(super) words: String,
    /// The newest job that ended.
    pub(super) job: Option<String>,
}

impl Standing {
    /// Reads it from a representation.
    pub(super) fn read(resource: &Value) -> Self {
        let at = |pointer: &str| resource.pointer(pointer).unwrap_or(&Value::Null);
        let text = |pointer: &str| at(pointer).as_str().unwrap_or_default().to_owned();
        let settled = at("/status/settled") == &Value::Bool(true);
        let phase = text("/status/processing/phase");
        let (fraction, words) = match (settled, phase.as_str()) {
            (true, "succeeded") => (1.0, at("/status/processing/last/result").to_string()),
            (true, _) => (0.0, at("/status/processing/last/error").to_string()),
            (false, _) => {
                let fraction = at("/status/processing/progress/fraction").as_f64().unwrap_or(0.0);
                (fraction, text("/status/processing/progress/message"))
            }
        };
        let job = at("/status/processing/last/id").as_str().map(str::to_owned);
        Self { settled, phase, fraction, words, job }
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.settled && self.phase == "succeeded"
    }

    /// From 0 to 100.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction from 0 to 1")]
    pub(super) fn percent(&self) -> u64 {
        (self.fraction.clamp(0.0, 1.0) * 100.0).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_read_from_the_document() {
        let running = json!({ "status": { "settled": false, "processing": {
            "phase": "running", "progress": { "fraction": 0.425, "message": "half" }, "last": null } } });
        let standing = Standing::read(&running);
        assert_eq!((standing.phase.as_str(), standing.percent(), standing.words.as_str()), ("running", 43, "half"));
        assert!(!standing.has_succeeded());

        let done = json!({ "status": { "settled": true, "processing": {
            "phase": "succeeded", "progress": null, "last": { "id": "1", "result": { "lines": 3 } } } } });
        let standing = Standing::read(&done);
        assert_eq!((standing.percent(), standing.words.as_str()), (100, r#"{"lines":3}"#));
        assert!(standing.has_succeeded());

        let failed = json!({ "status": { "settled": true, "processing": {
            "phase": "failed", "last": { "id": "1", "error": { "detail": "no" } } } } });
        assert!(!Standing::read(&failed).has_succeeded());
        assert!(!Standing::read(&json!({})).has_succeeded());
    }

    #[test]
    fn any_linux_has_files_to_wish_for() {
        let ids: Vec<_> = wishes().iter().map(|wish| wish.id).collect();
        assert_eq!(ids, ["program", "text", "shell"]);
    }
}
