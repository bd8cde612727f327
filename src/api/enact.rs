//! The one way of every change that a client asks for: it is made and
//! remembered, or only tried.

use super::once::{About, Once};
use super::trial::Trial;
use super::{Api, ApiError, ChangeRequest, Intent};
use crate::domain::id::{JobId, ResourceKey};
use crate::state::{Applied, ApplyError, Decision, Loaded, Remember, Tried};

impl Api {
    /// Makes what `decide` decides on, and remembers the answer if the request
    /// has a key; or only tries it, which always ends in [`ApiError::Tried`].
    ///
    /// # Errors
    /// Those of `decide` and of every commit, and `Tried`.
    pub(super) async fn enact(
        &self,
        key: &ResourceKey,
        about: About,
        request: &ChangeRequest,
        decide: impl FnMut(&Loaded) -> Result<Decision, ApiError>,
    ) -> Result<Applied, ApplyError<ApiError>> {
        let job = match about {
            About::Job(id) => Some(id),
            About::NewResource | About::Resource | About::Launch => None,
        };
        match (request.intent, &request.once) {
            (Intent::Try, _) => Err(self.try_out(key, about, job, decide).await),
            (Intent::Make, Some(Once::First(held))) => {
                let remember = Remember {
                    name: held.name(),
                    write: &|before, after, expires| held.record(about, before, after, expires, &self.catalog),
                };
                let applied = self.state.apply_once(key, job, Some(&remember), decide).await?;
                held.committed(applied.remembered.as_ref());
                Ok(applied)
            }
            (Intent::Make, None | Some(Once::InFlight | Once::Reused)) => self.state.apply(key, job, decide).await,
        }
    }

    /// What trying a change ends in.
    async fn try_out(
        &self,
        key: &ResourceKey,
        about: About,
        job: Option<JobId>,
        decide: impl FnOnce(&Loaded) -> Result<Decision, ApiError>,
    ) -> ApplyError<ApiError> {
        let Tried { before, after } = match self.state.try_out(key, job, decide).await {
            Ok(tried) => tried,
            Err(error) => return error,
        };
        let if_match = job.map_or_else(|| before.etag(), |job| before.job_etag(job));
        let trial = Trial::new(about, &before.state, &after, &self.catalog, if_match);
        ApplyError::Decided(ApiError::Tried(Box::new(trial)))
    }
}
