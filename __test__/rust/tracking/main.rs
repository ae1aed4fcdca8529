//! Tracking, from evaluations to what a server receives: scripted endpoints, paused time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod classes;
mod delivery;
mod drain;
mod spool;
mod store;
mod support;
