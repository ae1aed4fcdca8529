//! Events that came back, or that an earlier process left, in chunks that are sent together as they are.
//!
//! In: chunks with the time at which they are due. Out: the oldest that is due, or the oldest of all. Every step takes
//! as long as a search among the chunks, however many there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::time::Instant;

use super::Slot;

/// Never empty.
struct Chunk {
    due: Instant,
    slots: VecDeque<Slot>,
    /// The server has asked for the delay: nothing shortens it, and several such chunks may go together.
    is_throttled: bool,
}

#[derive(Default)]
pub(super) struct Returned {
    /// By the id of the first event.
    chunks: BTreeMap<u64, Chunk>,
    /// The same by time: due, first id.
    dues: BTreeSet<(Instant, u64)>,
    /// Of these, the throttled ones.
    throttled: BTreeSet<(Instant, u64)>,
}

impl Returned {
    pub fn push(&mut self, slots: VecDeque<Slot>, due: Instant, is_throttled: bool) {
        let Some(first) = slots.front().map(|slot| slot.id) else { return };
        self.dues.insert((due, first));
        if is_throttled {
            self.throttled.insert((due, first));
        }
        self.chunks.insert(first, Chunk { due, slots, is_throttled });
    }

    /// When the first of them is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// At most so many events that are due, of the chunk that has been so for longest.
    pub fn take(&mut self, now: Instant, most: usize) -> Option<Vec<Slot>> {
        let (_, first) = *self.dues.first().filter(|(due, _)| *due <= now)?;
        let is_throttled = self.chunks.get(&first).is_some_and(|chunk| chunk.is_throttled);
        let mut taken = Vec::new();
        self.take_from(first, most, &mut taken);
        while is_throttled && taken.len() < most {
            let Some(&(_, next)) = self.throttled.first().filter(|(due, _)| *due <= now) else { break };
            self.take_from(next, most, &mut taken);
        }
        Some(taken)
    }

    /// The oldest event.
    pub fn pop_oldest(&mut self) -> Option<Slot> {
        let first = *self.chunks.first_key_value()?.0;
        let mut taken = Vec::new();
        self.take_from(first, 1, &mut taken);
        taken.pop()
    }

    /// What is not throttled is due now.
    pub fn hurry(&mut self, now: Instant) {
        let late: Vec<(Instant, u64)> = self
            .dues
            .range((now, u64::MAX)..)
            .filter(|late| !self.throttled.contains(late))
            .copied()
            .collect();
        for (due, first) in late {
            self.dues.remove(&(due, first));
            self.dues.insert((now, first));
            if let Some(chunk) = self.chunks.get_mut(&first) {
                chunk.due = now;
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.chunks.values().flat_map(|chunk| &chunk.slots)
    }

    /// Moves events from the front of a chunk until there are `most`. What is left is a chunk with another first event.
    fn take_from(&mut self, first: u64, most: usize, taken: &mut Vec<Slot>) {
        let Some(mut chunk) = self.chunks.remove(&first) else { return };
        self.dues.remove(&(chunk.due, first));
        self.throttled.remove(&(chunk.due, first));
        let room = most.saturating_sub(taken.len()).min(chunk.slots.len());
        taken.extend(chunk.slots.drain(..room));
        self.push(chunk.slots, chunk.due, chunk.is_throttled);
    }
}
