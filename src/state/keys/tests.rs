//! What keys hold apart, and how they sort.

use super::*;
use proptest::prelude::*;

fn resource(collection: &str, id: &str) -> ResourceKey {
    ResourceKey { collection: collection.parse().expect("a name"), id: id.parse().expect("an id") }
}

fn within(range: &KeyRange, key: &Key) -> bool {
    range.start <= *key && *key < range.end
}

#[test]
fn a_collection_holds_its_own_resources_and_no_others() {
    let range = resources(&"ab".parse().expect("a name"), None);
    assert!(within(&range, &desired(&resource("ab", "x"))));
    assert!(within(&range, &observed(&resource("ab", "x"))));
    for other in ["a", "abc", "ac", "b"] {
        assert!(!within(&range, &desired(&resource(other, "x"))), "{other}");
    }
}

#[test]
fn a_page_goes_on_strictly_after_the_last_id() {
    let after = "b".parse().expect("an id");
    let range = resources(&"c".parse().expect("a name"), Some(&after));
    assert!(!within(&range, &observed(&resource("c", "b"))));
    for next in ["b-", "b0", "ba", "c"] {
        assert!(within(&range, &desired(&resource("c", next))), "{next}");
    }
}

proptest! {
    #[test]
    fn the_queue_is_ordered_by_priority_then_time_then_job(
        a in (any::<i32>(), -1_000_000i64..1_000_000, any::<[u8; 16]>()),
        b in (any::<i32>(), -1_000_000i64..1_000_000, any::<[u8; 16]>()),
    ) {
        let operation = "op".parse().expect("a name");
        let key = |(priority, at, job): (i32, i64, [u8; 16])| {
            queued(&operation, None, priority, Timestamp::from_millis(at), JobId::from_bytes(job))
        };
        let rank = |(priority, at, job): (i32, i64, [u8; 16])| (std::cmp::Reverse(priority), at, job);
        prop_assert_eq!(key(a).cmp(&key(b)), rank(a).cmp(&rank(b)));
        prop_assert_eq!(read_queued(&key(a)).map(|(_, job)| job), Some(JobId::from_bytes(a.2)));
        prop_assert_eq!(queued_since(&key(a)), Some(Timestamp::from_millis(a.1)));
        prop_assert!(within(&queue_of(&operation, None), &key(a)));
    }

    #[test]
    fn what_expires_is_found_from_its_instant_on_and_leads_to_its_row(
        at in -62_000_000_000_000i64..253_000_000_000_000, later in 0i64..1000, principal in "[a-z]{1,9}", sent in "[!-~]{1,9}",
    ) {
        let key = expiry(Timestamp::from_millis(at), &principal, &sent);
        prop_assert!(within(&expired(Timestamp::from_millis(at + later)), &key));
        prop_assert!(!within(&expired(Timestamp::from_millis(at - 1 - later)), &key));
        prop_assert_eq!(read_expiry(&key), Some((Timestamp::from_millis(at), once(&principal, &sent))));
    }

    #[test]
    fn what_is_due_is_ordered_by_time_and_reads_as_it_was_written(a in -62_000_000_000_000i64..253_000_000_000_000, b in any::<i32>()) {
        let key = |millis| due(Timestamp::from_millis(millis), &resource("c", "x"));
        prop_assert_eq!(key(a).cmp(&key(i64::from(b))), a.cmp(&i64::from(b)));
        prop_assert_eq!(read_due(&key(a)), Some((Timestamp::from_millis(a), resource("c", "x"))));
    }
}
