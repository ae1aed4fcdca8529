//! Who waits for which events: a flush waits for all that were queued before it, and for no later ones.
//!
//! In: events as they come and go, each with the number of its generation. Out: the flushes that are through.

use std::collections::VecDeque;

use tokio::sync::oneshot;

pub(super) struct Generations {
    /// The number of the first of `counts`.
    first: u64,
    /// Events that are left of each generation; the last is the current one.
    counts: VecDeque<usize>,
    waiting: Vec<(u64, oneshot::Sender<()>)>,
}

impl Generations {
    pub fn new() -> Self {
        Self { first: 0, counts: VecDeque::from([0]), waiting: Vec::new() }
    }

    /// Counts new events in. Gives the number of their generation.
    pub fn add(&mut self, events: usize) -> u64 {
        let current = self.first + self.counts.len() as u64 - 1;
        if let Some(count) = self.counts.back_mut() {
            *count += events;
        }
        current
    }

    /// Counts events of a generation out.
    pub fn remove(&mut self, generation: u64, events: usize) {
        let at = generation.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(count) = at.and_then(|at| self.counts.get_mut(at)) {
            *count = count.saturating_sub(events);
        }
        self.settle();
    }

    /// Ends the current generation: its number, and what tells when all events up to it are gone.
    pub fn end(&mut self) -> (u64, oneshot::Receiver<()>) {
        let ended = self.first + self.counts.len() as u64 - 1;
        self.counts.push_back(0);
        let (sender, receiver) = oneshot::channel();
        self.waiting.push((ended, sender));
        self.settle();
        (ended, receiver)
    }

    fn settle(&mut self) {
        let before = self.first;
        while self.counts.len() > 1 && self.counts.front() == Some(&0) {
            self.counts.pop_front();
            self.first += 1;
        }
        if self.first == before {
            return;
        }
        for (_, sender) in self.waiting.extract_if(.., |(generation, _)| *generation < self.first) {
            // Whoever waited may have stopped waiting.
            let _ = sender.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_through(receiver: &mut oneshot::Receiver<()>) -> bool {
        receiver.try_recv().is_ok()
    }

    #[test]
    fn a_flush_waits_for_what_came_before_it_only() {
        let mut generations = Generations::new();
        let first = generations.add(2);
        let (_, mut flush) = generations.end();
        let second = generations.add(1);
        generations.remove(first, 1);
        assert!(!is_through(&mut flush));
        generations.remove(first, 1);
        assert!(is_through(&mut flush));
        let (_, mut later) = generations.end();
        assert!(!is_through(&mut later));
        generations.remove(second, 1);
        assert!(is_through(&mut later));
    }

    #[test]
    fn a_flush_of_nothing_is_through_at_once() {
        let mut generations = Generations::new();
        assert!(is_through(&mut generations.end().1));
        assert!(is_through(&mut generations.end().1));
    }

    #[test]
    fn a_flush_waits_for_earlier_ones_too() {
        let mut generations = Generations::new();
        let first = generations.add(1);
        let (_, mut early) = generations.end();
        let second = generations.add(1);
        let (_, mut late) = generations.end();
        generations.remove(second, 1);
        assert!(!is_through(&mut late));
        generations.remove(first, 1);
        assert!(is_through(&mut early) && is_through(&mut late));
    }
}
