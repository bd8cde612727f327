//! Who asks, and what their role lets them do.
//!
//! # Guarantees
//! Of a token only its digest is known here, and not even that is ever shown.
//! # Not here
//! How a token reaches the service, and which request needs what
//! ([`crate::http`]).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::id::PrincipalName;

/// What a principal is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Looks.
    Reader,
    /// Looks and changes.
    Writer,
    /// Looks, and does the work of jobs.
    Worker,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Writer, Self::Worker, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Worker => "worker",
            Self::Admin => "admin",
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Whoever reaches the service, as the principal `anonymous`, with every role.
    #[default]
    Anyone,
    /// Those who show one of these tokens.
    Holders(Vec<Token>),
}

/// A principal and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The principal.
    pub name: PrincipalName,
    /// What it is there for.
    pub role: Role,
    /// What its token is recognised by.
    pub digest: TokenDigest,
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the SHA-256 of a token: 64 hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for TokenDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParseDigestError);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| ParseDigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for TokenDigest {
    /// Nothing of it: who guesses tokens could check the guesses with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_in_hexadecimal_and_is_that_of_one_token() {
        let hex: String = Sha256::digest(b"woof").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.parse(), Ok(TokenDigest::of(b"woof")));
        assert_eq!(hex.to_uppercase().parse(), Ok(TokenDigest::of(b"woof")));
        assert_ne!(hex.parse(), Ok(TokenDigest::of(b"Woof")));
    }

    #[test]
    fn anything_else_is_no_digest() {
        for text in ["", "ab", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
            assert_eq!(text.parse::<TokenDigest>(), Err(ParseDigestError), "{text}");
        }
    }

    #[test]
    fn a_digest_is_never_shown() {
        let token = Token { name: "ui".parse().expect("a name"), role: Role::Reader, digest: TokenDigest::of(b"woof") };
        assert_eq!(format!("{token:?}"), "Token { name: PrincipalName(\"ui\"), role: Reader, digest: TokenDigest(…) }");
    }
}
