//! `heeler edit`: a document in an editor.
//!
//! # Guarantees
//! What was typed is never lost: unless it was stored, or nothing was typed, it
//! is in a file, and the message says where.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use http::StatusCode;
use serde_json::{Map, Value};

use super::args::EditArgs;
use super::files;
use super::plan::others_changed;
use super::print::{line, pretty};
use super::session::{Session, json_of};
use super::status;
use super::target::ResourceName;
use crate::cli::client::{Ask, Belief, Problem};
use crate::cli::exit::Failure;
use crate::cli::output::complain;

/// What edits where nobody said otherwise.
const EDITOR: &str = "vi";

/// A text that is being edited.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
}

/// What came of sending a document.
enum Sent {
    Stored,
    /// The document can be mended.
    Refused(String),
    /// Somebody else was first.
    Conflict,
}

pub(super) async fn run(session: &Session, args: &EditArgs) -> Result<(), Failure> {
    let name = &args.target;
    let path = session.resource_path(name).await?;
    let reply = session.client.demand(&Ask::get(&path)).await.map_err(|error| Failure::about(name, error))?;
    let before = status::document(&json_of(&path, &reply)?);
    let tag = reply.etag.unwrap_or_else(|| "*".to_owned());
    let mut text = format!("{}\n", pretty(&Value::Object(before.clone())));
    let draft = Draft::create(&text)?;
    loop {
        open(session, &draft).await?;
        let typed = draft.read()?;
        // Whoever saves the same text again has given up on it, or never begun.
        let is_same = typed == text;
        let document = files::object(&draft.path.display().to_string(), typed.as_bytes());
        if document.as_ref().is_ok_and(|document| *document == before) {
            draft.remove();
            return line(&format!("{name} unchanged"));
        }
        if is_same {
            return Err(Failure::Refused(format!("nothing was changed; your text is in {}", draft.path.display())));
        }
        let refused = match document {
            Err(mistake) => mistake,
            Ok(document) => match send(session, name, &path, &tag, &document).await.inspect_err(|_| draft.keep())? {
                Sent::Stored => {
                    draft.remove();
                    return line(&format!("{name} changed"));
                }
                Sent::Refused(words) => words,
                Sent::Conflict => {
                    let who = who_differs(session, &path, &before).await;
                    let kept = draft.path.display();
                    return Err(Failure::Conflict(format!(
                        "{name}: conflict, nothing was changed: {who}; your text is in {kept}"
                    )));
                }
            },
        };
        complain(&format!("heeler: {refused}"));
        ask_to_go_on(session, &draft).await?;
        text = typed;
    }
}

async fn send(
    session: &Session,
    name: &ResourceName,
    path: &str,
    tag: &str,
    document: &Map<String, Value>,
) -> Result<Sent, Failure> {
    let body = Value::Object(document.clone());
    let ask = Ask::put(path, &body).believing(Belief::IsStill(tag));
    let reply = session.client.send(&ask).await?;
    match reply.status {
        StatusCode::PRECONDITION_FAILED if Problem::of(&reply).already_applied => Ok(Sent::Stored),
        StatusCode::PRECONDITION_FAILED => Ok(Sent::Conflict),
        // A rule of the operator can be heeded, too.
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            Ok(Sent::Refused(format!("{name}: {}", Problem::of(&reply))))
        }
        _ => session.client.accept(&ask, reply).map(|_| Sent::Stored).map_err(|error| Failure::about(name, error)),
    }
}

async fn who_differs(session: &Session, path: &str, before: &Map<String, Value>) -> String {
    match session.find(path).await {
        Ok(Some(reply)) => others_changed(before, &reply.json().unwrap_or_default()),
        Ok(None) => "somebody deleted it".to_owned(),
        Err(failure) => format!("somebody else changed it ({failure})"),
    }
}

/// Lets an editor have the terminal until it ends.
async fn open(session: &Session, draft: &Draft) -> Result<(), Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| EDITOR.into());
    // Editors have flags, so that it takes a shell to read them, as for git.
    let mut command = Command::new("sh");
    command.arg("-c").arg("eval \"$HEELER_EDITOR\" '\"$1\"'").arg("sh").arg(&draft.path);
    command.env("HEELER_EDITOR", &editor);
    session.terminal_is_lent.set(true);
    let ended = tokio::task::spawn_blocking(move || command.status()).await;
    session.terminal_is_lent.set(false);
    let editor = editor.display();
    let kept = draft.path.display();
    match ended.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Failure::Usage(format!("`{editor}` ended with {status}; nothing was changed; the text is in {kept}")))
        }
        Err(error) => Err(Failure::Usage(format!("`{editor}` cannot be started: {error}; the text is in {kept}"))),
    }
}

/// Lets who sits there read why, before the editor covers it.
async fn ask_to_go_on(session: &Session, draft: &Draft) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    complain(&format!("Enter goes on editing; Ctrl-C ends, and leaves your text in {}", draft.path.display()));
    session.terminal_is_lent.set(false);
    let read = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await;
    match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(0) => Err(Failure::Refused(format!("nothing was changed; your text is in {}", draft.path.display()))),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::System(error.into())),
    }
}

impl Draft {
    fn create(text: &str) -> Result<Self, Failure> {
        let refuse = |error: io::Error| Failure::System(error.into());
        // Only its owner can read it.
        let mut file = tempfile::Builder::new().prefix("heeler-edit-").suffix(".json").tempfile().map_err(refuse)?;
        file.write_all(text.as_bytes()).map_err(refuse)?;
        let (_, path) = file.keep().map_err(|error| refuse(error.error))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<String, Failure> {
        let refuse = |error| Failure::Usage(format!("{} cannot be read: {error}", self.path.display()));
        fs::read(&self.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(refuse)
    }

    /// Says where it stays.
    fn keep(&self) {
        complain(&format!("your text is in {}", self.path.display()));
    }

    fn remove(&self) {
        let path: &Path = &self.path;
        // A file that stays in the folder for temporary ones harms nobody.
        let _ = fs::remove_file(path);
    }
}
