//! Addresses of letters, and the relay that takes them.

use core::fmt;
use core::str::FromStr;

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3).
const ADDRESS_BYTES_MAX: usize = 254;

/// The longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// The longest name beside an address, in bytes: it is shown in one line.
const NAME_BYTES_MAX: usize = 256;

/// One address, maybe with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Whose it is.
    pub name: Option<String>,
    /// What is before the `@`.
    pub local: String,
    /// What is behind it.
    pub domain: String,
}

/// A text that is not one address. It is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not one address such as `ada@example.com` or `Ada <ada@example.com>`")]
pub struct ParseMailboxError;

impl FromStr for Mailbox {
    type Err = ParseMailboxError;

    fn from_str(text: &str) -> Result<Self, ParseMailboxError> {
        if text.chars().any(char::is_control) {
            return Err(ParseMailboxError);
        }
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>') {
            Some(rest) => {
                let (name, address) = rest.rsplit_once('<').ok_or(ParseMailboxError)?;
                (name.trim(), address)
            }
            None => ("", text),
        };
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        // More than one address would be more than one recipient.
        if name.len() > NAME_BYTES_MAX || name.contains(['<', '>', '@', '"', '\\']) {
            return Err(ParseMailboxError);
        }
        let (local, domain) = address.split_once('@').ok_or(ParseMailboxError)?;
        if address.len() > ADDRESS_BYTES_MAX || !is_local(local) || !is_domain(domain) {
            return Err(ParseMailboxError);
        }
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        Ok(Self { name, local: local.to_owned(), domain: domain.to_owned() })
    }
}

/// What needs no quotes before an `@` (RFC 5322, 3.2.3).
fn is_local(text: &str) -> bool {
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.len() <= LOCAL_BYTES_MAX && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.split('.').all(is_label)
}

/// Where letters are handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When what is said to it is encrypted.
    pub tls: RelayTls,
    /// Whom letters come from.
    pub from: Mailbox,
    /// Who this service is to it.
    pub credentials: Option<Credentials>,
}

/// When what is said to a relay is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayTls {
    /// From the first byte on.
    Implicit,
    /// After `STARTTLS`, and nothing is sent without.
    Required,
    /// After `STARTTLS`, where the relay offers that.
    Offered,
    /// Never.
    None,
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password; never printed.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address_and_nothing_that_a_header_or_a_command_could_be_made_of() {
        for (text, name, address) in [
            ("ada@example.com", None, "ada@example.com"),
            (" a.b+c@x-y.example ", None, "a.b+c@x-y.example"),
            ("Ada <ada@example.com>", Some("Ada"), "ada@example.com"),
            ("\"Lovelace, Ada\" <ada@example.com>", Some("Lovelace, Ada"), "ada@example.com"),
            ("Ädä, ☃ <ada@localhost>", Some("Ädä, ☃"), "ada@localhost"),
            ("<ada@example.com>", None, "ada@example.com"),
        ] {
            let mailbox: Mailbox = text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(
                (mailbox.name.as_deref(), format!("{}@{}", mailbox.local, mailbox.domain).as_str()),
                (name, address)
            );
        }
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "ada@example.com, eve@example.com",
            "ada@example.com;eve@example.com",
            "ada@example.com eve@example.com",
            "Ada <ada@example.com>, Eve <eve@example.com>",
            "Ada <ada@example.com> <eve@example.com>",
            "eve@example.com <ada@example.com>",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com\nBcc: eve@example.com",
            "ada@example.com\rBcc: eve@example.com",
            "Ada\r\nBcc: eve@example.com\r\n <ada@example.com>",
            "ada@example.com\0",
            "ada@example.com>\r\nRCPT TO:<eve@example.com",
            "ada@example.com> SIZE=1",
            "\"ada eve\"@example.com",
            "\"a\\\"b\"@example.com",
            "ada@[127.0.0.1]",
            "ada@exa mple.com",
            "ada@.example.com",
            "ada@-x.example",
            "a..b@example.com",
            ".a@example.com",
            "ädä@example.com",
            "ada@exämple.com",
            "ada\u{2028}@example.com",
            "ada\u{85}@example.com",
            "ada@example.com\u{0b}",
        ] {
            assert_eq!(text.parse::<Mailbox>(), Err(ParseMailboxError), "{text:?}");
        }
        assert!(format!("{}@example.com", "x".repeat(65)).parse::<Mailbox>().is_err());
        assert!(format!("{} <a@b.c>", "x".repeat(257)).parse::<Mailbox>().is_err());
    }
}
