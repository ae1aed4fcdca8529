//! Whom a core tells what happens: the clients that share it. In: what synchronisation and tracking say. Out: calls of
//! each client's [`Listener`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Pipelines;
use crate::plan::Plan;
use crate::snapshot::{Snapshot, World};
use crate::sync::{LogLine, SyncObserver};
use crate::tracking::{self, EventLog, Kind};

/// One client's ear. Called on any thread, one call after another; it must not block, nor call the client.
pub trait Listener: Send + Sync + 'static {
    fn log(&self, line: LogLine);

    /// Flags of the server are in effect: this snapshot's. In the order in which they were installed.
    fn installed(&self, snapshot: &Arc<Snapshot>);

    fn tracking_log(&self, kind: Kind, level: tracking::Level, message: &str);
}

/// The listeners of one core. Locked while they are called, so that all of them hear all things in one order.
#[derive(Default)]
pub struct Audience {
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    last: u64,
    taken: Vec<Seat>,
    /// What is to be ready before flags are in effect. Weak: pipelines keep their audience.
    pipelines: Weak<Pipelines>,
}

struct Seat {
    id: SeatId,
    listener: Arc<dyn Listener>,
    /// Between its start and its stop.
    follows: bool,
    /// Has been told of the flags in effect since its start.
    is_told: bool,
}

/// Tells the clients of one core apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatId(u64);

impl Audience {
    pub(super) fn join(&self, listener: Arc<dyn Listener>) -> SeatId {
        let mut seats = self.lock();
        seats.last += 1;
        let id = SeatId(seats.last);
        seats.taken.push(Seat { id, listener, follows: false, is_told: false });
        id
    }

    pub(super) fn leave(&self, id: SeatId) {
        let mut seats = self.lock();
        let left = seats.taken.iter().position(|seat| seat.id == id).map(|index| seats.taken.remove(index));
        drop(seats);
        // What a listener takes along when it goes is not ours to hold up others with.
        drop(left);
    }

    /// Has the pipelines prepared for flags before these are in effect.
    pub(super) fn precede(&self, pipelines: &Arc<Pipelines>) {
        self.lock().pipelines = Arc::downgrade(pipelines);
    }

    /// From its start on a client hears what synchronisation says.
    pub(super) fn follow(&self, id: SeatId) {
        self.with(id, |seat| seat.follows = true);
    }

    pub(super) fn unfollow(&self, id: SeatId) {
        self.with(id, |seat| (seat.follows, seat.is_told) = (false, false));
    }

    /// Tells a client that has started of the flags in effect, unless it was told while it started.
    pub(super) fn catch_up(&self, id: SeatId, world: &World) {
        // Loaded under the lock: what is installed later is told later.
        self.with(id, |seat| {
            if seat.follows && !std::mem::replace(&mut seat.is_told, true) {
                seat.listener.installed(&world.load());
            }
        });
    }

    /// The log of a pipeline of this core.
    pub fn event_log(self: &Arc<Self>, kind: Kind) -> Arc<dyn EventLog> {
        Arc::new(PipelineLog { audience: Arc::clone(self), kind })
    }

    fn with(&self, id: SeatId, change: impl FnOnce(&mut Seat)) {
        if let Some(seat) = self.lock().taken.iter_mut().find(|seat| seat.id == id) {
            change(seat);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SyncObserver for Audience {
    /// To the clients that follow; where none does (a client has just been made, or has stopped), to all.
    fn log(&self, line: LogLine) {
        let seats = self.lock();
        let nobody_follows = !seats.taken.iter().any(|seat| seat.follows);
        for seat in seats.taken.iter().filter(|seat| seat.follows || nobody_follows) {
            seat.listener.log(line.clone());
        }
    }

    fn installed(&self, snapshot: &Arc<Snapshot>) {
        for seat in self.lock().taken.iter_mut().filter(|seat| seat.follows) {
            seat.is_told = true;
            seat.listener.installed(snapshot);
        }
    }

    fn preparing(&self, plan: &Arc<Plan>) {
        let pipelines = self.lock().pipelines.upgrade();
        if let Some(pipelines) = pipelines {
            pipelines.prepare(plan);
        }
    }
}

struct PipelineLog {
    audience: Arc<Audience>,
    kind: Kind,
}

impl EventLog for PipelineLog {
    fn log(&self, level: tracking::Level, message: &str) {
        for seat in &self.audience.lock().taken {
            seat.listener.tracking_log(self.kind, level, message);
        }
    }
}
