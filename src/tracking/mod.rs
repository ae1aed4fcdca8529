//! Tracking: exposure and assignment events, from an evaluation to the server that takes them.
//!
//! ```text
//!  evaluation ──► dedupe ──► record ──► queue ──► batches ──► endpoint
//!  ids, codes     is it new?  compact    bounded   JSON          │
//!                                          └──────► spool (opt-in: events that survive a kill)
//! ```
//!
//! In: [`Evaluation`]s, on the caller's thread, which computes a key and keeps a [`Record`]; no JSON is made there.
//! Out: requests to the event endpoint. (Contract: analytics.)
//!
//! What makes events is pure. Queue, delivery and spool need the feature `sync`.

#[cfg(feature = "sync")]
mod answer;
mod assignment;
#[cfg(feature = "sync")]
mod batch;
pub mod config;
pub mod dedupe;
#[cfg(feature = "sync")]
mod delivery;
#[cfg(feature = "sync")]
pub mod endpoint;
mod evaluation;
mod exposure;
mod fingerprint;
#[cfg(all(fuzzing, feature = "sync"))]
pub mod fuzzing;
#[cfg(feature = "sync")]
mod generations;
mod hash;
mod layout;
#[cfg(feature = "sync")]
mod log;
#[cfg(feature = "sync")]
mod pipeline;
mod prepared;
#[cfg(feature = "sync")]
mod queue;
mod record;
#[cfg(feature = "sync")]
mod settle;
#[cfg(feature = "sync")]
mod shared;
#[cfg(feature = "sync")]
mod spool;
#[cfg(feature = "sync")]
mod store;

pub use config::Config;
#[cfg(feature = "sync")]
pub use endpoint::{EventTransport, HttpEventTransport};
pub use evaluation::{Evaluation, Id, Rejected, User};
pub use fingerprint::Points;
pub use layout::Layout;
#[cfg(feature = "sync")]
pub use log::{EventLog, Level};
#[cfg(feature = "sync")]
pub use pipeline::{Drainer, Parts, Pipeline, drain_blocking};
pub use prepared::Prepared;
pub use record::Record;
#[cfg(feature = "sync")]
pub use store::{EventStore, StoreError};

/// What a pipeline tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One event for each flag.
    Exposure,
    /// One event for each evaluation.
    Assignment,
}
