//! Where a service is, as it is said on the command line.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::Uri;

/// Whether what is said on the way can be read by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Scheme {
    Http,
    Https,
}

/// A service, by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Server {
    pub(super) scheme: Scheme,
    /// A name or an address, without the brackets that an IPv6 address has in a URL.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Server {
    /// What the header field `Host` says.
    pub(in crate::cli) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether others could read what is said to it.
    pub(in crate::cli) fn is_overheard(&self) -> bool {
        let is_here = self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.scheme == Scheme::Http && !is_here
    }
}

impl Scheme {
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self { scheme: Scheme::Http, host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected the URL of a service such as http://127.0.0.1:7117".to_owned();
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) | None => return Err(expected()),
        };
        let authority = uri.authority().ok_or_else(expected)?;
        if authority.as_str().contains('@') {
            return Err("a URL is no place for secrets: tokens come from `--token-file` or `HEELER_TOKEN`".to_owned());
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err("a service is at the root of its host: expected nothing after the host and the port".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
            "" => scheme.port(),
            port => port.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or_else(expected)?,
        };
        Ok(Self { scheme, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_a_service_is_and_nothing_more() {
        for (text, shown, overheard) in [
            ("http://127.0.0.1:7117", Some("http://127.0.0.1:7117"), false),
            ("http://localhost:7117/", Some("http://localhost:7117"), false),
            ("http://[::1]:7117", Some("http://[::1]:7117"), false),
            ("http://heeler.example.com", Some("http://heeler.example.com"), true),
            ("https://heeler.example.com:443", Some("https://heeler.example.com"), false),
            ("127.0.0.1:7117", None, false),
            ("ftp://example.com", None, false),
            ("http://", None, false),
            ("http://example.com:99999", None, false),
            ("http://example.com/heeler", None, false),
            ("http://example.com/?x=1", None, false),
            ("http://ui:open-sesame@example.com", None, false),
        ] {
            let server = text.parse::<Server>();
            assert_eq!(server.as_ref().ok().map(ToString::to_string).as_deref(), shown, "{text}: {server:?}");
            assert_eq!(server.is_ok_and(|server| server.is_overheard()), overheard, "{text}");
        }
    }
}
