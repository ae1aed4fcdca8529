//! Events that wait for delivery, in bounded memory.
//!
//! In: records as they are made, events that an earlier process left, and what became of those that were sent. Out:
//! the next events to send, and when. The oldest go first, to the server as overboard. No clock and no I/O: time
//! comes in as an argument. (Contract: analytics 5.1 and 7.)

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::returned::Returned;
use super::generations::Generations;
use super::prepared::Prepared;
use super::record::Record;

/// Ids from here on belong to events recorded here, in order, and tell their `event_id`; lower ones to events
/// that an earlier process recorded.
pub(super) const OWN: u64 = 1 << 40;

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of memory, roughly.
    pub bytes: usize,
    pub events: usize,
    /// Events in one request, and how many that wait call for one.
    pub batch: usize,
    /// How long an event waits for others.
    pub interval: Duration,
}

/// A record in the queue.
pub(super) struct Held {
    pub record: Record,
    /// The id of its first event; the others follow.
    pub first_id: u64,
    /// Events that are left. Changed under the queue's lock only.
    live: AtomicU32,
}

/// An event in the queue.
#[derive(Clone)]
pub(super) struct Slot {
    pub id: u64,
    pub origin: Origin,
    /// How often it has been sent in vain.
    pub attempts: u32,
    generation: u64,
}

#[derive(Clone)]
pub(super) enum Origin {
    Recorded {
        held: Arc<Held>,
        index: u32,
    },
    /// Its JSON, as an earlier process wrote it.
    Stored(Arc<[u8]>),
}

/// A record of which no event has been sent, or only the first ones.
struct Fresh {
    held: Arc<Held>,
    next: u32,
    queued_at: Instant,
    generation: u64,
}

pub(super) struct Queue {
    limits: Limits,
    fresh: VecDeque<Fresh>,
    fresh_events: usize,
    returned: Returned,
    /// All that wait or are under way.
    events: usize,
    bytes: usize,
    /// Plans of waiting records with the number of these, the newest last. All but the newest would be gone if it
    /// were not for these records, and count.
    plans: Vec<(Arc<Prepared>, usize)>,
    generations: Generations,
    /// Fresh events up to this generation do not wait for others.
    flush_through: Option<u64>,
    next_own: u64,
    next_stored: u64,
    overboard: Overboard,
    changes: u64,
}

/// Events dropped for want of room.
#[derive(Default)]
pub(super) struct Overboard {
    pub events: usize,
    pub ids: Vec<Range<u64>>,
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            fresh: VecDeque::new(),
            fresh_events: 0,
            returned: Returned::default(),
            events: 0,
            bytes: 0,
            plans: Vec::new(),
            generations: Generations::new(),
            flush_through: None,
            next_own: OWN,
            next_stored: 0,
            overboard: Overboard::default(),
            changes: 0,
        }
    }

    /// Takes a record in. `true`: [`Queue::next_due`] has changed.
    pub fn push(&mut self, record: Record, now: Instant) -> (Arc<Held>, bool) {
        let count = record.events();
        let held = Arc::new(Held { record, first_id: self.next_own, live: AtomicU32::new(count) });
        self.next_own += u64::from(count);
        let count = count as usize;
        self.changes += 1;
        self.events += count;
        self.bytes += held.record.bytes() + count * size_of::<Slot>();
        self.keep_plan(&held.record.prepared);
        let before = self.fresh_events;
        self.fresh_events += count;
        let generation = self.generations.add(count);
        self.fresh.push_back(Fresh { held: Arc::clone(&held), next: 0, queued_at: now, generation });
        let fills_a_batch = before < self.limits.batch && self.fresh_events >= self.limits.batch;
        self.make_room();
        (held, before == 0 || fills_a_batch)
    }

    /// Takes in events that an earlier process left, as JSON objects. Gives their ids.
    pub fn push_stored(&mut self, events: Vec<Arc<[u8]>>, now: Instant) -> Range<u64> {
        let first = self.next_stored;
        let generation = self.generations.add(events.len());
        let slots: VecDeque<Slot> = (first..)
            .zip(events)
            .map(|(id, json)| Slot { id, origin: Origin::Stored(json), attempts: 0, generation })
            .collect();
        self.next_stored += slots.len() as u64;
        self.changes += 1;
        self.events += slots.len();
        self.bytes += slots.iter().map(stored_bytes).sum::<usize>();
        self.put_back(slots, now, false);
        self.make_room();
        first..self.next_stored
    }

    /// How many events wait or are under way.
    pub fn len(&self) -> usize {
        self.events
    }

    /// How often the set of events has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How much memory they take, roughly.
    pub fn bytes(&self) -> usize {
        let retired = self.plans.len().saturating_sub(1);
        self.bytes + self.plans[..retired].iter().map(|(plan, _)| plan.bytes()).sum::<usize>()
    }

    /// Whether less than half of what the bounds allow is taken.
    pub fn has_much_room(&self) -> bool {
        self.events < self.limits.events / 2 && self.bytes() < self.limits.bytes / 2
    }

    /// The events to send now, if there are any; those that came back first, being older.
    pub fn take(&mut self, now: Instant) -> Option<Vec<Slot>> {
        self.returned.take(now, self.limits.batch).or_else(|| self.take_fresh(now))
    }

    /// When [`Queue::take`] has something, if nothing changes.
    pub fn next_due(&self) -> Option<Instant> {
        let fresh = self.fresh.front().map(|front| {
            if self.is_ready(front) { front.queued_at } else { front.queued_at + self.limits.interval }
        });
        self.returned.next_due().into_iter().chain(fresh).min()
    }

    /// Sends what waits for others without waiting any longer. Tells when all that is here now is gone.
    pub fn flush(&mut self) -> oneshot::Receiver<()> {
        let (generation, receiver) = self.generations.end();
        self.flush_through = Some(generation);
        receiver
    }

    /// As [`Queue::flush`], and what waits for another attempt may have it now.
    pub fn hurry(&mut self, now: Instant) {
        drop(self.flush());
        self.returned.hurry(now);
    }

    /// Takes back events to be sent at `due`, together as they are.
    pub fn put_back(&mut self, slots: impl Into<VecDeque<Slot>>, due: Instant, is_throttled: bool) {
        self.returned.push(slots.into(), due, is_throttled);
    }

    /// These events are delivered or given up.
    pub fn release(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.release_one(slot);
        }
    }

    /// Gives everything up, what is under way included.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// What has been dropped for want of room since the last time.
    pub fn take_overboard(&mut self) -> Overboard {
        std::mem::take(&mut self.overboard)
    }

    /// All events that wait, for a snapshot. Those under way are not among them.
    pub fn waiting(&self) -> Vec<Slot> {
        let fresh = self
            .fresh
            .iter()
            .flat_map(|fresh| (fresh.next..fresh.held.record.events()).map(|at| fresh.slot(at)));
        let mut all: Vec<Slot> = self.returned.iter().cloned().chain(fresh).collect();
        all.sort_unstable_by_key(|slot| slot.id);
        all
    }

    fn take_fresh(&mut self, now: Instant) -> Option<Vec<Slot>> {
        let front = self.fresh.front()?;
        if !self.is_ready(front) && front.queued_at + self.limits.interval > now {
            return None;
        }
        let mut taken = Vec::new();
        while taken.len() < self.limits.batch {
            let Some(front) = self.fresh.front_mut() else { break };
            let room = (self.limits.batch - taken.len()) as u64;
            let end = u64::from(front.held.record.events()).min(u64::from(front.next) + room) as u32;
            taken.extend((front.next..end).map(|at| front.slot(at)));
            front.next = end;
            if end == front.held.record.events() {
                self.fresh.pop_front();
            }
        }
        self.fresh_events -= taken.len();
        Some(taken)
    }

    /// Whether these need not wait for others.
    fn is_ready(&self, front: &Fresh) -> bool {
        self.fresh_events >= self.limits.batch
            || self.flush_through.is_some_and(|through| front.generation <= through)
    }

    fn make_room(&mut self) {
        while self.events > self.limits.events || self.bytes() > self.limits.bytes {
            let dropped = match self.returned.pop_oldest() {
                Some(slot) => vec![slot],
                None => self.pop_fresh(),
            };
            let (Some(first), Some(last)) = (dropped.first(), dropped.last()) else { return };
            self.overboard.events += dropped.len();
            match self.overboard.ids.last_mut() {
                Some(range) if range.end == first.id => range.end = last.id + 1,
                _ => self.overboard.ids.push(first.id..last.id + 1),
            }
            self.release(&dropped);
        }
    }

    fn pop_fresh(&mut self) -> Vec<Slot> {
        let Some(front) = self.fresh.pop_front() else { return Vec::new() };
        let slots: Vec<Slot> = (front.next..front.held.record.events()).map(|at| front.slot(at)).collect();
        self.fresh_events -= slots.len();
        slots
    }

    fn release_one(&mut self, slot: &Slot) {
        self.changes += 1;
        self.events -= 1;
        self.generations.remove(slot.generation, 1);
        match &slot.origin {
            Origin::Stored(_) => self.bytes -= stored_bytes(slot),
            Origin::Recorded { held, .. } => {
                self.bytes -= size_of::<Slot>();
                if held.live.fetch_sub(1, Ordering::Relaxed) == 1 {
                    self.bytes -= held.record.bytes();
                    self.leave_plan(&held.record.prepared);
                }
            }
        }
    }

    fn keep_plan(&mut self, plan: &Arc<Prepared>) {
        match self.plans.iter().rposition(|(known, _)| Arc::ptr_eq(known, plan)) {
            Some(at) => self.plans[at].1 += 1,
            None => self.plans.push((Arc::clone(plan), 1)),
        }
    }

    fn leave_plan(&mut self, plan: &Arc<Prepared>) {
        let Some(at) = self.plans.iter().position(|(known, _)| Arc::ptr_eq(known, plan)) else { return };
        self.plans[at].1 -= 1;
        if self.plans[at].1 == 0 {
            self.plans.remove(at);
        }
    }
}

impl Fresh {
    fn slot(&self, index: u32) -> Slot {
        Slot {
            id: self.held.first_id + u64::from(index),
            origin: Origin::Recorded { held: Arc::clone(&self.held), index },
            attempts: 0,
            generation: self.generation,
        }
    }
}

fn stored_bytes(slot: &Slot) -> usize {
    let json = match &slot.origin {
        Origin::Stored(json) => json.len(),
        Origin::Recorded { .. } => 0,
    };
    size_of::<Slot>() + json
}

mod returned;
#[cfg(test)]
mod tests;
