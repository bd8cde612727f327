//! What the operator gives the service beside its file: secrets, and the
//! environment that the service was started with.
//!
//! # Guarantees
//! Printing one of these shows names, never a value.
//! # Not here
//! Where the values come from ([`crate::config`]), and which of them a
//! declaration may refer to.

use std::fmt;

use serde_json::{Map, Value};

/// Texts by name that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Value);

impl Secrets {
    /// No texts.
    #[must_use]
    pub const fn none() -> Self {
        Self(Value::Null)
    }

    /// The text of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A text with `***` in the place of each of these that is in it.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let values = self.0.as_object().into_iter().flat_map(Map::values).filter_map(Value::as_str);
        values.filter(|value| !value.is_empty()).fold(text.to_owned(), |text, value| text.replace(value, "***"))
    }

    /// The names, in the order in which they were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.as_object().into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// An object with a member for each text, for expressions to read.
    pub(in crate::domain) const fn as_value(&self) -> &Value {
        &self.0
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self::none()
    }
}

impl FromIterator<(String, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        Self(Value::Object(texts.into_iter().map(|(name, text)| (name, Value::String(text))).collect()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// What templates can refer to beside the job: the same for every job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The values of `[secrets]`.
    pub secrets: Secrets,
    /// The environment of the service at its start. It may hold secrets, too.
    pub env: Secrets,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_shows_names_and_no_value() {
        let secrets: Secrets = [("HOOK".to_owned(), "canary".to_owned())].into_iter().collect();
        assert_eq!(secrets.get("HOOK"), Some("canary"));
        let surroundings = Surroundings { env: secrets.clone(), secrets };
        assert_eq!(format!("{surroundings:?}"), r#"Surroundings { secrets: {"HOOK"}, env: {"HOOK"} }"#);
        assert_eq!(format!("{:?}", Secrets::none()), "{}");
    }
}
