//! One attempt to stream, from the connection to its end: which of its timers runs, and what it has brought.
//! In: what happens to it. Out: when something is [`Due`]. The machine decides what follows.

use std::time::Duration;

use super::Sequence;

/// What the server sends so that the connection is known to live.
pub(super) const KEEP_ALIVE_DATA: &str = " ";

/// Sent every 15 seconds; two more are grace.
const KEEP_ALIVE: Duration = Duration::from_secs(17);

/// An open stream is replaced after a time between these two, so that connections spread over the servers.
const LIFETIME_MIN: Duration = Duration::from_secs(12 * 60);
const LIFETIME_MAX: Duration = Duration::from_secs(18 * 60);

/// Why a stream is opened, which decides what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A `start()` asked for it.
    Start,
    /// Flags are polled; streaming would be better.
    Retry,
    /// One that had brought flags was lost.
    Reconnect,
    /// One was open for so long that it was closed for a new one. What it brings first is an update like any other.
    Replace,
}

/// Which timer has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// No connection or no flags in time.
    Timeout,
    KeepAlive,
    Replacement,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: Sequence,
    pub(super) purpose: Purpose,
    first: First,
    first_by: Option<Duration>,
    open: Option<Open>,
}

/// The first flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Awaited,
    /// They arrived and are not installed yet.
    Arrived(Sequence),
    /// They are installed, or it makes no difference that they are the first.
    Done,
}

#[derive(Debug)]
struct Open {
    since: Duration,
    keep_alive_by: Duration,
    replace_at: Duration,
}

impl Connection {
    pub(super) fn new(id: Sequence, purpose: Purpose, first_by: Duration) -> Self {
        let first = if purpose == Purpose::Replace { First::Done } else { First::Awaited };
        Self { id, purpose, first, first_by: Some(first_by), open: None }
    }

    pub(super) fn opened(&mut self, now: Duration, random: &mut fastrand::Rng) {
        let spread = (LIFETIME_MAX - LIFETIME_MIN).as_millis() as u64;
        let lifetime = LIFETIME_MIN + Duration::from_millis(random.u64(..spread));
        self.open = Some(Open { since: now, keep_alive_by: now + KEEP_ALIVE, replace_at: now + lifetime });
        if self.first == First::Done {
            self.first_by = None;
        }
    }

    /// Any data shows that the connection lives.
    pub(super) fn heard(&mut self, now: Duration) {
        if let Some(open) = &mut self.open {
            open.keep_alive_by = now + KEEP_ALIVE;
        }
    }

    pub(super) fn brought(&mut self, sequence: Sequence) {
        self.first_by = None;
        if self.first == First::Awaited {
            self.first = First::Arrived(sequence);
        }
    }

    /// Whether the connection is no good unless this update is.
    pub(super) fn awaits(&self, sequence: Sequence) -> bool {
        self.first == First::Arrived(sequence)
    }

    /// The first update, where it has arrived and is not installed.
    pub(super) fn arrived(&self) -> Option<Sequence> {
        if let First::Arrived(sequence) = self.first { Some(sequence) } else { None }
    }

    /// Everything up to this update is installed or superseded. `Some`: the first flags are among it only now.
    pub(super) fn settled(&mut self, installed: Sequence) -> Option<Purpose> {
        match self.first {
            First::Arrived(sequence) if sequence <= installed => {
                self.first = First::Done;
                Some(self.purpose)
            }
            _ => None,
        }
    }

    /// Whether flags came by it, or before it by the one that it replaces.
    pub(super) fn has_heard(&self) -> bool {
        self.first != First::Awaited
    }

    /// What the stream that is to follow the loss of this one is for.
    pub(super) fn purpose_of_next(&self) -> Purpose {
        if self.first == First::Done { Purpose::Reconnect } else { self.purpose }
    }

    /// How long it has been open; `None`: it is not.
    pub(super) fn lasted(&self, now: Duration) -> Option<Duration> {
        Some(now.saturating_sub(self.open.as_ref()?.since))
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.timers().map(|(at, _)| at).min()
    }

    pub(super) fn due(&self, now: Duration) -> Option<Due> {
        self.timers().filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at).map(|(_, due)| due)
    }

    fn timers(&self) -> impl Iterator<Item = (Duration, Due)> {
        let open = self.open.as_ref();
        [
            self.first_by.map(|at| (at, Due::Timeout)),
            open.map(|open| (open.keep_alive_by, Due::KeepAlive)),
            open.map(|open| (open.replace_at, Due::Replacement)),
        ]
        .into_iter()
        .flatten()
    }
}
