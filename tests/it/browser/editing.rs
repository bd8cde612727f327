//! One person with one document.

use serde_json::json;

use super::stage;
use super::world::{PROGRESS, running};

#[test]
fn a_document_is_edited_while_its_job_runs_and_its_progress_moves() {
    let Some(stage) = stage() else { return };
    let path = stage.video("42", &running("Holiday"));
    let job = stage.service.get(&path).json()["status"]["processing"]["active"][0]["href"].take();
    stage.open("42");
    let page = &stage.browser;
    let progress = || page.value(PROGRESS).parse::<f64>().unwrap_or_default();
    page.until("the job says how far it is", |_| progress() > 0.0);
    // The tag that the page read is older than what the job has said since, and holds.
    page.fill("[data-member='title']", "Holiday by the sea");
    let before = progress();
    page.until("the job goes on", |_| progress() > before);
    page.click("#save");
    page.shows("#note", "Saved.");
    let saved = stage.service.get(&path).json();
    assert_eq!((&saved["title"], &saved["notes"]), (&json!("Holiday by the sea"), &json!("none")), "{saved}");
    assert_eq!(saved["status"]["processing"]["active"][0]["href"], job, "the save has disturbed the job");
    let before = progress();
    page.until("the job goes on after the save", |_| progress() > before);
    page.shows("#rows", "Holiday by the sea");
    page.shows("#conditions", "JobRunning");
    stage.is_clean(|_| false);
}

#[test]
fn a_save_whose_answer_is_lost_is_sent_again_and_made_once() {
    let Some(stage) = stage() else { return };
    let path = stage.video("42", &json!({ "title": "Holiday" }));
    stage.open("42");
    let page = &stage.browser;
    page.js("const real = window.fetch;
         window.keys = [];
         window.fetch = async (url, request) => {
             if (request.method === 'PATCH') window.keys.push(request.headers['Idempotency-Key']);
             const answer = await real(url, request);
             if (request.method === 'PATCH') {
                 window.replayed = answer.headers.get('Idempotent-Replayed');
                 if (window.keys.length < 3) throw new TypeError('the answer is lost');
             }
             return answer;
         };");
    page.fill("[data-member='title']", "Holiday by the sea");
    page.click("#save");
    page.shows("#note", "Saved.");
    assert_eq!(page.js("return [window.keys.length, new Set(window.keys).size];"), json!([3, 1]));
    assert_eq!(page.js("return window.replayed;"), "true");
    assert_eq!(stage.service.get(&path).json()["status"]["generation"], 2);
    // The next change is another request.
    page.fill("[data-member='title']", "Holiday in the hills");
    page.click("#save");
    page.until("it is saved", |_| stage.service.get(&path).json()["title"] == "Holiday in the hills");
    assert_eq!(page.js("return new Set(window.keys).size;"), 2);
    stage.is_clean(|_| false);
}

#[test]
fn what_cannot_be_saved_is_said_at_its_field() {
    let Some(stage) = stage() else { return };
    let path = stage.video("42", &json!({ "title": "Holiday", "tags": ["sea"] }));
    let first = stage.service.get(&path).etag().to_owned();
    stage.open("42");
    let page = &stage.browser;
    for (member, typed, said) in [
        ("tags", "[\"sea\"", "This is not JSON"),
        ("tags", "[1]", "string"),
        ("title", "x".repeat(201).as_str(), "200"),
    ] {
        page.fill(&format!("[data-member='{member}']"), typed);
        page.click("#save");
        page.shows(&format!("[data-key='{member}'] .wrong"), said);
        assert_eq!(page.value(&format!("[data-member='{member}']")), typed, "what was typed is kept");
        page.click("#discard");
    }
    page.fill("[data-member='tags']", "null");
    page.click("#save");
    page.shows("#alert", "cannot become null");
    page.click("#discard");
    assert_eq!(page.value("[data-member='title']"), "Holiday");
    assert_eq!(stage.service.get(&path).etag(), first, "nothing was changed");
    // Members come and go.
    page.fill("#add [name='name']", "rating");
    page.click("#add option[value='json']");
    page.click("#add button");
    page.fill("[data-member='rating']", "{\"stars\": 5}");
    page.click("[data-key='tags'] button");
    page.click("#save");
    page.shows("#note", "Saved.");
    let saved = stage.service.get(&path).json();
    assert_eq!((&saved["rating"], saved.get("tags")), (&json!({ "stars": 5 }), None), "{saved}");
    stage.is_clean(|message| message.contains("422"));
}

#[test]
fn jobs_are_run_and_cancelled_and_a_document_is_made_and_deleted() {
    let Some(stage) = stage() else { return };
    stage.open("");
    let page = &stage.browser;
    page.shows("#list", "There is nothing yet.");
    page.click("summary");
    let document = running("Holiday").to_string();
    page.fill("#create textarea", &document);
    page.click("#create button");
    page.shows("#document-title", "Holiday");
    page.shows("strong.phase", "running");
    page.click("#actions [data-method='DELETE']");
    page.shows("strong.phase", "canceled");
    page.shows(".last", "canceled");
    page.click("#actions [data-method='POST']");
    page.shows("strong.phase", "running");
    let list = stage.service.get("/v1/videos").json();
    let id = list["items"][0]["id"].as_str().expect("an id").to_owned();
    // Its job is stopped before it goes.
    page.click("#remove");
    page.shows("#alert", "This document is deleted.");
    page.shows("#list", "There is nothing yet.");
    assert_eq!(stage.service.get(&format!("/v1/videos/{id}")).status, 404);
    let jobs = stage.service.get(&format!("/v1/jobs?collection=videos&resource={id}")).json();
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(2), "each button was heard once: {jobs}");
    stage.is_clean(|_| false);
}
