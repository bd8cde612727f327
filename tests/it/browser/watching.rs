//! What others do, as it happens; and the page itself, which does nothing that it must not.

use serde_json::json;

use super::stage;
use super::world::{PROGRESS, running};
use crate::service::client::request;

#[test]
fn the_list_shows_what_happens_as_it_happens() {
    let Some(stage) = stage() else { return };
    stage.video("a", &json!({ "title": "Ada's" }));
    stage.open("");
    let page = &stage.browser;
    page.shows("#rows tr:nth-child(1)", "Ada's");
    let path = stage.video("b", &running("Bob's"));
    page.shows("#rows tr:nth-child(2)", "Bob's");
    page.shows("#rows tr:nth-child(2) .phase", "running");
    page.until("its job moves", |page| {
        page.value("#rows tr:nth-child(2) progress").parse::<f64>().is_ok_and(|at| at > 0.0)
    });
    stage.patch(&path, &json!({ "title": "Rob's", "processing": { "canceled": true } }));
    page.shows("#rows tr:nth-child(2)", "Rob's");
    page.shows("#rows tr:nth-child(2) .phase", "canceled");
    let deleted = stage.service.ask(&request("DELETE", "/v1/videos/a").field("If-Match", "*"));
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    page.until("it is gone", |page| !page.text("#rows").contains("Ada's"));
    // A page that nobody sees gives its connection back, and goes on where it was when somebody does.
    let seen = |hidden: bool| {
        let script = format!("Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});");
        page.js(&format!("{script} document.dispatchEvent(new Event('visibilitychange'));"));
    };
    seen(true);
    stage.patch(&path, &json!({ "title": "Bert's" }));
    assert_eq!(page.text("#rows a"), "Rob's");
    seen(false);
    page.shows("#rows", "Bert's");
    assert_eq!(page.js("return document.getElementById('stream').dataset.beginnings;"), "1");
    stage.patch(&path, &json!({ "title": "Rob's" }));
    page.shows("#rows", "Rob's");
    // An open document that somebody deletes, and makes again.
    page.click("#rows a");
    page.shows("#document-title", "Rob's");
    let deleted = stage.service.ask(&request("DELETE", &path).field("If-Match", "*"));
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    page.shows("#alert", "This document is deleted.");
    page.until("the list is empty", |page| page.text("#rows").is_empty());
    stage.video("b", &json!({ "title": "Robert's" }));
    page.until("it is shown", |page| page.value("[data-member='title']") == "Robert's");
    assert_eq!(page.text("#alert"), "");
    stage.is_clean(|_| false);
}

#[test]
fn a_service_that_is_killed_and_started_again_is_gone_on_with_and_nothing_is_missed() {
    let Some(stage) = stage() else { return };
    stage.video("a", &json!({ "title": "Ada's" }));
    let path = stage.video("b", &running("Bob's"));
    stage.open("b");
    stage.browser.until("its job moves", |page| page.value(PROGRESS).parse::<f64>().is_ok_and(|at| at > 0.0));
    let stage = stage.restart(|page| {
        page.shows("#stream", "The service does not answer.");
        page.fill("[data-member='title']", "Saved meanwhile");
        page.click("#save");
        page.shows("#note", "It is asked again");
        // Who does not want to wait is told what is known, and can go on with it.
        page.click("#stop");
        page.shows("#alert", "whether the service has heard it is not known");
        page.click("#save");
        page.shows("#note", "It is asked again");
    });
    // Before the page has heard of it, or after: it is shown either way.
    stage.video("c", &json!({ "title": "Cem's" }));
    let deleted = stage.service.ask(&request("DELETE", "/v1/videos/a").field("If-Match", "*"));
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    stage.is_live();
    let page = &stage.browser;
    page.shows("#note", "Saved.");
    page.shows("#rows", "Saved meanwhile");
    page.shows("#rows", "Cem's");
    page.until("what is deleted is gone", |page| !page.text("#rows").contains("Ada's"));
    let saved = stage.service.get(&path).json();
    assert_eq!((&saved["title"], &saved["status"]["generation"]), (&json!("Saved meanwhile"), &json!(2)), "{saved}");
    assert_eq!(saved["status"]["processing"]["active"][0]["attempt"], 1, "its job has outlived the service: {saved}");
    let before = page.value(PROGRESS).parse::<f64>().unwrap_or_default();
    page.until("its job moves again", |page| page.value(PROGRESS).parse::<f64>().is_ok_and(|at| at > before));
    let beginnings = page.js("return document.getElementById('stream').dataset.beginnings;");
    assert_eq!(beginnings, "1", "the page has gone on where it was");
    stage.is_clean(|message| message.contains("net::ERR_"));
}

#[test]
fn the_policy_of_the_page_holds_and_the_service_lets_no_other_page_in() {
    let Some(stage) = stage() else { return };
    stage.video("a", &json!({ "title": "Ada's" }));
    stage.open("a");
    let page = &stage.browser;
    stage.is_clean(|_| false);
    let breaks = page.js("const script = document.createElement('script');
         const refused = (act) => { try { act(); return false; } catch (error) { return error instanceof TypeError; } };
         const typed = refused(() => { script.text = 'window.broken = true'; });
         const inner = refused(() => { document.body.innerHTML = '<b>x</b>'; });
         script.append('window.broken = true');
         document.body.append(script);
         return [typed, inner, window.broken ?? false];");
    assert_eq!(breaks, json!([true, true, false]));
    let logged = page.logged();
    assert!(logged.iter().any(|entry| entry["source"] == "security"), "a violation is seen: {logged:?}");
    // Whom it may ask is in the page, not in its address.
    page.go(&stage.url("").replace(&stage.service.address.to_string(), "192.0.2.1"));
    page.shows("#stream", "The policy of this page does not let it ask");
    // The same page, served under a name that the service does not let in.
    page.go(&stage.url("").replacen("127.0.0.1", "localhost", 1));
    page.shows("#stream", "does not");
    page.until("the browser says why", |page| page.logged().iter().any(|entry| entry.to_string().contains("CORS")));
    assert_eq!(page.text("#list"), "");
}
