//! What is known of requests that were interrupted.

use std::time::Duration;

use heeler::clock::{Clock as _, SystemClock};
use heeler::domain::job::AttemptOutcome;
use heeler::runner::{Launch, Probe, Recall, Runner as _, StartError};
use serde_json::json;

use super::peer::{Do, Peer, answer_with, json};
use super::world::{World, accepted, detail, ended, report, run, until};

fn operation(peer: &Peer) -> String {
    format!(
        "http = {{ url = \"{}\", headers = {{ X-Key = \"${{secret.HOOK}}\" }} }}\ngrace = \"300ms\"",
        peer.url("/work")
    )
}

#[tokio::test]
async fn after_a_restart_it_is_known_what_was_never_sent_and_how_ended_what_did() {
    let world = World::new();
    let peer = Peer::new(vec![vec![Do::HearRequest, Do::Hang], answer_with(&json("200 OK", "7"))]);
    let config = world.configured(&operation(&peer));
    let runner = world.http();
    let (silent, done, unsent) = (world.launch(&config), world.launch(&config), world.launch(&config));
    runner.start(silent.clone()).await.expect("it starts");
    until("it was sent", || peer.heard().first().is_some_and(|heard| heard.contains("specversion"))).await;
    let ending = ended(run(&runner, done.clone()).await);
    assert_eq!(runner.probe(silent.attempt).await, Probe::Running);
    // Whoever knew anything is gone.
    drop(runner);
    let runner = world.http();
    let Probe::Ended(lost) = runner.probe(silent.attempt).await else { panic!("its fate is unknown") };
    assert_eq!(lost.outcome, AttemptOutcome::Lost);
    assert_eq!(runner.probe(done.attempt).await, Probe::Ended(ending.clone()));
    assert_eq!(ended(report(&runner, done.attempt).await), ending);
    assert_eq!(runner.probe(unsent.attempt).await, Probe::NeverStarted);
    // And neither is sent again.
    for launch in [silent, done] {
        runner.start(launch.clone()).await.expect("it was started");
        report(&runner, launch.attempt).await;
    }
    assert_eq!(peer.heard().len(), 2);
    let left = std::fs::read_dir(world.path()).expect("a folder").count();
    runner.forget(unsent.attempt.job).await.expect("nothing is kept of it");
    assert_eq!(std::fs::read_dir(world.path()).expect("a folder").count(), left);
}

#[tokio::test]
async fn that_a_service_goes_on_is_known_after_a_restart() {
    let world = World::new();
    let peer = Peer::answering("HTTP/1.1 202 Accepted\r\nLocation: /jobs/7\r\nContent-Length: 0\r\n\r\n");
    let config = world.configured(&operation(&peer));
    let launch = world.launch(&config);
    let remote = accepted(run(&world.http(), launch.clone()).await);
    let runner = world.http();
    assert_eq!(runner.probe(launch.attempt).await, Probe::Running);
    assert_eq!(accepted(report(&runner, launch.attempt).await), remote);
    runner.forget(launch.attempt.job).await.expect("it can be forgotten");
    assert_eq!(runner.probe(launch.attempt).await, Probe::NeverStarted);
}

#[tokio::test]
async fn one_that_is_stopped_before_it_is_sent_is_not_sent() {
    let world = World::new();
    let config = world.configured("http = { url = \"http://never.example/\" }");
    let (runner, launch) = (world.http(), world.launch(&config));
    let started: Result<(), StartError> = runner.start(launch.clone()).await;
    started.expect("it starts");
    runner.stop(launch.attempt).await;
    let ending = ended(report(&runner, launch.attempt).await);
    assert_eq!(ending.outcome, AttemptOutcome::Canceled);
    assert!(detail(&ending).contains("before the request was sent"), "{ending:?}");
}

#[tokio::test]
async fn one_that_is_stopped_after_it_was_sent_is_waited_for_within_its_grace() {
    let late = |answer: &str| {
        let mut script = vec![Do::HearRequest, Do::Drip(answer.as_bytes()[..2].to_vec())];
        script.push(Do::Say(answer.as_bytes()[2..].to_vec()));
        script
    };
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    for (name, script, want) in [
        ("no answer", vec![Do::HearRequest, Do::Hang], Some(AttemptOutcome::Lost)),
        ("it was done", late(&json("200 OK", "1")), Some(AttemptOutcome::Succeeded)),
        ("it was not done", late(&json("500 Oops", "1")), Some(AttemptOutcome::Canceled)),
        ("it goes on", late(accepted), None),
    ] {
        let world = World::new();
        let peer = Peer::new(vec![script]);
        let config = world.configured(&operation(&peer));
        let (runner, launch) = (world.http(), world.launch(&config));
        runner.start(launch.clone()).await.expect("it starts");
        until("it was sent", || peer.heard().first().is_some_and(|heard| heard.contains("specversion"))).await;
        runner.stop(launch.attempt).await;
        runner.stop(launch.attempt).await;
        let said = report(&runner, launch.attempt).await;
        match want {
            Some(want) => assert_eq!(ended(said).outcome, want, "{name}"),
            None => assert_eq!(super::world::accepted(said).location, None, "{name}"),
        }
    }
}

#[tokio::test]
async fn a_closing_service_waits_for_the_answers_that_are_due_and_sends_nothing_more() {
    let world = World::new();
    let answer = json("200 OK", "7").into_bytes();
    let script = vec![Do::HearRequest, Do::Drip(answer[..4].to_vec()), Do::Say(answer[4..].to_vec())];
    let peer = Peer::new(vec![script]);
    let config = world.configured(&operation(&peer));
    let (runner, launch) = (world.http(), world.launch(&config));
    runner.start(launch.clone()).await.expect("it starts");
    assert!(!runner.outlives(launch.attempt));
    runner.close().await;
    // It is over by now, and noted.
    let restarted = world.http();
    let Probe::Ended(ending) = restarted.probe(launch.attempt).await else { panic!("it ended") };
    assert_eq!(ending.result, Some(json!(7)));
    let late = world.launch(&config);
    runner.start(late.clone()).await.expect("it is left for the next start");
    assert_eq!(restarted.probe(late.attempt).await, Probe::NeverStarted);
    assert_eq!(peer.heard().len(), 1);
}

/// What comes of asking a service to stop.
async fn recalled(location: Option<String>, launch: Option<Launch>, world: &World) -> (AttemptOutcome, String) {
    let config = world.configured("http = { url = \"http://127.0.0.1:9/\" }");
    let attempt = launch.as_ref().map_or_else(|| world.launch(&config).attempt, |launch| launch.attempt);
    let runner = world.http();
    let ending = runner.recall(Recall { attempt, location, asked: SystemClock.now(), launch }).await;
    (ending.outcome, ending.detail.unwrap_or_default())
}

#[tokio::test]
async fn who_goes_on_is_asked_to_stop_until_it_says_that_it_has() {
    let none = "Content-Length: 0\r\n\r\n";
    let status = |status: &str| answer_with(&format!("HTTP/1.1 {status}\r\n{none}"));
    for (name, scripts, outcome) in [
        ("at once", vec![status("204 No Content")], AttemptOutcome::Canceled),
        ("gone", vec![status("410 Gone")], AttemptOutcome::Canceled),
        ("unknown", vec![status("404 Not Found")], AttemptOutcome::Canceled),
        ("the second time", vec![status("503 Busy"), status("200 OK")], AttemptOutcome::Canceled),
        ("never", vec![status("500 Oops")], AttemptOutcome::Lost),
        ("elsewhere", vec![status("302 Found")], AttemptOutcome::Lost),
        ("garbage", vec![vec![Do::HearRequest, Do::Say(b"nonsense\r\n\r\n".to_vec())]], AttemptOutcome::Lost),
    ] {
        let world = World::new();
        let peer = Peer::new(scripts);
        let text = operation(&peer).replace("300ms", "2s");
        let config = world.configured(&text);
        let launch = world.launch(&config);
        let (found, detail) = recalled(Some(peer.url("/jobs/7")), Some(launch), &world).await;
        assert_eq!(found, outcome, "{name}: {detail}");
        assert!(peer.heard()[0].starts_with("DELETE /jobs/7 HTTP/1.1\r\n"), "{name}: {:?}", peer.heard());
        assert!(peer.heard()[0].contains("x-key: s3cret"), "the service is asked as it was to begin");
    }
}

#[tokio::test]
async fn nobody_is_asked_to_stop_where_no_request_may_go_and_no_stranger_gets_its_fields() {
    let world = World::new();
    let (peer, stranger) =
        (Peer::answering("HTTP/1.1 204 No Content\r\n\r\n"), Peer::answering("HTTP/1.1 204 No Content\r\n\r\n"));
    let launch =
        |more: &str| world.launch(&world.configured(&operation(&peer).replace(" headers", &format!("{more} headers"))));
    // Another service than the one that was asked to begin, inside.
    let (outcome, why) = recalled(Some(stranger.url("/")), Some(launch("")), &world).await;
    assert!(outcome == AttemptOutcome::Lost && why.contains("where this operation may not send anything"), "{why}");
    assert_eq!(stranger.heard(), Vec::<String>::new());
    let (outcome, why) = recalled(Some(stranger.url("/")), Some(launch(" allow = [\"127.0.0.1\"],")), &world).await;
    assert_eq!(outcome, AttemptOutcome::Canceled, "{why}");
    assert!(!stranger.heard()[0].contains("x-key"), "{:?}", stranger.heard());
    // Nothing to ask.
    let begun = std::time::Instant::now();
    let (outcome, why) = recalled(None, Some(launch("")), &world).await;
    assert!(outcome == AttemptOutcome::Lost && why.contains("named nothing"), "{why}");
    assert!(begun.elapsed() >= Duration::from_millis(250));
}
