//! Keeps a world's flags and cohorts up to date by polling.
//!
//! In: a transport and where to ask. Out: whole updates installed in a [`World`], cohorts before the flags that
//! need them, in the order of the requests. (Contract: wire 3, 4 and 6.)

mod cohorts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

pub use self::cohorts::{CohortError, CohortSettings};
use crate::flag::{FlagsError, Problem};
use crate::key::Secret;
use crate::snapshot::{Snapshot, Update, World};
use crate::transport::{Method, Request, Transport, TransportError};

/// What servers are told of who asks.
pub const LIBRARY: &str = "experiment-node-server/1.13.6";
const FLAGS_DEADLINE: Duration = Duration::from_secs(5);
const START_ATTEMPTS: u32 = 5;
const START_PAUSE: Duration = Duration::from_millis(1);

/// Where to ask, and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    pub api_key: Secret,
    pub server_url: String,
    pub interval: Duration,
    pub cohorts: Option<CohortSettings>,
}

/// Why there are no flags.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    #[error("Flags error response: status={0}")]
    Status(u16),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{error}")]
    Flags { error: FlagsError, body: Bytes },
    /// `stop` came first.
    #[error("stopped")]
    Stopped,
}

/// Something to tell whoever runs the client, one log line each (contract: api 11).
pub enum SyncEvent<'a> {
    Debug(&'a str),
    UpdateFailed(&'a SyncError),
    StartFailed(&'a SyncError),
    /// Flags of an update that are left out, or broken in part.
    Malformed(&'a [Problem]),
    CohortsNotConfigured,
    CohortFailed(&'a str, &'a CohortError),
    CohortPollFailed(&'a CohortError),
    Installed(&'a Arc<Snapshot>),
}

/// Is told of [`SyncEvent`]s, from any thread.
pub type Observer = Arc<dyn Fn(SyncEvent<'_>) + Send + Sync>;

/// Polls for one client. Dropping it ends everything.
pub struct Polling {
    shared: Arc<Shared>,
    handle: Handle,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    settings: Settings,
    transport: Arc<dyn Transport>,
    world: Arc<World>,
    observe: Observer,
    /// The number of the current start; a task of another one installs nothing any more.
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    number: u64,
    /// The last request whose answer has been installed.
    installed: u64,
    requested: u64,
}

impl Polling {
    pub fn new(
        settings: Settings,
        transport: Arc<dyn Transport>,
        world: Arc<World>,
        observe: Observer,
        handle: Handle,
    ) -> Self {
        let shared = Shared { settings, transport, world, observe, run: Mutex::default() };
        Self { shared: Arc::new(shared), handle, tasks: Mutex::default() }
    }

    /// Fetches flags and their cohorts and goes on polling; `ended` is told once the first flags are there, or
    /// why they are not. If polling is already under way it is told so at once.
    ///
    /// # Errors
    /// What the last of the first attempts failed with; polling has stopped then.
    pub fn start(&self, ended: impl FnOnce(Result<(), SyncError>) + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        if tasks.iter().any(|task| !task.is_finished()) {
            return ended(Ok(()));
        }
        tasks.clear();
        let run = self.shared.next_run();
        let shared = Arc::clone(&self.shared);
        (shared.observe)(SyncEvent::Debug("[Experiment] poller - start"));
        tasks.push(self.handle.spawn(async move {
            let ended = Ended(Some(ended));
            match shared.first(run).await {
                Ok(()) => {
                    ended.tell(Ok(()));
                    tokio::join!(shared.poll_flags(run), cohorts::poll(&shared, run));
                }
                Err(error) => {
                    (shared.observe)(SyncEvent::StartFailed(&error));
                    (shared.observe)(SyncEvent::Debug("[Experiment] poller - stop"));
                    ended.tell(Err(error));
                }
            }
        }));
    }

    /// Ends everything. Nothing is installed afterwards.
    pub fn stop(&self) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        let was_running = tasks.iter().any(|task| !task.is_finished());
        self.shared.next_run();
        tasks.iter().for_each(JoinHandle::abort);
        if was_running {
            (self.shared.observe)(SyncEvent::Debug("[Experiment] poller - stop"));
        }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.shared.next_run();
        lock(&self.tasks).iter().for_each(JoinHandle::abort);
    }
}

/// Tells the end of a start, even if the task that should is aborted.
struct Ended<F: FnOnce(Result<(), SyncError>)>(Option<F>);

impl<F: FnOnce(Result<(), SyncError>)> Ended<F> {
    fn tell(mut self, result: Result<(), SyncError>) {
        if let Some(ended) = self.0.take() {
            ended(result);
        }
    }
}

impl<F: FnOnce(Result<(), SyncError>)> Drop for Ended<F> {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended(Err(SyncError::Stopped));
        }
    }
}

impl Shared {
    fn next_run(&self) -> u64 {
        let mut run = lock(&self.run);
        run.number += 1;
        run.number
    }

    async fn first(self: &Arc<Self>, run: u64) -> Result<(), SyncError> {
        let mut attempt = 1;
        let (request, update) = loop {
            match self.fetch().await {
                Ok(fetched) => break fetched,
                Err(error) if attempt == START_ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
            sleep(START_PAUSE).await;
        };
        self.install(run, request, update).await;
        Ok(())
    }

    async fn poll_flags(self: &Arc<Self>, run: u64) {
        let Some(start) = tokio::time::Instant::now().checked_add(self.settings.interval) else { return };
        let mut ticks = interval_at(start, self.settings.interval.max(START_PAUSE));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            (self.observe)(SyncEvent::Debug("[Experiment] updating flag configs"));
            match self.fetch().await {
                Ok((request, update)) => self.install(run, request, update).await,
                Err(error) => (self.observe)(SyncEvent::UpdateFailed(&error)),
            }
        }
    }

    /// One request, parsed and compiled off the runtime's own threads.
    async fn fetch(self: &Arc<Self>) -> Result<(u64, Update), SyncError> {
        let request = {
            let mut run = lock(&self.run);
            run.requested += 1;
            run.requested
        };
        let body = fetch_flags(&*self.transport, &self.settings.server_url, &self.settings.api_key).await?;
        let parsed = tokio::task::spawn_blocking(move || {
            Update::from_array(body.clone()).map_err(|error| SyncError::Flags { error, body })
        });
        Ok((request, parsed.await.unwrap_or(Err(SyncError::Stopped))?))
    }

    /// Downloads what the flags need, then swaps both in, unless a later answer is there already or the run is
    /// over.
    async fn install(self: &Arc<Self>, run: u64, request: u64, update: Update) {
        if !update.problems.is_empty() {
            (self.observe)(SyncEvent::Malformed(&update.problems));
        }
        let downloaded = cohorts::missing(self, &update).await;
        let mut current = lock(&self.run);
        if current.number != run || request < current.installed {
            return;
        }
        current.installed = request;
        let snapshot = self.world.install(update, downloaded);
        drop(current);
        (self.observe)(SyncEvent::Installed(&snapshot));
    }
}

/// The flags' JSON text: one request, without another try.
///
/// # Errors
/// Any status but 200, and whatever keeps the answer from coming whole.
pub async fn fetch_flags(
    transport: &dyn Transport,
    server_url: &str,
    api_key: &Secret,
) -> Result<Bytes, SyncError> {
    let response = transport
        .send(Request {
            method: Method::Get,
            url: format!("{server_url}/sdk/v2/flags"),
            headers: vec![
                ("Authorization", format!("Api-Key {}", api_key.expose())),
                ("X-Amp-Exp-Library", LIBRARY.to_owned()),
            ],
            body: None,
            deadline: Some(FLAGS_DEADLINE),
        })
        .await?;
    if response.status != 200 {
        return Err(SyncError::Status(response.status));
    }
    Ok(response.bytes().await?)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
