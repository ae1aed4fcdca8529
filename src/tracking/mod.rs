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

mod assignment;
pub mod config;
pub mod dedupe;
mod evaluation;
mod exposure;
mod fingerprint;
mod hash;
mod layout;
mod prepared;
mod record;

pub use config::Config;
pub use evaluation::{Evaluation, Id, Rejected, User};
pub use fingerprint::Points;
pub use layout::Layout;
pub use prepared::Prepared;
pub use record::Record;

/// What a pipeline tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One event for each flag.
    Exposure,
    /// One event for each evaluation.
    Assignment,
}
