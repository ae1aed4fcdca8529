//! A line from any thread to one JavaScript function.
//!
//! In: values, posted from anywhere. Out: calls of the function with one of them each, in their order, on the JavaScript
//! thread. A line does not keep the process alive unless it is told to. It feeds the mailbox and the desk.
//!
//! This is Node-API's threadsafe function, called by hand for one reason: the function itself is given as the async
//! resource, so that tools which ask a resource `hasRef()` (test runners that look for open handles) get the answer of
//! whoever owns the line. napi-rs gives none, and then every line counts as an open handle.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{FnArgs, Function, ToNapiValue};
use napi::{Env, JsValue, Result, check_status, sys};

use super::contain::contained_finally;
use crate::defect::{Defect, contain, point};

/// What a line carries.
pub(super) trait Parcel: ToNapiValue + Send {
    /// For messages, and for tests.
    const NAME: &'static str;

    /// By this number whoever waits for the value is known.
    fn receipt(&self) -> Option<u32>;

    /// What is delivered where the value itself has been lost. `None`: whoever waits has been told, or there is a line.
    fn replacement(receipt: Option<u32>, defect: &Defect) -> Option<Self>
    where
        Self: Sized;
}

/// Where values are posted. Clones are the same line, which ends with the last of them.
pub(super) struct Line<T>(Arc<End>, PhantomData<fn(T)>);

/// What there is of a line while someone posts to it.
struct End(Arc<Handle>);

/// The threadsafe function, until Node has closed it: when it is released, or when its environment ends.
struct Handle(Mutex<Option<Raw>>);

struct Raw(sys::napi_threadsafe_function);

// SAFETY: a threadsafe function is made to be used from any thread.
unsafe impl Send for Raw {}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<T: Parcel> Line<T> {
    /// # Errors
    /// If Node-API cannot make the threadsafe function.
    pub(super) fn open(function: &Function<'_, FnArgs<(T,)>, ()>) -> Result<Self> {
        let value = function.value();
        let (env, function) = (value.env, value.value);
        let handle = Arc::new(Handle(Mutex::new(None)));
        let mut name = ptr::null_mut();
        let mut raw = ptr::null_mut();
        // SAFETY: the environment and the function are those of this call, on their thread. The finalizer takes back the
        // count that it is given here; where the function is not made, it is taken back below.
        unsafe {
            check_status!(sys::napi_create_string_utf8(
                env,
                NAME.as_ptr().cast(),
                NAME.len() as isize,
                &mut name
            ))?;
            let held = Arc::into_raw(Arc::clone(&handle));
            let made = check_status!(sys::napi_create_threadsafe_function(
                env,
                function,
                function,
                name,
                0,
                1,
                held.cast_mut().cast(),
                Some(closed),
                ptr::null_mut(),
                Some(call::<T>),
                &mut raw,
            ));
            if let Err(error) = made {
                drop(Arc::from_raw(held));
                return Err(error);
            }
            *handle.lock() = Some(Raw(raw));
            let line = Self(Arc::new(End(handle)), PhantomData);
            check_status!(sys::napi_unref_threadsafe_function(env, raw))?;
            Ok(line)
        }
    }

    /// Calls the function with a value, soon. Nobody is called any more once the environment has ended.
    pub(super) fn post(&self, value: T) {
        let data = Box::into_raw(Box::new(value));
        let posted = self.with(|raw| {
            // SAFETY: the function has not been closed, and cannot be while the handle is locked.
            unsafe {
                sys::napi_call_threadsafe_function(
                    raw,
                    data.cast(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                )
            }
        });
        if posted != Some(sys::Status::napi_ok) {
            // SAFETY: nobody has taken it.
            drop(unsafe { Box::from_raw(data) });
        }
    }

    /// Keeps the process alive from now on. For the JavaScript thread.
    pub(super) fn hold(&self, env: &Env) {
        // SAFETY: as in `post`; this is the thread of the environment.
        self.with(|raw| unsafe { sys::napi_ref_threadsafe_function(env.raw(), raw) });
    }

    /// Lets the process go. For the JavaScript thread.
    pub(super) fn release(&self, env: &Env) {
        // SAFETY: as in `hold`.
        self.with(|raw| unsafe { sys::napi_unref_threadsafe_function(env.raw(), raw) });
    }

    fn with<R>(&self, use_it: impl FnOnce(sys::napi_threadsafe_function) -> R) -> Option<R> {
        self.0.0.lock().as_ref().map(|Raw(raw)| use_it(*raw))
    }
}

const NAME: &str = "experiment_line";

impl Handle {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Raw>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(Raw(raw)) = self.0.lock().take() {
            // SAFETY: the function has not been closed, and nobody uses it after this.
            unsafe {
                sys::napi_release_threadsafe_function(raw, sys::ThreadsafeFunctionReleaseMode::release)
            };
        }
    }
}

/// Node has closed the function.
unsafe extern "C" fn closed(_env: sys::napi_env, held: *mut c_void, _hint: *mut c_void) {
    // SAFETY: this is the count that `open` gave, once.
    let handle = unsafe { Arc::from_raw(held.cast::<Handle>().cast_const()) };
    contained_finally("line.closed", || *handle.lock() = None);
}

/// Takes one value to JavaScript; to nobody, where the environment ends.
unsafe extern "C" fn call<T: Parcel>(
    env: sys::napi_env,
    function: sys::napi_value,
    _context: *mut c_void,
    data: *mut c_void,
) {
    // SAFETY: `post` gave it, once.
    let value = unsafe { Box::from_raw(data.cast::<T>()) };
    if env.is_null() || function.is_null() {
        return;
    }
    // SAFETY: Node calls this on the environment's thread, in a scope of handles.
    let Some(argument) = (unsafe { argument(env, *value) }) else { return };
    let mut receiver = ptr::null_mut();
    let mut result = ptr::null_mut();
    // SAFETY: as above; an exception that the function leaves is taken, and given to the process as uncaught.
    unsafe {
        sys::napi_get_undefined(env, &mut receiver);
        let status = sys::napi_call_function(env, receiver, function, 1, &argument, &mut result);
        if status == sys::Status::napi_pending_exception {
            let mut exception = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(env, &mut exception);
            sys::napi_fatal_exception(env, exception);
        }
    }
}

/// The value, or what takes its place, as JavaScript's.
///
/// # Safety
/// `env` must be live, on its own thread, with an open handle scope.
unsafe fn argument<T: Parcel>(env: sys::napi_env, value: T) -> Option<sys::napi_value> {
    let receipt = value.receipt();
    let make = |value: T| {
        contain(|| {
            point(T::NAME);
            // SAFETY: the caller vouches for `env`.
            unsafe { T::to_napi_value(env, value) }
        })
    };
    match make(value) {
        // What cannot be made a JavaScript value, as where the environment ends, is not delivered.
        Ok(made) => made.ok(),
        Err(defect) => make(T::replacement(receipt, &defect)?).ok()?.ok(),
    }
}
