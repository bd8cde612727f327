//! URLs that requests go to.

use core::fmt;
// Values of the core library: no socket can be had from there.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest URL, in bytes: what most servers take.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// All but what stands for itself in every part of a URL (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path, or one value of a query.
#[must_use]
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case and without a last dot.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub scheme: Scheme,
    /// To whom.
    pub host: Host,
    /// To which port.
    pub port: u16,
    /// Path and query, as they are sent.
    pub path: String,
}

/// A text that no request can be sent to. It is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseTargetError {
    /// Too long.
    #[error("the URL is longer than {} KiB", URL_BYTES_MAX / 1024)]
    TooLong,
    /// A character that no URL has.
    #[error("the URL has a character that must be percent-encoded")]
    Character,
    /// Neither HTTP nor HTTPS.
    #[error("the URL must begin with `http://` or `https://`")]
    Scheme,
    /// A user, perhaps with a password.
    #[error("the URL has credentials in it: send them in a header field")]
    Credentials,
    /// No host, or one that is none.
    #[error("the host of the URL is neither a name nor an address in its usual form")]
    Host,
    /// A port that is none.
    #[error("the port of the URL is not a number from 1 to 65535")]
    Port,
    /// `.` or `..` as a segment: where it leads is the server's guess.
    #[error("the path of the URL has a segment `.` or `..`")]
    DotSegment,
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        if text.len() > URL_BYTES_MAX {
            return Err(ParseTargetError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte)) {
            return Err(ParseTargetError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ParseTargetError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(ParseTargetError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (host, port) = authority_of(authority)?;
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.port()), path: path_of(rest)? })
    }
}

impl Host {
    /// The name that a text is, as it is compared.
    #[must_use]
    pub fn from_name(text: &str) -> Option<String> {
        match host_of(text).ok()? {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// The host and the port that a text is, where one is named.
    #[must_use]
    pub fn with_port(text: &str) -> Option<(Self, Option<u16>)> {
        authority_of(text).ok()
    }
}

fn authority_of(text: &str) -> Result<(Host, Option<u16>), ParseTargetError> {
    if text.contains('@') {
        return Err(ParseTargetError::Credentials);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(ParseTargetError::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| ParseTargetError::Host)?;
            (Host::Address(IpAddr::V6(address)), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host_of(name)?, port)
        }
    };
    Ok((host, port_of(port)?))
}

fn host_of(text: &str) -> Result<Host, ParseTargetError> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(ParseTargetError::Host);
    }
    // What ends in a number is an address, and has other spellings that resolvers know.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        let address: Ipv4Addr = name.parse().map_err(|_| ParseTargetError::Host)?;
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    Ok(Host::Name(name))
}

fn port_of(text: &str) -> Result<Option<u16>, ParseTargetError> {
    let Some(digits) = text.strip_prefix(':') else {
        return if text.is_empty() { Ok(None) } else { Err(ParseTargetError::Port) };
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain && port > 0 => Ok(Some(port)),
        Ok(_) | Err(_) => Err(ParseTargetError::Port),
    }
}

/// Path and query of what comes behind the authority.
fn path_of(text: &str) -> Result<String, ParseTargetError> {
    // The fragment is for whoever looks at what comes back.
    let text = text.split('#').next().unwrap_or_default();
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(ParseTargetError::Character);
        }
    }
    let path = text.split('?').next().unwrap_or_default();
    let is_dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_dots) {
        return Err(ParseTargetError::DotSegment);
    }
    Ok(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") })
}

impl Scheme {
    /// The port, unless another one is named.
    #[must_use]
    pub const fn port(self) -> u16 {
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

impl Target {
    /// Where a reference leads that was found there: a URL, or a path from the root.
    ///
    /// # Errors
    /// No request can be sent there.
    pub fn join(&self, reference: &str) -> Result<Self, ParseTargetError> {
        if let Some(rest) = reference.strip_prefix("//") {
            return format!("{}://{rest}", self.scheme.as_str()).parse();
        }
        if reference.starts_with('/') {
            return format!("{}://{}{reference}", self.scheme.as_str(), self.authority()).parse();
        }
        reference.parse()
    }

    /// Whether both are one and the same service.
    #[must_use]
    pub fn has_origin_of(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }

    /// Host and port, as in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}
