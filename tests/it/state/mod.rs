//! The bridge between core and store: what is stored is exactly what the
//! states of the resources account for, whatever happened and whenever the
//! power failed.

mod crash;
mod ledger;
pub(crate) mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use heeler::domain::id::ResourceKey;
use heeler::reconcile::violations;
use heeler::state::keys::ResourceRow;
use heeler::state::{OnceRecord, ResourceState, State, Subject, keys, record, rows_of};
use heeler::store::memory::MemoryStore;
use heeler::store::{Key, Op, Store, Txn};

use crate::store::crash::block_on;
use crate::store::rows;
use workload::{PRINCIPAL, Workload, state_over};

/// Everything that is wrong with what a store holds: a state that breaks an
/// invariant, a row that no state accounts for, or one that is missing.
async fn complaints(store: &Arc<dyn Store>) -> Vec<String> {
    let state = state_over(store);
    let actual: BTreeMap<Key, Bytes> = rows(&**store).await.into_iter().map(|(key, _, value)| (key, value)).collect();
    let mut found = Vec::new();
    let mut accounted = BTreeMap::new();
    for key in resources(&actual) {
        match state.resource_state(&key, None).await {
            Ok(state) => {
                found.extend(violations(&state));
                found.extend(forgotten(&state, &actual));
                accounted.extend(rows_of(&state));
            }
            Err(error) => found.push(error.to_string()),
        }
    }
    // Finished jobs belong to no state any more: each has its own row, and its place among those of its activity.
    for (row, value) in actual.iter().filter(|(row, _)| keys::is_job(row)) {
        match record::decode_job(value) {
            Ok(job) if job.phase.is_final() => {
                accounted.insert(row.clone(), value.clone());
                accounted.insert(keys::job_of_activity(job.uid, &job.activity, job.id), Bytes::new());
                if job.is_to_be_forgotten() {
                    accounted.insert(keys::unkept(job.id), record::encode_key(&job.resource));
                }
            }
            Ok(_) => {}
            Err(error) => found.push(error.to_string()),
        }
    }
    for (row, value) in actual.iter().filter(|(row, _)| keys::is_once(row)) {
        match record::decode_once(value) {
            Ok(once) => {
                found.extend(made(&state, row, &once).await.err());
                let expiry = actual
                    .keys()
                    .find(|index| keys::read_expiry(index).is_some_and(|(at, of)| at == once.expires && of == *row));
                accounted.extend(expiry.map(|index| (index.clone(), Bytes::new())));
                if expiry.is_some() {
                    accounted.insert(row.clone(), value.clone());
                }
            }
            Err(error) => found.push(error.to_string()),
        }
    }
    let differs = |row: &&Key| actual.get(*row) != accounted.get(*row);
    found.extend(actual.keys().filter(differs).map(|row| format!("{row:?} is not accounted for")));
    found.extend(accounted.keys().filter(|row| !actual.contains_key(*row)).map(|row| format!("{row:?} is missing")));
    found
}

/// That a document was changed under a key, and nothing is remembered of it.
fn forgotten(state: &ResourceState, rows: &BTreeMap<Key, Bytes>) -> Option<String> {
    let number = state.desired.as_ref()?.fingerprint[0];
    let row = keys::once(PRINCIPAL, &number.to_string());
    (number > 0 && !rows.contains_key(&row)).then(|| format!("{} was changed, and {row:?} is missing", state.key))
}

/// What is remembered was made: the resource is as far as that, or gone since.
async fn made(state: &State, row: &Key, once: &OnceRecord) -> Result<(), String> {
    let Subject::Resource { key, uid } = &once.subject else { return Err(format!("{row:?} is about a job")) };
    let Some(stored) = state.resource(key).await.map_err(|error| error.to_string())? else { return Ok(()) };
    let remembered: u64 = once.target.parse().map_err(|_| format!("{row:?} remembers {:?}", once.target))?;
    if stored.desired.uid == *uid && stored.desired.generation.number() < remembered {
        return Err(format!("{row:?} remembers generation {} of {key}, which is not made", once.target));
    }
    Ok(())
}

fn resources(rows: &BTreeMap<Key, Bytes>) -> Vec<ResourceKey> {
    let keys = rows.keys().filter_map(keys::read_resource);
    let mut keys: Vec<_> = keys
        .map(|row| match row {
            ResourceRow::Desired(key) | ResourceRow::Observed(key) => key,
        })
        .collect();
    keys.dedup();
    keys
}

#[test]
fn whatever_happens_the_rows_are_those_that_the_states_account_for() {
    for seed in 0..12 {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        block_on(async {
            let mut workload = Workload::new(seed);
            let state = state_over(&store);
            for turn in 0..150 {
                workload.turn(&state).await;
                if turn % 10 == 9 {
                    assert_eq!(complaints(&store).await, Vec::<String>::new(), "seed {seed}, turn {turn}");
                }
            }
            assert!(workload.happened > 60, "seed {seed}: only {} events were taken", workload.happened);
        });
    }
}

#[test]
fn a_row_too_many_and_a_row_too_few_are_seen() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let commit = async |op| store.commit(Txn { ops: vec![op], ..Txn::default() }).await.expect("it commits");
    let mut kinds = BTreeSet::from(*b"jnqakdufix");
    block_on(async {
        let state = state_over(&store);
        let mut workload = Workload::new(1);
        for _ in 0..2000 {
            workload.turn(&state).await;
            for (row, _, value) in rows(&*store).await.into_iter().filter(|(row, _, _)| kinds.remove(&row.0[0])) {
                let other = Key([&row.0[..], b"0"].concat().into());
                for (wrong, right) in [
                    (Op::Delete(row.clone()), Op::Put(row.clone(), value.clone())),
                    (Op::Put(other.clone(), value.clone()), Op::Delete(other.clone())),
                ] {
                    commit(wrong.clone()).await;
                    assert_ne!(complaints(&store).await, Vec::<String>::new(), "{wrong:?}");
                    commit(right).await;
                    assert_eq!(complaints(&store).await, Vec::<String>::new(), "no longer {wrong:?}");
                }
            }
        }
    });
    assert_eq!(kinds, BTreeSet::new(), "of these the workload makes no row");
}
