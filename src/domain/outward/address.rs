//! Which addresses a request may go to.

use core::fmt;
// Values of the core library: no socket can be had from there.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use super::target::Host;

/// Who chose a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFrom {
    /// The operator, whose file names it.
    File,
    /// An expression, and so perhaps anybody.
    Expression,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everybody's.
    Public,
    /// This machine.
    Loopback,
    /// A network of an organisation or of a provider.
    Private,
    /// What is on the same wire, the metadata of a cloud too.
    LinkLocal,
    /// Many at once.
    Multicast,
    /// Another address in disguise: what it leads to depends on the network.
    Translated,
    /// Nobody's: none at all, documentation, tests, the future.
    Reserved,
}

impl Kind {
    /// With its article.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "an address of this machine",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Translated => "an IPv6 address that stands for an IPv4 address",
            Self::Reserved => "a reserved address",
        }
    }

    /// What an address is for.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

/// By the registry of special-purpose addresses (RFC 6890 and its updates).
const fn of_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [127, ..] => Kind::Loopback,
        [10, ..] | [192, 168, ..] => Kind::Private,
        [172, second, ..] if second & 0xf0 == 16 => Kind::Private,
        // Between a provider and its customers.
        [100, second, ..] if second & 0xc0 == 64 => Kind::Private,
        [169, 254, ..] => Kind::LinkLocal,
        [first, ..] if first & 0xf0 == 224 => Kind::Multicast,
        // None at all; protocol assignments; documentation; the way to a 6to4 relay; measurements; the future.
        [0, ..] | [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => Kind::Reserved,
        [198, 18 | 19, ..] => Kind::Reserved,
        [first, ..] if first >= 240 => Kind::Reserved,
        [..] => Kind::Public,
    }
}

/// What is not known to be public is not.
const fn of_v6(address: Ipv6Addr) -> Kind {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Reserved,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // Compatible and mapped, translated by the operating system, NAT64, 6to4, Teredo.
        [0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => Kind::Translated,
        [first, ..] if first & 0xfe00 == 0xfc00 => Kind::Private,
        // What was once local to a site.
        [first, ..] if first & 0xffc0 == 0xfec0 => Kind::Private,
        [first, ..] if first & 0xffc0 == 0xfe80 => Kind::LinkLocal,
        [first, ..] if first & 0xff00 == 0xff00 => Kind::Multicast,
        // Protocol assignments and documentation within what is public.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => Kind::Reserved,
        [0x3fff, second, ..] if second < 0x1000 => Kind::Reserved,
        [first, ..] if first & 0xe000 == 0x2000 => Kind::Public,
        [..] => Kind::Reserved,
    }
}

/// Addresses with the same beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    bits: u32,
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseRangeError {
    /// It is something else.
    #[error("it is neither an address nor a range such as `10.0.0.0/8`")]
    Shape,
    /// The address has more of it than the range keeps.
    #[error("the address has bits that the range does not count")]
    Rest,
}

impl FromStr for Range {
    type Err = ParseRangeError;

    fn from_str(text: &str) -> Result<Self, ParseRangeError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| ParseRangeError::Shape)?;
        let all = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(bits) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= all).ok_or(ParseRangeError::Shape)?
            }
            Some(_) => return Err(ParseRangeError::Shape),
        };
        let range = Self { first, bits };
        if beginning(first, bits) == number(first) { Ok(range) } else { Err(ParseRangeError::Rest) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl Range {
    /// Whether an address is one of them. One of IPv6 is none of IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && beginning(address, self.bits) == number(self.first)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn beginning(address: IpAddr, bits: u32) -> u128 {
    number(address) & u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

/// What an operator lets requests go to, beside what is public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    /// Hosts, in lower case and without a last dot, wherever they are.
    pub names: Vec<String>,
    /// Addresses, by whatever name.
    pub ranges: Vec<Range>,
}

impl Allow {
    /// Whether a request to this host may go to that address of it.
    ///
    /// An address that stands in the file is what the operator wrote. A name
    /// there may lead into a private network, for that is where many services
    /// are; it may lead to this machine only if it is `localhost`, and never to
    /// where nobody has a service but the cloud its metadata: whoever answers
    /// for the name could otherwise turn requests around.
    ///
    /// # Errors
    /// It may not: what the address is.
    pub fn judge(&self, host: &Host, from: HostFrom, address: IpAddr) -> Result<(), Kind> {
        let listed = match host {
            Host::Name(name) => self.names.contains(name),
            Host::Address(_) => false,
        };
        if listed || self.ranges.iter().any(|range| range.contains(address)) {
            return Ok(());
        }
        let kind = Kind::of(address);
        let is_allowed = match (kind, from, host) {
            (Kind::Public, _, _) => true,
            (_, HostFrom::Expression, _) => false,
            (_, HostFrom::File, Host::Address(_)) => true,
            (Kind::Private, HostFrom::File, Host::Name(_)) => true,
            (Kind::Loopback, HostFrom::File, Host::Name(name)) => name == "localhost" || name.ends_with(".localhost"),
            (Kind::LinkLocal | Kind::Multicast | Kind::Translated | Kind::Reserved, HostFrom::File, Host::Name(_)) => {
                false
            }
        };
        if is_allowed { Ok(()) } else { Err(kind) }
    }
}

#[cfg(test)]
mod tests;
