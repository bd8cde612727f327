//! The name that somebody probably meant.

/// The candidate nearest to `given`, if one is near enough to be worth naming.
///
/// Near enough means an edit distance of at most a third of the length.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = given.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&given.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A sentence that names the nearest candidate, or nothing: `; did you mean `x`?`.
#[must_use]
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, candidates).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Names longer than this are not compared: the cost is the product of the lengths.
const CHARS_MAX: usize = 64;

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(CHARS_MAX).collect();
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["operation", "input", "overlap", "suspend"];
        for (given, meant) in
            [("operaton", Some("operation")), ("Input", Some("input")), ("overlaps", Some("overlap")), ("colour", None), ("", None)]
        {
            assert_eq!(nearest(given, names), meant, "{given}");
        }
    }
}
