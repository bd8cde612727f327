//! What of a configuration is fixed once a service has started by it: where it
//! listens, where it keeps things, and when it keeps its house.

use super::error::{ConfigError, ConfigErrors, Place, Report};
use super::section::Section;
use super::{Config, Housekeeping};

/// Where in a file stands what is fixed, or would, if the file said it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The whole file.
    pub file: Option<Place>,
    /// `store.url`
    pub store: Option<Place>,
    /// `housekeeping`
    pub housekeeping: Option<Place>,
}

pub(super) fn places(root: &Section<'_>, report: &Report<'_>) -> Places {
    let place = |start: usize| Some(report.place(start));
    let store =
        root.get("store").and_then(|field| field.as_section()?.get("url").and_then(|url| place(url.span.start)));
    let housekeeping = root.get("housekeeping").and_then(|field| place(field.key.start));
    Places { file: place(0), store, housekeeping }
}

/// Refuses to go by another configuration where that is another one in what is
/// fixed; it was judged by itself before.
///
/// # Errors
/// What is another one: all of it, each at its place in the new file.
pub fn judge(now: &Config, new: &Config) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    let mut refuse = |place: Option<&Place>, what: &str, was: &str| {
        let message = format!("`{what}` is fixed until the next start, and was {was} at this one");
        if let Some(Place { file, line, column }) = place.or(new.places.file.as_ref()).cloned() {
            errors.push(ConfigError { file, line, column, message });
        }
    };
    if now.server.listen != new.server.listen {
        refuse(new.server.listen_at.as_ref(), "server.listen", &format!("`{}`", now.server.listen));
    }
    if now.store != new.store {
        refuse(new.places.store.as_ref(), "store.url", &format!("`{}`", now.store));
    }
    if now.limits.connections != new.limits.connections {
        refuse(None, "limits.connections", &now.limits.connections.to_string());
    }
    if now.housekeeping != new.housekeeping {
        let Housekeeping { retention, log, sweep, backup, backups } = &now.housekeeping;
        let mut was = format!("`{{ retention = \"{retention}\", log = \"{log}\", sweep = \"{sweep}\"");
        if let Some(backup) = backup {
            let (folder, keep) = (backups.folder.display(), backups.keep);
            was.push_str(&format!(", backup = \"{backup}\", backups = {{ folder = \"{folder}\", keep = {keep} }}"));
        }
        was.push_str(" }`");
        refuse(new.places.housekeeping.as_ref(), "housekeeping", &was);
    }
    ConfigErrors::found_later(errors).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::super::{Outside, parse};
    use super::*;
    use crate::domain::secret::Secrets;

    fn read(text: &str) -> Config {
        let outside =
            Outside { read: &|_| Err(io::ErrorKind::NotFound.into()), env: &Secrets::none(), cron: &|_| Ok(()) };
        parse(text, Path::new("heeler.toml"), Path::new("/etc"), outside).expect("it is right")
    }

    #[test]
    fn what_is_fixed_is_named_with_its_place_and_what_it_was() {
        let start = "[server]\nlisten = \"127.0.0.1:1\"\n[store]\nurl = \"memory:\"\n[collections.dogs]\n";
        for (name, text, want) in [
            ("the same", start, ""),
            (
                "everything else",
                "[server]\nlisten = \"127.0.0.1:1\"\nhosts = [\"h\"]\n[store]\nurl = \"memory:\"\n[limits]\nrunning = 1\n[retention]\nticks = \"1h\"\n[aliases]\n",
                "",
            ),
            (
                "another address",
                "[server]\n  listen = \"127.0.0.1:2\"\n[store]\nurl = \"memory:\"\n",
                "heeler.toml:2:12: `server.listen` is fixed until the next start, and was `127.0.0.1:1` at this one",
            ),
            (
                "another store, and none named",
                "[server]\nlisten = \"127.0.0.1:1\"\n",
                "heeler.toml:1:1: `store.url` is fixed until the next start, and was `memory:` at this one",
            ),
            (
                "all of it, in the order of the file",
                "[housekeeping]\nlog = \"1 * * * *\"\n[store]\nurl = \"redb:a\"\n[server]\nlisten = \"127.0.0.1:2\"\n",
                "heeler.toml:1:2: `housekeeping` is fixed until the next start, and was `{ retention = \"*/10 * * * *\", log = \"5 * * * *\", sweep = \"17 3 * * *\" }` at this one\n\
                 heeler.toml:4:7: `store.url` is fixed until the next start, and was `memory:` at this one\n\
                 heeler.toml:6:10: `server.listen` is fixed until the next start, and was `127.0.0.1:1` at this one",
            ),
        ] {
            let judged = judge(&read(start), &read(text));
            assert_eq!(judged.map_or_else(|errors| errors.to_string(), |()| String::new()), want, "{name}");
        }
    }
}
