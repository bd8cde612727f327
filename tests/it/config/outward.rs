//! What can be said of requests, letters and relays, and what is wrong with them.

use heeler::domain::operation::RunnerSpec;
use heeler::domain::outward::{HostFrom, HttpMethod, RelayTls, RequestBody};
use insta::assert_snapshot;

use super::{read, refusal};

const SECRETS: &str = "[secrets]\nHOOK = { env = \"HOOK_TOKEN\" }\n";

#[test]
fn a_request_is_a_post_of_an_event_unless_something_else_is_said() {
    let config =
        read("[operations.a]\nhttp = { url = \"https://x.example/a\" }\n").unwrap_or_else(|wrong| panic!("{wrong}"));
    let operation = config.catalog.operations.values().next().expect("an operation");
    let RunnerSpec::Http(spec) = &operation.runner else { panic!("it is a request") };
    assert_eq!((spec.method, spec.answer_bytes_max, spec.host_from()), (HttpMethod::Post, 65_536, HostFrom::File));
    assert!(matches!(spec.body, RequestBody::Event));
    assert!(spec.headers.is_empty() && spec.signing.is_empty() && spec.allow.names.is_empty());
}

#[test]
fn what_is_wrong_with_a_request_is_said_where_it_is() {
    let text = format!(
        r#"{SECRETS}
[operations.none]
http = {{}}
[operations.text]
http = "https://x.example/"
[operations.scheme]
http = {{ url = "ftp://x.example/" }}
[operations.half]
http = {{ url = "x.example/${{input.a}}" }}
[operations.user]
http = {{ url = "https://u:p@x.example/${{input.a}}" }}
[operations.spelling]
http = {{ url = "http://0x7f.1/" }}
[operations.secret]
http = {{ url = "https://x.example/${{secret.NOPE}}" }}
[operations.method]
http = {{ url = "https://x.example/", method = "post" }}
[operations.get]
http = {{ url = "https://x.example/", method = "GET", body = "x" }}
[operations.fields]
http = {{ url = "https://x.example/", headers = {{ Host = "a", "X Y" = "b", Webhook-Id = "c", A = "1\n2", a = "3", B = 4 }} }}
[operations.body]
http = {{ url = "https://x.example/", body = {{ at = 2027-01-01, to = "${{inptu.a}}" }} }}
[operations.signing]
http = {{ url = "https://x.example/", signing = ["HOOK", "OTHER", "HOOK"] }}
[operations.allow]
http = {{ url = "https://x.example/", allow = ["10.0.0.1/8", "hooks.internal", "a b", "10.0.0.0/40", 7] }}
[operations.response]
http = {{ url = "https://x.example/", response = "1MiB", redirects = 3 }}
"#
    );
    assert_snapshot!(refusal(&text));
}

#[test]
fn what_is_wrong_with_a_letter_or_its_relay_is_said_where_it_is() {
    let text = format!(
        r#"{SECRETS}
[operations.empty]
mail = {{}}
[operations.address]
mail = {{ to = "ada@example.com, eve@example.com", cc = [], subject = "a\nb", text = 7 }}
[operations.who]
mail = {{ to = ["${{resource.email}}", "Ada"], bcc = "x", subject = "${{nobody.a}}", text = "t", attachment = "a" }}
[mail]
relay = "mail.example.com:25"
from = "Heeler"
user = "u"
password = "canary"
tls = "maybe"
port = 25
"#
    );
    let refusal = refusal(&text);
    assert!(!refusal.contains("canary"), "{refusal}");
    assert_snapshot!(refusal);
}

#[test]
fn a_letter_needs_a_relay_and_a_password_needs_tls_and_a_user() {
    let letter = "[operations.a]\nmail = { to = \"a@b.c\", subject = \"s\", text = \"t\" }\n";
    let relay = |more: &str| format!("{SECRETS}{letter}[mail]\nfrom = \"a@b.c\"\n{more}");
    for (text, want) in [
        (letter.to_owned(), "`operations.a.mail` needs a relay"),
        (relay("relay = \"smtp://h\"\nuser = \"u\""), "belong together"),
        (relay("relay = \"smtp://h\"\nuser = \"u\"\npassword = \"${secret.HOOK}\"\ntls = \"none\""), "over TLS alone"),
        (relay("relay = \"smtps://h\"\ntls = \"none\""), "the scheme of `relay` says that already"),
        (relay("relay = \"smtp://h\"\nuser = \"u\"\npassword = \"${input.a}\""), "the same for every job"),
        (relay("relay = \"smtp://h/x\""), "is no relay"),
    ] {
        let refusal = refusal(&text);
        assert!(refusal.contains(want), "{want}: {refusal}");
    }
    for (url, host, port, tls) in [
        ("smtp://h", "h", 25, RelayTls::Offered),
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, RelayTls::Offered),
        ("smtp+starttls://h.example/", "h.example", 587, RelayTls::Required),
        ("smtps://[::1]", "::1", 465, RelayTls::Implicit),
    ] {
        let config = read(&relay(&format!("relay = \"{url}\""))).unwrap_or_else(|wrong| panic!("{wrong}"));
        let relay = config.relay.expect("a relay");
        assert_eq!((relay.host.as_str(), relay.port, relay.tls), (host, port, tls), "{url}");
    }
    let password = relay("relay = \"smtp://h\"\nuser = \"u\"\npassword = \"${secret.HOOK}\"");
    let config = read(&password).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(!format!("{config:?}").contains("canary"), "a password is printed");
    assert_eq!(config.relay.and_then(|relay| relay.credentials).map(|known| known.password), Some("canary".to_owned()));
}

#[test]
fn where_a_service_is_reached_is_a_url_without_a_path() {
    let read = |url: &str| read(&format!("[server]\nurl = \"{url}\"\n"));
    let url = |text: &str| read(text).map(|config| config.server.url.unwrap_or_default()).unwrap_or_default();
    assert_eq!(url("https://Heeler.example.com/"), "https://heeler.example.com");
    assert_eq!(url("http://10.0.0.1:7117"), "http://10.0.0.1:7117");
    for wrong in
        ["heeler.example.com", "https://heeler.example.com/v1", "https://u@heeler.example.com", "https://x.example/?a"]
    {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
