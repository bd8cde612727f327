//! Where requests go, and where they do not.

use heeler::domain::job::{AttemptOutcome, Ending};
use heeler::runner::Trust;
use serde_json::json;

use super::peer::{Do, Peer, json};
use super::relays::tls_peer;
use super::world::{World, detail, ended};

/// What comes of a request to where an expression says.
async fn sent_to(world: &mut World, url: &str, more: &str) -> Ending {
    world.input = json!({ "url": url });
    ended(world.request(&format!("http = {{ url = \"${{input.url}}\"{more} }}\ntimeout = \"5s\"")).await)
}

fn is_forbidden(ending: &Ending) -> bool {
    ending.fatal && ending.error.as_ref().is_some_and(|error| error.reason == "Forbidden")
}

#[tokio::test]
async fn a_host_out_of_an_expression_leads_nowhere_inside() {
    let peer = Peer::answering(&json("200 OK", "1"));
    let port = peer.address.port();
    let mut world = World::new();
    world.names.set("inside.example", &[&["127.0.0.1"]]);
    // One bad address among good ones is enough.
    world.names.set("both.example", &[&["93.184.216.34", "127.0.0.1"]]);
    world.names.set("disguised.example", &[&["::ffff:127.0.0.1"]]);
    for host in ["127.0.0.1", "inside.example", "both.example", "disguised.example", "[::ffff:127.0.0.1]", "[::1]"] {
        let ending = sent_to(&mut world, &format!("http://{host}:{port}/"), "").await;
        assert!(is_forbidden(&ending), "{host}: {ending:?}");
        assert!(!format!("{ending:?}").contains("127.0"), "{ending:?}");
    }
    for url in ["ftp://inside.example/", "http://u:p@inside.example/", "http://0x7f000001/", "nonsense"] {
        let ending = sent_to(&mut world, url, "").await;
        assert!(ending.outcome == AttemptOutcome::Failed && detail(&ending).starts_with("`url`"), "{url}: {ending:?}");
    }
    assert_eq!(peer.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn the_operator_lets_it_lead_somewhere_by_name_or_by_range() {
    let peer = Peer::answering(&json("200 OK", "1"));
    let port = peer.address.port();
    let mut world = World::new();
    world.names.set("hooks.internal", &[&["127.0.0.1"]]);
    for (host, allow, goes) in [
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.0/8", true),
        ("hooks.internal", "127.0.0.0/8", true),
        ("hooks.internal", "hooks.internal", true),
        ("HOOKS.internal.", "hooks.internal", true),
        ("127.0.0.1", "hooks.internal", false),
        ("127.0.0.1", "10.0.0.0/8", false),
    ] {
        let ending = sent_to(&mut world, &format!("http://{host}:{port}/"), &format!(", allow = [\"{allow}\"]")).await;
        assert_eq!((ending.result.is_some(), is_forbidden(&ending)), (goes, !goes), "{host} {allow}: {ending:?}");
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_next_time_is_judged_the_next_time() {
    let peer = Peer::answering(&json("200 OK", "1"));
    let url = format!("http://turns.example:{}/", peer.address.port());
    let mut world = World::new();
    // The machine cannot resolve this name: what is connected to is what was judged.
    world.names.set("turns.example", &[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]]);
    let allow = ", allow = [\"127.0.0.1\"]";
    assert!(sent_to(&mut world, &url, allow).await.result.is_some());
    assert!(is_forbidden(&sent_to(&mut world, &url, allow).await));
    assert!(sent_to(&mut world, &url, allow).await.result.is_some());
    assert_eq!(peer.heard().len(), 2);
}

#[tokio::test]
async fn a_host_in_the_file_is_the_operators_choice_but_nobody_turns_it_round() {
    let peer = Peer::answering(&json("200 OK", "1"));
    let world = World::new();
    world.names.set("partner.example", &[&["127.0.0.1"]]);
    world.names.set("metadata.example", &[&["169.254.169.254"]]);
    world.names.set("localhost", &[&["127.0.0.1"]]);
    let port = peer.address.port();
    for (host, goes) in
        [("127.0.0.1", true), ("localhost", true), ("partner.example", false), ("metadata.example", false)]
    {
        let ending = ended(world.request(&format!("http = {{ url = \"http://{host}:{port}/\" }}")).await);
        assert_eq!((ending.result.is_some(), is_forbidden(&ending)), (goes, !goes), "{host}: {ending:?}");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_tried_again_and_not_named() {
    let world = World::new();
    world.names.set("gone.example", &[&["127.0.0.1"]]);
    // A port that was somebody's, and is nobody's.
    let port = Peer::answering("").address.port();
    for (host, why) in [("127.0.0.1", "connection refused"), ("unknown.example", "cannot be resolved")] {
        let ending = ended(world.request(&format!("http = {{ url = \"http://{host}:{port}/s3cret\" }}")).await);
        let reason = ending.error.as_ref().map(|error| error.reason.as_str());
        assert_eq!((ending.outcome, reason, ending.fatal), (AttemptOutcome::Failed, Some("Unreachable"), false));
        assert!(detail(&ending).contains(why), "{ending:?}");
        assert!(!format!("{ending:?}").contains("s3cret") && !detail(&ending).contains(host), "{ending:?}");
    }
    // A dead address of a name leaves time for the next.
    let peer = Peer::answering(&json("200 OK", "1"));
    world.names.set("localhost", &[&["127.0.0.77", "127.0.0.1"]]);
    let url = format!("http://localhost:{}/", peer.address.port());
    assert!(ended(world.request(&format!("http = {{ url = \"{url}\" }}")).await).result.is_some());
}

#[tokio::test]
async fn tls_is_verified_to_who_is_asked_for() {
    let answer = json("200 OK", "1");
    let (peer, authority) = tls_peer("localhost", answer.clone());
    let mut world = World::new();
    world.names.set("localhost", &[&["127.0.0.1"]]);
    let operation = |host: &str| format!("http = {{ url = \"https://{host}:{}/\" }}", peer.port());
    world.trust = Trust::only(vec![authority]);
    assert_eq!(ended(world.request(&operation("localhost")).await).result, Some(json!(1)));
    let ending = ended(world.request(&operation("127.0.0.1")).await);
    assert!(detail(&ending).contains("certificate"), "another name: {ending:?}");
    let (_, other) = tls_peer("localhost", answer);
    world.trust = Trust::only(vec![other]);
    let ending = ended(world.request(&operation("localhost")).await);
    assert!(detail(&ending).contains("certificate"), "another authority: {ending:?}");
    world.trust = Trust::only(Vec::new());
    let ending = ended(world.request(&operation("localhost")).await);
    assert!(detail(&ending).contains("trusts no certificate authorities"), "{ending:?}");
    let plain = Peer::new(vec![vec![Do::Say(json("200 OK", "1").into_bytes()), Do::Hang]]);
    world.trust = Trust::only(vec![tls_peer("localhost", String::new()).1]);
    let operation = format!("http = {{ url = \"https://127.0.0.1:{}/\" }}\ntimeout = \"5s\"", plain.address.port());
    let ending = ended(world.request(&operation).await);
    assert!(detail(&ending).starts_with("no TLS with the service"), "{ending:?}");
}
