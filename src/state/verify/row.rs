//! One row: what it should be, by its key.

use bytes::Bytes;

use super::Verifier;
use crate::domain::id::{JobId, ResourceKey};
use crate::state::{keys, record};
use crate::store::{Entry, Key, ReadError};

/// A key in words.
pub(super) fn words(key: &Key) -> String {
    use keys::ResourceRow::{Desired, Observed};
    let said = match key.0.first() {
        Some(b'r') => keys::read_resource(key).map(|row| match row {
            Desired(key) => format!("the document of {key}"),
            Observed(key) => format!("the observed state of {key}"),
        }),
        Some(b'j') => keys::read_job(key).map(|id| format!("the job {id}")),
        Some(b'n') => keys::read_activity_of_job(key)
            .zip(keys::read_job_of_activity(key))
            .map(|((uid, activity), job)| format!("the place of job {job} among those of `{activity}` of {uid}")),
        Some(b'q' | b'w') => keys::read_queued(key).map(|(_, job)| format!("the place of job {job} in the queue")),
        Some(b'k') => keys::read_slot(key).map(|slot| format!("the slot {slot} ({})", text(key))),
        Some(b'p') => keys::read_place(key).map(|place| format!("the place {place} in a rate ({})", text(key))),
        Some(b'a') => keys::read_attempt(key).map(|job| format!("the attempt of job {job}")),
        Some(b'd') => keys::read_due(key).map(|(at, key)| format!("the timer of {key} at {at}")),
        Some(b'u') => keys::read_unsettled(key).map(|key| format!("that {key} is not settled")),
        Some(b'f') => keys::read_unkept(key).map(|job| format!("that job {job} is to be forgotten")),
        Some(b't') => {
            keys::read_tick(key).map(|(uid, activity, at)| format!("the tick at {at} of `{activity}` of {uid}"))
        }
        Some(b'x') => keys::read_expiry(key).map(|(at, _)| format!("an answer that expires at {at}")),
        Some(b'i') => Some("a remembered answer".to_owned()),
        Some(b'h') => Some("a bookmark".to_owned()),
        Some(_) | None => None,
    };
    said.map_or_else(|| format!("the row {}", text(key)), |said| format!("{said} [{}]", text(key)))
}

fn text(key: &Key) -> String {
    key.0.escape_ascii().to_string()
}

/// Whether a row is made of others, and nothing but those.
pub(super) fn is_index(key: &Key) -> bool {
    matches!(key.0.first(), Some(b'n' | b'q' | b'w' | b'k' | b'a' | b'd' | b'u' | b'f' | b'x'))
}

impl Verifier<'_> {
    /// Looks at a row.
    pub(super) fn row(&mut self, key: &Key, entry: &Entry) -> Result<(), ReadError> {
        let unread = "its key does not read";
        match key.0.first() {
            Some(b'r') => match keys::read_resource(key) {
                Some(row) => self.resource(row),
                None => self.found(words(key), unread),
            },
            Some(b'j') => self.job(key, &entry.value),
            Some(b'n') => self.place_of_job(key, &entry.value),
            Some(b'q' | b'w') => self.index(key, keys::read_queued(key).map(|(_, job)| job)),
            Some(b'a') => self.index(key, keys::read_attempt(key)),
            Some(b'k') => self.slot(key, &entry.value),
            Some(b'd') => self.of_resource(key, keys::read_due(key).map(|(_, resource)| resource)),
            Some(b'u') => self.of_resource(key, keys::read_unsettled(key)),
            Some(b'f') => self.unkept(key, &entry.value),
            Some(b't') => {
                let read = keys::read_tick(key).map(|_| record::decode_tick(&entry.value).map(drop));
                self.alone(key, read)
            }
            Some(b'p') => {
                let read = keys::read_place(key).map(|_| record::decode_place(&entry.value).map(drop));
                self.alone(key, read)
            }
            Some(b'i') => self.answer(key, &entry.value),
            Some(b'x') => self.expiry(key),
            Some(b'h') => Ok(()),
            Some(_) | None => self.found(words(key), "this version knows no such row"),
        }
    }

    /// A row that stands for itself.
    fn alone(&mut self, key: &Key, read: Option<Result<(), record::RecordError>>) -> Result<(), ReadError> {
        match read {
            Some(Ok(())) => {}
            Some(Err(error)) => self.find(words(key), error.to_string()),
            None => self.find(words(key), "its key does not read"),
        }
        Ok(())
    }

    fn job(&mut self, key: &Key, value: &Bytes) -> Result<(), ReadError> {
        self.counts.jobs += 1;
        let job = match record::decode_job(value) {
            Ok(job) => job,
            Err(error) => return self.found(words(key), error.to_string()),
        };
        if keys::job(job.id) != *key {
            return self.found(words(key), format!("it says that it is job {}", job.id));
        }
        if job.phase.is_final() {
            let mut expected = vec![(keys::job_of_activity(job.uid, &job.activity, job.id), Bytes::new())];
            if job.is_to_be_forgotten() {
                expected.push((keys::unkept(job.id), record::encode_key(&job.resource)));
            }
            return self.missing(&expected, &format!("job {}", job.id));
        }
        match self.account(&job.resource)? {
            Some(account) if !account.state.jobs.contains_key(&job.id) => {
                self.found(words(key), format!("it is unfinished, and {} does not know it", job.resource))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn place_of_job(&mut self, key: &Key, value: &Bytes) -> Result<(), ReadError> {
        let (Some((uid, activity)), Some(id)) = (keys::read_activity_of_job(key), keys::read_job_of_activity(key))
        else {
            return self.found(words(key), "its key does not read");
        };
        match self.entry(&keys::job(id))?.map(|entry| record::decode_job(&entry.value)) {
            None => self.find(words(key), format!("there is no job {id}")),
            Some(Ok(job)) if job.uid != uid || job.activity != activity => {
                self.find(words(key), format!("job {id} is one of `{}` of {}", job.activity, job.uid));
            }
            Some(Ok(_)) if !value.is_empty() => self.find(words(key), "it is expected to hold nothing"),
            // The job is told where it stands.
            Some(Ok(_) | Err(_)) => {}
        }
        Ok(())
    }

    /// An index row that names a job.
    fn index(&mut self, key: &Key, job: Option<JobId>) -> Result<(), ReadError> {
        let Some(id) = job else { return self.found(words(key), "its key does not read") };
        if !self.is_there(&keys::job(id))? {
            return self.found(words(key), format!("there is no job {id}"));
        }
        match self.job_of(id)? {
            Some(job) => self.of_resource(key, Some(job.resource)),
            None => Ok(()),
        }
    }

    fn slot(&mut self, key: &Key, value: &Bytes) -> Result<(), ReadError> {
        if keys::read_slot(key).is_none() {
            return self.found(words(key), "its key does not read");
        }
        match <[u8; 16]>::try_from(&value[..]) {
            Ok(id) => self.index(key, Some(JobId::from_bytes(id))),
            Err(_) => self.found(words(key), "it is expected to hold the id of a job"),
        }
    }

    /// An index row that a resource is to account for.
    fn of_resource(&mut self, key: &Key, resource: Option<ResourceKey>) -> Result<(), ReadError> {
        let Some(resource) = resource else { return self.found(words(key), "its key does not read") };
        let Some(account) = self.account(&resource)? else { return Ok(()) };
        match account.rows.get(key) {
            // One that holds something else is told where the resource stands.
            Some(_) => {}
            None => self.find(words(key), format!("{resource} does not account for it")),
        }
        Ok(())
    }

    fn unkept(&mut self, key: &Key, value: &Bytes) -> Result<(), ReadError> {
        let Some(id) = keys::read_unkept(key) else { return self.found(words(key), "its key does not read") };
        if !self.is_there(&keys::job(id))? {
            return self.found(words(key), format!("there is no job {id}"));
        }
        match self.job_of(id)? {
            Some(job) if !job.is_to_be_forgotten() => {
                self.find(words(key), format!("job {id} is not to be forgotten"));
            }
            Some(job) if record::encode_key(&job.resource) != *value => {
                self.find(words(key), format!("it is expected to name {}", job.resource));
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn answer(&mut self, key: &Key, value: &Bytes) -> Result<(), ReadError> {
        let once = match record::decode_once(value) {
            Ok(once) => once,
            Err(error) => return self.found(words(key), error.to_string()),
        };
        match keys::expiry_of(key, once.expires) {
            Some(expiry) => self.missing(&[(expiry, Bytes::new())], &words(key)),
            None => self.found(words(key), "its key does not read"),
        }
    }

    fn expiry(&mut self, key: &Key) -> Result<(), ReadError> {
        let read = keys::read_expiry(key).filter(|(at, row)| keys::expiry_of(row, *at).as_ref() == Some(key));
        let Some((at, row)) = read else {
            return self.found(words(key), "its key does not read");
        };
        match self.entry(&row)?.map(|entry| record::decode_once(&entry.value)) {
            None => self.find(words(key), format!("{} is not there", words(&row))),
            Some(Ok(once)) if once.expires != at => {
                self.find(words(key), format!("{} expires at {}", words(&row), once.expires));
            }
            Some(Ok(_) | Err(_)) => {}
        }
        Ok(())
    }
}
