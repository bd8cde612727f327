//! What evaluating an expression may cost.

use std::cell::Cell;

use super::EvaluationError;

/// How many steps an evaluation takes at most. A step is a node of the tree, an
/// element that is visited, or [`BYTES_PER_STEP`] of text: a million of them
/// take some tens of milliseconds, and a filter over ten thousand elements
/// takes a tenth of them.
pub(super) const STEPS_MAX: usize = 1_000_000;

/// How much an evaluation makes at most, in bytes, whether or not it lives to
/// the end: a copy of the largest document that is allowed by default, with
/// what its nodes take in memory.
pub(super) const MADE_MAX: usize = 32 << 20;

/// How much text is read in one step.
const BYTES_PER_STEP: usize = 16;

/// What is left of an evaluation. Once it is used up, every further step fails,
/// so that nothing which absorbs an error goes on.
#[derive(Debug)]
pub(super) struct Budget {
    steps: Cell<usize>,
    made: Cell<usize>,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { steps: Cell::new(STEPS_MAX), made: Cell::new(MADE_MAX) }
    }

    /// Takes steps.
    pub(super) fn work(&self, steps: usize) -> Result<(), EvaluationError> {
        take(&self.steps, steps).ok_or_else(|| EvaluationError::Failed {
            detail: format!("this takes more than {STEPS_MAX} steps: the expression goes over too much"),
        })
    }

    /// Reads text of a length.
    pub(super) fn read(&self, bytes: usize) -> Result<(), EvaluationError> {
        self.work(bytes / BYTES_PER_STEP)
    }

    /// Makes something of a size. Copying is no further step: its size bounds it.
    pub(super) fn make(&self, bytes: usize) -> Result<(), EvaluationError> {
        take(&self.made, bytes).ok_or_else(|| EvaluationError::Failed {
            detail: format!("this makes more than {MADE_MAX} bytes: the expression builds too much"),
        })
    }
}

/// Takes from what is left; what is not enough is gone.
fn take(left: &Cell<usize>, amount: usize) -> Option<()> {
    let rest = left.get().checked_sub(amount);
    left.set(rest.unwrap_or(0));
    rest.filter(|rest| *rest > 0).map(|_| ())
}
