//! Whom a request is for (`Host`) and whose page sent it (`Origin`).
//!
//! # Guarantees
//! A page that a browser loaded from elsewhere changes nothing here, also when
//! its name was made to resolve to our address.
//! # Not here
//! What the pages of other origins are let read ([`super::cors`]), and who the
//! client is.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::cors::Cors;
use super::problem::{Kind, Problem};

/// Set by browsers alone, and not by their scripts.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which names are ours.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    addresses: Vec<SocketAddr>,
    hosts: Vec<Authority>,
}

/// What the request line said beside method, path and query.
#[derive(Debug, Clone)]
pub(super) struct RequestLine {
    /// The version of HTTP.
    pub(super) version: Version,
    /// The host that an absolute target names.
    pub(super) authority: Option<Authority>,
}

impl Names {
    /// The addresses that are listened on, and further names, each with or
    /// without a port. Names that cannot be a `Host` are none.
    pub(super) fn new(addresses: &[SocketAddr], hosts: &[String]) -> Self {
        Self { addresses: addresses.to_vec(), hosts: hosts.iter().filter_map(|host| host.parse().ok()).collect() }
    }

    /// Judges whom a request is for and where it comes from: from us, or from a
    /// page that is let in.
    pub(super) fn judge(
        &self,
        method: &Method,
        line: Option<&RequestLine>,
        headers: &HeaderMap,
        cors: &Cors,
    ) -> Result<(), Problem> {
        let host = target(line, headers)?;
        if let Some(host) = &host
            && !self.serves(host)
        {
            return Err(Problem::new(Kind::Misdirected, format!("`{host}` is not a name of this service")));
        }
        if !method.is_safe() && cors.listed(headers).is_none() && self.is_foreign(host.as_ref(), headers) {
            return Err(Problem::new(Kind::CrossOrigin, "the request comes from a page of another origin"));
        }
        Ok(())
    }

    /// Whether a host is ours. A name under which browsers reach this machine
    /// alone is, under any port: a tunnel or a container may have changed that.
    fn serves(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        name.eq_ignore_ascii_case("localhost")
            || address.is_some_and(|address| self.listens_on(address))
            || self.hosts.iter().any(|ours| is_same_host(ours, host))
    }

    /// Whether we listen on an address. Listening on all of them, any is one of
    /// ours: no page can make a browser send an address that is not its own.
    fn listens_on(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.iter().any(|ours| ours.ip() == address || ours.ip().is_unspecified())
    }

    /// Whether a browser sent the request for a page that is not ours.
    fn is_foreign(&self, host: Option<&Authority>, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter().peekable();
        if origins.peek().is_none() {
            return headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
        }
        // An origin that we cannot read (`null` too) is not ours.
        !origins.all(|origin| origin.to_str().is_ok_and(|origin| self.is_own(host, origin)))
    }

    /// Whether an origin is the one that the request went to, or what a proxy
    /// makes of one of the listed hosts.
    fn is_own(&self, host: Option<&Authority>, origin: &str) -> bool {
        let Some((default_port, authority)) = (match origin.split_once("://") {
            Some(("http", authority)) => Some((80, authority)),
            Some(("https", authority)) => Some((443, authority)),
            _ => None,
        }) else {
            return false;
        };
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let port = |of: &Authority| of.port_u16().unwrap_or(default_port);
        let is_same =
            |ours: &Authority| ours.host().eq_ignore_ascii_case(authority.host()) && port(ours) == port(&authority);
        host.is_some_and(is_same) || self.hosts.iter().any(is_same)
    }
}

/// Whether a listed host is the one that is asked for; without a port, under any.
fn is_same_host(listed: &Authority, asked: &Authority) -> bool {
    listed.host().eq_ignore_ascii_case(asked.host())
        && listed.port_u16().is_none_or(|port| asked.port_u16() == Some(port))
}

/// The host that a request is for; HTTP/1.0 need not name one.
fn target(line: Option<&RequestLine>, headers: &HeaderMap) -> Result<Option<Authority>, Problem> {
    let version = line.map_or(Version::HTTP_11, |line| line.version);
    let authority = line.and_then(|line| line.authority.clone());
    let mut named = headers.get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => Some(read(host)?),
        (Some(_), Some(_)) => return Err(refuse("the request has more than one Host")),
        (None, _) => None,
    };
    match (host, authority) {
        // HTTP/2 has `:authority` in place of it (RFC 9113, 8.3.1).
        (Some(host), Some(authority)) if version >= Version::HTTP_2 && host != authority => {
            Err(refuse("the Host of the request is another than its :authority"))
        }
        (_, Some(authority)) if version >= Version::HTTP_2 => {
            if authority.as_str().contains('@') {
                return Err(refuse("the :authority of the request cannot be one"));
            }
            Ok(Some(authority))
        }
        // The host of an absolute target counts instead (RFC 9112, 3.2.2).
        (Some(_), Some(authority)) => Ok(Some(authority)),
        (Some(host), None) => Ok(Some(host)),
        (None, _) if version < Version::HTTP_11 => Ok(None),
        (None, _) => Err(refuse("the request has no Host")),
    }
}

fn read(host: &HeaderValue) -> Result<Authority, Problem> {
    match Authority::try_from(host.as_bytes()) {
        Ok(authority) if !authority.as_str().contains('@') => Ok(authority),
        _ => Err(refuse("the Host of the request cannot be one")),
    }
}

fn refuse(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let addresses = ["192.0.2.7:7117".parse().expect("an address")];
        Names::new(&addresses, &["heeler.example.com".to_owned(), "ported.example.com:8443".to_owned()])
    }

    fn status(names: &Names, method: &Method, headers: &[(HeaderName, &str)]) -> u16 {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")))
            .collect();
        let cors = Cors::new(&["https://app.example.com".to_owned()]);
        names.judge(method, None, &headers, &cors).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn only_our_own_names_are_served() {
        for (host, want) in [
            ("localhost", 200),
            ("LOCALHOST:9", 200),
            ("127.0.0.1:7117", 200),
            ("127.0.0.1", 200),
            ("[::1]:80", 200),
            ("192.0.2.7:7117", 200),
            ("192.0.2.8:7117", 421),
            ("heeler.example.com", 200),
            ("Heeler.Example.Com:1234", 200),
            ("ported.example.com:8443", 200),
            ("ported.example.com", 421),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("heeler.example.com.evil.example", 421),
            ("user@localhost", 400),
            ("a b", 400),
            ("", 400),
        ] {
            assert_eq!(status(&names(), &Method::GET, &[(HOST, host)]), want, "{host}");
        }
        assert_eq!(status(&names(), &Method::GET, &[]), 400);
        let everywhere = Names::new(&["0.0.0.0:80".parse().expect("an address")], &[]);
        assert_eq!(status(&everywhere, &Method::GET, &[(HOST, "198.51.100.9")]), 200);
        assert_eq!(status(&everywhere, &Method::GET, &[(HOST, "evil.example")]), 421);
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing() {
        let site = SEC_FETCH_SITE;
        for (host, header, value, want) in [
            ("localhost:7117", ORIGIN, "http://localhost:7117", 200),
            ("localhost:7117", ORIGIN, "http://localhost:3000", 403),
            ("localhost:7117", ORIGIN, "http://LOCALHOST:7117", 200),
            ("localhost", ORIGIN, "http://localhost", 200),
            ("localhost:80", ORIGIN, "http://localhost", 200),
            ("localhost", ORIGIN, "http://localhost:80", 200),
            ("heeler.example.com", ORIGIN, "https://heeler.example.com", 200),
            // A proxy that names us by our address.
            ("127.0.0.1:7117", ORIGIN, "https://heeler.example.com", 200),
            ("127.0.0.1:7117", ORIGIN, "https://heeler.example.com:444", 403),
            ("localhost:7117", ORIGIN, "https://evil.example", 403),
            // Let in, by its name and no other.
            ("localhost:7117", ORIGIN, "https://app.example.com", 200),
            ("localhost:7117", ORIGIN, "http://app.example.com", 403),
            ("localhost:7117", ORIGIN, "https://app.example.com:8443", 403),
            ("localhost:7117", ORIGIN, "https://app.example.com.evil.example", 403),
            ("localhost:7117", ORIGIN, "null", 403),
            ("localhost:7117", ORIGIN, "", 403),
            ("localhost:7117", ORIGIN, "ftp://localhost:7117", 403),
            ("localhost:7117", site.clone(), "cross-site", 403),
            ("localhost:7117", site.clone(), "same-origin", 200),
            ("localhost:7117", site, "none", 200),
        ] {
            let headers = [(HOST, host), (header, value)];
            assert_eq!(status(&names(), &Method::PATCH, &headers), want, "{value} at {host}");
            assert_eq!(status(&names(), &Method::GET, &headers), 200, "reading from {value} at {host}");
        }
        // Where there is an origin, it alone counts.
        let both = [(HOST, "localhost:1"), (ORIGIN, "http://localhost:1"), (SEC_FETCH_SITE, "cross-site")];
        assert_eq!(status(&names(), &Method::POST, &both), 200);
    }

    #[test]
    fn http_1_0_needs_no_host_and_an_absolute_target_overrides_it() {
        let line = |version, authority: Option<&str>| RequestLine {
            version,
            authority: authority.map(|authority| authority.parse().expect("an authority")),
        };
        let none = HeaderMap::new();
        let judge = |line: &RequestLine, headers: &HeaderMap| {
            names().judge(&Method::GET, Some(line), headers, &Cors::default())
        };
        assert!(judge(&line(Version::HTTP_10, None), &none).is_ok());
        assert!(judge(&line(Version::HTTP_11, None), &none).is_err());
        let host: HeaderMap = [(HOST, HeaderValue::from_static("localhost"))].into_iter().collect();
        assert!(judge(&line(Version::HTTP_11, Some("localhost:1")), &host).is_ok());
        assert!(judge(&line(Version::HTTP_11, Some("evil.example")), &host).is_err());
        // An absolute target is no Host, which every request of HTTP/1.1 has.
        assert!(judge(&line(Version::HTTP_11, Some("localhost:1")), &none).is_err());
    }

    #[test]
    fn in_http_2_the_authority_is_the_host() {
        for (authority, host, is_ours) in [
            (Some("localhost:1"), None, true),
            (Some("localhost"), Some("localhost"), true),
            (Some("localhost"), Some("LOCALHOST"), true),
            (None, Some("localhost"), true),
            (Some("evil.example"), None, false),
            (Some("localhost"), Some("evil.example"), false),
            (Some("localhost"), Some("localhost:1"), false),
            (Some("user@localhost"), None, false),
            (None, None, false),
        ] {
            let line = RequestLine {
                version: Version::HTTP_2,
                authority: authority.map(|authority| authority.parse().expect("an authority")),
            };
            let headers: HeaderMap = host.map(|host| (HOST, HeaderValue::from_static(host))).into_iter().collect();
            let judged = names().judge(&Method::GET, Some(&line), &headers, &Cors::default());
            assert_eq!(judged.is_ok(), is_ours, "{authority:?} and {host:?}");
        }
    }
}
