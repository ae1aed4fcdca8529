//! A local evaluation client, and the core that it has for itself or shares with others.
//!
//! ```text
//!  Client ──┐                ┌── FlagSync ──► World
//!  Client ──┼── Core ────────┤
//!  Client ──┘                └── Pipelines ──► events
//! ```
//!
//! In: parts made by whoever knows the outside ([`Parts`]), calls of the application. Out: one synchronisation and one
//! event queue for all clients of a core, each of which starts, stops and closes for itself. A core lives as long as
//! one of its clients. Which clients share one is a matter of the name they give ([`Registry`]).

mod audience;
mod pipelines;
mod registry;

pub use audience::{Audience, Listener};
pub use pipelines::{Pipelines, Tracker};
pub use registry::Registry;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::Either;
use tokio::sync::watch;

use self::audience::SeatId;
use crate::snapshot::World;
use crate::sync::{FlagSync, SyncError};

/// What a core works with.
pub struct Parts {
    pub world: Arc<World>,
    /// Of that world; its observer is the audience for which the parts are made.
    pub sync: FlagSync,
    pub pipelines: Pipelines,
}

/// What clients share.
struct Core {
    world: Arc<World>,
    sync: FlagSync,
    pipelines: Arc<Pipelines>,
    audience: Arc<Audience>,
    /// Held for what must be one step with a start or a stop. Taken before any other lock.
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// Those that have started and not stopped.
    started: BTreeSet<SeatId>,
    /// Those that track: that have not been closed.
    open: BTreeSet<SeatId>,
    /// No event is taken any more, and no client: a new one has a new core.
    is_closed: bool,
}

/// One client of a core. Dropping it is a stop, and the last one's end is the core's.
pub struct Client {
    core: Arc<Core>,
    seat: SeatId,
    tracker: Tracker,
    /// Counts stops, for the starts that wait.
    stops: watch::Sender<u64>,
}

impl Client {
    /// A client with a core of its own.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new<E>(
        listener: Arc<dyn Listener>,
        make: impl FnOnce(&Arc<Audience>) -> Result<Parts, E>,
    ) -> Result<Self, E> {
        let audience = Arc::new(Audience::default());
        let seat = audience.join(listener);
        let Parts { world, sync, pipelines } = make(&audience)?;
        let members = Members { open: BTreeSet::from([seat]), ..Members::default() };
        let pipelines = Arc::new(pipelines);
        audience.precede(&pipelines);
        let core = Arc::new(Core { world, sync, pipelines, audience, members: Mutex::new(members) });
        Ok(Self::seated(core, seat))
    }

    /// Another client of a core; `None` if that takes none any more.
    fn join(core: Arc<Core>, listener: Arc<dyn Listener>) -> Option<Self> {
        let mut members = core.lock();
        if members.is_closed {
            return None;
        }
        let seat = core.audience.join(listener);
        members.open.insert(seat);
        drop(members);
        Some(Self::seated(core, seat))
    }

    fn seated(core: Arc<Core>, seat: SeatId) -> Self {
        let tracker = Tracker::new(Arc::clone(&core.pipelines));
        Self { core, seat, tracker, stops: watch::Sender::default() }
    }

    /// The flags and cohorts of all clients of the core.
    pub fn world(&self) -> &Arc<World> {
        &self.core.world
    }

    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Asks for flags to be kept up to date until this client stops: see [`FlagSync::start`]. Where another client's
    /// start is under way it is shared. Resolves at this client's stop at the latest.
    ///
    /// # Errors
    /// As of [`FlagSync::start`].
    pub fn start(&self) -> impl Future<Output = Result<(), SyncError>> + Send + 'static + use<> {
        let mut members = self.core.lock();
        members.started.insert(self.seat);
        self.core.audience.follow(self.seat);
        let started = self.core.sync.start();
        let mut stops = self.stops.subscribe();
        drop(members);
        // No client: one that is dropped must not wait for its start.
        let (audience, world, seat) =
            (Arc::clone(&self.core.audience), Arc::clone(&self.core.world), self.seat);
        async move {
            let stopped = std::pin::pin!(stops.changed());
            match futures_util::future::select(std::pin::pin!(started), stopped).await {
                Either::Left((result, _)) => {
                    if result.is_ok() {
                        audience.catch_up(seat, &world);
                    }
                    result
                }
                Either::Right(_) => Ok(()),
            }
        }
    }

    /// Takes this client's start back. Synchronisation goes on while others want it; after the last stop nothing is
    /// installed.
    pub fn stop(&self) {
        let mut members = self.core.lock();
        members.started.remove(&self.seat);
        if members.started.is_empty() {
            self.core.sync.stop();
        }
        self.core.audience.unfollow(self.seat);
        drop(members);
        self.stops.send_modify(|stops| *stops += 1);
    }

    /// Resolves when every event recorded before, by whichever client, is delivered or dropped.
    pub fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        self.core.pipelines.flush()
    }

    /// Delivers what is there, for at most the time given. Of this client nothing is tracked afterwards, and of the core
    /// once its last client is closed.
    pub fn close(&self, timeout: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.tracker.close();
        let is_last = self.core.lock().close(self.seat);
        let pipelines = &self.core.pipelines;
        if is_last {
            return Either::Left(pipelines.close(timeout));
        }
        let flush = pipelines.flush();
        // Events that are late stay in the queue that others use.
        Either::Right(async move { drop(tokio::time::timeout(timeout, flush).await) })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.core.audience.leave(self.seat);
        let mut members = self.core.lock();
        members.close(self.seat);
        if members.started.remove(&self.seat) && members.started.is_empty() {
            self.core.sync.stop();
        }
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// Whether nobody is left who tracks.
    fn close(&mut self, seat: SeatId) -> bool {
        self.open.remove(&seat);
        self.is_closed |= self.open.is_empty();
        self.is_closed
    }
}
