//! What a program can say, what a file can say of it, and who is heard.

use std::process::Command;
use std::time::Duration;

use heeler::{
    Builder, CollectionOptions, Error, Heeler, Limits, NativeResult, OperationOptions, Retention, RetryPolicy,
};
use serde_json::json;

use super::world::{builder, start};
use crate::service::client::{JSON, request};

fn with_bark(builder: Builder, options: OperationOptions) -> Builder {
    builder.operation_with("bark", options, |_| async { NativeResult::Ok("Woof!") })
}

/// What is wrong, as it is said.
fn wrong(builder: &Builder) -> String {
    builder.check().expect_err("it is refused").to_string()
}

#[test]
fn the_plain_program_refuses_functions_that_it_does_not_have() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("heeler.toml"), "[operations.bark]\nnative = {}\n").expect("a file");
    for command in ["check", "serve"] {
        let output = Command::new(env!("CARGO_BIN_EXE_heeler")).arg(command).current_dir(folder.path()).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{command}");
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = "heeler.toml:2:1: `operations.bark.native`: this program has no function `bark`: `native` is for \
                        programs that embed Heeler and register one\n";
        assert!(said.ends_with(expected), "{said}");
    }
}

#[test]
fn a_configuration_that_misunderstands_a_function_is_told_where() {
    for (text, expected) in [
        (
            "[operations.barks]\nnative = {}",
            "2:1: `operations.barks.native`: this program has no function `barks`; did you mean `bark`?",
        ),
        (
            "[operations.bark]\nnative = { function = \"bark\" }",
            "2:12: unknown key `function` in `operations.bark.native`: expected no keys here",
        ),
        ("[operations.bark]\nnative = true", "2:10: `operations.bark.native`: expected a table, found a boolean"),
        (
            "[operations.bark]\nexec = { command = [\"true\"] }",
            "1:13: `operations.bark`: a function of this program does the work of `bark`: expected `native = {}`, or another name",
        ),
        (
            "[operations.bark]\nnative = {}\nexec = { command = [\"true\"] }",
            "1:13: `operations.bark` has two runners, `exec` and `native`: expected exactly one",
        ),
        ("[collections.dogs]", "1:14: `collections.dogs`: this program declares the collection `dogs` itself"),
        ("[collections.cats]\npath = \"/v1/dogs\"", "1:14: `collections.cats` cannot be mounted at `/v1/dogs`:"),
        (
            "[collections.cats.activities.barks]\noperation = \"barkk\"",
            "2:13: `collections.cats.activities.barks.operation`: there is no operation `barkk`; did you mean `bark`?",
        ),
    ] {
        let said = wrong(&with_bark(builder(), OperationOptions::default()).config_text(text));
        assert!(said.starts_with(&format!("(configuration):{expected}")), "{text}: {said}");
    }
}

#[test]
fn what_a_program_declares_wrongly_is_all_said_at_once() {
    let second = Duration::from_secs(1);
    let none = |_| async { NativeResult::Ok(()) };
    let wrong = wrong(
        &Heeler::builder()
            .operation("", none)
            .operation("twice", none)
            .operation("twice", none)
            .operation_with("times", OperationOptions::default().timeout(Duration::ZERO).deadline(Duration::ZERO), none)
            .operation_with("schema", OperationOptions::default().input_schema(json!({ "type": "dog" })), none)
            .operation_with(
                "retry",
                OperationOptions::default().retry(RetryPolicy { attempts: 0, ..RetryPolicy::default() }),
                none,
            )
            .operation_with("unknown", OperationOptions::default().retry_unknown().retry(RetryPolicy::default()), none)
            .operation_with("many", OperationOptions::default().concurrency(0).rate(0, second), none)
            .operation_with("per", OperationOptions::default().concurrency_per(1, "resource."), none)
            .collection("Dogs!", CollectionOptions::default())
            .collection("moles", CollectionOptions::default().path("/metrics"))
            .collection("hens", CollectionOptions::default().activity("status", ["twice"]).observed(""))
            .limits(Limits { running: 0, ..Limits::default() })
            .retention(Retention { per_activity: 0, ..Retention::default() }),
    );
    for expected in [
        "the operation ``: ``",
        "the operation `twice` is declared twice",
        "the operation `times`: `timeout`: expected a duration longer than 0s",
        "the operation `times`: `deadline`: expected",
        "the operation `schema`: its input schema: ",
        "the operation `retry`: `retry`: expected 1 to 100 attempts, found 0",
        "the operation `unknown`: `retry`: expected at least 2 attempts",
        "the operation `many`: `concurrency`: expected 1 to 10000, found 0",
        "the operation `many`: `rate`: expected 1 to",
        "the operation `per`: `concurrency`: ",
        "the collection `Dogs!`: `Dogs!` cannot be its name",
        "the collection `moles`: it cannot be mounted at `/metrics`",
        "the collection `hens`: the activity `status`: the service itself writes that member",
        "the collection `hens`: `` cannot be observed",
        "the limit `running`",
        "the retention `per_activity`",
    ] {
        assert!(wrong.contains(expected), "{expected} is not in:\n{wrong}");
    }
    let missing = Heeler::builder().collection("dogs", CollectionOptions::default().activity("barks", ["bark"]));
    let said = missing.check().expect_err("it is refused").to_string();
    assert_eq!(said, "the collection `dogs`: the activity `barks`: there is no operation `bark`");
}

#[test]
fn what_the_file_says_of_a_function_is_what_clients_see() {
    let described = OperationOptions::default().description("Bark");
    for (text, description) in [
        ("", "Bark"),
        ("[operations.bark]\nnative = {}", "Bark"),
        ("[operations.bark]\nnative = {}\ndescription = \"Loudly\"", "Loudly"),
    ] {
        let service = start(with_bark(builder(), described.clone()).config_text(text));
        assert_eq!(service.get("/v1/operations/bark").json()["description"], description);
        assert_eq!(service.run("bark", &json!({}))["result"], "Woof!");
    }
}

#[test]
fn operations_that_are_programs_need_a_program_that_supervises_them() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let builder = builder().config_text("[operations.nap]\nexec = { command = [\"sleep\", \"1\"] }");
    assert!(builder.check().is_ok());
    let refused = runtime.block_on(builder.build()).expect_err("this program does not supervise");
    assert!(matches!(refused, Error::Declaration(_)), "{refused:?}");
    assert!(refused.to_string().contains("heeler::supervise_if_asked()"), "{refused}");
}

#[test]
fn a_service_that_others_could_reach_is_refused_unless_that_is_meant() {
    let everywhere = || builder().listen(([0, 0, 0, 0], 0).into());
    assert!(matches!(everywhere().check(), Err(Error::Exposed { .. })));
    assert!(everywhere().exposed().check().is_ok());
    assert!(builder().config_text("[server]\nlisten = \"0.0.0.0:0\"").without_listener().check().is_ok());
}

#[test]
fn the_errors_of_opening_are_told_apart() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let here = || builder().store(super::world::store_in(folder.path()));
    let service = start(here());
    let taken = runtime.block_on(here().build()).expect_err("the store is in use");
    assert!(matches!(taken, Error::Store(_)), "{taken:?}");
    let taken = runtime.block_on(builder().listen(service.address).build()).expect_err("the address is in use");
    assert!(matches!(taken, Error::Address { .. }), "{taken:?}");
    let put = service.ask(&request("PUT", "/v1/dogs/rex").json(JSON, &json!({})));
    assert_eq!(put.status, 201, "{}", put.text());
    service.stop();
    let left_out = Heeler::builder().store(super::world::store_in(folder.path())).without_listener().build();
    let left_out = runtime.block_on(left_out).expect_err("dogs are left out");
    assert!(matches!(&left_out, Error::Undeclared(held) if held.len() == 1), "{left_out:?}");
}

#[tokio::test]
async fn a_service_that_listens_nowhere_is_asked_by_its_program() {
    let builder = with_bark(builder().without_listener(), OperationOptions::default());
    let service = builder.build().await.expect("a service");
    assert_eq!(service.address(), None);
    let client = service.client();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(service.serve(async { stopped.await.unwrap_or_default() }));
    let put = http::Request::put("/v1/dogs/rex").header("content-type", JSON).header("prefer", "wait=20");
    let answer = client.send(put.body(r#"{"barks": {"operation": "bark"}}"#).expect("a request")).await;
    let document: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!(document["status"]["barks"]["last"]["result"], "Woof!", "{document}");
    let elsewhere = http::Request::get("http://elsewhere.example.com/v1/dogs/rex").body("").expect("a request");
    assert_eq!(client.send(elsewhere).await.status(), 421);
    drop(stop);
    serving.await.expect("it does not panic").expect("it ends well");
}

#[tokio::test]
async fn requests_of_the_program_need_a_token_where_clients_do() {
    let auth = "[[auth.tokens]]\nname = \"ui\"\nrole = \"reader\"\nsha256 = \
                \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
    let service = builder().without_listener().config_text(auth).build().await.expect("a service");
    let get = |token: Option<&str>| {
        let request = http::Request::get("/v1/dogs");
        let request = token.into_iter().fold(request, |request, token| request.header("authorization", token));
        request.body("").expect("a request")
    };
    assert_eq!(service.client().send(get(None)).await.status(), 401);
    assert_eq!(service.client().send(get(Some("Bearer test"))).await.status(), 200);
}
