//! What expressions were read lately. Reading one costs more than all that is
//! asked of it when a tick falls due, and most schedules of a service have few.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use super::Cron;

/// How many expressions are remembered: some hundred bytes each.
const REMEMBERED_MAX: usize = 1024;

static READ: LazyLock<RwLock<HashMap<Box<str>, Cron>>> = LazyLock::new(RwLock::default);

/// The expression in this spelling, if it was read lately.
pub(super) fn recall(text: &str) -> Option<Cron> {
    READ.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned()
}

/// Remembers what was read.
pub(super) fn remember(text: &str, cron: &Cron) {
    let mut read = READ.write().unwrap_or_else(PoisonError::into_inner);
    // Whoever has so many different ones gains little by any of them.
    if read.len() >= REMEMBERED_MAX {
        read.clear();
    }
    read.insert(text.into(), cron.clone());
}
