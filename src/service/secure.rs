//! TLS with a service that the command asks, by the authorities that requests
//! of operations go by, too.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::runner::Trust;

/// Makes sure that this is who it should be, and that nobody else can listen.
pub(crate) async fn secure(
    host: &str,
    stream: TcpStream,
) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
    Trust::of_the_machine().secure(host, stream).await
}
