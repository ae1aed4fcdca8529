//! One plan as JavaScript sees it: selections with their slots and native functions, and the outcomes' JSON.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::{JsValue, Object, ObjectFinalize, Uint32Array, Unknown};
use napi::{Env, Result, Status};
use napi_derive::napi;

use super::contain::{contained, contained_finally};
use super::evaluate::{Pinned, Twins, bind};
use super::runtime;
use super::text::JsText;
use super::track;
use crate::client::Tracker;
use crate::ecma::Text;
use crate::plan::{FlagInfo, Slot};
use crate::snapshot::World;
use crate::tracking::{Layout, Prepared};

/// A plan pinned for evaluation. It stays usable after an update; [`View::renew`] says whether it is current.
#[napi(custom_finalize)]
pub struct View {
    pinned: Rc<Pinned>,
    tracker: Tracker,
    /// What tracking knows of the plan, once it is asked.
    prepared: Rc<KnownToTracking>,
    selections: RefCell<Selections>,
}

/// The selections that JavaScript still holds, by number. Each belongs to its native function and goes with it: there is
/// no end to the sets of keys that callers may ask for.
#[derive(Default)]
struct Selections {
    held: HashMap<u32, Weak<Selected>>,
    next: u32,
    /// How many of them there may be before those that are gone are looked for.
    room: usize,
}

/// Fewer selections than this are not worth looking through.
const FEW_SELECTIONS: usize = 64;

impl Selections {
    fn add(&mut self, selected: &Rc<Selected>) -> u32 {
        if self.held.len() >= self.room.max(FEW_SELECTIONS) {
            self.held.retain(|_, selected| selected.strong_count() > 0);
            self.room = 2 * self.held.len();
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.held.insert(id, Rc::downgrade(selected));
        id
    }

    fn get(&self, id: u32) -> Option<Rc<Selected>> {
        self.held.get(&id)?.upgrade()
    }
}

/// What tracking needs of a selection.
pub(super) struct Selected {
    /// The keys of the results, in the order of the codes.
    keys: Vec<Text>,
    layout: OnceCell<Layout>,
}

impl Selected {
    pub fn layout(&self) -> &Layout {
        self.layout.get_or_init(|| Layout::new(self.keys.iter().map(Text::as_bytes)))
    }

    /// How many codes there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }
}

/// What JavaScript has to read for a slot.
#[napi(object, object_from_js = false)]
pub struct SlotDescription {
    /// The selector below `context`.
    #[napi(ts_type = "string[]")]
    pub path: Option<Vec<JsText>>,
    /// Conditions look at it: the array view counts.
    pub matched: Option<bool>,
    /// A bucket looks at it: the text form counts.
    pub text: Option<bool>,
    /// It is who the user (or the group of the type in `group`) is.
    pub identity: Option<bool>,
    #[napi(ts_type = "string")]
    pub group: Option<JsText>,
    /// The place of the slot that has the same value where that is a string, or missing: then it need not cross twice.
    pub twin: Option<u32>,
}

/// What tracking knows of a selection's evaluations.
pub(super) struct KnownHere {
    known: Rc<KnownToTracking>,
    pub selected: Rc<Selected>,
}

impl KnownHere {
    /// Nothing, where nobody has prepared it.
    pub fn prepared(&self) -> Option<&Arc<Prepared>> {
        self.known.0.get()
    }
}

/// What tracking knows of a plan is dropped on another thread where it takes more bytes than this.
const LARGE_PREPARED: usize = 1 << 20;

impl ObjectFinalize for View {
    fn finalize(self, _: Env) -> Result<()> {
        contained_finally("View.finalize", || drop(self));
        Ok(())
    }
}

/// A plan's outcomes as tracking wants them, once it does.
#[derive(Default)]
struct KnownToTracking(OnceCell<Arc<Prepared>>);

impl Drop for KnownToTracking {
    fn drop(&mut self) {
        if let Some(prepared) = self.0.take().filter(|prepared| prepared.bytes() > LARGE_PREPARED) {
            runtime::discard(prepared);
        }
    }
}

impl View {
    pub(super) fn new(world: Arc<World>, tracker: Tracker) -> Self {
        Self { pinned: Pinned::new(world), tracker, prepared: Rc::default(), selections: RefCell::default() }
    }

    /// The plan's outcomes as tracking wants them.
    fn prepared(&self) -> &Arc<Prepared> {
        self.prepared.0.get_or_init(|| self.tracker.pipelines().prepared(&self.pinned.snapshot().plan))
    }
}

#[napi]
impl View {
    /// How many outcome codes the largest selection writes.
    #[napi(getter)]
    pub fn capacity(&self, env: &Env) -> Result<u32> {
        contained(env, "View.capacity", || self.pinned.snapshot().plan.select(None).flags.len() as u32)
    }

    /// Whether some selector sees cohort ids as a part of something larger: users must then be enriched first.
    #[napi(getter)]
    pub fn wide(&self, env: &Env) -> Result<bool> {
        contained(env, "View.wide", || self.pinned.snapshot().plan.select(None).reads_enriched_user)
    }

    /// Takes new cohorts in. `false` if the flags are others: a new view is needed.
    #[napi]
    pub fn renew(&self, env: &Env) -> Result<bool> {
        contained(env, "View.renew", || self.pinned.renew())
    }

    /// Evaluates as before until the next change, though the flags are others.
    #[napi]
    pub fn hold(&self, env: &Env) -> Result<()> {
        contained(env, "View.hold", || {
            self.pinned.hold();
        })
    }

    /// The codes of these flags that stand where these codes stand among those of an earlier view's: of the same flag,
    /// at the same place.
    #[napi]
    pub fn counterparts(&self, env: &Env, earlier: &View, codes: Uint32Array) -> Result<Uint32Array> {
        contained(env, "View.counterparts", || {
            let (from, to) = (earlier.pinned.snapshot(), self.pinned.snapshot());
            let flags: HashMap<&Text, &FlagInfo> =
                to.plan.flags().iter().map(|flag| (&flag.map_key, flag)).collect();
            let mut wanted = vec![false; from.plan.outcomes().len()];
            for &code in codes.iter() {
                if let Some(wanted) = wanted.get_mut(code as usize) {
                    *wanted = true;
                }
            }
            let mut found = Vec::with_capacity(codes.len());
            for flag in from.plan.flags() {
                let Some(counterpart) = flags.get(&flag.map_key) else { continue };
                let pairs = flag.codes.iter().zip(&counterpart.codes);
                found.extend(pairs.filter(|(code, _)| wanted[**code as usize]).map(|(_, code)| *code));
            }
            Uint32Array::new(found)
        })
    }

    /// The keys of some of a selection's results, in the order of the codes.
    #[napi(ts_return_type = "string[]")]
    pub fn keys(&self, env: &Env, selection: u32, start: u32, end: u32) -> Result<Vec<JsText>> {
        contained(env, "View.keys", || {
            let selected = self.selections.borrow().get(selection);
            let keys = selected.as_ref().map_or(&[][..], |selected| &selected.keys);
            keys.get(start as usize..end as usize).unwrap_or_default().iter().cloned().map(JsText).collect()
        })
    }

    /// Has ready what tracking asks of a selection.
    #[napi]
    pub fn prepare_tracking(&self, env: &Env, selection: u32) -> Result<()> {
        contained(env, "View.prepare_tracking", || {
            self.prepared();
            if let Some(selected) = self.selections.borrow().get(selection) {
                selected.layout();
            }
        })
    }

    /// A native function that tracks what a selection's evaluation has written into `codes`: see `track.rs`.
    #[napi(
        ts_return_type = "(how: number, userId?: string | null, deviceId?: string | null, groups?: string, userJson?: string, deviceJson?: string) => void"
    )]
    pub fn track_function<'env>(
        &self,
        env: &'env Env,
        selection: u32,
        #[napi(ts_arg_type = "Uint32Array")] codes: Unknown<'env>,
    ) -> Result<Unknown<'env>> {
        contained(env, "View.track_function", || {
            let selected = self.selections.borrow().get(selection);
            let selected =
                selected.ok_or_else(|| napi::Error::new(Status::InvalidArg, "no such selection"))?;
            self.prepared();
            let known = KnownHere { known: Rc::clone(&self.prepared), selected };
            // SAFETY: the environment and the array are those of this call; the function is made in this environment.
            unsafe {
                let function = track::bind(env.raw(), self.tracker.clone(), known, codes.raw())?;
                Ok(Unknown::from_raw_unchecked(env.raw(), function))
            }
        })?
    }

    /// The key of a flag, by its index.
    #[napi(ts_return_type = "string")]
    pub fn flag_key(&self, env: &Env, index: u32) -> Result<Option<JsText>> {
        contained(env, "View.flag_key", || {
            let snapshot = self.pinned.snapshot();
            snapshot.plan.flags().get(index as usize).map(|flag| JsText(flag.map_key.clone()))
        })
    }

    /// A sentence for every flag some of whose cohorts are not there.
    #[napi]
    pub fn unavailable(&self, env: &Env) -> Result<Vec<String>> {
        contained(env, "View.unavailable", || {
            let snapshot = self.pinned.snapshot();
            let missing = |&&id: &&u32| snapshot.cohorts[id as usize].is_none();
            let flags = snapshot.plan.cohorts_of_flags().iter();
            flags
                .filter(|flag| flag.cohorts.iter().any(|id| missing(&id)))
                .map(|flag| {
                    let ids: Vec<_> = flag.cohorts.iter().filter(missing).collect();
                    let ids: Vec<_> =
                        ids.iter().map(|&&id| snapshot.plan.cohort_ids()[id as usize].to_string()).collect();
                    format!(
                        "[Experiment] Flag {} has cohort ids {} unavailable, evaluation may be incorrect",
                        flag.map_key,
                        ids.join(",")
                    )
                })
                .collect()
        })
    }

    /// Binds a selection of flags (all, where no keys are given) to a native function that writes into `codes`.
    #[napi(
        ts_return_type = "{ id: number, count: number, slots: SlotDescription[], evaluate: (...values: any[]) => void }"
    )]
    pub fn select<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "string[] | null | undefined")] keys: Option<Vec<JsText>>,
        #[napi(ts_arg_type = "Uint32Array")] codes: Unknown<'env>,
    ) -> Result<Object<'env>> {
        contained(env, "View.select", || {
            let snapshot = self.pinned.snapshot();
            let plan = &snapshot.plan;
            let keys: Option<Vec<Text>> = keys.map(|keys| keys.into_iter().map(|key| key.0).collect());
            let selection = plan.select(keys.as_deref());
            let keys: Vec<Text> =
                selection.flags.iter().map(|&flag| plan.flags()[flag as usize].key.clone()).collect();
            let mut slots: Vec<SlotDescription> =
                selection.slots.iter().map(|&slot| describe(&plan.slots()[slot as usize])).collect();
            let twins = Twins::among(plan.slots(), &selection);
            if let Some(Twins { identity, value }) = twins {
                let place = |slot| selection.slots.iter().position(|&other| other == slot);
                if let (Some(identity), Some(value)) = (place(identity), place(value)) {
                    slots[identity].twin = Some(value as u32);
                }
            }
            let count = keys.len() as u32;
            let selected = Rc::new(Selected { keys, layout: OnceCell::new() });
            let id = self.selections.borrow_mut().add(&selected);
            // SAFETY: the environment and the array are those of this call.
            let function =
                unsafe { bind(env.raw(), Rc::clone(&self.pinned), selection, twins, selected, codes.raw())? };
            let mut result = Object::new(env)?;
            result.set("id", id)?;
            result.set("count", count)?;
            result.set("slots", slots)?;
            // SAFETY: `bind` has just created the function in this environment.
            result.set("evaluate", unsafe { Unknown::from_raw_unchecked(env.raw(), function) })?;
            Ok(result)
        })?
    }

    /// The variant of an outcome code as JSON, as the server worded it, with its merged metadata.
    #[napi(ts_return_type = "string")]
    pub fn outcome(&self, env: &Env, code: u32) -> Result<Option<JsText>> {
        contained(env, "View.outcome", || {
            let snapshot = self.pinned.snapshot();
            let outcome = snapshot.plan.outcomes().get(code as usize)?;
            Some(JsText(Text::from_wtf8(outcome.json.clone())))
        })
    }
}

fn describe(slot: &Slot) -> SlotDescription {
    match slot {
        Slot::Value { path, matched, text } => SlotDescription {
            path: Some(path.iter().cloned().map(JsText).collect()),
            matched: Some(*matched),
            text: Some(*text),
            identity: None,
            group: None,
            twin: None,
        },
        Slot::Identity(group) => SlotDescription {
            path: None,
            matched: None,
            text: None,
            identity: Some(true),
            group: group.clone().map(JsText),
            twin: None,
        },
    }
}
