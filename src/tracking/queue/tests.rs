use super::*;
use crate::ecma::Text;
use crate::tracking::config::{Config, Options, Zone};
use crate::tracking::{Evaluation, Id, Kind, Layout, Points, User};

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits { bytes: 1 << 20, events: 1000, batch: 10, interval: 10 * SECOND }
}

/// A plan of this many flags, whose record makes an event for each.
fn plan(flags: usize) -> Arc<Prepared> {
    let keys: Vec<Text> = (0..=flags).map(|flag| Text::from(format!("flag-{flag}"))).collect();
    Prepared::new(Points::from_random([1, 2]), keys.iter().map(|key| (key, &br#"{"key":"on"}"#[..])))
}

fn record(plan: &Arc<Prepared>, flags: usize, user_id: &str) -> Record {
    let keys: Vec<String> = (1..=flags).map(|flag| format!("flag-{flag}")).collect();
    let codes: Vec<u32> = (1..=flags as u32).collect();
    let user = User { user_id: Id::Text(user_id.as_bytes()), device_id: Id::Missing, groups: None };
    let layout = Layout::new(keys.iter().map(String::as_bytes));
    let evaluation = Evaluation { prepared: plan, layout: &layout, codes: &codes, user, now: 0 };
    evaluation.record(Kind::Exposure).unwrap().unwrap()
}

fn ids(slots: &[Slot]) -> Vec<u64> {
    slots.iter().map(|slot| slot.id.checked_sub(OWN).unwrap_or(slot.id)).collect()
}

fn fill(queue: &mut Queue, records: usize, now: Instant) {
    let plan = plan(1);
    for _ in 0..records {
        queue.push(record(&plan, 1, "u"), now);
    }
}

#[test]
fn the_first_event_waits_for_the_interval_and_later_ones_do_not_postpone_it() {
    let mut queue = Queue::new(limits());
    let start = Instant::now();
    fill(&mut queue, 1, start);
    fill(&mut queue, 1, start + 9 * SECOND);
    assert_eq!(queue.next_due(), Some(start + 10 * SECOND));
    assert!(queue.take(start + 9 * SECOND).is_none());
    assert_eq!(ids(&queue.take(start + 10 * SECOND).unwrap()), [0, 1]);
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_full_batch_goes_at_once_and_the_rest_waits() {
    let mut queue = Queue::new(limits());
    let start = Instant::now();
    fill(&mut queue, 13, start);
    assert_eq!(queue.next_due(), Some(start));
    assert_eq!(ids(&queue.take(start).unwrap()), (0..10).collect::<Vec<_>>());
    assert!(queue.take(start).is_none());
    assert_eq!(queue.next_due(), Some(start + 10 * SECOND));
}

#[test]
fn only_what_changes_the_plan_wakes_the_sender() {
    let mut queue = Queue::new(limits());
    let plan = plan(1);
    let wakes: Vec<bool> = (0..12).map(|_| queue.push(record(&plan, 1, "u"), Instant::now()).1).collect();
    let expected: Vec<bool> = (0..12).map(|at| at == 0 || at == 9).collect();
    assert_eq!(wakes, expected);
}

#[test]
fn the_events_of_one_record_may_go_in_several_batches() {
    let mut queue = Queue::new(limits());
    let now = Instant::now();
    queue.push(record(&plan(25), 25, "u"), now);
    let _done = queue.flush();
    let sizes: Vec<usize> = std::iter::from_fn(|| queue.take(now)).map(|slots| slots.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

#[test]
fn a_flush_takes_what_was_there_and_leaves_what_comes_later() {
    let mut queue = Queue::new(limits());
    let now = Instant::now();
    fill(&mut queue, 2, now);
    let mut done = queue.flush();
    let slots = queue.take(now).unwrap();
    fill(&mut queue, 1, now);
    assert!(queue.take(now).is_none());
    assert!(done.try_recv().is_err());
    queue.release(&slots);
    assert!(done.try_recv().is_ok());
    assert_eq!(queue.len(), 1);
}

#[test]
fn what_comes_back_goes_before_what_is_new() {
    let mut queue = Queue::new(limits());
    let now = Instant::now();
    fill(&mut queue, 10, now);
    let slots = queue.take(now).unwrap();
    fill(&mut queue, 10, now);
    queue.put_back(slots, now + SECOND, false);
    assert_eq!(ids(&queue.take(now).unwrap())[0], 10);
    assert!(queue.take(now).is_none());
    assert_eq!(queue.next_due(), Some(now + SECOND));
    assert_eq!(ids(&queue.take(now + SECOND).unwrap())[0], 0);
}

#[test]
fn throttled_events_go_together_and_are_not_hurried() {
    let mut queue = Queue::new(limits());
    let now = Instant::now();
    fill(&mut queue, 10, now);
    let mut slots = queue.take(now).unwrap();
    let (failed, second, first) = (slots.split_off(6), slots.split_off(3), slots);
    queue.put_back(second, now + SECOND, true);
    queue.put_back(first, now + SECOND, true);
    queue.put_back(failed, now + SECOND, false);
    queue.hurry(now);
    assert_eq!(ids(&queue.take(now).unwrap()), [6, 7, 8, 9]);
    assert!(queue.take(now).is_none());
    assert_eq!(ids(&queue.take(now + SECOND).unwrap()), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn the_oldest_go_overboard_first_by_number() {
    let mut queue = Queue::new(Limits { events: 12, ..limits() });
    let now = Instant::now();
    fill(&mut queue, 10, now);
    let slots = queue.take(now).unwrap();
    queue.put_back(slots, now + SECOND, false);
    fill(&mut queue, 5, now);
    assert_eq!(queue.len(), 12);
    let overboard = queue.take_overboard();
    assert_eq!(overboard.events, 3);
    assert!(overboard.ids.iter().eq([&(OWN..OWN + 3)]));
    assert_eq!(ids(&queue.waiting()), (3..15).collect::<Vec<_>>());
}

#[test]
fn memory_stays_inside_its_bound_and_comes_back() {
    let bytes = 64 << 10;
    let mut queue = Queue::new(Limits { bytes, events: usize::MAX, ..limits() });
    let now = Instant::now();
    let plan = plan(3);
    let user_id = "u".repeat(500);
    for _ in 0..10_000 {
        queue.push(record(&plan, 3, &user_id), now);
        assert!(queue.bytes() <= bytes);
    }
    assert!(queue.bytes() > bytes / 2, "the bound is used");
    assert_eq!(queue.len() + queue.take_overboard().events, 30_000);
    let _done = queue.flush();
    while let Some(slots) = queue.take(now) {
        queue.release(&slots);
    }
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
}

#[test]
fn plans_that_only_waiting_records_hold_count() {
    let mut queue = Queue::new(limits());
    let now = Instant::now();
    let (old, new) = (plan(200), plan(1));
    queue.push(record(&old, 1, "u"), now);
    let alone = queue.bytes();
    queue.push(record(&new, 1, "u"), now);
    assert_eq!(queue.bytes(), 2 * alone + old.bytes());
    let _done = queue.flush();
    let slots = queue.take(now).unwrap();
    queue.release(&slots[..1]);
    assert_eq!(queue.bytes(), alone);
}

#[test]
fn what_is_under_way_is_never_dropped() {
    let mut queue = Queue::new(Limits { events: 10, ..limits() });
    let now = Instant::now();
    fill(&mut queue, 10, now);
    let under_way = queue.take(now).unwrap();
    fill(&mut queue, 3, now);
    assert_eq!((queue.len(), queue.take_overboard().events), (10, 3));
    queue.release(&under_way);
    fill(&mut queue, 3, now);
    assert_eq!((queue.len(), queue.take_overboard().events), (3, 0));
}

#[test]
fn stored_events_are_the_oldest() {
    let mut queue = Queue::new(limits());
    let now = Instant::now();
    fill(&mut queue, 10, now);
    let stored = queue.push_stored(vec![b"{}"[..].into(), b"{}"[..].into()], now);
    assert_eq!(stored, 0..2);
    let slots = queue.take(now).unwrap();
    assert!(slots.iter().all(|slot| matches!(slot.origin, Origin::Stored(_))));
    queue.release(&slots);
    assert_eq!(queue.len(), 10);
}

/// Nanoseconds an event, the least of some runs: of events that come back in chunks of ten and are dropped or delivered.
fn cost_of_leaving(chunks: usize) -> f64 {
    let run = || {
        let events = chunks * 10;
        let mut queue = Queue::new(Limits { bytes: usize::MAX, events, ..limits() });
        let now = Instant::now();
        fill(&mut queue, events, now);
        let _done = queue.flush();
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(now)).collect();
        assert_eq!(taken.len(), chunks);
        for (after, slots) in taken.into_iter().enumerate() {
            queue.put_back(slots, now + Duration::from_millis(after as u64), false);
        }
        let plan = plan(1);
        let records: Vec<Record> = (0..1000).map(|_| record(&plan, 1, "u")).collect();
        let start = std::time::Instant::now();
        for record in records {
            queue.push(record, now);
        }
        for _ in 0..100 {
            let slots = queue.take(now + 1000 * SECOND).unwrap();
            queue.release(&slots);
        }
        let elapsed = start.elapsed();
        assert_eq!(queue.take_overboard().events, 1000);
        elapsed.as_nanos() as f64 / 2000.0
    };
    (0..5).map(|_| run()).fold(f64::INFINITY, f64::min)
}

#[test]
fn leaving_the_queue_takes_no_longer_the_more_events_there_are() {
    let (few, many) = (cost_of_leaving(250), cost_of_leaving(25_000));
    // A step that looked at all of them would take a hundred times as long.
    assert!(many < 15.0 * few, "{few} and {many} ns");
}

#[test]
fn two_hundred_thousand_ordinary_events_stay_inside_the_default_bounds() {
    let (config, _) = Config::new(Options::default(), Zone::Us);
    let bounds = Limits { bytes: config.max_queued_bytes, events: config.max_queued_events, ..limits() };
    let mut queue = Queue::new(bounds);
    let (plan, now) = (plan(1), Instant::now());
    for _ in 0..200_000 {
        queue.push(record(&plan, 1, "123e4567-e89b-12d3-a456-426614174000"), now);
    }
    assert_eq!((queue.len(), queue.take_overboard().events), (200_000, 0));
}
