//! From a URL to a connection: the name is resolved, every address that it has
//! is judged, and the connection is made to one of these and to no other.
//!
//! # Guarantees
//! A name is resolved once for each connection, so what it leads to later
//! changes nothing; one address that may not be connected to is enough to
//! connect to none.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{HttpConfig, failed};
use crate::domain::job::Ending;
use crate::domain::outward::{Allow, Host, HostFrom, Kind, Scheme, Target};

/// How long one address has to take a connection, so that a dead one leaves
/// time for the next.
const CONNECT: Duration = Duration::from_secs(10);

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Where names lead.
#[async_trait]
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of a name.
    ///
    /// # Errors
    /// It cannot be resolved now, or has none.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the resolver of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A connection, in the clear or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why there is no connection. Nothing of the request was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    /// The name leads nowhere.
    #[error("the host cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// It leads where no request may go.
    #[error("the host is at {}, where this operation may not send anything: the operator can list the host or its range in `allow`", .0.words())]
    Forbidden(Kind),
    /// Nobody there.
    #[error("the service cannot be reached: {}", words(.0.kind()))]
    Unreachable(#[source] io::Error),
    /// It is not who it should be, or does not speak TLS.
    #[error("no TLS with the service: {0}")]
    Tls(String),
}

impl NoConnection {
    /// How an attempt ends that could not connect.
    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Forbidden(_) => Ending { fatal: true, ..failed("Forbidden", self.to_string()) },
            Self::Unresolved(_) | Self::Unreachable(_) | Self::Tls(_) => failed("Unreachable", self.to_string()),
        }
    }
}

fn words(kind: io::ErrorKind) -> String {
    if kind == io::ErrorKind::TimedOut { "no connection in time".to_owned() } else { kind.to_string() }
}

/// Connects to where a request goes.
pub(super) async fn connect(
    config: &HttpConfig,
    target: &Target,
    from: HostFrom,
    allow: &Allow,
) -> Result<Box<dyn Stream>, NoConnection> {
    let addresses = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => config.resolver.resolve(name).await.map_err(NoConnection::Unresolved)?,
    };
    for address in &addresses {
        allow.judge(&target.host, from, *address).map_err(NoConnection::Forbidden)?;
    }
    let stream = reach(&addresses, target.port).await?;
    // A request is one write, and waits for nothing.
    let _ = stream.set_nodelay(true);
    match target.scheme {
        Scheme::Http => Ok(Box::new(stream)),
        Scheme::Https => Ok(Box::new(secure(config, target, stream).await?)),
    }
}

async fn reach(addresses: &[IpAddr], port: u16) -> Result<TcpStream, NoConnection> {
    let mut last = io::Error::from(io::ErrorKind::HostUnreachable);
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match timeout(CONNECT, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(NoConnection::Unreachable(last))
}

async fn secure(
    config: &HttpConfig,
    target: &Target,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, NoConnection> {
    let trusted = config.trust.read().await.map_err(NoConnection::Tls)?;
    let name = match &target.host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| NoConnection::Tls(error.to_string()))?,
        Host::Address(address) => ServerName::IpAddress((*address).into()),
    };
    let connector = TlsConnector::from(Arc::clone(&trusted.client));
    connector.connect(name, stream).await.map_err(|error| {
        // What certificates a host has is not for those who only see a job.
        let is_heard = error.kind() == io::ErrorKind::InvalidData;
        let unacceptable = "its certificate or what it says cannot be accepted";
        NoConnection::Tls(if is_heard { unacceptable.to_owned() } else { error.kind().to_string() })
    })
}
