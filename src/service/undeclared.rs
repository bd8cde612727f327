//! Keeps a configuration from leaving out what is stored.

use super::error::Error;
use crate::domain::catalog::Catalog;
use crate::domain::id::CollectionName;
use crate::state::{State, StateError};

/// How many resources are looked at in one read.
const PAGE: usize = 500;

/// Refuses declarations that omit a collection which holds resources: they
/// would be out of reach, and their jobs would run on unseen.
pub(super) async fn refuse(state: &State, catalog: &Catalog) -> Result<(), Error> {
    let undeclared = count(state, catalog).await.map_err(|error| Error::Store(error.into()))?;
    if undeclared.is_empty() { Ok(()) } else { Err(Error::Undeclared(undeclared)) }
}

async fn count(state: &State, catalog: &Catalog) -> Result<Vec<(CollectionName, u64)>, StateError> {
    let mut counted = Vec::new();
    for name in state.collections_with_resources().await? {
        if catalog.declared(&name).is_none() {
            let count = resources_of(state, &name).await?;
            counted.push((name, count));
        }
    }
    Ok(counted)
}

async fn resources_of(state: &State, collection: &CollectionName) -> Result<u64, StateError> {
    let mut count = 0;
    let mut after = None;
    loop {
        let (page, more) = state.resources(collection, after.as_ref(), PAGE).await?;
        count += page.len() as u64;
        after = page.into_iter().next_back().map(|(key, _)| key.id);
        if !more || after.is_none() {
            return Ok(count);
        }
    }
}
