//! Who watches misses nothing, whatever happens in between: random writers,
//! watchers that go away and come back, processes that end, and a log that is
//! trimmed.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use heeler::api::jobs::JobFilter;
use heeler::api::{Api, ApiError, LogPlace, PageRequest, Told, WatchFrom, Watched, Watching};
use heeler::state::State;
use heeler::state::record::{LogEntry, decode_log};
use heeler::store::memory::MemoryStore;
use heeler::store::{Position, Store};
use serde_json::{Value, json};

use super::{api_over, collection, key};
use crate::state::workload::{Workload, state_of_process};
use crate::store::crash::block_on;
use crate::store::crash::images::Dice;

/// Histories, unless `WATCH_HISTORIES` says otherwise.
const HISTORIES: u64 = 100;

/// What happens in each of them.
const TURNS: usize = 120;

/// What there is of something from a revision on.
#[derive(Debug)]
struct Version {
    from: u64,
    value: Option<Value>,
}

/// What really is, and was.
#[derive(Default)]
struct Truth {
    log: BTreeMap<LogPlace, LogEntry>,
    resources: BTreeMap<String, Vec<Version>>,
    jobs: BTreeMap<String, Vec<Version>>,
    read: Position,
}

impl Truth {
    async fn read(&mut self, store: &Arc<dyn Store>, api: &Api) {
        let changes = store.changes(self.read, usize::MAX).await.expect("it is read before it is trimmed");
        for (at, entry) in changes.entries {
            self.read = at;
            self.log.insert(at.into(), decode_log(&entry).expect("it reads"));
        }
        let revision = store.committed().borrow().0;
        note(&mut self.resources, revision, resources(api).await);
        note(&mut self.jobs, revision, jobs(api, &JobFilter::default()).await);
    }

    fn versions(&self, watched: &Watched, id: &str) -> &[Version] {
        match watched {
            Watched::Resource(_) | Watched::Collection(_) => self.resources.get(id).map_or(&[], Vec::as_slice),
            Watched::Job(_) | Watched::Jobs(_) => self.jobs.get(id).map_or(&[], Vec::as_slice),
        }
    }
}

fn note(versions: &mut BTreeMap<String, Vec<Version>>, revision: u64, now: BTreeMap<String, Value>) {
    for (id, value) in &now {
        let of = versions.entry(id.clone()).or_default();
        if of.last().is_none_or(|last| last.value.as_ref() != Some(value)) {
            of.push(Version { from: revision, value: Some(value.clone()) });
        }
    }
    for (id, of) in versions {
        if !now.contains_key(id) && of.last().is_some_and(|last| last.value.is_some()) {
            of.push(Version { from: revision, value: None });
        }
    }
}

fn by_id(items: impl IntoIterator<Item = impl AsRef<[u8]>>) -> BTreeMap<String, Value> {
    let read = |item: &[u8]| serde_json::from_slice::<Value>(item).expect("JSON");
    let items = items.into_iter().map(|item| read(item.as_ref()));
    items.map(|item| (item["id"].as_str().expect("an id").to_owned(), item)).collect()
}

async fn resources(api: &Api) -> BTreeMap<String, Value> {
    let page = PageRequest { limit: 1000, cursor: None };
    by_id(api.list(&collection(), &page).await.expect("a list").items)
}

async fn jobs(api: &Api, filter: &JobFilter) -> BTreeMap<String, Value> {
    let page = PageRequest { limit: 1000, cursor: None };
    by_id(api.jobs(filter, &page).await.expect("a list").items)
}

/// One who watches, and what it makes of what it is told.
struct Watcher {
    watched: Watched,
    watching: Option<Watching>,
    last: Option<LogPlace>,
    known: BTreeMap<String, Value>,
    /// Which version of each item was told last.
    told: BTreeMap<String, usize>,
    synced: bool,
}

impl Watcher {
    fn new(watched: Watched) -> Self {
        Self { watched, watching: None, last: None, known: BTreeMap::new(), told: BTreeMap::new(), synced: false }
    }

    async fn come(&mut self, api: &Api) {
        let from = self.last.map_or(WatchFrom::Now, WatchFrom::After);
        if self.last.is_none() {
            self.known.clear();
            self.told.clear();
        }
        self.watching = match api.watch(self.watched.clone(), from).await {
            Ok(watching) => Some(watching),
            Err(ApiError::NotFound { .. }) => None,
            Err(error) => panic!("{error}"),
        };
    }

    /// Hears at most so much of what there is to tell; whether that was all.
    async fn hear(&mut self, most: usize, truth: &Truth) -> bool {
        for _ in 0..most {
            let Some(watching) = &mut self.watching else { return false };
            match watching.next(ready(())).await.expect("the store reads") {
                Some(told) => self.note(told, truth),
                None => return true,
            }
        }
        false
    }

    fn note(&mut self, told: Told, truth: &Truth) {
        let (at, id, value) = match told {
            Told::Reset => {
                (self.synced, self.last) = (false, None);
                self.known.clear();
                return;
            }
            Told::Sync(at) => {
                assert!(self.last.is_none_or(|last| at >= last), "{at:?} after {:?}", self.last);
                (self.synced, self.last) = (true, Some(at));
                return;
            }
            Told::Put { at, body } => {
                let value: Value = serde_json::from_slice(&body).expect("JSON");
                (at, value["id"].as_str().expect("an id").to_owned(), Some(value))
            }
            Told::Delete { at, body } => {
                let value: Value = serde_json::from_slice(&body).expect("JSON");
                (Some(at), value["id"].as_str().expect("an id").to_owned(), None)
            }
        };
        if let Some(at) = at {
            assert!(self.last.is_none_or(|last| at > last), "in order: {at:?} after {:?}", self.last);
            let entry = truth.log.get(&at).unwrap_or_else(|| panic!("{at:?} is not in the log"));
            let named = entry.key.id.to_string() == id || entry.job.is_some_and(|(job, _)| job.to_string() == id);
            assert!(named, "{at:?} is about {entry:?}, and {id} was told");
            self.last = Some(at);
        }
        // A state that was, not one before that which was told already, and
        // none that was over before this place.
        let versions = truth.versions(&self.watched, &id);
        let first = self.told.get(&id).copied().unwrap_or_default();
        let lasted = |index: usize| {
            let until = versions.get(index + 1).map(|next: &Version| next.from);
            at.is_none_or(|at| until.is_none_or(|until| until > at.revision.number()))
        };
        let filtered = matches!(&self.watched, Watched::Jobs(filter) if filter.phase.is_some());
        let version = (first..versions.len()).find(|index| versions[*index].value == value && lasted(*index));
        match version {
            Some(version) => drop(self.told.insert(id.clone(), version)),
            // Not there for who is told: it does not pass, or never was there to be seen.
            None => assert!(value.is_none() && (filtered || versions.is_empty()), "{id} never was {value:?} then"),
        }
        match value {
            Some(value) => drop(self.known.insert(id, value)),
            None => drop(self.known.remove(&id)),
        }
    }

    /// What it would know if it had looked just now.
    async fn present(&self, api: &Api) -> BTreeMap<String, Value> {
        match &self.watched {
            Watched::Collection(_) => resources(api).await,
            Watched::Resource(key) => {
                resources(api).await.into_iter().filter(|(id, _)| *id == key.id.to_string()).collect()
            }
            Watched::Jobs(filter) => jobs(api, filter).await,
            Watched::Job(id) => {
                jobs(api, &JobFilter::default()).await.into_iter().filter(|(job, _)| *job == id.to_string()).collect()
            }
        }
    }
}

async fn deal(state: &State) {
    while state.deal().await.expect("the log reads") {}
}

async fn history(seed: u64) -> usize {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (mut dice, mut work) = (Dice(seed), Workload::new(seed));
    let mut process = 0;
    let mut state = state_of_process(&store, process);
    let mut api = api_over(&state);
    let mut truth = Truth::default();
    let filter = JobFilter { phase: Some(heeler::domain::job::JobPhase::Queued), ..JobFilter::default() };
    let mut watchers = vec![
        Watcher::new(Watched::Collection(collection())),
        Watcher::new(Watched::Collection(collection())),
        Watcher::new(Watched::Resource(key("x"))),
        Watcher::new(Watched::Jobs(JobFilter::default())),
        Watcher::new(Watched::Jobs(filter)),
    ];
    let mut checked = 0;
    for _ in 0..TURNS {
        let one = usize::try_from(dice.below(watchers.len() as u64)).expect("it is small");
        match dice.below(20) {
            0..8 => {
                work.turn(&state).await;
                truth.read(&store, &api).await;
            }
            8..11 => deal(&state).await,
            11..14 => {
                let most = usize::try_from(dice.below(4)).expect("it is small");
                watchers[one].hear(most, &truth).await;
            }
            14 => watchers[one].watching = None,
            15 | 16 => {
                if watchers[one].watching.is_none() {
                    watchers[one].come(&api).await;
                }
            }
            17 => {
                state.trim_log(dice.below(12), Duration::MAX).await.expect("it is trimmed");
            }
            18 if dice.below(4) == 0 => {
                process += 1;
                state = state_of_process(&store, process);
                api = api_over(&state);
                watchers.iter_mut().for_each(|watcher| watcher.watching = None);
            }
            _ => {
                deal(&state).await;
                if watchers[one].hear(10_000, &truth).await {
                    let present = watchers[one].present(&api).await;
                    assert_eq!(watchers[one].known, present, "seed {seed}: {:?}", watchers[one].watched);
                    checked += 1;
                }
            }
        }
    }
    for watcher in &mut watchers {
        if watcher.watching.is_none() {
            watcher.come(&api).await;
        }
        deal(&state).await;
        if watcher.hear(10_000, &truth).await {
            assert!(watcher.synced, "seed {seed}: {:?}", watcher.watched);
            assert_eq!(watcher.known, watcher.present(&api).await, "seed {seed}: {:?}", watcher.watched);
            checked += 1;
        }
    }
    checked
}

#[test]
fn who_watches_ends_on_what_is_there_in_the_order_of_the_log_and_without_a_step_back() {
    let histories = std::env::var("WATCH_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(HISTORIES);
    let checked: usize = (0..histories).map(|seed| block_on(history(seed))).sum();
    assert!(checked > usize::try_from(histories).expect("it is small") * 5, "only {checked} times");
}

#[test]
fn who_lags_far_behind_reads_on_in_the_log_and_misses_nothing() {
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let state = state_of_process(&store, 0);
        let (api, mut truth) = (api_over(&state), Truth::default());
        let mut watcher = Watcher::new(Watched::Collection(collection()));
        watcher.come(&api).await;
        assert!(watcher.hear(10, &truth).await && watcher.synced);
        for n in 0..700 {
            let id = format!("r{n}");
            let put = api.put(&key(&id), json!({ "n": n }), &super::change(heeler::api::Intent::Make)).await;
            put.expect("it is made");
            deal(&state).await;
        }
        truth.read(&store, &api).await;
        // Each of them once: none waits twice, and none is read twice.
        let mut heard = 0;
        while !watcher.hear(1, &truth).await {
            heard += 1;
        }
        assert_eq!((heard, watcher.known.len()), (700, 700));
    });
}

#[test]
fn who_waits_for_another_list_is_woken_by_its_tag_also_where_nobody_has_dealt_the_change() {
    use futures_util::FutureExt as _;
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let state = state_of_process(&store, 0);
        let api = api_over(&state);
        let mut list = api.changes_of(&Watched::Collection(collection()));
        let mut other = api.changes_of(&Watched::Collection("other".parse().expect("a name")));
        assert!(list.changed().now_or_never().is_none());
        api.put(&key("a"), json!({}), &super::change(heeler::api::Intent::Make)).await.expect("it is made");
        assert!(list.changed().now_or_never().is_some());
        assert!(list.changed().now_or_never().is_none(), "once");
        assert!(other.changed().now_or_never().is_none());
    });
}

#[test]
fn what_another_saw_of_a_change_is_not_told_where_something_newer_was() {
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let state = state_of_process(&store, 0);
        let (api, mut truth) = (api_over(&state), Truth::default());
        let put = async |id: &str, n: u32| {
            let change = super::change(heeler::api::Intent::Make);
            api.put(&key(id), json!({ "n": n }), &change).await.expect("it is made");
        };
        let watcher = || Watcher::new(Watched::Collection(collection()));
        let (mut keen, mut late) = (watcher(), watcher());
        keen.come(&api).await;
        put("x", 1).await;
        put("y", 1).await;
        deal(&state).await;
        truth.read(&store, &api).await;
        assert!(keen.hear(10, &truth).await);
        late.last = Some(Position::default().into());
        late.come(&api).await;
        // It has read that both changed, and looked at the first one.
        late.hear(1, &truth).await;
        put("y", 2).await;
        deal(&state).await;
        truth.read(&store, &api).await;
        // The keen one has looked at the second change of the other, and so it is kept.
        assert!(keen.hear(10, &truth).await);
        put("y", 3).await;
        truth.read(&store, &api).await;
        // The late one looks at the first change of it, and then comes to the second.
        assert!(late.hear(10, &truth).await);
        assert_eq!(late.known["y"]["n"], 3);
    });
}
