//! Two people with one document.

use serde_json::json;

use super::driver::Window;
use super::stage;
use super::world::{Stage, running};

/// The document in two windows. The first one is in front.
fn two_windows(stage: &Stage, id: &str) -> (Window, Window) {
    let one = stage.browser.window();
    stage.open(id);
    let other = stage.browser.another_window();
    stage.open(id);
    stage.browser.front(&one);
    (one, other)
}

#[test]
fn what_two_people_change_of_different_members_is_brought_together_without_a_question() {
    let Some(stage) = stage() else { return };
    let path = stage.video("42", &running("Holiday"));
    let (one, other) = two_windows(&stage, "42");
    let page = &stage.browser;
    page.fill("[data-member='title']", "Holiday by the sea");
    page.front(&other);
    page.fill("[data-member='notes']", "with the dog");
    page.click("#save");
    page.shows("#note", "Saved.");
    page.front(&one);
    page.shows("#note", "Somebody else has changed this document.");
    assert_eq!(page.value("[data-member='notes']"), "none", "what is edited stays as it is");
    page.click("#save");
    page.shows("#note", "Saved, together with what somebody else has changed: notes.");
    assert_eq!(page.value("[data-member='notes']"), "with the dog");
    let saved = stage.service.get(&path).json();
    assert_eq!((&saved["title"], &saved["notes"]), (&json!("Holiday by the sea"), &json!("with the dog")), "{saved}");
    // Who is not in the middle of something is shown the newest.
    page.front(&other);
    page.until("it is shown", |page| page.value("[data-member='title']") == "Holiday by the sea");
    // Deep within a member, too.
    page.front(&one);
    let processing = page.value("[data-member='processing']").replace("0.1", "0.2");
    page.fill("[data-member='processing']", &processing);
    stage.patch(&path, &json!({ "processing": { "timeout": "1h" } }));
    page.click("#save");
    page.shows("#note", "Saved, together with what somebody else has changed: processing → timeout.");
    let saved = stage.service.get(&path).json();
    let processing = &saved["processing"];
    assert_eq!((&processing["timeout"], &processing["input"]["pause"]), (&json!("1h"), &json!(0.2)), "{saved}");
    stage.is_clean(|message| message.contains("412"));
}

#[test]
fn what_two_people_change_differently_is_shown_beside_each_other_and_chosen() {
    let Some(stage) = stage() else { return };
    let path = stage.video("42", &running("Holiday"));
    let (one, other) = two_windows(&stage, "42");
    let page = &stage.browser;
    for (member, text) in [("title", "Mine"), ("notes", "my notes"), ("tags", "[\"mine\"]")] {
        page.fill(&format!("[data-member='{member}']"), text);
    }
    page.front(&other);
    for (member, text) in [("title", "Theirs"), ("notes", "their notes"), ("tags", "[\"theirs\"]")] {
        page.fill(&format!("[data-member='{member}']"), text);
    }
    page.click("#save");
    page.shows("#note", "Saved.");
    page.front(&one);
    page.click("#save");
    for (member, texts) in [
        ("title", ["Holiday", "Mine", "Theirs"]),
        ("notes", ["none", "my notes", "their notes"]),
        ("tags", ["sea", "mine", "theirs"]),
    ] {
        for text in texts {
            page.shows(&format!("[data-path='{member}']"), text);
        }
    }
    assert_eq!(stage.service.get(&path).json()["title"], "Theirs", "nothing is saved without a choice");
    // Not to decide loses nothing.
    page.click("#reconsider");
    page.shows("#note", "Nothing is saved yet.");
    assert_eq!(page.value("[data-member='title']"), "Mine");
    page.click("#save");
    // Nor can one member be forgotten.
    page.click("[data-path='title'] input[value='theirs']");
    page.click("#conflicts button");
    assert_eq!(page.js("return document.getElementById('conflicts').checkValidity();"), false);
    page.shows("#conflicts", "Choose for each member.");
    page.fill("[data-path='title'] textarea", "Ours");
    page.click("[data-path='notes'] input[value='mine']");
    page.click("[data-path='tags'] input[value='theirs']");
    // While one decides, another one goes on.
    stage.patch(&path, &json!({ "title": "Theirs again", "rating": 5 }));
    page.click("#conflicts button");
    page.shows("[data-path='title']", "Theirs again");
    page.shows("[data-path='title']", "Ours");
    assert_eq!(page.text("[data-path='notes']"), "", "what is decided is not asked again");
    page.click("[data-path='title'] input[value='mine']");
    page.click("#conflicts button");
    page.shows("#note", "Saved, together with what somebody else has changed: rating.");
    let saved = stage.service.get(&path).json();
    let members = ["title", "notes", "tags", "rating"].map(|name| saved[name].clone());
    assert_eq!(members, [json!("Ours"), json!("my notes"), json!(["theirs"]), json!(5)]);
    stage.is_clean(|message| message.contains("412"));
}

#[test]
fn the_merge_keeps_its_promises() {
    let Some(stage) = stage() else { return };
    stage.open("");
    let done = stage.browser.js("return import(new URL('merge.test.js', location.href)).then(() => 'done', String);");
    assert_eq!(done, "done");
    stage.is_clean(|_| false);
}
