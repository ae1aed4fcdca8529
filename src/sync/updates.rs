//! From the text of an update to flags and cohorts in effect. In: JSON as a poll or the stream brought it. Out: an
//! [`Update`] with the cohorts that it lacks, and the snapshot in which it is installed. (Contract: wire 6.)

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::SyncError;
use super::cohorts::Downloads;
use super::log::{Detail, LogLine, SyncObserver};
use crate::cohort::Cohort;
use crate::defect::point;
use crate::ecma::text::decoded;
use crate::flag::{FlagsError, Problem};
use crate::plan::Plan;
use crate::snapshot::{RawFlags, Snapshot, Update, World};

/// The last update that was installed: an answer that says the same need not be compiled again.
#[derive(Clone)]
pub(super) struct Known {
    raw: Bytes,
    plan: Arc<Plan>,
    problems: Vec<Problem>,
}

impl Known {
    /// `None` for flags that did not come from the server.
    pub(super) fn of(update: &Update) -> Option<Self> {
        let RawFlags::Array(raw) = &update.raw else { return None };
        Some(Self { raw: raw.clone(), plan: Arc::clone(&update.plan), problems: update.problems.clone() })
    }
}

/// Parses and compiles, and has the observer prepare itself, on a thread where that disturbs nobody.
///
/// # Errors
/// Where the whole is not a JSON array.
pub(super) async fn parse(
    raw: Bytes,
    known: Option<Known>,
    observer: Arc<dyn SyncObserver>,
) -> Result<Update, SyncError> {
    if let Some(Known { plan, problems, .. }) = known.filter(|known| known.raw == raw) {
        return Ok(Update { plan, raw: RawFlags::Array(raw), problems });
    }
    tokio::task::spawn_blocking(move || {
        point("flags are parsed");
        let raw = match decoded(&raw) {
            std::borrow::Cow::Borrowed(_) => raw,
            std::borrow::Cow::Owned(text) => Bytes::from(text),
        };
        let update = Update::from_array(raw.clone()).map_err(|error| match error {
            FlagsError::NotJson => SyncError::FlagsNotJson { body: raw },
            _ => SyncError::FlagsNotArray,
        })?;
        observer.preparing(&update.plan);
        Ok(update)
    })
    .await?
}

/// The cohorts that an update names, as far as they are stored or can be downloaded. Failures are logged: flags do not
/// wait for cohorts that cannot be had.
pub(super) async fn cohorts(
    update: &Update,
    world: &World,
    downloads: Option<&Downloads>,
    observer: &dyn SyncObserver,
) -> Vec<Arc<Cohort>> {
    if update.cohort_ids().is_empty() {
        return Vec::new();
    }
    let Some(downloads) = downloads else {
        observer.log(LogLine::error("Cohorts found in flag configs but no cohort download configured"));
        return Vec::new();
    };
    let snapshot = world.load();
    let cohorts = update.cohort_ids().iter().map(|id| {
        let stored = snapshot.store.get(id.as_bytes()).cloned();
        async move {
            if stored.is_some() {
                return stored;
            }
            match downloads.fetch(id, None).await {
                Ok(cohort) => cohort,
                Err(error) => {
                    let message = format!("[Experiment] Cohort download failed {}", id.to_string_lossy());
                    observer.log(LogLine::error(message).with(Detail::Error(error)));
                    None
                }
            }
        }
    });
    join_all(cohorts).await.into_iter().flatten().collect()
}

/// Puts an update into effect in one step. Nothing changes where nothing is new.
pub(super) fn install(world: &World, update: Update, cohorts: Vec<Arc<Cohort>>) -> Arc<Snapshot> {
    let current = world.load();
    // What is stored was newer than this update's own when it was stored meanwhile.
    let new: Vec<_> = cohorts
        .into_iter()
        .filter(|cohort| {
            current.store.get(cohort.id.as_bytes()).is_none_or(|stored| is_newer(cohort, stored))
        })
        .collect();
    let is_unchanged = !world.is_written()
        && Arc::ptr_eq(&update.plan, &current.plan)
        && new.is_empty()
        && current.store.len() == current.cohorts.iter().flatten().count();
    if is_unchanged { current } else { world.install(update, new) }
}

fn is_newer(cohort: &Cohort, than: &Cohort) -> bool {
    cohort.last_modified > than.last_modified
}

/// Asks for all cohorts that the current flags name, with what is known of them. `store` takes those that have changed
/// as they come. Failures are logged, and the cohort stays as it is.
pub(super) async fn poll_cohorts(
    world: &World,
    downloads: &Downloads,
    observer: &dyn SyncObserver,
    store: impl Fn(Arc<Cohort>),
) {
    let snapshot = world.load();
    let polls = snapshot.plan.cohort_ids().iter().map(|id| {
        let store = &store;
        let last_modified = snapshot.store.get(id.as_bytes()).and_then(|cohort| cohort.last_modified);
        observer.log(LogLine::debug(format!("[Experiment] updating cohort {}", id.to_string_lossy())));
        async move {
            match downloads.fetch(id, last_modified).await {
                Ok(Some(cohort)) => {
                    store(cohort);
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    let line = LogLine::error("[Experiment] cohort poll failed");
                    observer.log(line.with(Detail::Error(error)));
                    false
                }
            }
        }
    });
    let changed = join_all(polls).await.contains(&true);
    observer.log(LogLine::debug(format!("[Experiment] cohort polled, changed: {changed}")));
}
