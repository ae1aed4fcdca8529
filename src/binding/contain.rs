//! Everything that Node calls goes through here: a panic must not unwind into C, which would end the process.
//!
//! In: the work of a callback. Out: its result; or a JavaScript exception with the code `ERR_EXPERIMENT_PANIC`; or, where
//! nobody is there to catch one, a line on the standard error output.

use std::ffi::CString;
use std::io::Write;

use napi::{Env, Error, Result, Status, sys};

use crate::defect::{Defect, contain, point};

/// Does the work of a native function that JavaScript calls.
///
/// # Errors
/// If it panics: an exception is pending then.
#[inline]
pub(super) fn contained<T>(env: &Env, name: &'static str, work: impl FnOnce() -> T) -> Result<T> {
    contain(|| {
        point(name);
        work()
    })
    .map_err(|defect| {
        // SAFETY: the environment is that of the running call.
        unsafe { throw(env.raw(), &defect) };
        Error::new(Status::PendingException, String::new())
    })
}

/// Leaves an exception for JavaScript.
///
/// # Safety
/// `env` must be live, on its own thread.
#[cold]
pub(super) unsafe fn throw(env: sys::napi_env, defect: &Defect) {
    let code = CString::new(Defect::CODE).unwrap_or_default();
    let message = CString::new(defect.to_string()).unwrap_or_default();
    // SAFETY: the caller vouches for `env`; the strings are NUL-terminated and outlive the call.
    unsafe { sys::napi_throw_error(env, code.as_ptr(), message.as_ptr()) };
}

/// Does what nobody waits for: the work of a finalizer.
#[inline]
pub(super) fn contained_finally(name: &'static str, work: impl FnOnce()) {
    let done = contain(|| {
        point(name);
        work();
    });
    if let Err(defect) = done {
        report(&defect);
    }
}

/// Tells of a defect where there is no caller, and no logger of one.
#[cold]
pub(super) fn report(defect: &Defect) {
    // Nothing is left to be done if that fails.
    let _ = writeln!(std::io::stderr(), "[Experiment] {}: {defect}", Defect::CODE);
}

/// Has panics noted from the moment at which the addon is loaded.
#[napi_derive::module_init]
fn watch() {
    crate::defect::watch();
}

/// For tests: the next time that this point is passed there is a panic. Gives the point that was waiting for that.
#[cfg(feature = "inject-panics")]
#[napi_derive::napi]
pub fn inject_panic(name: Option<String>) -> Option<String> {
    crate::defect::arm(name)
}

/// For tests of the tests: reads memory that is nobody's, which whoever watches the memory must report.
#[cfg(feature = "inject-panics")]
#[napi_derive::napi]
pub fn invalid_read() -> u32 {
    let freed = std::hint::black_box(Box::into_raw(Box::new([7u32; 4])));
    // SAFETY: none in the second step: that is what it is for. The first frees what has just been allocated.
    unsafe {
        drop(Box::from_raw(freed));
        freed.cast::<u32>().add(1).read_volatile()
    }
}
