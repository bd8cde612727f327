//! `[server.cors]`: the other origins whose pages may ask.

use std::net::Ipv6Addr;

use super::error::Report;
use super::section::{Field, Keys, Section};

const CORS: Keys = Keys { known: &["origins"], later: &[] };

const ORIGIN: &str = "an origin such as \"https://app.example.com\", without a path";

/// The origins, each spelled as a browser spells it (RFC 6454, 6.2).
pub(super) fn origins(server: &Section<'_>, report: &mut Report<'_>) -> Vec<String> {
    let Some(section) = server.table("cors", report) else { return Vec::new() };
    section.check_keys(CORS, report);
    let Some(fields) = section.get("origins").and_then(|field| field.elements("an array of origins", report)) else {
        return Vec::new();
    };
    fields.iter().filter_map(|field| origin(field, report)).collect()
}

fn origin(field: &Field<'_>, report: &mut Report<'_>) -> Option<String> {
    let text = field.text(ORIGIN, report)?;
    match text {
        // Every page could change everything with what the browser knows of its user.
        "*" => return field.refuse("`*` would let every page in: name each origin", report),
        "null" => return field.refuse("`null` is the origin of no page in particular: name each origin", report),
        _ => {}
    }
    spelled(text).map_or_else(|| field.refuse(format!("`{text}` is not an origin: expected {ORIGIN}"), report), Some)
}

/// An origin in lower case and without the port that its scheme implies.
fn spelled(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        _ => return None,
    };
    // The colons of an IPv6 address stand between brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0);
    if !port.is_none_or(is_port) {
        return None;
    }
    let host = match host.strip_prefix('[') {
        Some(address) => format!("[{}]", address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None if !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => {
            host.to_ascii_lowercase()
        }
        None => return None,
    };
    Some(match port {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        Some(_) | None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_spell_it() {
        for (text, origin) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("HTTPS://App.Example.com", Some("https://app.example.com")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("http://app.example.com:80", Some("http://app.example.com")),
            ("https://app.example.com:80", Some("https://app.example.com:80")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://127.0.0.1:3000", Some("http://127.0.0.1:3000")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("http://[::1]", Some("http://[::1]")),
            ("http://[0:0:0:0:0:0:0:1]", Some("http://[::1]")),
            ("https://app.example.com/", None),
            ("https://app.example.com/a", None),
            ("https://user@app.example.com", None),
            ("https://*.example.com", None),
            ("https://app.example.com:", None),
            ("https://app.example.com:0", None),
            ("https://app.example.com:65536", None),
            ("https://app.example.com:+1", None),
            ("https://", None),
            ("https://:443", None),
            ("http://[::1", None),
            ("http://[x]", None),
            ("http://::1", None),
            ("https://bücher.example", None),
            ("ftp://app.example.com", None),
            ("app.example.com", None),
            ("", None),
        ] {
            assert_eq!(spelled(text).as_deref(), origin, "{text}");
        }
    }
}
