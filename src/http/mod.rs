//! HTTP: requests become use cases, what they give becomes answers.
//!
//! # Guarantees
//! What RFC 9110 and the specification of this service ask of a resource holds
//! for every one of them, because all go through one table ([`routes`]) and one
//! order of judgement ([`dispatch`]). A panic costs one request an answer of
//! 500. Every error is a problem (RFC 9457).
//! # Assumptions
//! TLS, and who may connect at all, are a proxy's or the operator's affair.
//! # Not here
//! What a change means and leads to: [`crate::api`].

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::api::Api;
use crate::domain::principal::Access;
use crate::metrics::Metrics;

mod auth;
mod backup;
mod body;
mod coding;
mod conditions;
mod cors;
mod counts;
mod discovery;
mod dispatch;
mod events;
mod fixed;
mod forms;
mod home;
mod job_lists;
mod jobs;
mod leases;
mod ledger;
mod logs;
mod media;
mod members;
mod once;
pub mod openapi;
mod origin;
mod pages;
mod percent;
mod posts;
mod prefer;
mod problem;
mod query;
mod range;
mod reply;
mod resources;
mod routes;
mod server;
mod timing;
mod trial;
mod vary;
mod watching;

use body::Payload;
use coding::Coder;
use cors::Cors;
use counts::Counts;
use dispatch::Asked;
use openapi::Descriptions;
use origin::{Names, RequestLine};
pub use server::{Server, ServerConfig};

/// What the operator can set about HTTP.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The addresses that are listened on.
    pub addresses: Vec<SocketAddr>,
    /// Further names under which the service is reached, with or without a port.
    pub hosts: Vec<String>,
    /// Who may ask.
    pub access: Access,
    /// The other origins whose pages may ask, as browsers spell them.
    pub origins: Vec<String>,
    /// The largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// The deepest body of a request, in levels of nesting.
    pub depth_max: usize,
    /// The most operations of a JSON Patch.
    pub patch_operations_max: usize,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
    /// How long who reads a backup may be behind.
    pub backup: Duration,
    /// How long connections may take over everything else.
    pub server: ServerConfig,
    /// What is counted.
    pub metrics: Metrics,
}

impl HttpConfig {
    /// A body is parsed in memory, and becomes a document that is sent whole.
    pub const BODY_BYTES_MAX: usize = 1024 * 1024;
    /// Deeper documents are mistakes, and some parsers cannot read them.
    pub const DEPTH_MAX: usize = 64;
    /// Each operation costs time, and all are applied in one piece.
    pub const PATCH_OPERATIONS_MAX: usize = 1000;
    /// The largest body needs less on any line that is fit for use.
    pub const BODY: Duration = Duration::from_secs(30);
    /// Enough to get over a pause of a line or a disk; the store keeps what the
    /// backup holds for as long as it is read.
    pub const BACKUP: Duration = Duration::from_secs(60);
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            hosts: Vec::new(),
            access: Access::Anyone,
            origins: Vec::new(),
            body_bytes_max: Self::BODY_BYTES_MAX,
            depth_max: Self::DEPTH_MAX,
            patch_operations_max: Self::PATCH_OPERATIONS_MAX,
            body: Self::BODY,
            backup: Self::BACKUP,
            server: ServerConfig::default(),
            metrics: Metrics::default(),
        }
    }
}

/// The use cases, served over HTTP. Cheap to clone.
#[derive(Clone)]
pub struct Http(Arc<RwLock<Arc<Inner>>>);

/// What a request is answered from, from its head to its answer.
struct Inner {
    api: Api,
    config: HttpConfig,
    names: Names,
    cors: Cors,
    coder: Arc<Coder>,
    descriptions: Descriptions,
    counts: Arc<Counts>,
    /// Ends the waiting that clients asked for, and readiness.
    stopping: CancellationToken,
}

impl Inner {
    fn new(api: Api, config: HttpConfig, coder: Arc<Coder>, counts: Arc<Counts>, stopping: CancellationToken) -> Self {
        let names = Names::new(&config.addresses, &config.hosts);
        let cors = Cors::new(&config.origins);
        let descriptions = Descriptions::new(api.catalog(), &config.access);
        Self { api, config, names, cors, coder, descriptions, counts, stopping }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("config", &self.now().config).finish_non_exhaustive()
    }
}

impl Http {
    /// Use cases, and how they are served.
    #[must_use]
    pub fn new(api: Api, config: HttpConfig) -> Self {
        let counts = Arc::new(Counts::new(config.metrics.clone()));
        watching::register(&config.metrics);
        let inner = Inner::new(api, config, Arc::default(), counts, CancellationToken::new());
        Self(Arc::new(RwLock::new(Arc::new(inner))))
    }

    /// Lets whatever is asked from now on be answered from other use cases, and
    /// otherwise; what is being answered goes on as it began. Connections, and
    /// what is said of them in the configuration, stay as they are.
    pub fn replace(&self, api: Api, config: HttpConfig) {
        let now = self.now();
        let (coder, counts, stopping) = (Arc::clone(&now.coder), Arc::clone(&now.counts), now.stopping.clone());
        let inner = Arc::new(Inner::new(api, config, coder, counts, stopping));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = inner;
    }

    fn now(&self) -> Arc<Inner> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer to a request of this program itself, which need not name its host.
    pub async fn answer(&self, mut request: Request<Bytes>) -> http::Response<Bytes> {
        let named = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        request.headers_mut().entry(HOST).or_insert(named.unwrap_or(HeaderValue::from_static("localhost")));
        let service = TowerToHyperService::new(warp::service(self.service()));
        let (parts, body) = match service.call(request.map(Full::new)).await {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        match body.collect().await {
            Ok(body) => http::Response::from_parts(parts, body.to_bytes()),
            // A log that was cut off or forgotten while it was read.
            Err(_) => {
                let mut broken = http::Response::default();
                *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                broken
            }
        }
    }

    /// The one filter that takes every request and answers it.
    ///
    /// It never rejects: what is where is our own table's to say, since a
    /// rejection can tell neither 405 from 404 nor what is allowed instead.
    #[must_use]
    pub fn service(&self) -> BoxedFilter<(Response,)> {
        let http = self.clone();
        let query = warp::query::raw().or(warp::any().map(String::new)).unify();
        warp::method()
            .and(warp::path::full())
            .and(query)
            .and(warp::header::headers_cloned())
            .and(warp::ext::optional::<RequestLine>())
            .and(warp::body::stream())
            .then(move |method, path, query, headers, line, body| {
                // Taken once: no request is answered from half of two.
                let http = http.now();
                let asked = Asked { method, path, query, headers, line, body: Payload::new(body) };
                async move { dispatch::answer(&http, asked).await }
            })
            .boxed()
    }
}

/// Serves until the shutdown resolves, and then what is under way for as long
/// as the drain allows. Clients that wait for something are answered at once.
pub async fn serve(listeners: Vec<TcpListener>, http: Http, shutdown: impl Future<Output = ()>) {
    let service = TowerToHyperService::new(warp::service(http.service()));
    let service = service_fn(move |request| service.call(with_request_line(request)));
    let inner = http.now();
    let stopping = inner.stopping.clone();
    let shutdown = async {
        shutdown.await;
        stopping.cancel();
    };
    let open = inner.config.metrics.present("heeler_http_connections", "Connections that are open.", &[]);
    Server::new(inner.config.server.clone()).counting(open).run(listeners, service, shutdown).await;
}

/// Keeps what filters cannot see, where it is not as it nearly always is.
fn with_request_line(mut request: Request<Incoming>) -> Request<Incoming> {
    let authority = request.uri().authority().cloned();
    if authority.is_some() || request.version() != http::Version::HTTP_11 {
        let line = RequestLine { version: request.version(), authority };
        request.extensions_mut().insert(line);
    }
    // A target that is an authority and nothing else (RFC 9112, 3.2.3) is about
    // no resource, and filters take for granted that there is a path.
    if request.uri().path_and_query().is_none() {
        *request.uri_mut() = Uri::from_static("*");
    }
    request
}
