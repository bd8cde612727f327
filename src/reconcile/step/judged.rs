//! Whether the document is what the schema of its collection takes by now.
//!
//! Whatever a client writes is judged before it comes here. What is stored is
//! judged when the collection is declared otherwise than before, and when
//! something else than a client writes: that it breaks the schema is then a
//! condition of the resource, and keeps nothing from being done.

use super::Stepper;
use crate::reconcile::state::{Observed, SchemaViolation};

impl Stepper<'_> {
    pub(super) fn is_retired(&self) -> bool {
        self.catalog.is_retired(&self.state.key.collection)
    }

    /// Judges the document by the schema as it is now. Nobody sees one whose
    /// collection is out of service, and it is judged when that is back.
    pub(super) fn judge(&mut self) {
        let Some(subject) = self.state.subject(self.catalog).filter(|_| !self.is_retired()) else { return };
        let since = self.now();
        let found = subject.violations().into_iter().next();
        let found = found.map(|first| SchemaViolation { pointer: first.pointer, detail: first.detail, since });
        let before = self.state.observed.as_ref().and_then(|observed| observed.violation.as_ref());
        let is_same = |before: &SchemaViolation| {
            found.as_ref().is_some_and(|now| (&now.pointer, &now.detail) == (&before.pointer, &before.detail))
        };
        if found.is_some() != before.is_some() || before.is_some_and(|before| !is_same(before)) {
            self.observed().violation = found;
        }
    }

    /// Judges a document anew that did not pass, and was just written.
    pub(super) fn judge_again(&mut self) {
        if self.state.observed.as_ref().is_some_and(|observed: &Observed| observed.violation.is_some()) {
            self.judge();
        }
    }
}
