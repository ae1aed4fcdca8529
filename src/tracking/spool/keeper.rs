//! Works a spool away from the runtime's threads, in the order in which it is told to.
//!
//! In: orders, which never wait. Out: events of processes that are gone, to whoever takes them.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::super::config::SpoolConfig;
use super::super::log::{EventLog, Level};
use super::super::queue::{Held, OWN};
use super::{RealDisk, Spool};
use crate::defect::{Defect, point};
use crate::error::Coded;

/// What the keeper tells of its work.
pub(in crate::tracking) trait Client: Send + Sync + 'static {
    /// Takes events of processes that are gone. Gives their ids.
    fn inherit(&self, events: Vec<Arc<[u8]>>) -> Range<u64>;

    /// An order has been carried out.
    fn carried_out(&self);
}

enum Order {
    Save(Vec<Arc<Held>>),
    Forget(Vec<Range<u64>>),
    Inherit { budget: u64 },
}

/// Memory that waiting orders hold, at most; what comes while a disk hangs is not saved.
const MAX_BACKLOG_BYTES: usize = 16 << 20;

/// Gives orders to a spool.
pub(in crate::tracking) struct Keeper {
    orders: mpsc::UnboundedSender<Order>,
    backlog: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Opens the spool. If that fails there is a line in the log, and all orders are carried out by doing nothing.
    pub fn start(
        config: SpoolConfig,
        prefix: String,
        constant: String,
        log: Arc<dyn EventLog>,
        client: Arc<dyn Client>,
        handle: &Handle,
    ) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let work =
            Work { spool: None, constant, log, client, backlog: Arc::clone(&backlog), is_failing: false };
        let task = handle.spawn(work.run(config, prefix, received));
        Self { orders, backlog, task }
    }

    /// Puts records on disk. `false`: there is too much to do, they are not going to be.
    pub fn save(&self, records: Vec<Arc<Held>>) -> bool {
        if self.backlog.load(Ordering::Relaxed) > MAX_BACKLOG_BYTES {
            return false;
        }
        self.backlog.fetch_add(bytes_of(&records), Ordering::Relaxed);
        self.orders.send(Order::Save(records)).is_ok()
    }

    /// These events need no delivery any more.
    pub fn forget(&self, ids: Vec<Range<u64>>) -> bool {
        self.orders.send(Order::Forget(ids)).is_ok()
    }

    /// Looks for events of processes that are gone: about this many bytes of them.
    pub fn inherit(&self, budget: u64) -> bool {
        self.orders.send(Order::Inherit { budget }).is_ok()
    }

    /// Carries out what has been ordered and closes the spool, within a time.
    pub async fn finish(self, bound: Duration) {
        drop(self.orders);
        // A disk that hangs is left to itself.
        let _ = tokio::time::timeout(bound, self.task).await;
    }
}

fn bytes_of(records: &[Arc<Held>]) -> usize {
    records.iter().map(|held| held.record.bytes()).sum()
}

struct Work {
    spool: Option<Spool>,
    constant: String,
    log: Arc<dyn EventLog>,
    client: Arc<dyn Client>,
    backlog: Arc<AtomicUsize>,
    /// The log has been told of a failure, and of no success since.
    is_failing: bool,
}

impl Work {
    async fn run(mut self, config: SpoolConfig, prefix: String, mut orders: mpsc::UnboundedReceiver<Order>) {
        let opened = spawn_blocking(move || Spool::open(&config, prefix, Box::new(RealDisk))).await;
        match opened.unwrap_or_else(|_| Err(io::Error::other(Defect::last()))) {
            Ok(spool) => self.spool = Some(spool),
            Err(error) => self.log.log(
                Level::Error,
                &format!("The spool directory cannot be used ({error}): events are kept in memory only"),
            ),
        }
        while let Some(order) = orders.recv().await {
            let (client, log) = (Arc::clone(&self.client), Arc::clone(&self.log));
            match spawn_blocking(move || {
                point("the spool");
                self.carry_out(order);
                self
            })
            .await
            {
                Ok(work) => self = work,
                // Nothing more is saved.
                Err(_) => {
                    let defect = Defect::last();
                    let code = defect.code();
                    log.log(
                        Level::Error,
                        &format!("Events are not saved to the spool any more: {defect} ({code})"),
                    );
                    client.carried_out();
                    break;
                }
            }
            client.carried_out();
        }
        // What is still ordered is waited for by somebody.
        orders.close();
        while orders.recv().await.is_some() {}
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Save(records) => self.save(&records),
            Order::Forget(ids) => {
                let forgotten = self.spool.as_mut().map(|spool| spool.forget(ids.into_iter().flatten()));
                // It is told where it matters: when events cannot be saved.
                drop(forgotten);
            }
            Order::Inherit { budget } => self.inherit(budget),
        }
    }

    fn save(&mut self, records: &[Arc<Held>]) {
        let events: Vec<(u64, Vec<u8>)> = records.iter().flat_map(|held| self.events_of(held)).collect();
        self.backlog.fetch_sub(bytes_of(records), Ordering::Relaxed);
        let Some(spool) = &mut self.spool else { return };
        match spool.save(&events) {
            Ok(evicted) => {
                if std::mem::take(&mut self.is_failing) {
                    self.log.log(Level::Warn, "Events are saved to the spool again");
                }
                if evicted > 0 {
                    self.log.log(
                        Level::Warn,
                        &format!("The spool is full: {evicted} older events are kept in memory only"),
                    );
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    self.log.log(
                        Level::Error,
                        &format!(
                            "Events cannot be saved to the spool ({error}): they are kept in memory only"
                        ),
                    );
                }
            }
        }
    }

    fn events_of(&self, held: &Held) -> Vec<(u64, Vec<u8>)> {
        let ids = (held.first_id..).zip(0..held.record.events());
        ids.map(|(id, index)| {
            let mut json = Vec::new();
            held.record.push_event(index, id.saturating_sub(OWN), &self.constant, &mut json);
            (id, json)
        })
        .collect()
    }

    fn inherit(&mut self, budget: u64) {
        let Some(spool) = &mut self.spool else { return };
        // A directory that cannot be read now may be the next time.
        let Ok(mut inherited) = spool.inherit(budget) else { return };
        if inherited.events.is_empty() {
            return;
        }
        let events = std::mem::take(&mut inherited.events);
        self.log.log(Level::Debug, &format!("{} events of an earlier process are delivered", events.len()));
        let ids = self.client.inherit(events);
        spool.keep(inherited, ids);
    }
}
