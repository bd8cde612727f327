//! What stands in a letter, whatever anybody writes.

use heeler::domain::job::AttemptOutcome;
use heeler::runner::{Probe, Runner as _};
use serde_json::json;

use super::peer::Peer;
use super::relays::taking;
use super::world::{World, detail, ended, run};

fn letter(peer: &Peer, mail: &str) -> String {
    format!(
        "mail = {{ {mail} }}\n[mail]\nrelay = \"smtp://{}\"\nfrom = \"Heeler <heeler@example.com>\"\n",
        peer.address
    )
}

/// What a relay hears of a letter with this input.
async fn heard_of(mail: &str, input: serde_json::Value) -> String {
    let peer = Peer::new(vec![taking()]);
    let mut world = World::new();
    world.input = input;
    let ending = world.letter(&letter(&peer, mail)).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
    let heard = peer.heard().remove(0);
    let id = ending.result.expect("a result")["messageId"].as_str().expect("an id").to_owned();
    assert!(heard.contains(&format!("Message-ID: {id}\r\n")), "{id}: {heard}");
    heard
}

#[tokio::test]
async fn a_letter_says_who_what_and_when() {
    let mail = "to = \"Ada <${resource.email}>\", reply_to = \"${input.by}\", subject = \"${resource.title}: ${input.n}\", \
                text = \"Line 1\\n.\\nLine 3 ${input.n}\", html = \"<p>${input.n}</p>\"";
    let heard = heard_of(mail, json!({ "n": 7, "by": "eve@example.com" })).await;
    for line in [
        "MAIL FROM:<heeler@example.com>",
        "RCPT TO:<ada@example.com>",
        "DATA",
        "From: Heeler <heeler@example.com>",
        "To: Ada <ada@example.com>",
        "Reply-To: eve@example.com",
        "Subject: Woof: 7",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Line 1",
        // A line that is a dot ends no letter.
        "..",
        "Line 3 7",
        "<p>7</p>",
        "QUIT",
    ] {
        assert!(heard.lines().any(|heard| heard == line), "{line}: {heard}");
    }
    assert!(heard.lines().any(|line| line.starts_with("EHLO [127.0.0.1]")), "{heard}");
    assert!(heard.lines().any(|line| line.starts_with("Date: ") && line.ends_with("+0000")), "{heard}");
}

#[tokio::test]
async fn everything_but_ascii_is_encoded() {
    let heard = heard_of("to = \"Ädä <ada@example.com>\", subject = \"Wüff ☃\", text = \"Grüße\"", json!({})).await;
    assert!(heard.is_ascii(), "{heard}");
    assert!(heard.contains("Subject: W=?utf-8?b?") || heard.contains("Subject: =?utf-8?b?"), "{heard}");
}

// `taking` hears one recipient: the others are refused by the script's end, so each kind is asked for by itself.
#[tokio::test]
async fn a_blind_copy_is_blind() {
    let peer = Peer::new(vec![{
        let mut script = taking();
        let second = script[5..7].to_vec();
        script.splice(7..7, second);
        script
    }]);
    let world = World::new();
    let mail = "to = \"ada@example.com\", bcc = [\"eve@example.com\"], subject = \"s\", text = \"t\"";
    let ending = world.letter(&letter(&peer, mail)).await;
    assert_eq!(ending.outcome, AttemptOutcome::Succeeded, "{ending:?}");
    let heard = peer.heard().remove(0);
    let (commands, letter) = heard.split_once("DATA\r\n").expect("a letter");
    assert!(commands.contains("RCPT TO:<eve@example.com>") && !letter.contains("eve@"), "{heard}");
}

#[tokio::test]
async fn nothing_that_a_client_gives_becomes_a_field_a_recipient_or_a_command() {
    let hostile = [
        "x\r\nBcc: eve@example.com",
        "x\nBcc: eve@example.com",
        "x\rBcc: eve@example.com",
        "x\r\n\r\nA letter of its own",
        "x\r\n.\r\nMAIL FROM:<eve@example.com>",
        "x\u{0}y",
        "x\u{85}Bcc: eve@example.com",
        "x\u{2028}Bcc: eve@example.com",
        "x\u{2029}Bcc: eve@example.com",
        "x\u{b}y",
        "x\u{c}y",
        "=?utf-8?q?x=0D=0ABcc:_eve@example.com?=",
        "ada@example.com, eve@example.com",
        "ada@example.com>\r\nRCPT TO:<eve@example.com",
        "\"ada\r\n\"@example.com",
    ];
    for text in hostile {
        for (member, mail) in [
            ("subject", "to = \"ada@example.com\", subject = \"${input.x}\", text = \"t\""),
            ("to", "to = \"${input.x}\", subject = \"s\", text = \"t\""),
            ("name", "to = \"${input.x} <ada@example.com>\", subject = \"s\", text = \"t\""),
            ("reply_to", "to = \"ada@example.com\", reply_to = \"${input.x}\", subject = \"s\", text = \"t\""),
        ] {
            let peer = Peer::new(vec![taking()]);
            let mut world = World::new();
            world.input = json!({ "x": text });
            let ending = world.letter(&letter(&peer, mail)).await;
            match peer.heard().first() {
                // It was harmless there, and is sent as what it is.
                Some(heard) => {
                    let (commands, message) = heard.split_once("DATA\r\n").expect("a letter");
                    assert_eq!(commands.matches("RCPT TO:").count(), 1, "{member} {text:?}: {heard}");
                    assert!(commands.contains("RCPT TO:<ada@example.com>"), "{member} {text:?}: {heard}");
                    let head = message.split("\r\n\r\n").next().expect("a head");
                    let is_bcc = |line: &str| line.to_lowercase().starts_with("bcc:");
                    assert!(!head.split(['\r', '\n']).any(is_bcc), "{member} {text:?}: {heard}");
                    assert_eq!(heard.matches("MAIL FROM:").count(), 1, "{member} {text:?}: {heard}");
                }
                None => {
                    assert_eq!(ending.outcome, AttemptOutcome::Failed, "{member} {text:?}: {ending:?}");
                    assert!(!detail(&ending).contains("eve"), "{member} {text:?}: {ending:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_text_of_a_letter_cannot_end_it() {
    for text in
        ["a\r\n.\r\nMAIL FROM:<eve@example.com>\r\n", "a\n.\nb", "a\r.\rb", ".\r\n.\r\n", "\r\n.", "a\n.\r\nQUIT\r\n"]
    {
        let heard =
            heard_of("to = \"ada@example.com\", subject = \"s\", text = \"${input.x}\"", json!({ "x": text })).await;
        let letter = heard.split_once("DATA\r\n").expect("a letter").1;
        let rest = letter.split_once("\r\n.\r\n").expect("an end").1;
        assert_eq!(rest, "QUIT\r\n", "{text:?}: {heard}");
        // No line ends in any other way than lines do.
        let bare = letter.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "{text:?}: {letter:?}");
    }
}

#[tokio::test]
async fn a_second_attempt_sends_the_same_letter_and_a_finished_one_none() {
    let peer = Peer::new(vec![taking()]);
    let world = World::new();
    let config = world.configured(&letter(&peer, "to = \"ada@example.com\", subject = \"s\", text = \"t\""));
    let runner = world.mail();
    let mut launch = world.launch(&config);
    let first = ended(run(&runner, launch.clone()).await);
    let again = world.mail();
    assert_eq!(again.probe(launch.attempt).await, Probe::Ended(first.clone()));
    assert_eq!(ended(run(&again, launch.clone()).await), first);
    assert_eq!(peer.heard().len(), 1);
    launch.attempt.number = 2;
    assert_eq!(again.probe(launch.attempt).await, Probe::NeverStarted);
    assert_eq!(ended(run(&again, launch).await).result, first.result);
    assert_eq!(peer.heard().len(), 2);
}
