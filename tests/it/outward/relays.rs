//! Relays that do everything that relays do wrong.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use heeler::domain::job::AttemptOutcome;
use heeler::runner::Trust;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::peer::{Do, Peer};
use super::world::{SECRET, World, detail};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a relay says that takes a letter, and how far it hears before each.
const DIALOGUE: [(&[u8], &str); 7] = [
    (b"", "220 relay ready\r\n"),
    (b"\r\n", "250-relay\r\n250 8BITMIME\r\n"),
    (b"\r\n", "250 sender\r\n"),
    (b"\r\n", "250 recipient\r\n"),
    (b"\r\n", "354 go on\r\n"),
    (b"\r\n.\r\n", "250 queued\r\n"),
    (b"\r\n", "221 bye\r\n"),
];

/// A relay that takes letters.
pub(super) fn taking() -> Vec<Do> {
    until_step(DIALOGUE.len(), Vec::new())
}

/// A relay that does something else from a step on.
fn until_step(step: usize, then: Vec<Do>) -> Vec<Do> {
    let mut script = Vec::new();
    for (at, (end, said)) in DIALOGUE.iter().enumerate() {
        if at > step {
            break;
        }
        if !end.is_empty() {
            script.push(Do::Hear(end));
        }
        if at < step {
            script.push(Do::Say(said.as_bytes().to_vec()));
        }
    }
    script.extend(then);
    script
}

pub(super) fn letter_to(relay: &str, more: &str) -> String {
    format!(
        "mail = {{ to = \"${{resource.email}}\", subject = \"Woof\", text = \"Hello\" }}\ntimeout = \"2s\"\n\
         [mail]\nrelay = \"{relay}\"\nfrom = \"Heeler <heeler@example.com>\"\n{more}"
    )
}

#[tokio::test]
async fn whatever_a_relay_does_before_the_letter_the_letter_was_not_sent() {
    let say = |text: &str| vec![Do::Say(text.as_bytes().to_vec())];
    for step in 0..=4 {
        for (name, then, outcome, fatal, code) in [
            ("refuses for now", say("451 later\r\n"), AttemptOutcome::Failed, false, Some(451)),
            ("refuses for good", say("550 never\r\n"), AttemptOutcome::Failed, true, Some(550)),
            ("goes away", vec![], AttemptOutcome::Failed, false, None),
            ("says nothing", vec![Do::Hang], AttemptOutcome::TimedOut, false, None),
            ("talks nonsense", say("HTTP/1.1 400 Bad Request\r\n\r\n"), AttemptOutcome::Failed, false, None),
            ("says half of it", say("250-"), AttemptOutcome::Failed, false, None),
            ("never ends", vec![Do::SayForEver(b"250-x\r\n".to_vec())], AttemptOutcome::Failed, false, None),
            ("never ends a line", vec![Do::SayForEver(b"250-xxxxxx".to_vec())], AttemptOutcome::Failed, false, None),
        ] {
            let peer = Peer::new(vec![until_step(step, then)]);
            let ending = World::new().letter(&letter_to(&format!("smtp://{}", peer.address), "")).await;
            let found = (ending.outcome, ending.fatal, ending.exit_code);
            assert_eq!(found, (outcome, fatal, code), "step {step}, {name}: {ending:?}");
            assert!(!peer.heard()[0].contains("Subject"), "step {step}, {name}");
        }
    }
}

#[tokio::test]
async fn of_a_letter_that_the_relay_has_nobody_knows_until_it_answers() {
    let say = |text: &str| vec![Do::Say(text.as_bytes().to_vec())];
    for (name, then, outcome, fatal) in [
        ("takes it", say("250 queued\r\n"), AttemptOutcome::Succeeded, false),
        ("refuses for now", say("452 full\r\n"), AttemptOutcome::Failed, false),
        ("refuses for good", say("554 spam\r\n"), AttemptOutcome::Failed, true),
        ("goes away", vec![], AttemptOutcome::Lost, false),
        ("talks nonsense", say("what\r\n"), AttemptOutcome::Lost, false),
        ("says half of it", say("250"), AttemptOutcome::Lost, false),
        ("says nothing", vec![Do::Hang], AttemptOutcome::Lost, false),
    ] {
        let peer = Peer::new(vec![until_step(5, then)]);
        let ending = World::new().letter(&letter_to(&format!("smtp://{}", peer.address), "")).await;
        assert_eq!((ending.outcome, ending.fatal), (outcome, fatal), "{name}: {ending:?}");
    }
}

#[tokio::test]
async fn a_relay_may_greet_late_and_need_not_say_goodbye() {
    let mut script = vec![Do::Drip(b"220 rel".to_vec()), Do::Say(b"ay\r\n".to_vec())];
    script.extend(until_step(6, Vec::new()).split_off(1));
    let peer = Peer::new(vec![script]);
    let ending = World::new().letter(&letter_to(&format!("smtp://{}", peer.address), "")).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
}

/// What a relay with TLS and passwords is like.
#[derive(Clone, Copy, PartialEq)]
enum Like {
    /// All of it from the first byte.
    Implicit,
    /// As it should be.
    StartTls,
    /// It says more before TLS than it should.
    Injecting,
    /// It promises TLS and does not speak it.
    Broken,
}

/// A relay that speaks TLS, the authority that vouches for it, and what it heard.
fn relay(like: Like, auth: &'static str) -> (SocketAddr, Vec<u8>, Arc<Mutex<String>>) {
    let (config, authority) = identity("localhost");
    let heard = Arc::<Mutex<String>>::default();
    let hears = Arc::clone(&heard);
    let address = serve(move |mut stream| {
        if like != Like::Implicit {
            write(&mut stream, "220 relay ready\r\n");
            line(&mut stream);
            write(&mut stream, "250-relay\r\n250 STARTTLS\r\n");
            if line(&mut stream) != "STARTTLS\r\n" {
                return;
            }
            match like {
                Like::Injecting => write(&mut stream, "220 go on\r\n250-injected\r\n250 AUTH PLAIN\r\n"),
                Like::Broken => return write(&mut stream, "220 go on\r\nnot TLS at all, sorry\r\n"),
                Like::StartTls | Like::Implicit => write(&mut stream, "220 go on\r\n"),
            }
        }
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a server");
        let mut stream = StreamOwned::new(connection, stream);
        if like == Like::Implicit {
            write(&mut stream, "220 relay ready\r\n");
        }
        loop {
            let said = line(&mut stream);
            hears.lock().expect("nobody panicked").push_str(&said);
            if said.is_empty() {
                return;
            }
            let answer = match said.split([' ', '\r']).next().unwrap_or_default() {
                "EHLO" => format!("250-relay\r\n{auth}250 8BITMIME\r\n"),
                "AUTH" if said.contains("LOGIN") => "334 VXNlcm5hbWU6\r\n".to_owned(),
                "AUTH" if auth.contains("REFUSE") => "535 no\r\n".to_owned(),
                "AUTH" => "235 hello\r\n".to_owned(),
                "DATA" => "354 go on\r\n".to_owned(),
                "QUIT" => return,
                "." => "250 queued\r\n".to_owned(),
                "MAIL" | "RCPT" => "250 fine\r\n".to_owned(),
                // A line of the letter.
                _ => continue,
            };
            write(&mut stream, &answer);
        }
    });
    (address, authority, heard)
}

const PASSWORD: &str = "user = \"heeler\"\npassword = \"${secret.HOOK}\"\n";

#[tokio::test]
async fn tls_and_a_password_are_used_as_a_relay_offers_them() {
    const AUTH: &str = "250-AUTH PLAIN LOGIN\r\n";
    for (name, like, scheme, auth, more, trusted, outcome, why) in [
        ("offered", Like::StartTls, "smtp", "", "", false, AttemptOutcome::Succeeded, ""),
        ("offered, verified", Like::StartTls, "smtp", AUTH, PASSWORD, true, AttemptOutcome::Succeeded, ""),
        ("offered by a stranger", Like::StartTls, "smtp", AUTH, PASSWORD, false, AttemptOutcome::Failed, "certificate"),
        ("required", Like::StartTls, "smtp+starttls", AUTH, PASSWORD, true, AttemptOutcome::Succeeded, ""),
        (
            "required of a stranger",
            Like::StartTls,
            "smtp",
            "",
            "tls = \"required\"\n",
            false,
            AttemptOutcome::Failed,
            "certificate",
        ),
        ("implicit", Like::Implicit, "smtps", AUTH, PASSWORD, true, AttemptOutcome::Succeeded, ""),
        ("implicit, a stranger", Like::Implicit, "smtps", AUTH, PASSWORD, false, AttemptOutcome::Failed, "no TLS"),
        ("no password wanted", Like::StartTls, "smtp", "", PASSWORD, true, AttemptOutcome::Failed, "lets nobody show"),
        (
            "another way",
            Like::StartTls,
            "smtp",
            "250-AUTH CRAM-MD5\r\n",
            PASSWORD,
            true,
            AttemptOutcome::Failed,
            "PLAIN, LOGIN",
        ),
        (
            "wrong",
            Like::StartTls,
            "smtp",
            "250-AUTH PLAIN REFUSE\r\n",
            PASSWORD,
            true,
            AttemptOutcome::Failed,
            "answered 535",
        ),
        ("injected", Like::Injecting, "smtp", AUTH, PASSWORD, true, AttemptOutcome::Failed, "no TLS"),
        ("broken", Like::Broken, "smtp", AUTH, "", true, AttemptOutcome::Failed, "no TLS"),
    ] {
        let (address, authority, heard) = relay(like, auth);
        let mut world = World::new();
        world.trust = if trusted { Trust::only(vec![authority]) } else { Trust::only(vec![identity("localhost").1]) };
        let ending = world.letter(&letter_to(&format!("{scheme}://localhost:{}", address.port()), more)).await;
        assert_eq!(ending.outcome, outcome, "{name}: {ending:?}");
        assert!(detail(&ending).contains(why), "{name}: {ending:?}");
        let heard = heard.lock().expect("nobody panicked").clone();
        assert_eq!(heard.contains("Subject: Woof"), outcome == AttemptOutcome::Succeeded, "{name}: {heard}");
        assert_eq!(
            heard.contains("AUTH PLAIN "),
            !more.is_empty() && auth.contains("PLAIN") && trusted && !why.contains("TLS"),
            "{name}: {heard}"
        );
        assert!(!format!("{ending:?}").contains(SECRET), "{name}");
    }
}

#[tokio::test]
async fn a_password_is_never_sent_in_the_clear() {
    let mut script = until_step(1, vec![Do::Say(b"250-relay\r\n250 AUTH PLAIN LOGIN\r\n".to_vec()), Do::Hang]);
    let peer = Peer::new(vec![script.clone()]);
    let ending = World::new().letter(&letter_to(&format!("smtp://{}", peer.address), PASSWORD)).await;
    assert!(
        ending.outcome == AttemptOutcome::Failed && detail(&ending).contains("never sent in the clear"),
        "{ending:?}"
    );
    assert!(!peer.heard()[0].contains("AUTH"), "{:?}", peer.heard());
    script.pop();
    let peer = Peer::new(vec![script]);
    let ending = World::new().letter(&letter_to(&format!("smtp://{}", peer.address), "tls = \"required\"\n")).await;
    assert!(detail(&ending).contains("required"), "{ending:?}");
}

/// A server that gives every request over TLS this answer, and its authority.
pub(crate) fn tls_peer(name: &str, answer: String) -> (SocketAddr, Vec<u8>) {
    let (config, authority) = identity(name);
    let address = serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a server");
        let mut stream = StreamOwned::new(connection, stream);
        let mut heard = Vec::new();
        let mut byte = [0; 1];
        let is_question = |heard: &[u8]| heard.starts_with(b"GET ") && heard.ends_with(b"\r\n\r\n");
        while !is_question(&heard) && !heard.ends_with(b"}") {
            match stream.read(&mut byte) {
                Ok(1) => heard.push(byte[0]),
                Ok(_) | Err(_) => return,
            }
        }
        write(&mut stream, &answer);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    (address, authority)
}

fn identity(name: &str) -> (Arc<ServerConfig>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a key");
    (Arc::new(config), certificate.to_vec())
}

/// Serves on a port, for as long as the tests run.
fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            handle(stream);
        }
    });
    address
}

fn write(stream: &mut impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

/// One line, read byte by byte, so that nothing behind it is taken.
fn line(stream: &mut impl Read) -> String {
    let mut line = String::new();
    let mut one = BufReader::with_capacity(1, stream);
    let _ = one.read_line(&mut line);
    line
}
