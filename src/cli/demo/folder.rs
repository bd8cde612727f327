//! The files that a demo runs with: those of `examples/`, carried in the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Each file of the example that is needed at run time, by its path there.
const FILES: [(&str, &str); 9] = [
    ("heeler.toml", include_str!("../../../examples/heeler.toml")),
    ("bin/feed.sh", include_str!("../../../examples/bin/feed.sh")),
    ("bin/digest.sh", include_str!("../../../examples/bin/digest.sh")),
    ("bin/count.sh", include_str!("../../../examples/bin/count.sh")),
    ("bin/compress.sh", include_str!("../../../examples/bin/compress.sh")),
    ("schemas/file.json", include_str!("../../../examples/schemas/file.json")),
    ("schemas/digest.json", include_str!("../../../examples/schemas/digest.json")),
    ("schemas/count.json", include_str!("../../../examples/schemas/count.json")),
    ("schemas/compress.json", include_str!("../../../examples/schemas/compress.json")),
];

/// A folder with the example in it, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn create() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("heeler-demo-").tempdir()?;
        for (name, text) in FILES {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
            fs::write(path, text)?;
        }
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.0.path().join("heeler.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Heeler;

    #[test]
    fn the_example_is_a_configuration_of_this_version() {
        let folder = Folder::create().expect("a folder");
        let config = Heeler::builder().config_file(folder.configuration()).config().expect("the example is right");
        assert_eq!(config.catalog.operations.len(), 3);
    }

    #[test]
    fn everything_that_the_example_names_is_carried_along() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let folder = Folder::create().expect("a folder");
        for part in ["bin", "schemas"] {
            for entry in fs::read_dir(example.join(part)).expect("a part of the example") {
                let name = entry.expect("an entry").file_name();
                assert!(folder.path().join(part).join(&name).exists(), "{part}/{} is missing", name.display());
            }
        }
    }
}
