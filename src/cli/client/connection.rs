//! One connection to a service, used for one request after another.
//!
//! # Guarantees
//! It is worked on only while somebody waits for an answer, so that no task
//! outlives who asked.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::BODY_BYTES_MAX;
use super::server::{Scheme, Server};
use crate::service::secure;

/// How long a connection may take to be there: longer, and nobody is at home.
const CONNECT: Duration = Duration::from_secs(10);

/// What a connection is made of.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Why an exchange did not come to its end.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

type Driver = Pin<Box<http1::Connection<TokioIo<Box<dyn Socket>>, Full<Bytes>>>>;

/// A connection.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<Driver>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects; nothing is sent yet.
    pub(super) async fn open(server: &Server) -> io::Result<Self> {
        let in_time = |ended: Result<io::Result<_>, _>| ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = TcpStream::connect((server.host.as_str(), server.port));
        let stream: TcpStream = in_time(timeout(CONNECT, stream).await)?;
        // A request is one write, and waits for nothing.
        let _ = stream.set_nodelay(true);
        let socket: Box<dyn Socket> = match server.scheme {
            Scheme::Http => Box::new(stream),
            Scheme::Https => match timeout(CONNECT, secure(&server.host, stream)).await {
                Ok(stream) => Box::new(stream?),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            },
        };
        let (sender, driver) = http1::handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::pin(driver)) })
    }

    /// Whether another request can be sent.
    pub(super) fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Sends a request, and reads the whole answer.
    pub(super) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Broken> {
        let Self { sender, driver } = self;
        let answer = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        beside(driver, answer).await
    }

    /// Sends a request, and reads the answer up to where its body begins.
    pub(super) async fn begin(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Broken> {
        let Self { sender, driver } = self;
        let answer = async {
            sender.ready().await?;
            Ok(sender.send_request(request).await?)
        };
        beside(driver, answer).await
    }

    /// The next bytes of a body; `None` at its end.
    pub(super) async fn more(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Broken> {
        beside(&mut self.driver, async {
            loop {
                match body.frame().await.transpose()? {
                    None => return Ok(None),
                    Some(frame) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Ok(Some(bytes));
                        }
                    }
                }
            }
        })
        .await
    }

    /// Does something that needs the connection to go on.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        beside(&mut self.driver, work).await
    }
}

/// Works on the connection until the work beside it is done.
async fn beside<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Some(driving) = driver {
        tokio::select! {
            // What was answered before the connection ended is an answer.
            biased;
            done = &mut work => return done,
            _ = driving => *driver = None,
        }
    }
    work.await
}
