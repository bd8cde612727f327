//! The runners whose work is done by others.

use std::sync::Arc;

use super::keeping::Keeping;
use crate::clock::SystemClock;
use crate::domain::operation::RunnerKind;
use crate::runner::http::{HttpConfig, HttpRunner, SystemResolver};
use crate::runner::mail::{MailConfig, MailRunner};
use crate::runner::{Runners, Trust};

/// Those of a service.
pub(super) fn runners(keeping: &Keeping, trust: &Trust) -> Runners {
    let root = keeping.attempts().to_owned();
    let clock = Arc::new(SystemClock);
    let http = HttpConfig {
        root: root.clone(),
        trust: trust.clone(),
        resolver: Arc::new(SystemResolver),
        clock: Arc::clone(&clock) as _,
    };
    let mail = MailConfig { root, trust: trust.clone(), clock };
    Runners::default()
        .with(RunnerKind::Http, Arc::new(HttpRunner::new(http)))
        .with(RunnerKind::Mail, Arc::new(MailRunner::new(mail)))
}
