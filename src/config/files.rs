//! The files that a configuration names: schemas and secrets.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::error::Report;
use super::section::Field;
use crate::domain::schema::Schema;

/// Reads schema files, each of them once.
pub(super) struct Files<'f> {
    /// Where relative paths start; absolute.
    pub(super) base: &'f Path,
    read: &'f dyn Fn(&Path) -> io::Result<String>,
    schemas: BTreeMap<PathBuf, Result<Arc<Schema>, String>>,
}

impl<'f> Files<'f> {
    pub(super) fn new(base: &'f Path, read: &'f dyn Fn(&Path) -> io::Result<String>) -> Self {
        Self { base, read, schemas: BTreeMap::new() }
    }

    /// The absolute path that a path in the file stands for.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        // Through the components, which leaves out every `.`.
        self.base.join(path).components().collect()
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &Path) -> io::Result<String> {
        (self.read)(path)
    }

    /// The schema in the file that a field names.
    pub(super) fn schema(&mut self, field: &Field<'_>, report: &mut Report<'_>) -> Option<Arc<Schema>> {
        let name = field.text("the path of a JSON Schema file", report)?;
        if name.is_empty() {
            return field.refuse("expected the path of a JSON Schema file, found an empty string", report);
        }
        let path = self.resolve(name);
        let read = self.read;
        let schema = self.schemas.entry(path).or_insert_with_key(|path| load(path, read));
        match schema {
            Ok(schema) => Some(Arc::clone(schema)),
            Err(message) => field.refuse(message, report),
        }
    }
}

fn load(path: &Path, read: &dyn Fn(&Path) -> io::Result<String>) -> Result<Arc<Schema>, String> {
    let text = read(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    let source: Value =
        serde_json::from_str(&text).map_err(|error| format!("`{}` is not JSON: {error}", path.display()))?;
    let schema = Schema::compile(source).map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(Arc::new(schema))
}
