//! What an attempt said and nobody heard yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use crate::domain::job::{Ending, PROGRESS_MESSAGE_BYTES_MAX, WorkPatch, clip};
use crate::runner::Report;

/// What an attempt said: of its progress the newest only, and its end for good.
#[derive(Debug, Default)]
pub(super) struct Said {
    words: Mutex<Words>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Words {
    progress: Option<Report>,
    patch: Option<WorkPatch>,
    ending: Option<Ending>,
}

impl Said {
    /// Says how far it is. After the end that is of no interest any more.
    pub(super) fn progress(&self, fraction: Option<f64>, message: Option<String>) {
        let message = message.map(|message| clip(&message, PROGRESS_MESSAGE_BYTES_MAX));
        let fraction = fraction.filter(|fraction| fraction.is_finite());
        let mut words = self.words();
        if words.ending.is_none() {
            words.progress = Some(Report::Progress { fraction, message });
        }
        drop(words);
        self.news.notify_one();
    }

    /// Says what observed members are to become once the job ends. After the
    /// end of the attempt that counts no more.
    pub(super) fn patch(&self, patch: Value) {
        let mut words = self.words();
        if words.ending.is_none() {
            words.patch.get_or_insert_default().collect(patch);
        }
    }

    /// Says how it ended; the first word counts.
    pub(super) fn end(&self, ending: Ending) {
        let mut words = self.words();
        if words.ending.is_none() {
            let patch = words.patch.take();
            words.ending = Some(Ending { patch, ..ending });
        }
        drop(words);
        self.news.notify_one();
    }

    /// How it ended, if it did.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.words().ending.clone()
    }

    /// Waits for the next thing that it says. Dropping the future loses nothing.
    pub(super) async fn next(&self) -> Report {
        loop {
            // Bound before looking, so that what is said between the two is heard.
            let news = self.news.notified();
            if let Some(report) = self.take() {
                return report;
            }
            news.await;
        }
    }

    fn take(&self) -> Option<Report> {
        let mut words = self.words();
        words.progress.take().or_else(|| words.ending.clone().map(Report::Ended))
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
