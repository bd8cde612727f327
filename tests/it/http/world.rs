//! The one place where the tests of the wire get a service from.

use std::net::SocketAddr;

use heeler::api::Api;
use heeler::http::{Http, HttpConfig, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A service on a fresh, empty store, with a clock and ids that are the same
/// in every run.
pub(super) fn api() -> Api {
    Api::stub()
}

/// A service that listens on an ephemeral loopback port.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Serves a fresh service under this configuration.
pub(super) async fn serve_with(config: HttpConfig) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let http = Http::new(api(), HttpConfig { addresses: vec![address], ..config });
    let serving = tokio::spawn(serve(vec![listener], http, async {
        stopped.await.unwrap_or_default();
    }));
    Served { address, stop, serving }
}

impl Served {
    /// Ends it and waits until it has ended.
    pub(super) async fn stop(self) {
        self.stop.send(()).expect("it serves until it is told to stop");
        self.serving.await.expect("serving does not panic");
    }
}
