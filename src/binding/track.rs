//! What an evaluation leaves to its caller's thread: a native function per selection that records who got which outcomes.
//!
//! In: the outcome codes of the last evaluation, in the array that [`super::evaluate`] has written them into, and the
//! user's ids and groups as text. Out: a record in the client's pipelines. Nothing is allocated for a repetition once the
//! buffers have grown to what the users' values need.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use napi::{Result, sys};

use super::evaluate::{Codes, HEADER};
use super::function::{Callee, FEW, function};
use super::text::push_string;
use super::view::KnownHere;
use crate::client::Tracker;
use crate::tracking::{Evaluation, Id, User};

/// The first argument: what is tracked, in its lowest two bits; above them two bits each say what the user's id and the
/// device's are.
const ASSIGNMENT: u32 = 1;
const EXPOSURE: u32 = 2;
const USER_SHAPE: u32 = 2;
const DEVICE_SHAPE: u32 = 4;

/// The others, in their order.
const USER_ID: usize = 1;
const DEVICE_ID: usize = 2;
const GROUPS: usize = 3;
const USER_JSON: usize = 4;
const DEVICE_JSON: usize = 5;

/// Buffers that have grown larger than this are not kept.
const MAX_KEPT_BYTES: usize = 1 << 16;

struct Bound {
    tracker: Tracker,
    known: KnownHere,
    codes: Codes,
    /// The texts among the arguments, as WTF-8, by their number.
    texts: RefCell<[Vec<u8>; FEW]>,
}

/// Makes the native function of a selection.
///
/// # Errors
/// If Node-API fails.
///
/// # Safety
/// `env` must be live and `array` a handle of an open scope in it.
pub(super) unsafe fn bind(
    env: sys::napi_env,
    tracker: Tracker,
    known: KnownHere,
    array: sys::napi_value,
) -> Result<sys::napi_value> {
    // SAFETY: the caller vouches for both.
    unsafe {
        let codes = Codes::of(env, array)?;
        function(env, Bound { tracker, known, codes, texts: RefCell::default() })
    }
}

impl Callee for Bound {
    const CALL: &'static str = "track";
    const END: &'static str = "track.finalize";

    fn call(&self, env: sys::napi_env, _info: sys::napi_callback_info, first: &[sys::napi_value; FEW]) {
        let mut how = 0;
        // SAFETY: the value is a handle of the running call.
        unsafe { sys::napi_get_value_uint32(env, first[0], &mut how) };
        let mut texts = self.texts.borrow_mut();
        let mut given = [false; FEW];
        for at in USER_ID..FEW {
            texts[at].clear();
            // SAFETY: as above.
            given[at] = unsafe { push_string(env, first[at], &mut texts[at]) };
        }
        // What is not UTF-8 is no JSON either.
        let json = |at: usize| given[at].then(|| str::from_utf8(&texts[at]).unwrap_or_default());
        let id = |shape: u32, text: usize, as_json: usize| match shape & 3 {
            0 => Id::Missing,
            1 => Id::Null,
            2 => Id::Text(&texts[text]),
            _ => Id::Other { text: &texts[text], json: json(as_json) },
        };
        let user = User {
            user_id: id(how >> USER_SHAPE, USER_ID, USER_JSON),
            device_id: id(how >> DEVICE_SHAPE, DEVICE_ID, DEVICE_JSON),
            groups: json(GROUPS),
        };
        self.record(how, user);
        for text in texts.iter_mut().filter(|text| text.capacity() > MAX_KEPT_BYTES) {
            *text = Vec::new();
        }
    }

    fn release(&self, env: sys::napi_env) {
        self.codes.release(env);
    }
}

impl Bound {
    fn record(&self, how: u32, user: User<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        // SAFETY: no evaluation runs meanwhile, and no JavaScript.
        let codes = unsafe { self.codes.get() };
        let selected = &self.known.selected;
        let Some(codes) = codes.get(HEADER..HEADER + selected.count()) else { return };
        let Some(prepared) = self.known.prepared() else { return };
        let evaluation = Evaluation { prepared, layout: selected.layout(), codes, user, now };
        if how & ASSIGNMENT != 0 {
            self.tracker.assignment(&evaluation);
        }
        if how & EXPOSURE != 0 {
            self.tracker.exposure(&evaluation);
        }
    }
}
