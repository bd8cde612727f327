//! What of an engine can be set while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::retention::Retention;

/// What an engine goes by that is declared nowhere. Cheap to clone; every clone
/// sets the same engine.
#[derive(Debug, Clone)]
pub struct Dials(Arc<RwLock<Set>>);

#[derive(Debug, Clone, Copy)]
struct Set {
    running: usize,
    kept: Retention,
}

impl Dials {
    pub(super) fn new(running: usize, kept: Retention) -> Self {
        Self(Arc::new(RwLock::new(Set { running, kept })))
    }

    /// From now on so many attempts at once, those that run already among them,
    /// and what is over is remembered for so long.
    pub fn set(&self, running: usize, kept: Retention) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Set { running, kept };
    }

    /// How many attempts are in hand at once.
    pub(super) fn running(&self) -> usize {
        self.now().running
    }

    /// For how long what is over is remembered.
    pub(super) fn kept(&self) -> Retention {
        self.now().kept
    }

    fn now(&self) -> Set {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
