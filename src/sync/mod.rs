//! Keeps the flags and cohorts of one local evaluation client up to date, by polling or by streaming.
//!
//! In: a [`LocalConfig`], and ways to send requests and open streams. Out: updates installed in a [`World`], each in one
//! step, and word of them to a [`SyncObserver`]. (Contract: wire 3 to 8.)
//!
//! ```text
//!  FlagSync ── start, stop ──► machine (decides; no I/O, no clock) ──► actions ──► session (I/O, timers)
//!                                 ▲                                                  │ requests, cohorts, updates
//!                                 └───────────────── what happened ──────────────────┘
//! ```
//!
//! What the package we stand in for does otherwise than it should (wire 8) is done better here: an update is installed
//! only if none newer was; a failure is never final; nothing is installed once [`FlagSync::stop`] has returned.

mod cohorts;
mod error;
mod log;
mod machine;
mod requests;
mod session;
mod updates;

pub use error::SyncError;
pub use log::{Detail, Level, LogLine, SyncObserver};
pub use requests::fetch_flags;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::machine::{Machine, Sequence, Settings};
use crate::cohort::Cohort;
use crate::config::LocalConfig;
use crate::snapshot::{Snapshot, Update, World};
use crate::transport::Transport;
use crate::transport::stream::EventSource;

/// What synchronisation works with.
pub struct Parts {
    /// For flags and cohorts.
    pub transport: Arc<dyn Transport>,
    /// For the stream of flags.
    pub events: Arc<dyn EventSource>,
    /// Where updates are installed.
    pub world: Arc<World>,
    pub observer: Arc<dyn SyncObserver>,
    /// Where everything runs.
    pub handle: Handle,
    /// For the spread of timers.
    pub random: fastrand::Rng,
}

/// The synchronisation of one client. Dropping it ends everything.
pub struct FlagSync {
    hub: Arc<Hub>,
}

impl FlagSync {
    /// No I/O happens until [`FlagSync::start`].
    pub fn new(config: LocalConfig, mut parts: Parts) -> Self {
        if config.stream_updates {
            parts.observer.log(LogLine::debug("[Experiment] streamer - init"));
        }
        let settings = Settings::new(&config, machine::draw_retry_interval(&mut parts.random));
        let hub = Hub {
            settings,
            config,
            parts,
            epoch: Instant::now(),
            state: Mutex::default(),
            turn: Arc::default(),
        };
        Self { hub: Arc::new(hub) }
    }

    /// Gets flags and their cohorts, and keeps them up to date from then on. Everything begins with this call, whether
    /// or not the future is polled; calls before it ends share its end. Of no effect where flags are up to date, except
    /// that a stream which is down is tried again.
    ///
    /// After [`FlagSync::stop`] it resolves, and nothing is installed.
    ///
    /// # Errors
    /// Of the last of the first polls. Synchronisation goes on in the background nevertheless, until it succeeds or is
    /// stopped.
    pub fn start(&self) -> impl Future<Output = Result<(), SyncError>> + Send + 'static + use<> {
        self.hub.start()
    }

    /// Ends all synchronisation. When this returns nothing is installed any more. May be started again.
    pub fn stop(&self) {
        for line in self.hub.end() {
            self.hub.parts.observer.log(line);
        }
    }
}

impl Drop for FlagSync {
    fn drop(&mut self) {
        self.hub.end();
    }
}

/// What the client and the session that works for it share.
struct Hub {
    config: LocalConfig,
    settings: Settings,
    parts: Parts,
    /// The machine's time counts from here.
    epoch: Instant,
    state: Mutex<State>,
    /// Held by a session as long as it works: the next one begins when the last has ended.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    runs: u64,
    run: Option<Run>,
}

/// From a start to the next stop.
struct Run {
    id: RunId,
    machine: Machine,
    /// Tells the session that the machine has something for it to do.
    wake: Arc<Notify>,
    session: AbortHandle,
    starting: Option<Starting>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct RunId(u64);

/// A start that waits for its end.
struct Starting {
    end: oneshot::Sender<Result<(), SyncError>>,
    outcome: Shared<BoxFuture<'static, Result<(), SyncError>>>,
}

impl Hub {
    fn start(self: &Arc<Self>) -> Shared<BoxFuture<'static, Result<(), SyncError>>> {
        let mut state = self.lock();
        if state.run.is_none() {
            state.runs += 1;
            state.run = Some(self.begin(RunId(state.runs)));
        }
        // There is one by now.
        let Some(run) = &mut state.run else { return std::future::ready(Ok(())).boxed().shared() };
        if let Some(starting) = &run.starting {
            return starting.outcome.clone();
        }
        let (end, ended) = oneshot::channel();
        let outcome = ended.map(|result| result.unwrap_or(Ok(()))).boxed().shared();
        run.starting = Some(Starting { end, outcome: outcome.clone() });
        run.machine.start(self.now());
        run.wake.notify_one();
        outcome
    }

    fn begin(self: &Arc<Self>, id: RunId) -> Run {
        let wake = Arc::new(Notify::new());
        let session = self.parts.handle.spawn(session::run(Arc::clone(self), id, Arc::clone(&wake)));
        let machine = Machine::new(self.settings, self.parts.random.clone());
        Run { id, machine, wake, session: session.abort_handle(), starting: None }
    }

    /// Has a run begin anew, whatever its machine had come to.
    fn renew(&self, id: RunId) {
        let random = self.parts.random.clone();
        self.with(id, |machine, now| {
            *machine = Machine::new(self.settings, random);
            machine.start(now);
        });
    }

    /// Ends the run, if there is one. The lines that say so.
    fn end(&self) -> Vec<LogLine> {
        let run = self.lock().run.take();
        let machine = match run {
            Some(run) => {
                run.session.abort();
                run.machine
            }
            None => Machine::new(self.settings, fastrand::Rng::with_seed(0)),
        };
        machine.stop()
    }

    /// Lets the machine of this run decide something. `None`: the run is over.
    fn with<T>(&self, id: RunId, decide: impl FnOnce(&mut Machine, Duration) -> T) -> Option<T> {
        let mut state = self.lock();
        let run = state.run.as_mut().filter(|run| run.id == id)?;
        Some(decide(&mut run.machine, self.now()))
    }

    /// Puts an update into effect, unless a newer one is. `None`: it is too late for this one.
    fn install(
        &self,
        id: RunId,
        sequence: Sequence,
        update: Update,
        cohorts: Vec<Arc<Cohort>>,
    ) -> Option<Arc<Snapshot>> {
        // Kept so long that the old flags, which may be many, are dropped outside the lock.
        let _old = self.parts.world.load();
        // One step with the decision: a stop comes before it or after it.
        self.with(id, |machine, _| {
            machine.admit(sequence).then(|| updates::install(&self.parts.world, update, cohorts))
        })?
    }

    fn store(&self, id: RunId, cohort: Arc<Cohort>) {
        let _old = self.parts.world.load();
        self.with(id, |_, _| drop(self.parts.world.put_cohort(cohort)));
    }

    fn started(&self, id: RunId, result: Result<(), SyncError>) {
        let mut state = self.lock();
        let run = state.run.as_mut().filter(|run| run.id == id);
        let starting = run.and_then(|run| run.starting.take());
        drop(state);
        if let Some(starting) = starting {
            // Nobody need wait for it.
            let _ = starting.end.send(result);
        }
    }

    fn now(&self) -> Duration {
        Instant::now().duration_since(self.epoch)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
