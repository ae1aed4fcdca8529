//! The boundary to JavaScript: the only place that knows Node-API, and the only one with `unsafe`.
//!
//! Evaluation crosses by [`evaluate`], and what is tracked of it by [`track`], which are measured and have their own rules; everything else is ordinary
//! napi-rs classes and functions. No decision is made here: arguments are read, the core is asked, answers are
//! handed over.

#![allow(unsafe_code)]
// napi-derive registers nothing in test builds, so that all looks unused there.
#![cfg_attr(test, allow(dead_code))]

use std::time::Duration;

mod cohorts;
mod contain;
mod cookie;
mod custom;
mod evaluate;
mod flags;
mod function;
mod line;
mod local;
mod mailbox;
mod providers;
mod remote;
mod runtime;
mod text;
mod track;
mod tracking;
mod view;

/// A time of JavaScript's. Longer than any process runs is a year; negative and not-a-number times are none at all.
fn duration(millis: f64) -> Duration {
    Duration::try_from_secs_f64((millis / 1e3).min(YEAR_SECONDS)).unwrap_or_default()
}

const YEAR_SECONDS: f64 = 365.0 * 86_400.0;
