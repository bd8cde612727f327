//! Every route, every method, everybody.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::super::routes;
use super::super::{Http, HttpConfig};
use super::*;
use crate::api::{Api, AttemptLogs};
use crate::clock::{SystemClock, SystemEntropy};
use crate::domain::catalog::{ActivitySpec, Catalog, Collection};
use crate::domain::id::{ActivityName, JobId, ResourceKey};
use crate::domain::patch::PatchLimits;
use crate::domain::principal::Token;
use crate::state::State;
use crate::store::memory::MemoryStore;

const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The kind of route after this one. A new kind of route stops the build here,
/// until it has its place.
fn after(route: Option<&Route>) -> Option<Route> {
    let key = ResourceKey { collection: "videos".parse().expect("a name"), id: "42".parse().expect("an id") };
    let activity: ActivityName = "processing".parse().expect("a name");
    let job: JobId = JOB.parse().expect("an id");
    Some(match route {
        None => Route::Home,
        Some(Route::Home) => Route::Server,
        Some(Route::Server) => Route::Health,
        Some(Route::Health) => Route::Ready,
        Some(Route::Ready) => Route::Metrics,
        Some(Route::Metrics) => Route::OpenApi,
        Some(Route::OpenApi) => Route::Schema("transcode".to_owned()),
        Some(Route::Schema(_)) => Route::Problems,
        Some(Route::Problems) => Route::Problem(Kind::Forbidden),
        Some(Route::Problem(_)) => Route::Backup,
        Some(Route::Backup) => Route::Collection(key.collection),
        Some(Route::Collection(_)) => Route::Resource(key),
        Some(Route::Resource(_)) => Route::Activity(key, activity),
        Some(Route::Activity(..)) => Route::EditableActivity(key, "tasks".parse().expect("a name")),
        Some(Route::EditableActivity(..)) => Route::Form(key, activity),
        Some(Route::Form(..)) => Route::Ticks(key, activity),
        Some(Route::Ticks(..)) => Route::Member(key, "/title".parse().expect("a pointer")),
        Some(Route::Member(..)) => Route::LastJob(key, activity),
        Some(Route::LastJob(..)) => Route::ActivityJob(key, activity, job),
        Some(Route::ActivityJob(..)) => Route::Jobs,
        Some(Route::Jobs) => Route::Job(job),
        Some(Route::Job(_)) => Route::JobLog(job),
        Some(Route::JobLog(_)) => Route::JobQueue(job),
        Some(Route::JobQueue(_)) => Route::Operations,
        Some(Route::Operations) => Route::Operation("transcode".parse().expect("a name")),
        Some(Route::Operation(name)) => Route::Leases(name.clone()),
        Some(Route::Leases(_)) => return None,
    })
}

fn every_route() -> Vec<Route> {
    std::iter::successors(after(None), |route| after(Some(route))).collect()
}

/// A path that leads to a route: its label, filled in.
fn path(route: &Route) -> String {
    let name = if matches!(route, Route::Problem(_)) { "forbidden" } else { "transcode" };
    let activity = if matches!(route, Route::EditableActivity(..)) { "tasks" } else { "processing" };
    let filled = [
        ("{collection}", "videos"),
        ("{id}", "42"),
        ("{activity}", activity),
        ("{member}", "title"),
        ("{job}", JOB),
        ("{name}", name),
    ];
    filled.iter().fold(route.label().to_owned(), |path, (variable, value)| path.replace(variable, value))
}

fn catalog() -> Catalog {
    let videos = Collection {
        activities: vec![
            ActivitySpec::new("processing".parse().expect("a name")),
            ActivitySpec { editable: true, ..ActivitySpec::new("tasks".parse().expect("a name")) },
        ],
        ..Collection::new("videos".parse().expect("a name"))
    };
    Catalog { collections: [(videos.name.clone(), Arc::new(videos))].into(), ..Catalog::default() }
}

#[derive(Debug)]
struct NoLogs;

impl AttemptLogs for NoLogs {
    fn open(&self, _job: JobId, _number: u32) -> Option<(u64, std::fs::File)> {
        None
    }

    fn forget(&self, _job: JobId) -> std::io::Result<()> {
        Ok(())
    }
}

/// A token for each role: its own word.
fn access() -> Access {
    Access::Holders(
        Role::ALL
            .into_iter()
            .map(|role| Token {
                name: format!("the-{}", role.as_str()).parse().expect("a name"),
                role,
                digest: TokenDigest::of(role.as_str().as_bytes()),
            })
            .collect(),
    )
}

fn http(access: Access) -> Http {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let state = State::new(Arc::new(MemoryStore::new()), clock, entropy, Arc::new(catalog()));
    Http::new(Api::new(state, Arc::new(NoLogs), PatchLimits::default()), HttpConfig { access, ..HttpConfig::default() })
}

async fn status(http: &Http, method: &Method, path: &str, authorization: Option<&str>) -> StatusCode {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request.body(Full::new(Bytes::new())).expect("a request");
    let service = TowerToHyperService::new(warp::service(http.service()));
    service.call(request).await.expect("it never fails").status()
}

/// What becomes of who asks: `in`, or the status that keeps them out.
fn shown(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "401",
        StatusCode::FORBIDDEN => "403",
        StatusCode::METHOD_NOT_ALLOWED => "405",
        _ => "in",
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_this_table_says() {
    let http = http(access());
    let mut table = format!("{:51} none wrong reader writer worker admin\n", "");
    for route in every_route() {
        let path = path(&route);
        let found = routes::parse(&path, &catalog()).expect("a route");
        assert_eq!(found.label(), route.label(), "{path}");
        for method in METHODS {
            let tokens = ["woof"].into_iter().chain(Role::ALL.map(Role::as_str));
            let mut row = vec![status(&http, &method, &path, None).await];
            for token in tokens {
                row.push(status(&http, &method, &path, Some(&format!("Bearer {token}"))).await);
            }
            let [none, wrong, reader, writer, worker, admin] = row.into_iter().map(shown).collect::<Vec<_>>()[..]
            else {
                panic!("six of them");
            };
            if [none, wrong, reader, writer, worker, admin] == ["405"; 6] {
                continue;
            }
            let (method, label) = (method.as_str(), route.label());
            writeln!(table, "{method:7} {label:43} {none:4} {wrong:5} {reader:6} {writer:6} {worker:6} {admin}")
                .expect("room");
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn where_nobody_is_asked_who_they_are_everybody_is_let_in_whatever_they_say() {
    let http = http(Access::Anyone);
    for route in every_route() {
        for method in METHODS {
            for authorization in [None, Some("Bearer woof"), Some("nonsense")] {
                let status = status(&http, &method, &path(&route), authorization).await;
                assert!(matches!(shown(status), "in" | "405"), "{method} {}: {status}", route.label());
            }
        }
    }
}

#[test]
fn a_token_is_taken_from_bearer_and_as_the_password_of_basic() {
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let access = access();
    for (authorization, who) in [
        ("Bearer writer".to_owned(), Some("the-writer")),
        ("bearer  writer ".to_owned(), Some("the-writer")),
        (basic("anybody:writer"), Some("the-writer")),
        (basic(":writer"), Some("the-writer")),
        (basic("a:b:writer"), None),
        (basic("writer"), None),
        (basic("writer:"), None),
        (basic("ä:writer").replace("Basic", "BASIC"), Some("the-writer")),
        ("Basic writer".to_owned(), None),
        ("Basic %%%".to_owned(), None),
        ("Bearer".to_owned(), None),
        ("Bearer ".to_owned(), None),
        ("writer".to_owned(), None),
        ("Token writer".to_owned(), None),
        ("Bearer Writer".to_owned(), None),
        (String::new(), None),
    ] {
        let headers = [(AUTHORIZATION, HeaderValue::try_from(&authorization).expect("a value"))].into_iter().collect();
        let judged = judge(&access, &Route::Jobs, Verb::Get, &headers);
        assert_eq!(judged.ok().map(|principal| principal.name), who, "{authorization}");
    }
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer writer"));
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer writer"));
    assert!(judge(&access, &Route::Jobs, Verb::Get, &twice).is_err());
}

#[test]
fn a_token_is_never_repeated() {
    let authorization = HeaderValue::from_static("Bearer open-sesame");
    let headers = [(AUTHORIZATION, authorization)].into_iter().collect();
    let problem = judge(&access(), &Route::Jobs, Verb::Get, &headers).expect_err("a stranger");
    assert!(!format!("{problem:?}").contains("sesame"));
}
