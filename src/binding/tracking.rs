//! The pipelines of a client's exposures and assignments: their options, and their end.
//!
//! In: options. Out: pipelines, which deliver on the runtime's threads what [`super::track`] records; log lines
//! through the client's audience.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::{Env, Result};
use napi_derive::napi;

use super::contain::contained;
use super::custom::Desk;
use super::duration;
use super::local::LocalClient;
use super::providers::Provider;
use super::runtime;
use crate::client::{Audience, Pipelines};
use crate::key::Secret;
use crate::tracking::config::{Config, Options, Zone};
use crate::tracking::{
    Drainer, EventStore, EventTransport, HttpEventTransport, Kind, Level, Parts, Pipeline, drain_blocking,
};

/// Options of a pipeline, those that were given. Times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct TrackingOptions {
    pub api_key: Option<String>,
    pub cache_capacity: Option<f64>,
    pub flush_interval_millis: Option<f64>,
    pub flush_queue_size: Option<f64>,
    pub flush_max_retries: Option<f64>,
    pub request_timeout_millis: Option<f64>,
    pub server_url: Option<String>,
    pub server_zone: Option<String>,
    pub use_batch: bool,
    pub min_id_length: Option<f64>,
    pub opt_out: bool,
    pub offline: bool,
    /// As JSON text.
    pub plan: Option<String>,
    /// As JSON text.
    pub ingestion_metadata: Option<String>,
    pub max_queued_bytes: Option<f64>,
    pub max_queued_events: Option<f64>,
    pub spool_directory: Option<String>,
    pub spool_max_bytes: Option<f64>,
    /// The caller sends events itself.
    pub has_transport: bool,
    /// The caller keeps events itself.
    pub has_store: bool,
}

/// Starts the pipelines that are configured.
///
/// # Errors
/// If the operating system gives no threads.
pub(super) fn open_pipelines(
    exposure: Option<TrackingOptions>,
    assignment: Option<TrackingOptions>,
    is_eu: bool,
    audience: &Arc<Audience>,
    providers: Option<&Desk>,
) -> Result<Pipelines> {
    let zone = if is_eu { Zone::Eu } else { Zone::Us };
    let open = |kind, options: TrackingOptions| -> Result<Pipeline> {
        let log = audience.event_log(kind);
        let provider = || providers.map(|desk| Arc::new(Provider::new(desk.clone(), kind)));
        let store = provider().filter(|_| options.has_store).map(|store| store as Arc<dyn EventStore>);
        let transport = match provider().filter(|_| options.has_transport) {
            Some(transport) => transport as Arc<dyn EventTransport>,
            None => Arc::new(HttpEventTransport::new(runtime::transport())),
        };
        let (config, warnings) = Config::new(core_options(options), zone);
        for warning in &warnings {
            log.log(Level::Warn, warning);
        }
        let pipeline = Pipeline::new(kind, config, Parts { transport, log, store }, runtime::handle()?);
        remember(pipeline.drainer());
        Ok(pipeline)
    };
    let exposure = exposure.map(|options| open(Kind::Exposure, options)).transpose()?;
    let assignment = assignment.map(|options| open(Kind::Assignment, options)).transpose()?;
    Ok(Pipelines::new(exposure, assignment))
}

/// Every pipeline of the process, for its end; those that have ended before are dropped by and by.
static DRAINERS: Mutex<Vec<Drainer>> = Mutex::new(Vec::new());

fn remember(drainer: Drainer) {
    let mut drainers = DRAINERS.lock().unwrap_or_else(PoisonError::into_inner);
    if drainers.len() == drainers.capacity() {
        drainers.retain(|drainer| !drainer.has_ended());
        // So that it is not looked through again before as many have come as there are.
        let living = drainers.len();
        drainers.reserve(living + 1);
    }
    drainers.push(drainer);
}

#[napi]
impl LocalClient {
    /// How many events wait for delivery.
    #[napi(getter)]
    pub fn pending_events(&self, env: &Env) -> Result<u32> {
        contained(env, "LocalClient.pending_events", || self.client().tracker().pipelines().pending() as u32)
    }

    /// Sends all events that wait. Posts the end when each is delivered or dropped, or the time is up.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    #[napi]
    pub fn flush(&self, env: &Env, timeout_millis: Option<f64>) -> Result<u32> {
        contained(env, "LocalClient.flush", || {
            let flush = self.client().flush();
            let limit = timeout_millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1e3).ok());
            self.promise(env, "flush", async move {
                match limit {
                    // Late events stay in their pipelines.
                    Some(limit) => drop(tokio::time::timeout(limit, flush).await),
                    None => flush.await,
                }
            })
        })?
    }

    /// Delivers the events of this client, and of those that share with it, blocking the calling thread for at most the
    /// time given: for the end of a thread.
    #[napi]
    pub fn drain(&self, env: &Env, bound_millis: f64) -> Result<()> {
        contained(env, "LocalClient.drain", || {
            let bound = duration(bound_millis);
            self.client().tracker().pipelines().drain_blocking(bound);
        })
    }

    /// Delivers what waits, for at most the time given, and takes no more events of this client.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    #[napi]
    pub fn close(&self, env: &Env, timeout_millis: f64) -> Result<u32> {
        contained(env, "LocalClient.close", || {
            let limit = duration(timeout_millis);
            self.promise(env, "close", self.client().close(limit))
        })?
    }
}

/// Delivers the events of all clients, blocking the calling thread for at most the time given: for the end of the
/// process.
#[napi]
pub fn drain_events(env: &Env, bound_millis: f64) -> Result<()> {
    contained(env, "drain_events", || {
        let bound = duration(bound_millis);
        let drainers = std::mem::take(&mut *DRAINERS.lock().unwrap_or_else(PoisonError::into_inner));
        if drainers.iter().any(|drainer| drainer.pending() > 0) {
            drain_blocking(&drainers, bound);
        }
    })
}

fn core_options(options: TrackingOptions) -> Options {
    Options {
        api_key: options.api_key.map(Secret::new),
        cache_capacity: options.cache_capacity,
        flush_interval_millis: options.flush_interval_millis,
        flush_queue_size: options.flush_queue_size,
        flush_max_retries: options.flush_max_retries,
        request_timeout_millis: options.request_timeout_millis,
        server_url: options.server_url,
        server_zone: options.server_zone,
        use_batch: options.use_batch,
        min_id_length: options.min_id_length,
        opt_out: options.opt_out,
        offline: options.offline,
        plan_json: options.plan,
        ingestion_metadata_json: options.ingestion_metadata,
        max_queued_bytes: options.max_queued_bytes,
        max_queued_events: options.max_queued_events,
        spool_directory: options.spool_directory.map(Into::into),
        spool_max_bytes: options.spool_max_bytes,
        has_transport: options.has_transport,
    }
}
