//! Resources as files: which there are, and what they say.
//!
//! # Guarantees
//! All files are read before anything is asked of a service, and a mistake is
//! named with its file, and with line and column where it has one.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::args::FilesArgs;
use super::target::ResourceName;
use crate::cli::exit::Failure;
use crate::domain::json::{self, JsonError, JsonLimits, Position};

/// The most files of one command: more is a wrong folder.
const FILES_MAX: usize = 10_000;

/// How deep folders are looked through, so that links in a circle have an end.
const FOLDERS_DEEP: usize = 16;

/// The largest file: some sixteen times the largest document of a service by default.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a file says of a resource.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) name: ResourceName,
    pub(super) document: Map<String, Value>,
}

/// Reads all of them, in the order of their resources.
pub(super) fn read(args: &FilesArgs) -> Result<Vec<Wanted>, Failure> {
    let files = found(&args.files)?;
    if (args.named.is_some() || args.if_match.is_some()) && files.len() != 1 {
        return Err(usage(format!("`--as` and `--if-match` are about one file: there are {}", files.len())));
    }
    let mut wanted = Vec::new();
    let mut mistakes = Vec::new();
    for file in files {
        let name = args.named.clone().map_or_else(|| name_of(&file), Ok);
        match (name, document(&file)) {
            (Ok(name), Ok(document)) => wanted.push((file, Wanted { name, document })),
            (Err(mistake), _) | (_, Err(mistake)) => mistakes.push(mistake),
        }
    }
    wanted.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    for pair in wanted.windows(2) {
        if pair[0].1.name == pair[1].1.name {
            mistakes.push(format!("{} and {} are the same resource", pair[0].0.display(), pair[1].0.display()));
        }
    }
    if mistakes.is_empty() {
        Ok(wanted.into_iter().map(|(_, wanted)| wanted).collect())
    } else {
        Err(usage(mistakes.join("\n")))
    }
}

fn usage(words: String) -> Failure {
    Failure::Usage(words)
}

fn found(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let before = files.len();
            below(path, 0, &mut files).map_err(usage)?;
            if files.len() == before {
                return Err(usage(format!("{}: there are no files *.json", path.display())));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let refuse = |error| format!("{} cannot be read: {error}", folder.display());
    if depth > FOLDERS_DEEP {
        return Err(format!("{}: folders are nested deeper than {FOLDERS_DEEP}", folder.display()));
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).and_then(Iterator::collect);
    let mut paths: Vec<PathBuf> = entries.map_err(refuse)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            below(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("{}: there are more than {FILES_MAX} files", folder.display()));
        }
    }
    Ok(())
}

/// The resource that a file is: its name is the id, its folder the collection.
fn name_of(file: &Path) -> Result<ResourceName, String> {
    if file == Path::new("-") {
        return Err("`-` has no name: say with `--as COLLECTION/ID` which resource it is".to_owned());
    }
    let whole = std::path::absolute(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).unwrap_or_default().to_owned();
    let collection = text(whole.parent().and_then(Path::file_name));
    let id = text(whole.file_stem());
    let expected = || format!("{}: expected a file COLLECTION/ID.json, or `--as COLLECTION/ID`", file.display());
    let collection = collection.parse().map_err(|_| expected())?;
    if id.is_empty() { Err(expected()) } else { Ok(ResourceName { collection, id }) }
}

fn document(file: &Path) -> Result<Map<String, Value>, String> {
    let (shown, bytes) = if file == Path::new("-") {
        ("-".to_owned(), limited(io::stdin().lock()))
    } else {
        (file.display().to_string(), fs::File::open(file).and_then(limited))
    };
    let bytes = bytes.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    object(&shown, &bytes)
}

fn limited(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {} MiB", FILE_BYTES_MAX / (1024 * 1024))));
    }
    Ok(bytes)
}

/// Reads a document strictly; `shown` is what a mistake says of where it is.
pub(super) fn object(shown: &str, bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let value = json::parse(bytes, &JsonLimits::default()).map_err(|error| {
        let Position { line, column } = place(&error);
        format!("{shown}:{line}:{column}: {error}")
    })?;
    let kind = json::kind(&value);
    if let Value::Object(members) = value {
        Ok(members)
    } else {
        Err(format!("{shown}:1:1: expected a JSON object, found {kind}"))
    }
}

fn place(error: &JsonError) -> Position {
    match error {
        JsonError::NotUtf8 { at }
        | JsonError::Syntax { at, .. }
        | JsonError::Duplicate { at, .. }
        | JsonError::IntegerOutOfRange { at, .. }
        | JsonError::TooDeep { at, .. } => *at,
        JsonError::ByteOrderMark => Position { line: 1, column: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(files: Vec<PathBuf>) -> FilesArgs {
        FilesArgs { files, named: None, merge: false, if_match: None }
    }

    fn names(wanted: &[Wanted]) -> Vec<String> {
        wanted.iter().map(|wanted| wanted.name.to_string()).collect()
    }

    #[test]
    fn the_folder_of_a_file_is_its_collection_however_it_is_reached() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("all/videos/42.json", "{}"),
            ("all/team/videos/a.b.json", "{\"title\": 1}"),
            ("all/dogs/rex.json", "{}"),
            ("all/dogs/.draft.json", "broken"),
            ("all/dogs/README.md", "not a document"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let all = read(&args(vec![folder.path().join("all")])).expect("all are right");
        assert_eq!(names(&all), ["dogs/rex", "videos/42", "videos/a.b"]);
        let one = read(&args(vec![folder.path().join("all/team/../videos/42.json")])).expect("it is right");
        assert_eq!(names(&one), ["videos/42"]);
        let twice = read(&args(vec![folder.path().join("all/dogs"), folder.path().join("all/dogs/rex.json")]));
        assert!(twice.is_err_and(|error| error.to_string().ends_with("are the same resource")));
        fs::create_dir(folder.path().join("empty")).expect("made");
        let none = read(&args(vec![folder.path().join("empty")]));
        assert!(none.is_err_and(|error| error.to_string().ends_with("there are no files *.json")));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, expected) in [
            ("{\"a\": 1,\n  \"a\": 2}", "x:2:5: the member `/a` occurs twice"),
            ("{\n", "x:2:"),
            ("[1]", "x:1:1: expected a JSON object, found an array"),
        ] {
            let said = object("x", text.as_bytes()).expect_err(text);
            assert!(said.starts_with(expected), "{text}: {said}");
        }
    }
}
