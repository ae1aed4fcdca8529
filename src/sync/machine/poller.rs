//! When flags are polled: several times in a row at first if need be, and then once an interval. In: how polls end.
//! Out: when the next is due. The machine makes the requests' numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Sequence, is_due};

/// How often the first poll is made before it counts as failed, and the pause in between.
const FIRST_ATTEMPTS: u32 = 5;
const FIRST_ATTEMPT_PAUSE: Duration = Duration::from_millis(1);

/// Polls that may be under way at once: a server that answers more slowly than it is asked is asked less often.
const MAX_UNDER_WAY: usize = 4;

#[derive(Debug)]
pub(super) struct Poller {
    interval: Duration,
    next_tick: Option<Duration>,
    first: Option<First>,
    under_way: BTreeSet<Sequence>,
}

#[derive(Debug)]
struct First {
    attempts_left: u32,
    state: FirstState,
}

#[derive(Debug)]
enum FirstState {
    Trying(Sequence),
    Pausing { until: Duration },
}

/// Whether a poll that ended was one of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstPolls {
    /// It was not.
    Over,
    /// There will be another attempt.
    GoOn,
    /// It was the last attempt.
    NoneLeft,
}

impl Poller {
    /// The interval begins now.
    pub(super) fn new(now: Duration, interval: Duration) -> Self {
        Self { interval, next_tick: Some(now + interval), first: None, under_way: BTreeSet::new() }
    }

    /// The first poll is made now.
    pub(super) fn first_poll(&mut self, sequence: Sequence) {
        self.first = Some(First { attempts_left: FIRST_ATTEMPTS - 1, state: FirstState::Trying(sequence) });
    }

    /// The first poll is made again now.
    pub(super) fn first_poll_again(&mut self, sequence: Sequence) {
        if let Some(first) = &mut self.first {
            first.attempts_left -= 1;
            first.state = FirstState::Trying(sequence);
        }
    }

    /// A poll of the interval is made now.
    pub(super) fn tick(&mut self, sequence: Sequence) {
        self.under_way.insert(sequence);
    }

    pub(super) fn polled(&mut self, now: Duration, sequence: Sequence, is_ok: bool) -> FirstPolls {
        self.under_way.remove(&sequence);
        let Some(first) = &mut self.first else { return FirstPolls::Over };
        if !matches!(first.state, FirstState::Trying(trying) if trying == sequence) {
            return FirstPolls::Over;
        }
        if !is_ok && first.attempts_left > 0 {
            first.state = FirstState::Pausing { until: now + FIRST_ATTEMPT_PAUSE };
            return FirstPolls::GoOn;
        }
        self.first = None;
        if is_ok { FirstPolls::Over } else { FirstPolls::NoneLeft }
    }

    /// Flags are there, by whichever way: no more first attempts.
    pub(super) fn succeeded(&mut self) {
        self.first = None;
    }

    pub(super) fn is_retry_due(&self, now: Duration) -> bool {
        self.retry_at().is_some_and(|at| at <= now)
    }

    pub(super) fn is_tick_due(&mut self, now: Duration) -> bool {
        is_due(&mut self.next_tick, Some(self.interval), now)
    }

    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < MAX_UNDER_WAY
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        [self.next_tick, self.retry_at()].into_iter().flatten().min()
    }

    fn retry_at(&self) -> Option<Duration> {
        match self.first.as_ref()?.state {
            FirstState::Trying(_) => None,
            FirstState::Pausing { until } => Some(until),
        }
    }
}
