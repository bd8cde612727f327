//! What is said to a relay, one command after the other.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials as LettreCredentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::letter::Letter;
use super::wire::Wire;
use super::{Office, failed, unknown};
use crate::domain::job::{AttemptOutcome, Ending, clip};
use crate::domain::outward::{Credentials, RelayTls};

/// How long one address has to take a connection, so that a dead one leaves
/// time for the next.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a relay has to say goodbye: the letter is settled by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// How much of an answer is repeated, in bytes: a line.
const SNIPPET_BYTES_MAX: usize = 256;

/// Ways to show a password, over TLS.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A relay that waits for a letter.
pub(super) struct Dialogue {
    connection: AsyncSmtpConnection,
}

/// Everything up to the letter itself. Nothing of it is sent when this fails.
pub(super) async fn prepare(office: &Office, letter: &Letter) -> Result<Dialogue, Ending> {
    let (stream, peer) = reach(office).await?;
    // Where a machine has no name of its own that all know, this is how it is called (RFC 5321, 4.1.3).
    let hello = match stream.local_addr().map(|address| address.ip()) {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::default(),
    };
    let (wire, is_implicit) = match office.relay.tls {
        RelayTls::Implicit => (Wire::tls(secure(office, stream).await?, peer), true),
        RelayTls::Required | RelayTls::Offered | RelayTls::None => (Wire::plain(stream, peer), false),
    };
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await;
    let mut connection = connection.map_err(|error| refused(office, "the greeting", &error))?;
    let is_private = is_implicit || encrypt(office, &mut connection, &hello).await?;
    if let Some(credentials) = &office.relay.credentials {
        authenticate(office, &mut connection, credentials, is_private).await?;
    }
    let said = |what| move |error: Error| refused(office, what, &error);
    let from = letter.envelope.from().cloned();
    connection.command(Mail::new(from, Vec::new())).await.map_err(said("the sender"))?;
    for to in letter.envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(said("a recipient"))?;
    }
    connection.command(Data).await.map_err(said("the letter"))?;
    Ok(Dialogue { connection })
}

impl Dialogue {
    /// Sends the letter, and hears whether it was taken.
    pub(super) async fn send(&mut self, office: &Office, letter: &Letter) -> Ending {
        match self.connection.message(&letter.message).await {
            Ok(_) => {
                Ending { result: Some(json!({ "messageId": letter.id })), ..Ending::new(AttemptOutcome::Succeeded) }
            }
            // The relay says itself that it did not take it.
            Err(error) if error.is_permanent() || error.is_transient() => refused(office, "the letter", &error),
            Err(_) => {
                unknown("the connection to the relay ended, or what it said made no sense, after it had the letter")
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn leave(mut self) {
        let _ = timeout(GOODBYE, self.connection.quit()).await;
    }
}

async fn reach(office: &Office) -> Result<(TcpStream, SocketAddr), Ending> {
    let relay = &office.relay;
    let addresses = tokio::net::lookup_host((relay.host.as_str(), relay.port)).await;
    let addresses = addresses.map_err(|_| failed("Unreachable", "the relay cannot be resolved".to_owned()))?;
    let mut last = io::ErrorKind::HostUnreachable;
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => last = error.kind(),
            Err(_) => last = io::ErrorKind::TimedOut,
        }
    }
    Err(failed("Unreachable", format!("the relay cannot be reached: {last}")))
}

async fn secure(office: &Office, stream: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Ending> {
    let trusted = office.trust.read().await.map_err(no_tls)?;
    let name = ServerName::try_from(office.relay.host.clone()).map_err(|error| no_tls(error.to_string()))?;
    let connected = TlsConnector::from(Arc::clone(&trusted.client)).connect(name, stream).await;
    connected.map_err(|error| no_tls(error.kind().to_string()))
}

/// Turns to TLS where that is wanted and offered, and says whether nobody
/// listens and the relay is who it should be.
///
/// Where TLS may be left out, its certificate may be anybody's: the
/// alternative is to say everything to everybody.
async fn encrypt(office: &Office, connection: &mut AsyncSmtpConnection, hello: &ClientId) -> Result<bool, Ending> {
    let is_verified = office.relay.credentials.is_some() || office.relay.tls == RelayTls::Required;
    match (office.relay.tls, connection.can_starttls()) {
        (RelayTls::Implicit | RelayTls::None, _) | (RelayTls::Offered, false) => return Ok(false),
        (RelayTls::Required, false) => {
            return Err(no_tls("the relay does not offer it, and it is required".to_owned()));
        }
        (RelayTls::Required | RelayTls::Offered, true) => {}
    }
    let mut parameters = TlsParameters::builder(office.relay.host.clone()).certificate_store(CertificateStore::None);
    if is_verified {
        let trusted = office.trust.read().await.map_err(no_tls)?;
        for authority in trusted.authorities.iter() {
            let authority = Certificate::from_der(authority.to_vec());
            parameters = parameters.add_root_certificate(authority.map_err(|error| no_tls(error.to_string()))?);
        }
    } else {
        parameters = parameters.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
    }
    let parameters = parameters.build_rustls().map_err(|error| no_tls(error.to_string()))?;
    match connection.starttls(parameters, hello).await {
        Ok(()) => Ok(is_verified),
        Err(error) if error.is_permanent() || error.is_transient() => Err(refused(office, "TLS", &error)),
        Err(_) => Err(no_tls("its certificate or what it says cannot be accepted".to_owned())),
    }
}

async fn authenticate(
    office: &Office,
    connection: &mut AsyncSmtpConnection,
    credentials: &Credentials,
    is_private: bool,
) -> Result<(), Ending> {
    if !is_private {
        return Err(no_tls("the relay does not offer it, and a password is never sent in the clear".to_owned()));
    }
    if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
        let message = "the relay lets nobody show a password, or in no way that is known here (PLAIN, LOGIN)";
        return Err(failed("Unauthenticated", message.to_owned()));
    }
    let credentials = LettreCredentials::new(credentials.user.clone(), credentials.password.clone());
    match connection.auth(&MECHANISMS, &credentials).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(office, "the user and the password", &error)),
    }
}

fn no_tls(why: String) -> Ending {
    failed("NoTls", format!("no TLS with the relay: {why}"))
}

/// How an attempt ends whose letter was not taken. A 5 says for good, a 4 for
/// now; whatever else went wrong may go right another time.
fn refused(office: &Office, what: &str, error: &Error) -> Ending {
    let Some(code) = error.status() else {
        return failed(
            "Unreachable",
            format!("the connection to the relay ended, or what it said made no sense, at {what}"),
        );
    };
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    let text = office.means.surroundings.secrets.scrub(&text).replace(char::is_control, " ");
    let message = format!("the relay answered {code} to {what}: {}", clip(text.trim(), SNIPPET_BYTES_MAX));
    let exit_code = code.to_string().parse().ok();
    let (reason, fatal) = if error.is_permanent() { ("Rejected", true) } else { ("Deferred", false) };
    Ending { exit_code, fatal, ..failed(reason, message) }
}
