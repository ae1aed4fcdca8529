//! A store of the caller's for undelivered events (`storageProvider`), and when it is written to.
//!
//! In: the events that wait, whenever they change. Out: calls to the store: one at a time, and not for every event.
//! (Contract: analytics 5.6.)

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Kind;
use super::config::Config;

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Keeps events under a key. Events are a JSON array.
pub trait EventStore: Send + Sync + 'static {
    /// What was saved last, if anything was.
    fn load(&self, key: &str) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>>;

    fn save(&self, key: &str, events: Bytes) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// What a call to the store came to.
pub(super) enum Stored {
    Loaded(Result<Option<Bytes>, StoreError>),
    Saved(Result<(), StoreError>),
}

pub(super) type StoreCall = BoxFuture<'static, Stored>;

/// The least time between two writes: each holds all events.
const PAUSE: Duration = Duration::from_millis(500);

/// Decides when to write.
pub(super) struct Saver {
    store: Arc<dyn EventStore>,
    key: String,
    /// Nothing is written before it has been read what was there.
    is_loaded: bool,
    is_busy: bool,
    saved_changes: u64,
    next_save: Instant,
    /// The log has been told of a failure, and of no success since.
    is_failing: bool,
}

impl Saver {
    /// Also the call that reads what is there.
    pub fn new(store: Arc<dyn EventStore>, kind: Kind, config: &Config, now: Instant) -> (Self, StoreCall) {
        let key = storage_key(kind, config);
        let load = store.load(&key).map(Stored::Loaded).boxed();
        let saver = Self {
            store,
            key,
            is_loaded: false,
            is_busy: true,
            saved_changes: 0,
            next_save: now,
            is_failing: false,
        };
        (saver, load)
    }

    /// When to write, given how often the events have changed.
    pub fn next_due(&self, changes: u64) -> Option<Instant> {
        (self.is_loaded && !self.is_busy && changes != self.saved_changes).then_some(self.next_save)
    }

    /// Whether the store has the events as they are.
    pub fn has_saved(&self, changes: u64) -> bool {
        self.is_loaded && !self.is_busy && !self.is_failing && changes == self.saved_changes
    }

    pub fn save(&mut self, events: Bytes, changes: u64) -> StoreCall {
        self.is_busy = true;
        self.saved_changes = changes;
        self.store.save(&self.key, events).map(Stored::Saved).boxed()
    }

    /// Takes an outcome. Gives events that were stored, and a line for the log.
    pub fn settle(&mut self, stored: Stored, now: Instant) -> (Vec<Arc<[u8]>>, Option<String>) {
        self.is_busy = false;
        self.next_save = now + PAUSE;
        let (events, failure) = match stored {
            Stored::Loaded(loaded) => {
                self.is_loaded = true;
                match loaded {
                    Ok(json) => parse(json.as_deref().unwrap_or(b"[]")).map_or_else(
                        || (Vec::new(), Some("what is stored is not a list of events".to_owned())),
                        |events| (events, None),
                    ),
                    Err(error) => (Vec::new(), Some(error.to_string())),
                }
            }
            Stored::Saved(saved) => (Vec::new(), saved.err().map(|error| error.to_string())),
        };
        let was_failing = std::mem::replace(&mut self.is_failing, failure.is_some());
        let line =
            failure.filter(|_| !was_failing).map(|failure| format!("The storage provider failed: {failure}"));
        (events, line)
    }
}

/// Upstream's key for exposures; assignments, which overwrote them there, have one of their own.
fn storage_key(kind: Kind, config: &Config) -> String {
    let key = config.api_key.as_ref().map_or("", |key| key.expose());
    let start: String = key.chars().take(10).collect();
    match kind {
        Kind::Exposure => format!("AMP_unsent_{start}"),
        Kind::Assignment => format!("AMP_unsent_{start}_assignment"),
    }
}

fn parse(json: &[u8]) -> Option<Vec<Arc<[u8]>>> {
    let events: Vec<&RawValue> = serde_json::from_slice(json).ok()?;
    let events = events.into_iter().map(|event| event.get().as_bytes());
    Some(events.filter(|event| event.first() == Some(&b'{')).map(Arc::from).collect())
}
