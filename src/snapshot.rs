//! The world that evaluations see: plan and cohorts, swapped as one.
//!
//! In: [`Update`]s, parsed and compiled off the event loop, and cohorts. Out: an immutable [`Snapshot`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::cohort::Cohort;
use crate::ecma::Text;
use crate::flag::{FlagSet, FlagsError, Problem};
use crate::plan::Plan;

/// The flags JSON as it was received.
#[derive(Clone, Debug)]
pub enum RawFlags {
    /// As the server sends them.
    Array(Bytes),
    /// Map key to flag.
    Map(Bytes),
}

/// Cohorts by id.
type Store = BTreeMap<Box<[u8]>, Arc<Cohort>>;

/// Flags and cohorts at one moment.
pub struct Snapshot {
    /// Grows by one with each change.
    pub epoch: u64,
    /// The epoch in which the flags came.
    pub flags_epoch: u64,
    pub plan: Arc<Plan>,
    pub raw: RawFlags,
    /// By index into [`Plan::cohort_ids`].
    pub cohorts: Vec<Option<Arc<Cohort>>>,
    /// All stored cohorts, those that no flag names included.
    pub store: Store,
}

/// Flags ready to be installed.
pub struct Update {
    pub plan: Arc<Plan>,
    pub raw: RawFlags,
    /// One for each flag that is left out or in part broken.
    pub problems: Vec<Problem>,
}

impl Update {
    /// Parses and compiles the server's array of flags.
    ///
    /// # Errors
    /// Where the whole is not a JSON array.
    pub fn from_array(raw: Bytes) -> Result<Self, FlagsError> {
        let parsed = FlagSet::from_array(&raw)?;
        Ok(Self::compile(parsed, RawFlags::Array(raw)))
    }

    /// Parses and compiles a map of flags.
    ///
    /// # Errors
    /// Where the whole is not a JSON object.
    pub fn from_map(raw: Bytes) -> Result<Self, FlagsError> {
        let parsed = FlagSet::from_map(&raw)?;
        Ok(Self::compile(parsed, RawFlags::Map(raw)))
    }

    fn compile((flags, mut problems): (FlagSet, Vec<Problem>), raw: RawFlags) -> Self {
        let (plan, more) = Plan::compile(&flags);
        problems.extend(more);
        Self { plan: Arc::new(plan), raw, problems }
    }

    /// All cohorts that the flags name.
    pub fn cohort_ids(&self) -> &[Text] {
        self.plan.cohort_ids()
    }
}

/// The one place that holds the current snapshot. Readers never wait.
pub struct World {
    current: ArcSwap<Snapshot>,
    epoch: AtomicU64,
    writer: Mutex<()>,
    /// See [`World::write_ahead`].
    is_written: AtomicBool,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world without flags and cohorts, at epoch 0.
    pub fn new() -> Self {
        let empty = Snapshot {
            epoch: 0,
            flags_epoch: 0,
            plan: Arc::default(),
            raw: RawFlags::Map(Bytes::from_static(b"{}")),
            cohorts: Vec::new(),
            store: BTreeMap::new(),
        };
        Self {
            current: ArcSwap::from_pointee(empty),
            epoch: AtomicU64::new(0),
            writer: Mutex::new(()),
            is_written: AtomicBool::new(false),
        }
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The epoch of the current snapshot: cheap, to see whether what was derived from one is still good.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Somebody has written flags, and hands them over when they are evaluated. The next update replaces them: it is
    /// not to be taken for what is there already.
    pub fn write_ahead(&self) {
        self.is_written.store(true, Ordering::Release);
    }

    /// Whether flags have been written ahead since the last update.
    pub fn is_written(&self) -> bool {
        self.is_written.load(Ordering::Acquire)
    }

    /// Flags and downloaded cohorts in one step. Cohorts that the new flags do not name are dropped.
    pub fn install(&self, update: Update, downloaded: Vec<Arc<Cohort>>) -> Arc<Snapshot> {
        let is_written = self.is_written.swap(false, Ordering::AcqRel);
        self.change(is_written, |old| {
            let mut store = old.store.clone();
            store.extend(downloaded.into_iter().map(|cohort| (cohort.id.as_bytes().into(), cohort)));
            let named: std::collections::BTreeSet<&[u8]> =
                update.plan.cohort_ids().iter().map(Text::as_bytes).collect();
            store.retain(|id, _| named.contains(&**id));
            (update.plan, update.raw, store)
        })
    }

    /// New flags with the cohorts as they are: for bootstrap and writes to the cache.
    pub fn replace_flags(&self, update: Update) -> Arc<Snapshot> {
        self.change(false, |old| (update.plan, update.raw, old.store.clone()))
    }

    /// The same, unless other flags have come since those of an epoch: `None`, and nothing changes.
    pub fn replace_flags_of(&self, flags_epoch: u64, update: Update) -> Option<Arc<Snapshot>> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load();
        (old.flags_epoch == flags_epoch)
            .then(|| self.put(&writer, &old, false, update.plan, update.raw, old.store.clone()))
    }

    /// Stores a cohort under its id.
    pub fn put_cohort(&self, cohort: Arc<Cohort>) -> Arc<Snapshot> {
        self.change(false, |old| {
            let mut store = old.store.clone();
            store.insert(cohort.id.as_bytes().into(), cohort);
            (old.plan.clone(), old.raw.clone(), store)
        })
    }

    pub fn remove_cohort(&self, id: &[u8]) -> Arc<Snapshot> {
        self.change(false, |old| {
            let mut store = old.store.clone();
            store.remove(id);
            (old.plan.clone(), old.raw.clone(), store)
        })
    }

    pub fn cohort(&self, id: &[u8]) -> Option<Arc<Cohort>> {
        self.current.load().store.get(id).cloned()
    }

    /// Of all stored cohorts.
    pub fn cohort_ids(&self) -> Vec<Text> {
        self.current.load().store.values().map(|cohort| cohort.id.clone()).collect()
    }

    /// `are_new`: the flags count as new ones even where the plan is the one that is there.
    fn change(
        &self,
        are_new: bool,
        next: impl FnOnce(&Snapshot) -> (Arc<Plan>, RawFlags, Store),
    ) -> Arc<Snapshot> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load();
        let (plan, raw, store) = next(&old);
        self.put(&writer, &old, are_new, plan, raw, store)
    }

    fn put(
        &self,
        _: &MutexGuard<'_, ()>,
        old: &Snapshot,
        are_new: bool,
        plan: Arc<Plan>,
        raw: RawFlags,
        store: Store,
    ) -> Arc<Snapshot> {
        let cohorts = plan.cohort_ids().iter().map(|id| store.get(id.as_bytes()).cloned()).collect();
        let epoch = old.epoch + 1;
        let flags_epoch = if Arc::ptr_eq(&plan, &old.plan) && !are_new { old.flags_epoch } else { epoch };
        let snapshot = Arc::new(Snapshot { epoch, flags_epoch, plan, raw, cohorts, store });
        self.current.store(snapshot.clone());
        self.epoch.store(snapshot.epoch, Ordering::Release);
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update() -> Update {
        Update::from_map(Bytes::from_static(b"{}")).unwrap()
    }

    #[test]
    fn flags_are_replaced_by_who_knows_them_alone() {
        let world = World::new();
        let first = world.replace_flags_of(0, update()).unwrap();
        assert_eq!(world.replace_flags_of(0, update()).map(|snapshot| snapshot.epoch), None);
        assert!(Arc::ptr_eq(&world.load(), &first));
        let second = world.replace_flags_of(first.flags_epoch, update()).unwrap();
        assert!(Arc::ptr_eq(&world.load(), &second));
        assert!(second.flags_epoch > first.flags_epoch);
    }

    #[test]
    fn an_update_after_a_write_ahead_is_a_new_one() {
        let world = World::new();
        let plan = update().plan;
        let same = || Update { plan: plan.clone(), ..update() };
        let first = world.install(same(), Vec::new()).flags_epoch;
        assert_eq!(world.install(same(), Vec::new()).flags_epoch, first);
        world.write_ahead();
        assert!(world.is_written());
        assert!(world.install(same(), Vec::new()).flags_epoch > first);
        assert!(!world.is_written());
    }
}
