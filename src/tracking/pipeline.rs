//! A pipeline: what a client holds of its exposure or assignment tracking.
//!
//! In: [`Evaluation`]s, on any thread, never waiting. Out: events at the endpoint; `flush`, `close` and a blocking
//! drain for whoever is about to leave.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Kind;
use super::config::Config;
use super::dedupe::Dedupe;
use super::delivery::Delivery;
use super::endpoint::EventTransport;
use super::evaluation::Evaluation;
use super::log::{EventLog, Level, Losses};
use super::queue::{Limits, Queue};
use super::record::Record;
use super::shared::{Mode, Shared, State};
use super::spool;
use super::spool::keeper::Keeper;
use super::store::EventStore;
use crate::defect::{Defect, contain_future};
use crate::error::Coded;

/// What a pipeline works with.
#[derive(Clone)]
pub struct Parts {
    pub transport: Arc<dyn EventTransport>,
    pub log: Arc<dyn EventLog>,
    pub store: Option<Arc<dyn EventStore>>,
}

/// How long the events of a pipeline that was dropped without being closed are tried to be delivered.
const LINGER: Duration = Duration::from_secs(5);
/// More events than this never fit into a request.
const MAX_BATCH: usize = 10_000;
/// Between two lines about dropped events, at least.
const MIN_LOSS_INTERVAL: Duration = Duration::from_secs(1);

/// Tracks evaluations of one kind.
pub struct Pipeline {
    kind: Kind,
    opt_out: bool,
    dedupe: Mutex<Dedupe>,
    drainer: Drainer,
    closed: watch::Receiver<bool>,
}

impl Pipeline {
    /// Starts a pipeline. Its work is done on `handle`'s threads.
    pub fn new(kind: Kind, config: Config, parts: Parts, handle: &Handle) -> Self {
        let limits = Limits {
            bytes: config.max_queued_bytes,
            events: config.max_queued_events,
            batch: config.flush_queue_size.min(MAX_BATCH),
            interval: config.flush_interval,
        };
        let shared = Arc::new(Shared::new(State {
            queue: Queue::new(limits),
            mode: Mode::Open,
            hurry: false,
            losses: Losses::new(config.flush_interval.max(MIN_LOSS_INTERVAL)),
            unspooled: config.spool.is_some().then(Vec::new),
            spool_orders: 0,
            is_offline: config.offline,
        }));
        let Parts { transport, log, store } = parts;
        let can_drain = !config.offline && transport.works_while_blocked();
        let keeper = config.spool.clone().map(|spool| {
            let prefix = spool::prefix(kind, &config);
            let constant = config.event_constant.clone();
            let client = Arc::clone(&shared);
            Keeper::start(spool, prefix, constant, Arc::clone(&log), client, handle)
        });
        let (sender, closed) = watch::channel(false);
        let dedupe = Mutex::new(Dedupe::new(config.cache_capacity));
        let opt_out = config.opt_out;
        let drainer = Drainer { shared: Arc::clone(&shared), can_drain };
        // Timers of the delivery need the runtime from the start.
        let _guard = handle.enter();
        let (left, told) = (Arc::clone(&shared), Arc::clone(&log));
        let delivery = Delivery::new(kind, config, shared, transport, log, store, keeper, sender);
        handle.spawn(async move {
            if let Err(defect) = contain_future(delivery.run()).await {
                give_up(&left, &*told, &defect);
            }
        });
        Self { kind, opt_out, dedupe, drainer, closed }
    }

    /// Tracks an evaluation, unless it is a repetition. Takes microseconds and never waits for anything.
    pub fn record(&self, evaluation: &Evaluation<'_>) {
        let Some(key) = evaluation.key() else { return };
        if !self.dedupe.lock().unwrap_or_else(PoisonError::into_inner).is_new(key, evaluation.now)
            || self.opt_out
        {
            return;
        }
        match evaluation.record(self.kind) {
            Ok(Some(record)) => self.push(record),
            Ok(None) => {}
            Err(rejected) => {
                let shared = &self.drainer.shared;
                shared.lock().losses.add(0, &rejected.to_string(), 1, Instant::now());
                shared.changed.notify_one();
            }
        }
    }

    fn push(&self, record: Record) {
        let shared = &self.drainer.shared;
        let mut state = shared.lock();
        let now = Instant::now();
        if matches!(state.mode, Mode::Closing { .. } | Mode::Closed) {
            return;
        }
        let (held, mut wakes) = state.queue.push(record, now);
        if let Some(unspooled) = &mut state.unspooled {
            wakes |= unspooled.is_empty();
            unspooled.push(held);
        }
        drop(state);
        if wakes {
            shared.changed.notify_one();
        }
    }

    /// How many events wait for delivery or are under way.
    pub fn pending(&self) -> usize {
        self.drainer.shared.lock().queue.len()
    }

    /// How much memory they take, roughly, in bytes.
    pub fn pending_bytes(&self) -> usize {
        self.drainer.shared.lock().queue.bytes()
    }

    /// Sends what waits for others. Resolves when every event recorded before is delivered or dropped; at once for
    /// a pipeline that is offline.
    pub fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = &self.drainer.shared;
        let gone = self.drainer.can_deliver().then(|| shared.lock().queue.flush());
        shared.changed.notify_one();
        async move {
            if let Some(gone) = gone {
                // A queue that is gone has nothing left either.
                let _ = gone.await;
            }
        }
    }

    /// Delivers what is there within `timeout`, gives up the rest and ends. Evaluations recorded later are not
    /// tracked. Once is enough: closing again waits for the same end, which the shorter time decides.
    pub fn close(&self, timeout: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.drainer.close_within(timeout);
        let mut closed = self.closed.clone();
        async move {
            // An error means that the delivery has ended, too.
            let _ = closed.wait_for(|&closed| closed).await;
        }
    }

    /// Delivers what is there while this thread waits, at most for `bound`. Not for threads of the runtime.
    pub fn drain_blocking(&self, bound: Duration) {
        drain_blocking(std::slice::from_ref(&self.drainer), bound);
    }

    /// A handle for a drain that may outlive the pipeline.
    pub fn drainer(&self) -> Drainer {
        self.drainer.clone()
    }
}

/// After a panic: nobody may wait for a delivery that is no more. What the spool has is delivered by a later process.
fn give_up(shared: &Shared, log: &dyn EventLog, defect: &Defect) {
    let mut state = shared.lock();
    let events = state.queue.len();
    state.mode = Mode::Closed;
    state.queue.clear();
    state.unspooled = None;
    state.spool_orders = 0;
    drop(state);
    shared.settled.notify_all();
    let code = defect.code();
    log.log(
        Level::Error,
        &format!("{events} events dropped, and nothing is tracked any more: {defect} ({code})"),
    );
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.drainer.close_within(LINGER);
    }
}

/// Waits for a pipeline's events without keeping the pipeline.
#[derive(Clone)]
pub struct Drainer {
    shared: Arc<Shared>,
    /// Events can get out while JavaScript's thread is blocked.
    can_drain: bool,
}

impl Drainer {
    /// How many events wait for delivery or are under way.
    pub fn pending(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// Nothing is left to wait for, and nothing will come.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().mode == Mode::Closed
    }

    fn can_deliver(&self) -> bool {
        !self.shared.lock().is_offline
    }

    fn hurry(&self) {
        let mut state = self.shared.lock();
        if state.mode == Mode::Open {
            state.mode = Mode::Urgent;
        }
        state.hurry = true;
        drop(state);
        self.shared.changed.notify_one();
    }

    fn close_within(&self, timeout: Duration) {
        let now = Instant::now();
        // A time beyond what the clock can count is as good as a year.
        let until = now.checked_add(timeout).unwrap_or(now + Duration::from_secs(31_536_000));
        let mut state = self.shared.lock();
        state.mode = match state.mode {
            Mode::Open | Mode::Urgent => Mode::Closing { until },
            Mode::Closing { until: earlier } => Mode::Closing { until: earlier.min(until) },
            Mode::Closed => Mode::Closed,
        };
        state.hurry = true;
        drop(state);
        self.shared.changed.notify_one();
    }

    fn wait(&self, until: std::time::Instant) {
        let mut state = self.shared.lock();
        loop {
            let delivered = state.queue.len() == 0 || !self.can_drain;
            let saved = state.spool_orders == 0 && state.unspooled.as_ref().is_none_or(Vec::is_empty);
            let left = until.saturating_duration_since(std::time::Instant::now());
            if (delivered && saved) || left.is_zero() {
                return;
            }
            let waited = self.shared.settled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Delivers what is there in all of these while this thread waits, at most for `bound`, which they share. Not for
/// threads of the runtime.
pub fn drain_blocking(drainers: &[Drainer], bound: Duration) {
    if bound.is_zero() {
        return;
    }
    let until = std::time::Instant::now() + bound;
    drainers.iter().for_each(Drainer::hurry);
    for drainer in drainers {
        drainer.wait(until);
    }
}
