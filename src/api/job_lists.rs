//! The list of an activity's jobs: read page by page, and edited where the
//! operator allows that.

use bytes::Bytes;
use serde_json::{Value, json};

use super::error::AlreadyApplied;
use super::jobs::{LIST_CHUNK, changed_at, encode, launch_body, read_cursor, tag};
use super::once::{self, About};
use super::posts::{AnswerWhen, LaunchBody, LaunchRequest, PostedTo};
use super::resources::{absent, deleting, failed, is_deleting};
use super::{Api, ApiError, ChangeRequest, ListView, PAGE_BYTES_MAX, PAGE_ITEMS_DEFAULT, PageRequest};
use crate::domain::id::{ActivityName, JobId, ResourceKey};
use crate::domain::job::Job;
use crate::domain::job_list::{Edit, Listed, Wishes, wishes};
use crate::domain::links;
use crate::domain::precondition::{self, Current};
use crate::domain::schema::Violation;
use crate::domain::version::{ETag, Revision};
use crate::state::{Applied, ApplyError, Decision, Event, Launch, Loaded, StoredResource, show_job};

/// How often a change is decided upon a list that then turns out to be an older
/// one: an edit under `If-Match: *`, or a POST to the newest job that believes
/// something of it, and only while jobs come and go between two looks.
pub(super) const LOOKS_MAX: usize = 16;

/// Some jobs of an activity, the newest first.
struct Page {
    jobs: Vec<(Job, Bytes)>,
    more: bool,
}

/// The newest job of an activity, as it was looked at.
pub(super) struct Newest {
    /// Of which list.
    version: Revision,
    job: Option<(Job, Revision)>,
}

/// Why a change was not decided upon.
pub(super) enum Undecided {
    /// For this reason.
    Refused(ApiError),
    /// The list is another one by now.
    Stale,
}

impl<E: Into<ApiError>> From<E> for Undecided {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl Api {
    /// The jobs of an activity, the newest first.
    ///
    /// # Errors
    /// `NotFound`, `BadCursor`, `Store`.
    pub async fn activity_jobs(
        &self,
        key: &ResourceKey,
        activity: &ActivityName,
        page: &PageRequest,
    ) -> Result<ListView, ApiError> {
        self.activity(key, activity)?;
        let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
        let before = page.cursor.as_deref().map(read_cursor).transpose()?;
        // Before the jobs are read: so the tag is never newer than they are.
        let etag = self.list_tag(key, stored.jobs_version(activity));
        let Page { jobs, more } = self.page_of_jobs(&stored, activity, before, page.limit).await?;
        let next = jobs.last().filter(|_| more).map(|(job, _)| job.id.to_string());
        Ok(ListView { items: jobs.into_iter().map(|(_, body)| body).collect(), next, etag: Some(etag), revision: None })
    }

    async fn page_of_jobs(
        &self,
        stored: &StoredResource,
        activity: &ActivityName,
        mut before: Option<JobId>,
        limit: usize,
    ) -> Result<Page, ApiError> {
        let (mut jobs, mut bytes, mut more) = (Vec::new(), 0, true);
        while more && jobs.len() < limit && bytes < PAGE_BYTES_MAX {
            let limit = LIST_CHUNK.min(limit - jobs.len());
            let (ids, found_more) = self.state.jobs_of_activity(stored.desired.uid, activity, before, limit).await?;
            more = found_more;
            for (job, _) in self.state.jobs(&ids).await?.into_iter().flatten() {
                if bytes >= PAGE_BYTES_MAX {
                    more = true;
                    break;
                }
                let body = encode(&job, &self.catalog);
                bytes += body.len();
                before = Some(job.id);
                jobs.push((job, body));
            }
        }
        Ok(Page { jobs, more })
    }

    /// The tag of a list of jobs. Its first part is that of the list itself, so
    /// that a client can edit it and add to it while jobs report; the second
    /// one is the last change in the collection.
    fn list_tag(&self, key: &ResourceKey, version: Revision) -> ETag {
        ETag { changed: version, revision: self.state.last_change(&key.collection) }
    }

    /// The newest job of an activity now.
    pub(super) async fn newest(&self, key: &ResourceKey, activity: &ActivityName) -> Result<Newest, ApiError> {
        let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
        let version = stored.jobs_version(activity);
        let (ids, _) = self.state.jobs_of_activity(stored.desired.uid, activity, None, 1).await?;
        let job = match ids.first() {
            Some(id) => self.state.job(*id).await?,
            None => None,
        };
        Ok(Newest { version, job })
    }

    /// Judges what who posts to a list of jobs believes about it, or about the
    /// document that it belongs to.
    pub(super) fn believes_jobs(
        &self,
        loaded: &Loaded,
        activity: &ActivityName,
        request: &ChangeRequest,
    ) -> Result<(), ApiError> {
        let key = &loaded.state.key;
        let gone = || absent(key);
        let desired = loaded.state.desired.as_ref().ok_or_else(gone)?;
        let version = loaded.jobs_version(activity).ok_or_else(gone)?;
        once::judge(request)?;
        let etag = self.list_tag(key, version);
        let list = Current { etag, changed_at: desired.updated };
        let document = Current { etag: loaded.etag().ok_or_else(gone)?, ..list };
        // The first part of one tag is a digest, and that of the other one a
        // revision: an old tag of one is never taken for the other.
        precondition::check_owned(&request.preconditions, &list, &document, request.strictness)
            .map_err(|why| failed(why, etag))
    }

    /// Judges what who posts beside the newest job believes about that one;
    /// and gives its tag.
    pub(super) fn believes_newest(
        &self,
        loaded: &Loaded,
        activity: &ActivityName,
        newest: &Newest,
        request: &ChangeRequest,
    ) -> Result<Option<ETag>, Undecided> {
        let version = loaded.jobs_version(activity).ok_or_else(|| absent(&loaded.state.key))?;
        once::judge(request)?;
        if version != newest.version {
            return Err(Undecided::Stale);
        }
        let current = match &newest.job {
            None => None,
            Some((seen, revision)) => {
                let job = loaded.state.jobs.get(&seen.id).unwrap_or(seen);
                // One that is not loaded is final, and was so when it was looked at, or that is over.
                let etag = loaded.job_etag(seen.id).or_else(|| seen.phase.is_final().then(|| tag(*revision)));
                Some(Current { etag: etag.ok_or(Undecided::Stale)?, changed_at: changed_at(job) })
            }
        };
        let etag = current.map(|current| current.etag);
        precondition::check(&request.preconditions, current.as_ref(), request.strictness).map_err(|why| {
            ApiError::PreconditionFailed { why: Some(why), etag, already_applied: AlreadyApplied::No }
        })?;
        Ok(etag)
    }

    /// Makes a change of what clients see as a list of jobs; `None` where what
    /// was looked at before is not so any more. Where it is only tried, its tag
    /// is the one that `decide` gives, and not that of the document.
    pub(super) async fn enact_on_list(
        &self,
        key: &ResourceKey,
        about: About,
        request: &ChangeRequest,
        mut decide: impl FnMut(&Loaded, &mut Option<ETag>) -> Result<Decision, Undecided>,
    ) -> Result<Option<Applied>, ApiError> {
        let (mut etag, mut named, mut stale) = (None, None, false);
        let applied = self.enact(key, about, request, |loaded| {
            etag = loaded.etag();
            named = None;
            stale = false;
            decide(loaded, &mut named).map_err(|undecided| match undecided {
                Undecided::Refused(error) => error,
                Undecided::Stale => {
                    stale = true;
                    ApiError::Busy
                }
            })
        });
        match applied.await {
            Ok(applied) => Ok(Some(applied)),
            Err(_) if stale => Ok(None),
            Err(ApplyError::Decided(ApiError::Tried(mut trial))) => {
                trial.if_match = named;
                Err(ApiError::Tried(trial))
            }
            Err(error) => Err(self.refusal(key, error, etag)),
        }
    }

    /// Edits the list of an activity's jobs, as its first page shows it: all
    /// that it asks for happens in one commit, or nothing. What comes back is
    /// the list after it.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionRequired`, `PreconditionFailed`, `Deleting`,
    /// `Patch`, `ReadOnly`, `Invalid`, `Overlap`, `NotAccepting`,
    /// `TooManyJobs`, those of every commit.
    pub async fn edit_jobs(
        &self,
        key: &ResourceKey,
        activity: &ActivityName,
        edit: &Edit,
        request: &ChangeRequest,
    ) -> Result<ListView, ApiError> {
        self.activity(key, activity)?;
        for _ in 0..LOOKS_MAX {
            let stored = self.state.resource(key).await?.ok_or_else(|| absent(key))?;
            let seen = stored.jobs_version(activity);
            let page = self.page_of_jobs(&stored, activity, None, PAGE_ITEMS_DEFAULT).await?;
            let applied = self.enact_on_list(key, About::Resource, request, |loaded, named| {
                self.decide_edit(loaded, activity, (seen, &page), edit, request, named)
            });
            if applied.await?.is_some() {
                let first = PageRequest { limit: PAGE_ITEMS_DEFAULT, cursor: None };
                return self.activity_jobs(key, activity, &first).await;
            }
        }
        Err(ApiError::Busy)
    }

    /// What an edit leads to. Finished jobs never change, so they are as the
    /// page has them; the others are as they are now.
    fn decide_edit(
        &self,
        loaded: &Loaded,
        activity: &ActivityName,
        (seen, page): (Revision, &Page),
        edit: &Edit,
        request: &ChangeRequest,
        named: &mut Option<ETag>,
    ) -> Result<Decision, Undecided> {
        let key = &loaded.state.key;
        let desired = loaded.state.desired.as_ref().ok_or_else(|| absent(key))?;
        let version = loaded.jobs_version(activity).ok_or_else(|| absent(key))?;
        once::judge(request)?;
        let etag = self.list_tag(key, version);
        *named = Some(etag);
        if request.preconditions.if_match.is_none() {
            return Err(ApiError::PreconditionRequired { etag }.into());
        }
        let current = Current { etag, changed_at: desired.updated };
        precondition::check(&request.preconditions, Some(&current), request.strictness).map_err(|why| {
            let already_applied = already_applied(loaded, activity, request);
            ApiError::PreconditionFailed { why: Some(why), etag: Some(etag), already_applied }
        })?;
        if is_deleting(loaded) {
            return Err(deleting(loaded).into());
        }
        if version != seen {
            return Err(Undecided::Stale);
        }
        let listed: Vec<Listed> = page
            .jobs
            .iter()
            .map(|(job, _)| {
                let job = loaded.state.jobs.get(&job.id).unwrap_or(job).clone();
                Listed { shown: json!(show_job(&job, &self.catalog)), job }
            })
            .collect();
        let Wishes { launch, cancel } = wishes(&listed, &self.list_links(key, activity, page), edit, &self.limits)?;
        // A job that is added to a list stays on it.
        let as_listed = LaunchRequest { body: LaunchBody::Empty, when: AnswerWhen::AtOnce, at: PostedTo::List };
        let spec = self.activity(key, activity)?;
        let launch: Vec<Launch> = launch
            .iter()
            .map(|(at, item)| {
                let body = launch_body(item);
                let judged = body.and_then(|body| self.judge_launch(loaded, spec, &body, &as_listed));
                judged.map(|(launch, _)| launch).map_err(|error| within(*at, error))
            })
            .collect::<Result<_, _>>()?;
        Ok(if launch.is_empty() && cancel.is_empty() {
            Decision::Leave
        } else {
            let (activity, fingerprint) = (activity.clone(), request.fingerprint);
            Decision::Happen(Event::JobsEdited { activity, cancel, launch, fingerprint })
        })
    }

    /// The links of the first page, as a client sees them.
    fn list_links(&self, key: &ResourceKey, activity: &ActivityName, page: &Page) -> Value {
        let base = links::activity(&self.catalog, key, activity);
        match page.jobs.last().filter(|_| page.more) {
            Some((last, _)) => {
                let next = format!("{base}?cursor={}", last.id);
                json!({ "self": { "href": base }, "next": { "href": next } })
            }
            None => json!({ "self": { "href": base } }),
        }
    }
}

/// Whether what changed the list last is this very request.
fn already_applied(loaded: &Loaded, activity: &ActivityName, request: &ChangeRequest) -> AlreadyApplied {
    let edited = loaded.state.status(activity).and_then(|status| status.edited.as_deref());
    let this: String = request.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    if edited == Some(this.as_str()) { AlreadyApplied::Yes } else { AlreadyApplied::No }
}

/// The same error, about an item of the list.
fn within(item: usize, error: ApiError) -> ApiError {
    let ApiError::Invalid { errors } = error else { return error };
    let below = |Violation { pointer, detail }| Violation { pointer: format!("/items/{item}{pointer}"), detail };
    ApiError::Invalid { errors: errors.into_iter().map(below).collect() }
}
