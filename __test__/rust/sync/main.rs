//! Synchronisation against a server out of thin air, on virtual time at its true length.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking, its helpers too

mod client;
mod cohorts;
mod lifecycle;
mod polling;
mod server;
mod sharing;
mod streaming;
