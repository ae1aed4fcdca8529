//! Plain native functions over data of their own: a call of one costs a fraction of a call of a napi-rs method.
//!
//! In: data and what a call does with it. Out: a JavaScript function. The data is freed once the function has been
//! collected. It feeds `evaluate` and `track`, the two calls that an evaluation makes.

use std::ffi::c_void;
use std::ptr;

use napi::{Result, Status, sys};

use super::contain::{contained_finally, throw};
use crate::defect::{contain, point};

/// Most calls have no more arguments than this.
pub(super) const FEW: usize = 6;

/// What a function works with.
pub(super) trait Callee: 'static {
    /// The points of [`crate::defect`] that a call and its data's end pass.
    const CALL: &'static str;
    const END: &'static str;

    /// One call, with its first arguments; what is not given is `undefined`.
    fn call(&self, env: sys::napi_env, info: sys::napi_callback_info, first: &[sys::napi_value; FEW]);

    /// Gives back what it holds of the environment. Called once, last.
    fn release(&self, env: sys::napi_env);
}

/// Makes the function.
///
/// # Errors
/// If Node-API fails.
///
/// # Safety
/// `env` must be live.
pub(super) unsafe fn function<T: Callee>(env: sys::napi_env, callee: T) -> Result<sys::napi_value> {
    let data = Box::into_raw(Box::new(callee)).cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `data` lives until the finalizer below, which runs after the function is gone.
    let status =
        unsafe { sys::napi_create_function(env, ptr::null(), 0, Some(call::<T>), data, &mut function) };
    if status == sys::Status::napi_ok {
        // SAFETY: hands `data` over to the finalizer.
        let status = unsafe {
            sys::napi_add_finalizer(
                env,
                function,
                data,
                Some(finalize::<T>),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if status == sys::Status::napi_ok {
            return Ok(function);
        }
    }
    Err(napi::Error::new(Status::GenericFailure, "a native function could not be created"))
}

/// Frees the data of a function that has been collected.
unsafe extern "C" fn finalize<T: Callee>(env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: `data` came from `Box::into_raw` in `function`, and a finalizer runs once.
    let callee = unsafe { Box::from_raw(data.cast::<T>()) };
    callee.release(env);
    contained_finally(T::END, || drop(callee));
}

/// What JavaScript calls. A panic becomes an exception.
unsafe extern "C" fn call<T: Callee>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let outcome = contain(|| {
        point(T::CALL);
        let mut data = ptr::null_mut();
        let mut first = [ptr::null_mut(); FEW];
        let mut count = first.len();
        // SAFETY: `env` and `info` are those of this call; there is room for `count` arguments, and Node-API
        // fills what is not given with `undefined`.
        unsafe {
            sys::napi_get_cb_info(env, info, &mut count, first.as_mut_ptr(), ptr::null_mut(), &mut data)
        };
        // SAFETY: `data` is what `napi_create_function` was given; it lives as long as the function, which is running.
        unsafe { &*data.cast::<T>() }.call(env, info, &first);
    });
    if let Err(defect) = outcome {
        // SAFETY: the environment is that of this call.
        unsafe { throw(env, &defect) };
    }
    ptr::null_mut()
}
