//! Amplitude Experiment for Node.js servers: the Rust core.
//!
//! Data goes one way:
//!
//! ```text
//!  transport ──► flag (wire) ──► plan (compiled) ──► snapshot ──► evaluation ──► outcome codes ──► JS variants
//!   http/sse      serde           once per update     Arc swap     per call         u32 each        fresh objects
//!                                       cohorts ─────────┘                │
//!                                                                         └──► tracking ──► queue ──► transport
//! ```
//!
//! A module uses only modules of a lower rank:
//! error, key, ecma < defect, config, flag, cohort < plan < evaluation < snapshot, cookie, transport
//! < tracking < sync, remote, http < client < binding.
//!
//! Features follow the ranks: none (the pure core) < `sync` (tokio) < `http` (reqwest) < `binding` (napi).

#[cfg(feature = "binding")]
mod binding;
#[cfg(feature = "sync")]
pub mod client;
pub mod cohort;
pub mod config;
pub mod cookie;
pub mod defect;
pub mod ecma;
pub mod error;
pub mod evaluation;
pub mod flag;
#[cfg(feature = "http")]
pub mod http;
pub mod key;
pub mod plan;
#[cfg(feature = "sync")]
pub mod remote;
pub mod snapshot;
#[cfg(feature = "sync")]
pub mod sync;
pub mod tracking;
#[cfg(feature = "sync")]
pub mod transport;
