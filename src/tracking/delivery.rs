//! Takes events from the queue to the endpoint, until the pipeline is closed.
//!
//! One request is under way at a time, several once there is a hurry. What a batch comes to, `settle` decides:
//! delivered, dropped, or put back for another attempt. While the endpoint cannot be reached, or says that it has
//! had too much, one batch at a time is tried, later and later. (Contract: analytics 5 and 7.)

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Kind;
use super::batch;
use super::config::Config;
use super::endpoint::{Answer, EventTransport, Upload};
use super::log::{EventLog, Level};
use super::queue::Slot;
use super::shared::{Mode, Shared};
use super::spool::keeper::Keeper;
use super::store::{EventStore, Saver, StoreCall, Stored};
use crate::defect::point;
use crate::transport::TransportError;

/// Requests at a time when there is a hurry.
const URGENT_REQUESTS: usize = 8;
/// How long records for the spool are collected.
const SPOOL_LINGER: Duration = Duration::from_millis(20);
/// How often processes are looked for that have left events behind.
const INHERIT_EVERY: Duration = Duration::from_secs(30);
/// For the last words to store and spool, once delivery has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

const MISSING_API_KEY: &str = "Event rejected due to missing API key";

type Outcome = (u64, Result<Answer, TransportError>);

pub(super) struct Delivery {
    pub config: Config,
    pub shared: Arc<Shared>,
    pub transport: Arc<dyn EventTransport>,
    pub log: Arc<dyn EventLog>,
    pub keeper: Option<Keeper>,
    pub closed: watch::Sender<bool>,
    saver: Option<Saver>,
    store_call: Option<StoreCall>,
    requests: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// The events of requests under way, by number.
    pub(super) sent: HashMap<u64, Vec<Slot>>,
    next_request: u64,
    pub(super) hold: Option<Hold>,
    /// Requests that have failed since the last one that did not.
    pub(super) failures: u32,
    pub(super) in_a_hurry: bool,
    pub(super) random: fastrand::Rng,
    spool_due: Option<Instant>,
    inherit_due: Instant,
    /// The log has been told that the spool cannot keep up.
    told_of_backlog: bool,
}

/// Nothing is sent for a while.
#[derive(Clone, Copy)]
pub(super) struct Hold {
    pub until: Instant,
    /// The server wants it so.
    pub is_ordered: bool,
}

impl Delivery {
    #[expect(clippy::too_many_arguments, reason = "the parts of one pipeline, named at the only call")]
    pub fn new(
        kind: Kind,
        config: Config,
        shared: Arc<Shared>,
        transport: Arc<dyn EventTransport>,
        log: Arc<dyn EventLog>,
        store: Option<Arc<dyn EventStore>>,
        keeper: Option<Keeper>,
        closed: watch::Sender<bool>,
    ) -> Self {
        let now = Instant::now();
        let (saver, store_call) = store.map(|store| Saver::new(store, kind, &config, now)).unzip();
        Self {
            config,
            shared,
            transport,
            log,
            keeper,
            closed,
            saver,
            store_call,
            requests: FuturesUnordered::new(),
            sent: HashMap::new(),
            next_request: 0,
            hold: None,
            failures: 0,
            in_a_hurry: false,
            random: fastrand::Rng::new(),
            spool_due: None,
            inherit_due: now,
            told_of_backlog: false,
        }
    }

    pub async fn run(mut self) {
        loop {
            point("delivery");
            let now = Instant::now();
            let mode = self.look_around(now);
            self.start_requests(now);
            self.start_store_call(now);
            if self.is_over(mode, now) {
                break;
            }
            let wake = self.next_wake(mode, now);
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                () = shared.changed.notified() => {}
                () = until(wake) => {}
                Some((number, answer)) = self.requests.next(), if !self.requests.is_empty() => {
                    self.settle(number, &answer, Instant::now());
                }
                stored = call(&mut self.store_call) => self.settle_store(stored, Instant::now()),
            }
        }
        self.finish().await;
    }

    /// Everything but requests that is due.
    fn look_around(&mut self, now: Instant) -> Mode {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if state.mode == Mode::Urgent && !state.hurry && state.queue.len() == 0 {
            state.mode = Mode::Open;
        }
        let mode = state.mode;
        self.in_a_hurry = mode != Mode::Open;
        if std::mem::take(&mut state.hurry) {
            self.hold = self.hold.filter(|hold| hold.is_ordered);
            state.queue.hurry(now);
        }
        let overboard = state.queue.take_overboard();
        state.losses.add(0, "the queue was full", overboard.events, now);
        let line = state.losses.line(now);
        let has_unspooled = state.unspooled.as_ref().is_some_and(|records| !records.is_empty());
        let may_inherit = mode == Mode::Open && state.queue.has_much_room();
        drop(state);
        if let Some(line) = line {
            self.say(Level::Error, &line);
        }
        if has_unspooled {
            let due = *self.spool_due.get_or_insert(now + SPOOL_LINGER);
            if self.in_a_hurry || due <= now {
                self.spool();
            }
        }
        self.forget(overboard.ids);
        if self.inherit_due <= now {
            self.inherit_due = now + INHERIT_EVERY;
            let budget = self.config.max_queued_bytes as u64 / 4;
            if may_inherit {
                self.order(|keeper| keeper.inherit(budget));
            }
        }
        mode
    }

    fn start_requests(&mut self, now: Instant) {
        let allowed = if self.in_a_hurry { URGENT_REQUESTS } else { 1 };
        if self.config.offline || self.hold.is_some_and(|hold| hold.until > now) {
            return;
        }
        while self.requests.len() < allowed {
            let Some(slots) = self.shared.lock().queue.take(now) else { return };
            self.send(slots, now);
        }
    }

    fn send(&mut self, mut slots: Vec<Slot>, now: Instant) {
        let Some(api_key) = self.config.api_key.clone() else {
            return self.drop_events(&slots, 400, MISSING_API_KEY, now);
        };
        let Some(endpoint) = self.config.endpoint.clone() else {
            return self.drop_events(&slots, 0, "Invalid server url", now);
        };
        let number = self.next_request;
        self.next_request += 1;
        let (payload, rest) = batch::body(&self.config, &api_key, &mut slots, number == 0, SystemTime::now());
        self.shared.lock().queue.put_back(rest, now, false);
        self.sent.insert(number, slots);
        let deadline = self.config.request_timeout;
        let answer = self.transport.send(Upload { endpoint, payload: payload.into(), deadline });
        // The transport has a deadline of its own; one that forgets it must not stop delivery.
        let limited = tokio::time::timeout(deadline, answer);
        self.requests.push(
            limited
                .map(move |answer| {
                    (number, answer.unwrap_or_else(|_| Err(crate::transport::deadline::timed_out())))
                })
                .boxed(),
        );
    }

    pub(super) fn drop_events(&mut self, slots: &[Slot], code: u16, reason: &str, now: Instant) {
        let reason = self.without_key(reason);
        self.shared.lock().losses.add(code, &reason, slots.len(), now);
        self.release(slots);
    }

    pub(super) fn release(&mut self, slots: &[Slot]) {
        if slots.is_empty() {
            return;
        }
        self.shared.lock().queue.release(slots);
        self.shared.settled.notify_all();
        if self.keeper.is_some() {
            self.forget(ranges(slots));
        }
    }

    fn forget(&mut self, ids: Vec<std::ops::Range<u64>>) {
        if !ids.is_empty() && self.keeper.is_some() {
            // What is not on disk yet would be put there for ever.
            self.spool();
            self.order(|keeper| keeper.forget(ids));
        }
    }

    fn spool(&mut self) {
        self.spool_due = None;
        let records = self.shared.lock().unspooled.as_mut().map(std::mem::take).unwrap_or_default();
        if records.is_empty() {
            return;
        }
        let is_accepted = self.order(|keeper| keeper.save(records));
        if !is_accepted && !std::mem::replace(&mut self.told_of_backlog, true) {
            self.say(Level::Error, "The spool's disk does not keep up: events are kept in memory only");
        }
    }

    /// Gives the spool an order that a blocking drain waits for.
    fn order(&self, give: impl FnOnce(&Keeper) -> bool) -> bool {
        let Some(keeper) = &self.keeper else { return false };
        self.shared.lock().spool_orders += 1;
        let is_accepted = give(keeper);
        if !is_accepted {
            self.shared.lock().spool_orders -= 1;
        }
        is_accepted
    }

    fn start_store_call(&mut self, now: Instant) {
        let Some(saver) = &mut self.saver else { return };
        let changes = self.shared.lock().queue.changes();
        if saver.next_due(changes).is_some_and(|due| due <= now || self.in_a_hurry) {
            let events = undelivered(&self.shared, &self.sent, &self.config.event_constant);
            self.store_call = Some(saver.save(events, changes));
        }
    }

    fn settle_store(&mut self, stored: Stored, now: Instant) {
        self.store_call = None;
        let Some(saver) = &mut self.saver else { return };
        let (events, line) = saver.settle(stored, now);
        if !events.is_empty() {
            self.shared.lock().queue.push_stored(events, now);
        }
        if let Some(line) = line {
            self.say(Level::Error, &line);
        }
    }

    /// Whether there is nothing left to wait for.
    fn is_over(&self, mode: Mode, now: Instant) -> bool {
        let Mode::Closing { until } = mode else { return mode == Mode::Closed };
        if now >= until {
            return true;
        }
        if !self.requests.is_empty() {
            return false;
        }
        // Stored events may still come.
        let reads_store = self.store_call.is_some();
        match self.next_request_due(now) {
            None => !reads_store,
            Some(due) => due > until,
        }
    }

    /// When a request can start, if there is anything to send.
    fn next_request_due(&self, now: Instant) -> Option<Instant> {
        if self.config.offline {
            return None;
        }
        let due = self.shared.lock().queue.next_due()?;
        Some(due.max(self.hold.map_or(now, |hold| hold.until)))
    }

    fn next_wake(&self, mode: Mode, now: Instant) -> Option<Instant> {
        let allowed = if self.in_a_hurry { URGENT_REQUESTS } else { 1 };
        let request = if self.requests.len() < allowed { self.next_request_due(now) } else { None };
        let state = self.shared.lock();
        let losses = state.losses.next_due();
        let store = self.saver.as_ref().and_then(|saver| saver.next_due(state.queue.changes()));
        let inherits = self.keeper.is_some() && mode == Mode::Open;
        drop(state);
        let until = match mode {
            Mode::Closing { until } => Some(until),
            Mode::Open | Mode::Urgent | Mode::Closed => None,
        };
        let inherit = inherits.then_some(self.inherit_due);
        [request, losses, store, until, inherit, self.spool_due].into_iter().flatten().min()
    }

    /// Says what was lost, and leaves store and spool as they are to be found.
    async fn finish(mut self) {
        self.requests.clear();
        self.spool();
        let now = Instant::now();
        // A store that is too slow is left to itself: nobody is left to be told.
        let _ = tokio::time::timeout(LAST_WORDS, self.store_the_rest()).await;
        let line = {
            let mut state = self.shared.lock();
            state.mode = Mode::Closed;
            let left = state.queue.len();
            let changes = state.queue.changes();
            let is_stored = self.saver.as_ref().is_some_and(|saver| saver.has_saved(changes));
            if self.keeper.is_none() && !is_stored {
                state.losses.add(0, "the client was closed", left, now);
            }
            state.queue.clear();
            state.losses.rest()
        };
        if let Some(line) = line {
            self.say(Level::Error, &line);
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(LAST_WORDS).await;
        }
        self.shared.settled.notify_all();
        // Whoever waits may have gone.
        let _ = self.closed.send(true);
    }

    /// Leaves in the store what is undelivered in the end.
    async fn store_the_rest(&mut self) {
        if let Some(call) = self.store_call.take() {
            let stored = call.await;
            self.settle_store(stored, Instant::now());
        }
        let Some(saver) = &mut self.saver else { return };
        let changes = self.shared.lock().queue.changes();
        if saver.next_due(changes).is_some() {
            let events = undelivered(&self.shared, &self.sent, &self.config.event_constant);
            let stored = saver.save(events, changes).await;
            self.settle_store(stored, Instant::now());
        }
    }

    pub(super) fn say(&self, level: Level, message: &str) {
        self.log.log(level, &self.without_key(message));
    }

    /// Servers quote keys in their messages.
    fn without_key(&self, message: &str) -> String {
        let message: String = message.chars().take(1000).collect();
        match &self.config.api_key {
            Some(key) => message.replace(key.expose(), "***"),
            None => message,
        }
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn call(store_call: &mut Option<StoreCall>) -> Stored {
    match store_call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// All events that wait or are under way, as a JSON array.
fn undelivered(shared: &Shared, sent: &HashMap<u64, Vec<Slot>>, constant: &str) -> Bytes {
    let waiting = shared.lock().queue.waiting();
    let mut all: Vec<&Slot> = sent.values().flatten().chain(&waiting).collect();
    all.sort_unstable_by_key(|slot| slot.id);
    let mut json = vec![b'['];
    for (at, slot) in all.into_iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        slot.push_json(constant, &mut json);
    }
    json.push(b']');
    json.into()
}

/// Ids as few ranges.
fn ranges(slots: &[Slot]) -> Vec<std::ops::Range<u64>> {
    let mut ranges: Vec<std::ops::Range<u64>> = Vec::new();
    for slot in slots {
        match ranges.last_mut() {
            Some(range) if range.end == slot.id => range.end += 1,
            _ => ranges.push(slot.id..slot.id + 1),
        }
    }
    ranges
}
