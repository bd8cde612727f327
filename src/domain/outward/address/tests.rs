//! What of URLs and addresses goes where.

use super::super::target::{ParseTargetError, Target};
use super::*;

fn range(text: &str) -> Range {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn allow() -> Allow {
    Allow { names: vec!["hooks.internal".to_owned()], ranges: vec![range("10.7.0.0/16"), range("fd07::/16")] }
}

/// What becomes of a request to this URL whose host resolves to that.
fn judged(url: &str, from: HostFrom, resolved: &str) -> &'static str {
    let target: Target = match url.parse() {
        Ok(target) => target,
        Err(error) => return wrong(error),
    };
    let address = match target.host {
        Host::Address(address) => address,
        Host::Name(_) => resolved.parse().expect("an address"),
    };
    match allow().judge(&target.host, from, address) {
        Ok(()) => "goes",
        Err(kind) => kind.words(),
    }
}

const fn wrong(error: ParseTargetError) -> &'static str {
    match error {
        ParseTargetError::TooLong => "too long",
        ParseTargetError::Character => "character",
        ParseTargetError::Scheme => "scheme",
        ParseTargetError::Credentials => "credentials",
        ParseTargetError::Host => "host",
        ParseTargetError::Port => "port",
        ParseTargetError::DotSegment => "dots",
    }
}

#[test]
fn a_url_that_comes_out_of_an_expression_leads_only_to_what_is_public_or_allowed() {
    const LOOPBACK: &str = "an address of this machine";
    const PRIVATE: &str = "a private address";
    const LINK: &str = "a link-local address";
    const MANY: &str = "a multicast address";
    const DISGUISED: &str = "an IPv6 address that stands for an IPv4 address";
    const RESERVED: &str = "a reserved address";
    for (url, resolved, want) in [
        // Public.
        ("https://example.com/", "93.184.216.34", "goes"),
        ("HTTPS://EXAMPLE.com:8443/a?b=c#d", "93.184.216.34", "goes"),
        ("http://example.com", "2606:2800:220:1::1", "goes"),
        ("http://8.8.8.8/", "", "goes"),
        ("http://[2606:4700::1111]/", "", "goes"),
        ("http://172.15.0.1/", "", "goes"),
        ("http://172.32.0.1/", "", "goes"),
        ("http://100.63.255.255/", "", "goes"),
        ("http://100.128.0.0/", "", "goes"),
        // This machine, in every spelling.
        ("http://127.0.0.1/", "", LOOPBACK),
        ("http://127.255.255.254/", "", LOOPBACK),
        ("http://[::1]/", "", LOOPBACK),
        ("http://[0:0:0:0:0:0:0:1]:80/", "", LOOPBACK),
        ("http://localhost/", "127.0.0.1", LOOPBACK),
        ("http://LOCALHOST./", "::1", LOOPBACK),
        ("http://innocent.example.com/", "127.0.0.1", LOOPBACK),
        ("http://2130706433/", "", "host"),
        ("http://0x7f000001/", "", "host"),
        ("http://0x7f.0.0.1/", "", "host"),
        ("http://0177.0.0.1/", "", "host"),
        ("http://127.1/", "", "host"),
        ("http://127.0.0.1./", "", LOOPBACK),
        ("http://1.2.3.4.5/", "", "host"),
        ("http://[::ffff:127.0.0.1]/", "", DISGUISED),
        ("http://[::127.0.0.1]/", "", DISGUISED),
        ("http://[64:ff9b::7f00:1]/", "", DISGUISED),
        ("http://[64:ff9b:1::7f00:1]/", "", DISGUISED),
        ("http://[2002:7f00:1::]/", "", DISGUISED),
        ("http://[2001:0:1::]/", "", DISGUISED),
        ("http://v4.example.com/", "::ffff:10.0.0.1", DISGUISED),
        ("http://0.0.0.0/", "", RESERVED),
        ("http://[::]/", "", RESERVED),
        ("http://0.1.2.3/", "", RESERVED),
        // Networks that are not everybody's.
        ("http://10.0.0.1/", "", PRIVATE),
        ("http://10.7.0.1/", "", "goes"),
        ("http://172.16.0.1/", "", PRIVATE),
        ("http://172.31.255.255/", "", PRIVATE),
        ("http://192.168.1.1/", "", PRIVATE),
        ("http://100.64.0.1/", "", PRIVATE),
        ("http://[fc00::1]/", "", PRIVATE),
        ("http://[fd07::1]/", "", "goes"),
        ("http://[fec0::1]/", "", PRIVATE),
        ("http://db.example.com/", "10.0.0.1", PRIVATE),
        ("http://db.example.com/", "10.7.0.1", "goes"),
        ("http://hooks.internal/", "10.0.0.1", "goes"),
        ("http://Hooks.Internal./", "127.0.0.1", "goes"),
        ("http://x.hooks.internal/", "10.0.0.1", PRIVATE),
        // The metadata of clouds, and the like.
        ("http://169.254.169.254/latest/", "", LINK),
        ("http://metadata.example.com/", "169.254.169.254", LINK),
        ("http://[fe80::1]/", "", LINK),
        ("http://[fe80::1%25eth0]/", "", "host"),
        ("http://224.0.0.1/", "", MANY),
        ("http://[ff02::1]/", "", MANY),
        ("http://255.255.255.255/", "", RESERVED),
        ("http://192.0.2.1/", "", RESERVED),
        ("http://198.18.0.1/", "", RESERVED),
        ("http://[2001:db8::1]/", "", RESERVED),
        ("http://[4000::1]/", "", RESERVED),
        // No URL at all, or one that means two things.
        ("ftp://example.com/", "", "scheme"),
        ("file:///etc/passwd", "", "scheme"),
        ("example.com/", "", "scheme"),
        ("http:example.com", "", "scheme"),
        ("http:///path", "", "host"),
        ("http://user@example.com/", "", "credentials"),
        ("http://user:word@example.com/", "", "credentials"),
        ("http://example.com:80@127.0.0.1/", "", "credentials"),
        ("http://example.com\\@127.0.0.1/", "", "character"),
        ("http://exa mple.com/", "", "character"),
        ("http://example.com/\r\nX: y", "", "character"),
        ("http://exämple.com/", "", "character"),
        ("http://example.com/ä", "", "character"),
        ("http://example.com/%zz", "", "character"),
        ("http://example.com:/", "", "port"),
        ("http://example.com:0/", "", "port"),
        ("http://example.com:+80/", "", "port"),
        ("http://example.com:65536/", "", "port"),
        ("http://example.com:80:80/", "", "port"),
        ("http://[::1/", "", "host"),
        ("http://a..b/", "", "host"),
        ("http://ex%61mple.com/", "", "host"),
        ("http://example.com/a/../b", "", "dots"),
        ("http://example.com/a/%2E%2e", "", "dots"),
    ] {
        assert_eq!(judged(url, HostFrom::Expression, resolved), want, "{url} at {resolved:?}");
    }
}

#[test]
fn a_host_that_the_operator_wrote_may_be_private_but_cannot_be_turned_round() {
    for (url, resolved, goes) in [
        ("http://10.0.0.1/", "", true),
        ("http://127.0.0.1:8080/", "", true),
        ("http://169.254.169.254/", "", true),
        ("http://localhost/", "127.0.0.1", true),
        ("http://app.localhost/", "::1", true),
        ("http://billing/", "192.168.1.7", true),
        ("http://billing/", "fd00::7", true),
        ("http://billing/", "93.184.216.34", true),
        // Whoever answers for the name says so, and not the operator.
        ("http://partner.example.com/", "127.0.0.1", false),
        ("http://partner.example.com/", "169.254.169.254", false),
        ("http://partner.example.com/", "fe80::1", false),
        ("http://partner.example.com/", "0.0.0.0", false),
        ("http://partner.example.com/", "::ffff:127.0.0.1", false),
        ("http://hooks.internal/", "169.254.169.254", true),
    ] {
        assert_eq!(judged(url, HostFrom::File, resolved) == "goes", goes, "{url} at {resolved:?}");
    }
}

#[test]
fn a_range_is_an_address_and_how_much_of_it_counts() {
    for (text, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("fd00::/8", "fdff::1", "fe00::"),
        ("::1", "::1", "127.0.0.1"),
        ("::/0", "ffff::", "1.2.3.4"),
    ] {
        assert!(range(text).contains(inside.parse().expect("an address")), "{text} {inside}");
        assert!(!range(text).contains(outside.parse().expect("an address")), "{text} {outside}");
    }
    for (text, error) in [
        ("", ParseRangeError::Shape),
        ("10.0.0.0/33", ParseRangeError::Shape),
        ("10.0.0.0/+8", ParseRangeError::Shape),
        ("10.0.0.0/", ParseRangeError::Shape),
        ("10.0.0", ParseRangeError::Shape),
        ("hooks.internal", ParseRangeError::Shape),
        ("10.0.0.1/8", ParseRangeError::Rest),
        ("fd00::1/8", ParseRangeError::Rest),
    ] {
        assert_eq!(text.parse::<Range>(), Err(error), "{text}");
    }
}

#[test]
fn a_location_is_found_from_where_it_was_said() {
    let target: Target = "https://h.example:8443/a/b?c".parse().expect("a URL");
    for (reference, want) in [
        ("/jobs/1?x", Some("https://h.example:8443/jobs/1?x")),
        ("http://other.example/1", Some("http://other.example/1")),
        ("//other.example/1", Some("https://other.example/1")),
        ("https://h.example:443", Some("https://h.example/")),
        ("jobs/1", None),
        ("/../1", None),
        ("ftp://h.example/", None),
    ] {
        assert_eq!(target.join(reference).ok().map(|target| target.to_string()).as_deref(), want, "{reference}");
    }
    let same = |text: &str| text.parse::<Target>().is_ok_and(|other| other.has_origin_of(&target));
    assert!(same("https://H.example.:8443/z"));
    assert!(!same("https://h.example/a/b?c") && !same("http://h.example:8443/") && !same("https://x.example:8443/"));
}
