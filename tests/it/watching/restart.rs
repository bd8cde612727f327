//! Streams across the end of the service, orderly and not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::events::{Event, Events};
use super::{note, watch, world};
use crate::service::client::request;
use crate::store::crash::images::Dice;

/// How often the service is killed, unless `WATCH_KILLS` says otherwise.
const KILLS: u32 = 3;

#[test]
fn the_end_of_the_service_ends_streams_at_once_and_tells_them_to_come_back() {
    let (world, service) = world();
    note(&service, "a", "one");
    let mut streams: Vec<Events> =
        ["/v1/notes", "/v1/notes/a", "/v1/jobs"].iter().map(|target| watch(&service, target)).collect();
    let places: Vec<Event> = streams.iter_mut().map(|stream| stream.present().1).collect();
    let asked = Instant::now();
    assert_eq!(service.terminate().code(), Some(0), "{}", world.text("service.log"));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    for stream in &mut streams {
        assert_eq!(stream.next(), None);
        assert!(stream.retry.is_some_and(|retry| (1_000..3_000).contains(&retry)), "{:?}", stream.retry);
    }
    // Nothing happened: whoever comes back is told so, and nothing else.
    let service = world.start();
    for (target, place) in ["/v1/notes", "/v1/notes/a", "/v1/jobs"].iter().zip(places) {
        let last = format!("Last-Event-ID: {}\r\n", place.id.expect("it has one"));
        let (missed, sync) = Events::open(service.address, target, &last).present();
        assert_eq!(missed, [], "{target}");
        assert!(sync.place() >= (place.data["revision"].as_u64().expect("a number"), 0));
    }
}

/// Where the service is now, and whether it will be anywhere again.
struct Site {
    address: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
}

impl Site {
    /// Where to go; `None` if there is no use in it.
    fn address(&self) -> Option<SocketAddr> {
        loop {
            if let Some(address) = *self.address.lock().expect("no holder of this lock panics") {
                return Some(address);
            }
            if self.over.load(Ordering::Relaxed) {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Watches the notes until one of them says that it is over, whatever happens
/// to the service; what is then known.
fn follow(site: &Site, mut dice: Dice) -> BTreeMap<String, Value> {
    let (mut known, mut last): (BTreeMap<String, Value>, Option<String>) = (BTreeMap::new(), None);
    let mut places: Vec<(u64, u32)> = Vec::new();
    loop {
        let Some(address) = site.address() else { panic!("it was never told the end") };
        let field = last.as_ref().map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let Some(mut stream) = Events::reach(address, "/v1/notes", &field) else { continue };
        // Now and then somebody goes away in the middle of everything.
        let mut patience = if dice.below(3) == 0 { 1 + dice.below(40) } else { u64::MAX };
        while let Some(event) = stream.next() {
            if event.id.is_some() {
                let place = event.place();
                let newest = places.last().is_none_or(|newest| place > *newest || event.name == "sync");
                assert!(newest, "{place:?} after {:?}", places.last());
                places.push(place);
                last = event.id;
            }
            let id = || event.data["id"].as_str().expect("an id").to_owned();
            match event.name.as_str() {
                "put" => {
                    let before = known.insert(id(), event.data.clone());
                    let n = |value: &Value| value["n"].as_u64().expect("a number");
                    assert!(before.is_none_or(|before| n(&before) <= n(&event.data)), "{} went back", id());
                }
                "delete" => drop(known.remove(&id())),
                "reset" => {
                    known.clear();
                    places.clear();
                }
                "sync" => {}
                other => panic!("an unknown event {other}"),
            }
            if known.contains_key("end") {
                return known;
            }
            patience -= 1;
            if patience == 0 {
                break;
            }
        }
    }
}

/// Changes notes at random, each time with a larger number.
fn write(site: &Site, lane: u64, numbers: &std::sync::atomic::AtomicU64) {
    let mut dice = Dice(lane);
    while !site.over.load(Ordering::Relaxed) {
        let Some(address) = site.address() else { return };
        // Each has notes of its own: of two writers nobody knows who was last.
        let target = format!("/v1/notes/{}{lane}", ["a", "b", "c"][usize::try_from(dice.below(3)).expect("small")]);
        let n = numbers.fetch_add(1, Ordering::Relaxed);
        let change = match dice.below(5) {
            0 => request("DELETE", &target),
            _ => request("PUT", &target).json("application/json", &json!({ "n": n })),
        };
        // It may be killed in the middle of it.
        drop(change.send(address));
    }
}

#[test]
fn whoever_watches_knows_in_the_end_what_is_there_however_often_the_service_is_killed() {
    let kills = std::env::var("WATCH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let (world, service) = world();
    let site = Site { address: Mutex::new(Some(service.address)), over: AtomicBool::new(false) };
    let move_to = |address| *site.address.lock().expect("no holder of this lock panics") = address;
    let numbers = std::sync::atomic::AtomicU64::new(1);
    thread::scope(|scope| {
        let watchers: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn({
                    let site = &site;
                    move || follow(site, Dice(seed))
                })
            })
            .collect();
        let writers: Vec<_> = (0..2)
            .map(|lane| {
                scope.spawn({
                    let (site, numbers) = (&site, &numbers);
                    move || write(site, lane, numbers)
                })
            })
            .collect();
        let mut service = service;
        for _ in 0..kills {
            let before = numbers.load(Ordering::Relaxed);
            crate::service::until("some was written", || numbers.load(Ordering::Relaxed) > before + 60);
            move_to(None);
            service.kill();
            service = world.start();
            move_to(Some(service.address));
        }
        site.over.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
        let n = numbers.load(Ordering::Relaxed);
        let end = service.put("/v1/notes/end", &json!({ "n": n }));
        assert_eq!(end.status, 201, "{}", end.text());
        let list = service.get("/v1/notes").json();
        let items = list["items"].as_array().expect("a list").iter();
        let there: BTreeMap<String, Value> =
            items.map(|item| (item["id"].as_str().expect("an id").to_owned(), item.clone())).collect();
        for watcher in watchers {
            assert_eq!(watcher.join().expect("it ends"), there);
        }
    });
}
