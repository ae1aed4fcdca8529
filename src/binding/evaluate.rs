//! The hot path: a plain native function per selection, one argument a slot, outcome codes out.
//!
//! In: the slot values as arguments. In a `Uint32Array` that both sides share, in: where cohorts come from, and whether
//! the user is who the slot of `user_id` says. Out, in the same array: a status, the number of the pattern of absent flags, then one outcome code a flag.
//! Nothing is allocated once the buffers have grown to what the users' values need.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::{Result, Status, sys};

use super::function::{Callee, FEW, function};
use super::runtime;
use super::text::push_string;
use super::view::Selected;
use crate::evaluation::{self, CohortSource, Scratch, SlotBuffer, Slots};
use crate::plan::{Selection, Slot};
use crate::snapshot::{Snapshot, World};

/// Codes before the flags' own: a status and a pattern number.
pub(super) const HEADER: usize = 2;
/// In, bits: the user's cohort ids are to be taken as they are.
const ENRICHED: u32 = 1;
/// In: the user's identity is what the twin of its slot holds, and has no argument of its own.
const HAS_TWIN: u32 = 2;
const DONE: u32 = 0;
/// The snapshot has been replaced: the view must be renewed before this selection can answer.
const STALE: u32 = 1;
/// Done, and this and more says of which flag a pattern has given up: its index, added.
const NOTED: u32 = 2;

/// Patterns of absent flags that get a number; each costs the JavaScript side an object literal.
const PATTERNS: usize = 16;
const UNNUMBERED: u32 = u32::MAX;

/// What the selections of one view share. Lives on the JavaScript thread.
pub struct Pinned {
    world: Arc<World>,
    snapshot: RefCell<Arc<Snapshot>>,
    epoch: Cell<u64>,
    scratch: RefCell<Scratch>,
}

impl Pinned {
    pub fn new(world: Arc<World>) -> Rc<Self> {
        let snapshot = world.load();
        Rc::new(Self {
            world,
            epoch: Cell::new(snapshot.epoch),
            snapshot: RefCell::new(snapshot),
            scratch: RefCell::new(Scratch::default()),
        })
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Takes the current snapshot if it has the same plan. `false`: a new view is needed.
    pub fn renew(&self) -> bool {
        let current = self.world.load();
        if !Arc::ptr_eq(&current.plan, &self.snapshot.borrow().plan) {
            return false;
        }
        self.epoch.set(current.epoch);
        discard(self.snapshot.replace(current));
        true
    }

    /// Goes on with what it has until the world changes again.
    pub fn hold(&self) {
        self.epoch.set(self.world.epoch());
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        discard(self.snapshot.replace(self.world.load()));
    }
}

/// Plans with more outcomes than this are taken apart on another thread: that takes longer than asking for it.
const LARGE_PLAN: usize = 1000;

fn discard(snapshot: Arc<Snapshot>) {
    if Arc::strong_count(&snapshot) == 1 && snapshot.plan.outcomes().len() > LARGE_PLAN {
        runtime::discard(snapshot);
    }
}

/// A selection bound to its native function.
struct Bound {
    pinned: Rc<Pinned>,
    selection: Selection,
    /// Lives as long as the function: the view finds it by its number.
    _selected: Rc<Selected>,
    /// Slot to argument; slots of other selections have none.
    argument_of_slot: Vec<u32>,
    twins: Option<Twins>,
    codes: Codes,
    patterns: RefCell<Patterns>,
}

/// Two slots that nearly always have the same value: who the user is, for cohorts, and `user_id`, for conditions.
#[derive(Clone, Copy)]
pub(super) struct Twins {
    pub identity: u32,
    pub value: u32,
}

impl Twins {
    /// Those of a selection, if it has both.
    pub fn among(slots: &[Slot], selection: &Selection) -> Option<Self> {
        let find = |is_it: fn(&Slot) -> bool| {
            selection.slots.iter().copied().find(|&slot| is_it(&slots[slot as usize]))
        };
        let identity = find(|slot| matches!(slot, Slot::Identity(None)))?;
        let value = find(|slot| match slot {
            Slot::Value { path, .. } => {
                matches!(&**path, [user, id] if user.as_bytes() == b"user" && id.as_bytes() == b"user_id")
            }
            Slot::Identity(_) => false,
        })?;
        Some(Self { identity, value })
    }
}

/// The shared `Uint32Array`, kept alive by a reference of our own.
pub struct Codes {
    data: *mut u32,
    length: usize,
    reference: sys::napi_ref,
}

impl Codes {
    /// # Safety
    /// `env` must be live and `array` a handle of an open scope in it.
    pub unsafe fn of(env: sys::napi_env, array: sys::napi_value) -> Result<Self> {
        let mut kind = 0;
        let mut length = 0;
        let mut data: *mut c_void = ptr::null_mut();
        // SAFETY: the caller vouches for `env` and `array`; the out pointers are ours.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env,
                array,
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint32_array || data.is_null() {
            return Err(napi::Error::new(Status::InvalidArg, "a Uint32Array was expected"));
        }
        let mut reference = ptr::null_mut();
        // SAFETY: as above; one strong reference keeps the array and its buffer from being collected.
        let status = unsafe { sys::napi_create_reference(env, array, 1, &mut reference) };
        if status != sys::Status::napi_ok {
            return Err(napi::Error::new(Status::from(status), "the codes could not be kept"));
        }
        Ok(Self { data: data.cast(), length, reference })
    }

    /// # Safety
    /// There must be no other reference to the codes: of any function's, for as long as this one is used.
    #[allow(clippy::mut_from_ref, reason = "the memory is JavaScript's, which knows no references of ours")]
    pub unsafe fn get(&self) -> &mut [u32] {
        // SAFETY: the memory is kept alive by the reference and is never detached: JavaScript code outside of
        // this package does not get hold of it.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.length) }
    }

    /// Lets go of the array. Called once, last.
    pub fn release(&self, env: sys::napi_env) {
        // SAFETY: the reference was made in this environment and is deleted once.
        unsafe { sys::napi_delete_reference(env, self.reference) };
    }
}

/// Makes the native function of a selection.
///
/// # Errors
/// If the codes are too short for the selection, or Node-API fails.
///
/// # Safety
/// `env` must be live and `array` a handle of an open scope in it.
pub unsafe fn bind(
    env: sys::napi_env,
    pinned: Rc<Pinned>,
    selection: Selection,
    twins: Option<Twins>,
    selected: Rc<Selected>,
    array: sys::napi_value,
) -> Result<sys::napi_value> {
    // SAFETY: the caller vouches for both.
    let codes = unsafe { Codes::of(env, array)? };
    if codes.length < selection.flags.len() + HEADER {
        return Err(napi::Error::new(Status::InvalidArg, "the codes are too short"));
    }
    let slots = pinned.snapshot.borrow().plan.slots().len();
    let mut argument_of_slot = vec![0; slots];
    for (index, &slot) in selection.slots.iter().enumerate() {
        argument_of_slot[slot as usize] = index as u32;
    }
    let patterns = RefCell::default();
    let bound = Bound { pinned, selection, _selected: selected, argument_of_slot, twins, codes, patterns };
    // SAFETY: the caller vouches for `env`.
    unsafe { function(env, bound) }
}

impl Callee for Bound {
    const CALL: &'static str = "evaluate";
    const END: &'static str = "evaluate.finalize";

    fn call(&self, env: sys::napi_env, info: sys::napi_callback_info, first: &[sys::napi_value; FEW]) {
        let wanted = self.selection.slots.len();
        if wanted <= FEW {
            return self.run(env, first);
        }
        let mut arguments = vec![ptr::null_mut(); wanted];
        let mut count = wanted;
        // SAFETY: `env` and `info` are those of this call; there is room for `count` arguments.
        unsafe {
            sys::napi_get_cb_info(
                env,
                info,
                &mut count,
                arguments.as_mut_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.run(env, &arguments);
    }

    fn release(&self, env: sys::napi_env) {
        self.codes.release(env);
    }
}

impl Bound {
    fn run(&self, env: sys::napi_env, arguments: &[sys::napi_value]) {
        // SAFETY: no other reference to the codes exists during this call, in which no JavaScript runs.
        let codes = unsafe { self.codes.get() };
        let told = codes[0];
        if self.pinned.epoch.get() != self.pinned.world.epoch() {
            codes[0] = STALE;
            return;
        }
        let source = if told & ENRICHED != 0 { CohortSource::Caller } else { CohortSource::Stored };
        let twins = self.twins.filter(|_| told & HAS_TWIN != 0);
        let snapshot = self.pinned.snapshot.borrow();
        let (header, codes) = codes.split_at_mut(HEADER);
        let codes = &mut codes[..self.selection.flags.len()];
        let mut slots = Arguments { env, values: arguments, of_slot: &self.argument_of_slot, twins };
        let notes = evaluation::evaluate(
            &snapshot.plan,
            &snapshot.cohorts,
            &self.selection,
            source,
            &mut slots,
            &mut self.pinned.scratch.borrow_mut(),
            codes,
        );
        header[0] = notes.exhausted.map_or(DONE, |flag| NOTED.saturating_add(flag));
        header[1] = self.patterns.borrow_mut().number(codes);
    }
}

/// The arguments of a running call as the engine's slots.
struct Arguments<'a> {
    env: sys::napi_env,
    values: &'a [sys::napi_value],
    of_slot: &'a [u32],
    twins: Option<Twins>,
}

impl Slots for Arguments<'_> {
    fn twin(&self, identity: u32) -> Option<u32> {
        self.twins.filter(|twins| twins.identity == identity).map(|twins| twins.value)
    }

    fn read(&mut self, slot: u32, into: &mut SlotBuffer) {
        let value = self.values[self.of_slot[slot as usize] as usize];
        // SAFETY: `value` is a handle of the running call.
        if unsafe { push_string(self.env, value, into.bytes()) } {
            into.set_string();
            return;
        }
        self.read_other(value, into);
    }
}

impl Arguments<'_> {
    /// What is not a string.
    #[inline(never)]
    fn read_other(&self, value: sys::napi_value, into: &mut SlotBuffer) {
        let mut kind = 0;
        // SAFETY: `value` is a handle of the running call.
        unsafe { sys::napi_typeof(self.env, value, &mut kind) };
        match kind {
            sys::ValueType::napi_boolean => into.set_present(),
            sys::ValueType::napi_object => self.read_array(value, into),
            _ => {}
        }
    }

    /// A list with its text form first, or the text of what is not a list: see `lib/evaluation/values.js`.
    fn read_array(&self, array: sys::napi_value, into: &mut SlotBuffer) {
        let mut length = 0;
        // SAFETY: `array` is a handle of the running call.
        unsafe { sys::napi_get_array_length(self.env, array, &mut length) };
        for index in 1..length {
            let is_string = self.push_element(array, index, into);
            if is_string {
                into.push_item();
            } else if length == 2 {
                if self.push_element(array, 0, into) {
                    into.set_text();
                } else {
                    into.set_present();
                }
                return;
            }
        }
        self.push_element(array, 0, into);
        into.set_list();
    }

    fn push_element(&self, array: sys::napi_value, index: u32, into: &mut SlotBuffer) -> bool {
        let mut element = ptr::null_mut();
        // SAFETY: `array` is a handle of the running call; a handle from it lives as long.
        unsafe {
            sys::napi_get_element(self.env, array, index, &mut element) == sys::Status::napi_ok
                && push_string(self.env, element, into.bytes())
        }
    }
}

/// The distinct sets of absent flags that a selection has answered with, numbered as they came.
#[derive(Default)]
struct Patterns {
    seen: Vec<Box<[u64]>>,
    scratch: Vec<u64>,
}

impl Patterns {
    fn number(&mut self, codes: &[u32]) -> u32 {
        if let [code] = codes {
            // One flag is there or it is not.
            return u32::from(*code != 0);
        }
        self.scratch.clear();
        self.scratch.extend(codes.chunks(64).map(|chunk| {
            chunk.iter().enumerate().fold(0, |bits, (index, &code)| bits | (u64::from(code != 0) << index))
        }));
        if let Some(number) = self.seen.iter().position(|seen| **seen == *self.scratch) {
            return number as u32;
        }
        if self.seen.len() == PATTERNS {
            return UNNUMBERED;
        }
        self.seen.push(self.scratch.as_slice().into());
        self.seen.len() as u32 - 1
    }
}
