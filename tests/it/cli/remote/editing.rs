//! `edit`, with programs for editors.

use std::fs;

use super::Service;
use crate::cli::world::{Ended, end_of};

/// Edits with a script of the shell, which finds the file in `$1` and counts its calls in a file.
fn edit(service: &Service, script: &str) -> Ended {
    service.write("editor.sh", &format!("echo >> calls\n{script}\n"));
    let _ = fs::remove_file(service.world.path().join("calls"));
    let mut command = service.heeler(&["edit", "videos/42"]);
    end_of(command.env("EDITOR", "false").env("VISUAL", "sh editor.sh"))
}

fn calls(service: &Service) -> usize {
    fs::read_to_string(service.world.path().join("calls")).map_or(0, |calls| calls.lines().count())
}

/// The texts that were left behind.
fn kept(service: &Service) -> Vec<String> {
    let entries = fs::read_dir(service.world.path()).expect("the folder").map(|entry| entry.expect("an entry").path());
    let drafts = entries.filter(|path| path.to_string_lossy().contains("heeler-edit-"));
    drafts.map(|path| fs::read_to_string(path).expect("a text")).collect()
}

fn title(service: &Service) -> String {
    let shown: serde_json::Value =
        serde_json::from_str(&service.run(&["get", "videos/42", "-o", "json"]).stdout).expect("JSON");
    shown["title"].to_string()
}

#[test]
fn what_is_saved_is_stored_and_nothing_of_the_service_is_in_the_way() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"Holiday","by":"Ada"}"#);
    let ended = edit(&service, "cp \"$1\" seen; sed -i 's/Holiday/Trip/' \"$1\"");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "videos/42 changed\n"), "{ended:?}");
    assert_eq!(title(&service), "\"Trip\"");
    let seen = fs::read_to_string(service.world.path().join("seen")).expect("what was edited");
    assert_eq!(seen, "{\n  \"title\": \"Holiday\",\n  \"by\": \"Ada\"\n}\n");
    let ended = edit(&service, ":");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "videos/42 unchanged\n"));
    assert_eq!(kept(&service), [""; 0], "nothing is left");
}

#[test]
fn what_is_refused_is_said_with_its_place_and_edited_again() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"a"}"#);
    let ended = edit(&service, "grep -q 7 \"$1\" && sed -i 's/7/\"b\"/' \"$1\" || sed -i 's/\"a\"/7/' \"$1\"");
    assert_eq!((ended.code, calls(&service)), (Some(0), 2), "{ended:?}");
    assert!(ended.stderr.contains("\n  /title: expected string, found number\n"), "{ended:?}");
    assert_eq!(title(&service), "\"b\"");

    // Whoever saves the same text again has given up.
    let ended = edit(&service, "echo '{' > \"$1\"");
    assert_eq!((ended.code, calls(&service)), (Some(2), 2), "{ended:?}");
    assert!(ended.stderr.contains(".json:2:0: not JSON: "), "{ended:?}");
    assert!(ended.stderr.contains("nothing was changed; your text is in "), "{ended:?}");
    assert_eq!(kept(&service), ["{\n"]);
}

#[test]
fn a_conflict_keeps_the_text_and_says_what_others_changed() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"a","by":"Ada"}"#);
    service.write("theirs.json", r#"{"title":"a","by":"Bob"}"#);
    let heeler = env!("CARGO_BIN_EXE_heeler");
    let ended =
        edit(&service, &format!("'{heeler}' apply --as videos/42 theirs.json >&2; sed -i 's/\"a\"/\"mine\"/' \"$1\""));
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let said = "heeler: videos/42: conflict, nothing was changed: somebody else changed /by; your text is in ";
    assert!(ended.stderr.contains(said), "{ended:?}");
    assert_eq!(kept(&service), ["{\n  \"title\": \"mine\",\n  \"by\": \"Ada\"\n}\n"]);
    assert_eq!(title(&service), "\"a\"");
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let service = Service::start();
    service.put("videos/42", r#"{"title":"a"}"#);
    let ended = edit(&service, "sed -i 's/a/b/' \"$1\"; exit 1");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("`sh editor.sh` ended with exit status: 1; nothing was changed"), "{ended:?}");
    assert_eq!((title(&service).as_str(), kept(&service).len()), ("\"a\"", 1));
}
