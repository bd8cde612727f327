//! The word that somebody probably meant.

/// The candidate that `word` is most likely a misspelling of, if any is close.
///
/// Close means one edit for each three letters, and at least one: a swap of
/// neighbours, a letter more, less or other. Of equally close ones the first.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= close)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The end of a message that names the closest candidate, or nothing: `; did you mean `x`?`.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_forgiven_and_another_word_is_not() {
        let keys = ["command", "cwd", "env", "timeout"];
        for (word, meant) in [
            ("comand", Some("command")),
            ("commnad", Some("command")),
            ("cdw", Some("cwd")),
            ("time_out", Some("timeout")),
            ("shell", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
