//! Requests of the program itself, without a socket.

use bytes::Bytes;

use crate::http::Http;

/// Asks a service that runs in this program, as clients do over HTTP, only
/// without a connection. Cheap to clone; made by [`Heeler::client`](super::Heeler::client).
///
/// What a request may do, and how it is answered, is what the HTTP interface
/// says: where there is an `[auth]`, these requests need a token, too.
#[derive(Debug, Clone)]
pub struct Client(pub(super) Http);

impl Client {
    /// The answer to a request. Where it names no `Host`, it is for this service.
    ///
    /// Changes are made, and jobs recorded, whether or not the service
    /// [serves](super::Heeler::serve) yet; jobs run once it does.
    pub async fn send(&self, request: ::http::Request<impl Into<Bytes>>) -> ::http::Response<Bytes> {
        self.0.answer(request.map(Into::into)).await
    }
}
