//! Tracking, from evaluations to what a server receives: scripted endpoints, paused time.

// A test helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod classes;
mod delivery;
mod drain;
mod spool;
mod store;
mod support;
