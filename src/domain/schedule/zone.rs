//! Time zones, as stretches of time between two changes of the clock.

use std::fmt;

use jiff::tz::TimeZone;

use super::super::job::clip;
use super::super::near::did_you_mean;

/// The longest name that is looked up, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A zone of the IANA database.
#[derive(Clone)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

impl Zone {
    /// The zone without changes.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// Finds a zone by its name; case is ignored.
    ///
    /// # Errors
    /// There is none of that name; the text says what to do.
    pub fn find(name: &str) -> Result<Self, String> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        let sought = name.len() <= NAME_BYTES_MAX && !is_of_machine(name);
        let found = sought.then(|| jiff::tz::db().get(name).ok()).flatten();
        match found {
            Some(rules) if !rules.is_unknown() => Ok(Self { name: rules.iana_name().unwrap_or(name).into(), rules }),
            Some(_) | None => Err(unknown(name)),
        }
    }

    /// Its name, as the database spells it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// The stretch around an instant.
    pub(super) fn stretch(&self, at: i64) -> Stretch {
        let Ok(instant) = jiff::Timestamp::from_second(at) else { return Stretch::endless(0) };
        let offset = |second: i64| {
            let instant = jiff::Timestamp::from_second(second).unwrap_or(instant);
            i64::from(self.rules.to_offset(instant).seconds())
        };
        let after = |second: i64| {
            let from = jiff::Timestamp::from_second(second).ok()?;
            let change = self.rules.following(from).next()?.timestamp().as_second();
            (change > second).then_some(change)
        };
        let before = jiff::Timestamp::from_second(at + 1).ok();
        let before = before.and_then(|at| self.rules.preceding(at).next());
        let mut from = before.map(|change| change.timestamp().as_second());
        let mut to = after(from.unwrap_or(at));
        // Where fixed changes give way to a rule, what precedes is told by the rule
        // alone, which can be older than the last fixed one; what follows is not.
        while let Some(change) = to
            && change <= at
        {
            from = to;
            to = after(change);
        }
        let before = from.map(|from| offset(from - 1));
        let offset = offset(at);
        Stretch { from, to, offset, before: before.unwrap_or(offset) }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

/// Whether this names what one machine has made of the database, and no zone.
fn is_of_machine(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["localtime", "posixrules", "factory"].contains(&name.as_str())
        || name.starts_with("posix/")
        || name.starts_with("right/")
}

fn unknown(name: &str) -> String {
    let shown = clip(name, NAME_BYTES_MAX);
    if name.starts_with(['+', '-']) {
        return format!(
            "`{shown}` is an offset: expected the name of a zone, such as Europe/Berlin or Etc/GMT-2 (for +02:00)"
        );
    }
    let known: Vec<String> =
        jiff::tz::db().available().map(|name| name.to_string()).filter(|name| !is_of_machine(name)).collect();
    let hint = did_you_mean(&shown, known.iter().map(String::as_str));
    format!("there is no zone `{shown}`: expected a name of the IANA database, such as Europe/Berlin{hint}")
}

/// A time in which a zone keeps its offset from UTC. Instants are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The change it starts with; none where it has always been.
    pub(super) from: Option<i64>,
    /// The change it ends before; none where it stays for ever.
    pub(super) to: Option<i64>,
    /// What is added to UTC for local time.
    pub(super) offset: i64,
    /// What was added before it.
    pub(super) before: i64,
}

impl Stretch {
    const fn endless(offset: i64) -> Self {
        Self { from: None, to: None, offset, before: offset }
    }
}
