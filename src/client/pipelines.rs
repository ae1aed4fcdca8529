//! The pipelines of a core, and one client's way to them. In: evaluations, on any thread. Out: records in the
//! pipelines, which deliver for all clients alike.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{self, FutureExt};

use crate::plan::Plan;
use crate::tracking::{Evaluation, Pipeline, Points, Prepared, drain_blocking};

/// How many plans are kept prepared.
const PREPARED: usize = 4;

/// Exposure and assignment tracking, as far as configured.
pub struct Pipelines {
    exposure: Option<Pipeline>,
    assignment: Option<Pipeline>,
    /// What keys of evaluations are worked out with, the same for all plans and clients.
    points: Points,
    /// What was prepared last, and for which plans: an update that waits for its cohorts may be overtaken.
    prepared: Mutex<VecDeque<(Weak<Plan>, Arc<Prepared>)>>,
}

impl Pipelines {
    pub fn new(exposure: Option<Pipeline>, assignment: Option<Pipeline>) -> Self {
        let points = Points::from_random([fastrand::u64(..), fastrand::u64(..)]);
        Self { exposure, assignment, points, prepared: Mutex::default() }
    }

    /// A plan's outcomes as tracking wants them, worked out once for all clients.
    pub fn prepared(&self, plan: &Arc<Plan>) -> Arc<Prepared> {
        let mut last = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, prepared)) = last.iter().find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(plan)))
        {
            return Arc::clone(prepared);
        }
        let outcomes = plan.outcomes().iter();
        let prepared =
            Prepared::new(self.points, outcomes.map(|outcome| (&outcome.flag_key, &*outcome.json)));
        last.retain(|(of, _)| of.strong_count() > 0);
        last.truncate(PREPARED - 1);
        // The weak pointer keeps the address from being used again.
        last.push_front((Arc::downgrade(plan), Arc::clone(&prepared)));
        prepared
    }

    /// Has a plan's outcomes ready, where anything is tracked.
    pub(super) fn prepare(&self, plan: &Arc<Plan>) {
        if self.all().next().is_some() {
            self.prepared(plan);
        }
    }

    /// How many events wait for delivery or are under way.
    pub fn pending(&self) -> usize {
        self.all().map(Pipeline::pending).sum()
    }

    /// Delivers what is there while this thread waits, at most for `bound`. Not for threads of the runtime.
    pub fn drain_blocking(&self, bound: Duration) {
        drain_blocking(&self.all().map(Pipeline::drainer).collect::<Vec<_>>(), bound);
    }

    pub(super) fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        future::join_all(self.all().map(Pipeline::flush).collect::<Vec<_>>()).map(drop)
    }

    pub(super) fn close(&self, timeout: Duration) -> impl Future<Output = ()> + Send + use<> {
        future::join_all(self.all().map(|pipeline| pipeline.close(timeout)).collect::<Vec<_>>()).map(drop)
    }

    fn all(&self) -> impl Iterator<Item = &Pipeline> {
        self.assignment.iter().chain(&self.exposure)
    }
}

/// Tracks one client's evaluations until that client is closed. Keeps neither the client nor its core.
#[derive(Clone)]
pub struct Tracker {
    pipelines: Arc<Pipelines>,
    is_open: Arc<AtomicBool>,
}

impl Tracker {
    pub(super) fn new(pipelines: Arc<Pipelines>) -> Self {
        Self { pipelines, is_open: Arc::new(AtomicBool::new(true)) }
    }

    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }

    pub fn pipelines(&self) -> &Pipelines {
        &self.pipelines
    }

    pub fn assignment(&self, evaluation: &Evaluation<'_>) {
        self.record(self.pipelines.assignment.as_ref(), evaluation);
    }

    pub fn exposure(&self, evaluation: &Evaluation<'_>) {
        self.record(self.pipelines.exposure.as_ref(), evaluation);
    }

    fn record(&self, pipeline: Option<&Pipeline>, evaluation: &Evaluation<'_>) {
        if let Some(pipeline) = pipeline.filter(|_| self.is_open.load(Ordering::Relaxed)) {
            pipeline.record(evaluation);
        }
    }
}
