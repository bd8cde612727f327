//! What is where, and what can be done there, as tables.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::links;
use crate::domain::catalog::{ActivitySpec, Alias, Availability, Collection};
use crate::domain::paths;

const JOB_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn catalog() -> Catalog {
    let name = |name: &str| -> CollectionName { name.parse().expect("a name") };
    let activity = || ActivitySpec::new("processing".parse().expect("a name"));
    let videos = Collection { activities: vec![activity()], ..Collection::new(name("videos")) };
    let orders = Collection {
        path: "/order".to_owned(),
        activities: vec![ActivitySpec { editable: true, ..activity() }],
        ..Collection::new(name("orders"))
    };
    let users = Collection { path: "/api/v1/users".to_owned(), ..Collection::new(name("users")) };
    let alias = |path: &str, target: &str| Alias {
        path: paths::parse(path).expect("a path"),
        target: paths::parse(target).expect("a path"),
    };
    let collections = [videos, orders, users].map(|collection| (collection.name.clone(), Arc::new(collection)));
    Catalog {
        collections: collections.into(),
        aliases: vec![
            alias("/latest", "/v1/videos/main/processing/last"),
            alias("/u/{id}/{member}/now", "/api/v1/users/{id}/{member}"),
            alias("/v1/videos/{id}/cancel", "/v1/videos/{id}/canceled/by"),
        ],
        ..Catalog::default()
    }
}

#[test]
fn nothing_is_at_the_paths_of_a_collection_that_is_out_of_service() {
    let mut catalog = catalog();
    for collection in catalog.collections.values_mut().filter(|collection| collection.name.as_str() != "users") {
        *collection = Arc::new(Collection { availability: Availability::Retired, ..Collection::clone(collection) });
    }
    catalog.retire();
    let below = ["", "/", "/42", "/42/", "/4 2", "/42/processing", "/42/processing/last", "/42/title"];
    let mounts = ["/v1/videos", "/order"].into_iter().flat_map(|mount| below.map(|below| format!("{mount}{below}")));
    for path in mounts.chain(["/latest".to_owned(), "/v1/videos/42/cancel".to_owned()]) {
        assert_eq!(parse(&path, &catalog), Err(NoRoute::Unknown), "{path}");
    }
    assert!(parse("/u/42/name/now", &catalog).is_ok());
}

#[test]
fn every_path_names_what_the_table_says() {
    let job = format!("/v1/jobs/{JOB_ID}");
    let of_activity = format!("/v1/videos/42/processing/{JOB_ID}");
    for (path, label) in [
        ("/", "/"),
        ("*", "*"),
        ("/healthz", "/healthz"),
        ("/readyz/", "/readyz"),
        ("/problems/not-found", "/problems/{name}"),
        ("/v1/videos", "/v1/{collection}"),
        ("/v1/videos/", "/v1/{collection}"),
        ("/v1/videos/42", "/v1/{collection}/{id}"),
        ("/v1/videos/42/", "/v1/{collection}/{id}"),
        ("/v1/videos/jobs", "/v1/{collection}/{id}"),
        ("/v1/videos/42/processing", "/v1/{collection}/{id}/{activity}"),
        ("/v1/videos/42/processing/last", "/v1/{collection}/{id}/{activity}/last"),
        (&of_activity, "/v1/{collection}/{id}/{activity}/{job}"),
        ("/v1/jobs", "/v1/jobs"),
        ("/v1/jobs/", "/v1/jobs"),
        (&job, "/v1/jobs/{job}"),
        (&format!("{job}/log"), "/v1/jobs/{job}/log"),
        (&format!("{job}/queue"), "/v1/jobs/{job}/queue"),
        ("/v1/operations", "/v1/operations"),
        ("/v1/operations/transcode", "/v1/operations/{name}"),
        ("/v1/operations/transcode/leases", "/v1/operations/{name}/leases"),
        ("/v1/videos/42/processing/form", "/v1/{collection}/{id}/{activity}/form"),
        ("/v1/videos/42/processing/ticks", "/v1/{collection}/{id}/{activity}/ticks"),
        ("/order/123/processing/ticks/", "/v1/{collection}/{id}/{activity}/ticks"),
        ("/v1/videos/42/ticks", "/v1/{collection}/{id}/{member}"),
        ("/v1/videos/42/title", "/v1/{collection}/{id}/{member}"),
        ("/v1/videos/42/tags/0/name/", "/v1/{collection}/{id}/{member}"),
        ("/v1/videos/42/status/processing", "/v1/{collection}/{id}/{member}"),
        ("/order", "/v1/{collection}"),
        ("/order/123", "/v1/{collection}/{id}"),
        ("/order/123/canceled", "/v1/{collection}/{id}/{member}"),
        ("/api/v1/users/7", "/v1/{collection}/{id}"),
        ("/api/v1/users/7/processing", "/v1/{collection}/{id}/{member}"),
        ("/latest", "/v1/{collection}/{id}/{activity}/last"),
        ("/latest/", "/v1/{collection}/{id}/{activity}/last"),
        ("/%6catest", "/v1/{collection}/{id}/{activity}/last"),
        ("/u/7/name/now", "/v1/{collection}/{id}/{member}"),
    ] {
        assert_eq!(parse(path, &catalog()).map(|route| route.label()), Ok(label), "{path}");
    }
}

#[test]
fn a_path_that_names_nothing_is_unknown() {
    for path in [
        "//",
        "/v1",
        "/v2/videos",
        "/v1/films",
        "/v1//videos",
        "/v1/videos//",
        "//v1/videos",
        "/v1/videos/a b/processing",
        "/v1/videos/a b/title",
        "/v1/orders",
        "/orders/123",
        "/orde/r",
        "/api/v1",
        "/api/v1/user",
        "/latest/x",
        "/u/7/name",
        "/u/a b/name/now",
        "/v1/videos/42/title//x",
        "/v1/videos/42/processing/first",
        "/v1/videos/42/processing/last/x",
        "/v1/videos/42/processing/ticks/x",
        "/v1/videos/42/processing/last/x/y/z",
        "/v1/jobs/7",
        "/v1/jobs/01890A5D-AC96-774B-BCCE-B302099A8057",
        "/v1/operations/1a",
        "/v1/operations/a/b",
        "/problems/none",
        "/healthz/x",
        "",
    ] {
        assert_eq!(parse(path, &catalog()), Err(NoRoute::Unknown), "{path}");
    }
}

#[test]
fn segments_are_decoded_once_and_after_the_split() {
    let id = |path: &str| match parse(path, &catalog()) {
        Ok(Route::Resource(key)) => Ok(key.id.to_string()),
        other => Err(other),
    };
    assert_eq!(id("/v1/videos/%34%32"), Ok("42".to_owned()));
    assert_eq!(id("/%76%31/videos/a%40b"), Ok("a@b".to_owned()));
    // One decoding gives `a%2Fb` and `a/b`, neither of which is an id.
    for path in ["/v1/videos/a%252Fb", "/v1/videos/a%2Fb", "/v1/videos/%2E", "/v1/videos/a%00", "/v1/videos/%C3%A4"] {
        assert!(matches!(id(path), Err(Err(NoRoute::InvalidId { .. }))), "{path}");
    }
}

#[test]
fn broken_percent_encoding_is_malformed_wherever_it_is() {
    for path in ["/%", "/v1/videos/%4", "/v1/videos/%zz", "/v1/videos/%ff", "/a/b/c/d/e/f/%", "//%c3"] {
        assert_eq!(parse(path, &catalog()), Err(NoRoute::Malformed), "{path}");
    }
}

#[test]
fn a_member_is_named_by_its_path() {
    let pointer = |path: &str| match parse(path, &catalog()) {
        Ok(Route::Member(key, pointer)) => format!("{key} {pointer}"),
        other => panic!("{path}: {other:?}"),
    };
    for (path, named) in [
        ("/order/123/canceled", "orders/123 /canceled"),
        ("/v1/videos/42/a%2Fb/c%7Ed", "videos/42 /a~1b/c~0d"),
        ("/u/7/full%20name/now", "users/7 /full name"),
        ("/v1/videos/42/cancel", "videos/42 /canceled/by"),
        ("/v1/videos/42/cancel/x", "videos/42 /cancel/x"),
    ] {
        assert_eq!(pointer(path), named, "{path}");
    }
}

proptest! {
    #[test]
    fn the_url_of_a_member_names_it(tokens in prop::collection::vec("\\PC{1,8}|[%/?#~. ]{1,3}", 1..12)) {
        prop_assume!(tokens[0] != "processing");
        let key = ResourceKey { collection: "orders".parse().expect("a name"), id: "42".parse().expect("an id") };
        let pointer = Pointer::new(tokens);
        let url = links::member(&catalog(), &key, &pointer);
        prop_assert_eq!(parse(&url, &catalog()), Ok(Route::Member(key, pointer)));
    }
}

#[test]
fn no_path_is_deeper_than_a_document_can_be() {
    let below = |depth: usize| format!("/v1/videos/42{}", "/a".repeat(depth));
    let deepest = path::SEGMENTS_MAX - 3;
    assert!(deepest >= crate::domain::json::NESTING_MAX);
    assert!(matches!(parse(&below(deepest), &catalog()), Ok(Route::Member(..))));
    assert_eq!(parse(&below(deepest + 1), &catalog()), Err(NoRoute::Unknown));
    assert_eq!(parse(&below(100_000), &catalog()), Err(NoRoute::Unknown));
    assert_eq!(parse(&format!("{}/%", below(1_000)), &catalog()), Err(NoRoute::Malformed));
    // Where the few end that cost no memory.
    for depth in 1..12 {
        assert!(
            matches!(parse(&below(depth), &catalog()), Ok(Route::Member(_, pointer)) if pointer.tokens().len() == depth)
        );
    }
}

/// What operators can make aliases of is what is there.
#[test]
fn every_path_of_the_service_is_in_the_table() {
    for own in paths::OWN {
        let filled = own.replace("problems/{}", "problems/not-found").replace("jobs/{}", &format!("jobs/{JOB_ID}"));
        let filled = filled.replace("{}", "transcode");
        assert!(parse(&filled, &catalog()).is_ok(), "{own}");
    }
}

#[test]
fn allow_lists_exactly_what_is_taken() {
    let key = ResourceKey { collection: "videos".parse().expect("a name"), id: "42".parse().expect("an id") };
    let activity: ActivityName = "processing".parse().expect("a name");
    let job: JobId = JOB_ID.parse().expect("an id");
    let verbs = [
        ("GET", Verb::Get),
        ("POST", Verb::Post),
        ("PUT", Verb::Put),
        ("PATCH", Verb::Patch),
        ("DELETE", Verb::Delete),
        ("OPTIONS", Verb::Options),
    ];
    for route in [
        Route::Home,
        Route::Collection(key.collection.clone()),
        Route::Resource(key.clone()),
        Route::Activity(key.clone(), activity.clone()),
        Route::EditableActivity(key.clone(), activity.clone()),
        Route::Form(key.clone(), activity.clone()),
        Route::Ticks(key.clone(), activity.clone()),
        Route::LastJob(key.clone(), activity.clone()),
        Route::Member(key.clone(), Pointer::new(vec!["title".to_owned()])),
        Route::ActivityJob(key, activity, job),
        Route::Jobs,
        Route::Job(job),
        Route::JobLog(job),
        Route::JobQueue(job),
    ] {
        let allowed: Vec<_> = route.allow().split(", ").collect();
        for (name, verb) in verbs {
            assert_eq!(allowed.contains(&name), route.takes(verb), "{name} {}", route.label());
        }
        assert_eq!(allowed.contains(&"PATCH"), route.accept_patch().is_some(), "{}", route.label());
    }
}
