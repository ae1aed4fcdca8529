//! What a pipeline's handle and its delivery share.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::log::Losses;
use super::queue::{Held, Queue};
use super::spool::keeper::Client;

/// How much of a hurry there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Batches are waited for.
    Open,
    /// The process may be about to end: several requests at a time, until nothing is left.
    Urgent,
    /// As urgent. Nothing new is taken, and what is not delivered by then is given up.
    Closing {
        until: Instant,
    },
    Closed,
}

pub(super) struct State {
    pub queue: Queue,
    pub mode: Mode,
    /// What waits is to be sent now. Taken by the delivery.
    pub hurry: bool,
    pub losses: Losses,
    /// Records on their way to the spool; `None` without one.
    pub unspooled: Option<Vec<Arc<Held>>>,
    /// Orders that the spool has not carried out.
    pub spool_orders: usize,
    /// Nothing is ever sent.
    pub is_offline: bool,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Something has changed that the delivery must look at.
    pub changed: Notify,
    /// Something has changed that a blocking drain waits for.
    pub settled: Condvar,
}

impl Shared {
    pub fn new(state: State) -> Self {
        Self { state: Mutex::new(state), changed: Notify::new(), settled: Condvar::new() }
    }

    /// The state. Held for moments only: never across an await, I/O, or the making of JSON.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client for Shared {
    fn inherit(&self, events: Vec<Arc<[u8]>>) -> Range<u64> {
        let ids = self.lock().queue.push_stored(events, Instant::now());
        self.changed.notify_one();
        ids
    }

    fn carried_out(&self) {
        let mut state = self.lock();
        state.spool_orders = state.spool_orders.saturating_sub(1);
        drop(state);
        self.settled.notify_all();
    }
}
