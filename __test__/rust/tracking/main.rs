//! Tracking, from evaluations to what a server receives: scripted endpoints, paused time.

mod classes;
mod delivery;
mod drain;
mod spool;
mod store;
mod support;
