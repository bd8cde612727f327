//! `[auth]`: who may ask.
//!
//! # Guarantees
//! What is said about a wrong entry repeats nothing of it that could be a token
//! itself.

use super::error::Report;
use super::section::{Field, Keys, Section};
use crate::domain::id::{ParseIdError, PrincipalName};
use crate::domain::principal::{Access, Role, Token, TokenDigest};

const AUTH: Keys = Keys { known: &["tokens"], later: &[] };
const TOKEN: Keys = Keys { known: &["name", "role", "sha256"], later: &[] };

const NAME: &str = "the name of who has the token, such as \"ui\"";
const SHA256: &str = "the SHA-256 of the token, 64 hexadecimal digits: `printf %s \"$token\" | sha256sum`";

pub(super) fn access(root: &Section<'_>, report: &mut Report<'_>) -> Access {
    let Some(section) = root.table("auth", report) else { return Access::Anyone };
    section.check_keys(AUTH, report);
    let fields = match section.get("tokens") {
        Some(field) => field.elements("an array of tokens, each a `[[auth.tokens]]`", report).unwrap_or_default(),
        None => Vec::new(),
    };
    if fields.is_empty() && section.get("tokens").is_none_or(|field| field.is_array()) {
        let message = "`auth` has no `tokens`, so that nobody could ask: expected at least one `[[auth.tokens]]`";
        report.error(&section.span, message);
    }
    let mut tokens = Vec::new();
    for field in &fields {
        if let Some(token) = field.table("a table", report).and_then(|section| token(&section, &tokens, report)) {
            tokens.push(token);
        }
    }
    Access::Holders(tokens)
}

/// Reads one token, of which nothing may be as in those before it.
fn token(section: &Section<'_>, before: &[Token], report: &mut Report<'_>) -> Option<Token> {
    let words = Role::ALL.map(|role| (role.as_str(), role));
    section.check_keys(TOKEN, report);
    let name = section.needed("name", NAME, report).and_then(|field| {
        let name = name(&field, report)?;
        if before.iter().any(|token| token.name == name) {
            return field.refuse(format!("another token has the name `{name}` already"), report);
        }
        Some(name)
    });
    let role = section
        .needed("role", "\"reader\", \"writer\", \"worker\" or \"admin\"", report)
        .and_then(|field| field.word(&words, report));
    let digest = section.needed("sha256", SHA256, report).and_then(|field| {
        let digest = digest(&field, report)?;
        match before.iter().find(|token| token.digest == digest) {
            Some(other) => field.refuse(format!("`{}` has the same token already", other.name), report),
            None => Some(digest),
        }
    });
    Some(Token { name: name?, role: role?, digest: digest? })
}

fn name(field: &Field<'_>, report: &mut Report<'_>) -> Option<PrincipalName> {
    let text = field.text(NAME, report)?;
    text.parse().map_or_else(
        |error: ParseIdError| {
            field.refuse(format!("`{text}` cannot be the name of a principal: expected {}", error.expected()), report)
        },
        Some,
    )
}

fn digest(field: &Field<'_>, report: &mut Report<'_>) -> Option<TokenDigest> {
    // Not repeated: it may be the token itself, put here by mistake.
    match field.text(SHA256, report)?.parse() {
        Err(_) => field.refuse(format!("expected {SHA256}"), report),
        Ok(digest) if digest == TokenDigest::of(b"") => {
            field.refuse("this is the SHA-256 of no bytes at all: the token was not there", report)
        }
        Ok(digest) => Some(digest),
    }
}
