//! What is another thing in one configuration than in another.
//!
//! # Guarantees
//! Names only: no value is ever shown, so no secret is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Config;
use crate::domain::catalog::Collection;
use crate::domain::id::CollectionName;

/// What came, what went and what became another thing, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// What is new.
    pub added: Vec<String>,
    /// What is another thing under the same name.
    pub changed: Vec<String>,
    /// What is no longer there.
    pub removed: Vec<String>,
}

impl Changes {
    /// What makes the old configuration the new one.
    #[must_use]
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut changes = Self::default();
        changes.compare("operations", &old.catalog.operations, &new.catalog.operations);
        changes.compare("collections", &collections(old), &collections(new));
        let mut section = |name: &str, same: bool| {
            if !same {
                changes.changed.push(name.to_owned());
            }
        };
        section("aliases", old.catalog.aliases == new.catalog.aliases);
        section("auth", old.access == new.access);
        section("limits", old.limits == new.limits);
        section("mail", old.relay == new.relay);
        section("retention", old.retention == new.retention);
        section("secrets", old.surroundings == new.surroundings);
        section("server.cors", old.server.origins == new.server.origins);
        section("server.hosts", old.server.hosts == new.server.hosts);
        section("server.url", old.server.url == new.server.url);
        changes
    }

    /// Whether nothing is another thing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    fn compare<N: Ord + fmt::Display, T: PartialEq>(&mut self, what: &str, old: &BTreeMap<N, T>, new: &BTreeMap<N, T>) {
        let named = |name: &N| format!("{what}.{name}");
        self.added.extend(new.keys().filter(|name| !old.contains_key(name)).map(named));
        let is_another = |(name, it): &(&N, &T)| old.get(name).is_some_and(|before| before != *it);
        self.changed.extend(new.iter().filter(is_another).map(|(name, _)| named(name)));
        self.removed.extend(old.keys().filter(|name| !new.contains_key(name)).map(named));
    }
}

/// Those that are declared, also those that are taken out of service.
fn collections(config: &Config) -> BTreeMap<&CollectionName, &Arc<Collection>> {
    config.catalog.collections.iter().chain(&config.catalog.retired).collect()
}

impl fmt::Display for Changes {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing is another");
        }
        let mut separator = "";
        for (what, names) in [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)] {
            if !names.is_empty() {
                write!(f, "{separator}{what} {}", names.join(", "))?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::super::{Outside, parse};
    use super::*;
    use crate::domain::secret::Secrets;

    /// What the configuration says where one of its files holds this.
    fn read(text: &str, file: &str) -> Config {
        let given = |path: &Path| match path.ends_with("a.json") || path.ends_with("hook") {
            true => Ok(file.to_owned()),
            false => Err(io::ErrorKind::NotFound.into()),
        };
        let outside = Outside { read: &given, env: &Secrets::none(), cron: &|_| Ok(()) };
        parse(text, Path::new("heeler.toml"), Path::new("/etc"), outside).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn said(old: &str, new: &str) -> String {
        Changes::between(&read(old, "{}"), &read(new, "{}")).to_string()
    }

    const BARK: &str = "[operations.bark]\nexec = { command = [\"bark\", \"${input.loud}\"], cwd = \"/\" }\n";

    #[test]
    fn each_thing_is_named_by_what_became_of_it() {
        let louder = BARK.replace("loud}", "louder}");
        for (name, old, new, want) in [
            ("the same", BARK, BARK, "nothing is another"),
            ("only written otherwise", BARK, &format!("# a comment\n\n{BARK}"), "nothing is another"),
            ("a new operation", "", BARK, "added operations.bark"),
            ("another command", BARK, &louder, "changed operations.bark"),
            ("another timeout", BARK, &format!("{BARK}timeout = \"1m\"\n"), "changed operations.bark"),
            ("no operation", BARK, "", "removed operations.bark"),
            (
                "a rule",
                "[collections.dogs]\n",
                "[collections.dogs]\n[[collections.dogs.rules]]\nwhen = \"self.a\"\nstatus = 403\nmessage = \"no\"\n",
                "changed collections.dogs",
            ),
            (
                "a collection taken out of service",
                "[collections.dogs]\n",
                "[collections.dogs]\nretired = true\n",
                "changed collections.dogs",
            ),
            (
                "a collection served again",
                "[collections.dogs]\nretired = true\n",
                "[collections.dogs]\n",
                "changed collections.dogs",
            ),
            (
                "several",
                "[collections.dogs]\n",
                &format!("{BARK}[collections.cats]\n"),
                "added operations.bark, collections.cats; removed collections.dogs",
            ),
            (
                "an alias",
                "[collections.dogs]\n",
                "[collections.dogs]\n[aliases]\n\"/hounds\" = \"/v1/dogs\"\n",
                "changed aliases",
            ),
            (
                "limits",
                "[limits]\nrunning = 1\n",
                "[limits]\nrunning = 2\n[retention]\nticks = \"1h\"\n",
                "changed limits, retention",
            ),
            ("names", "", "[server]\nhosts = [\"a\"]\nurl = \"http://a\"\n", "changed server.hosts, server.url"),
            ("the relay", "", "[mail]\nrelay = \"smtp://localhost:25\"\nfrom = \"a@example.com\"\n", "changed mail"),
        ] {
            assert_eq!(said(old, new), want, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_named_counts_by_what_it_holds() {
        let text = "[collections.dogs]\nschema = \"a.json\"\n[secrets]\nHOOK = { file = \"hook\" }\n";
        let (old, new) = (read(text, r#"{"type":"object"}"#), read(text, r#"{"type":"object","required":["a"]}"#));
        let changes = Changes::between(&old, &new);
        assert_eq!(changes.to_string(), "changed collections.dogs, secrets");
        assert!(Changes::between(&old, &old.clone()).is_empty());
    }
}
