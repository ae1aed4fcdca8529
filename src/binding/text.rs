//! JavaScript strings to [`Text`] and back, lone surrogates intact.

use std::mem::MaybeUninit;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Env, Result, Status, ValueType, sys};

use super::contain::contained;
use crate::ecma::Text;
use crate::ecma::text::push_utf16;

/// A JavaScript string as an argument or a result of a native function.
pub struct JsText(pub Text);

impl TypeName for JsText {
    fn type_name() -> &'static str {
        "String"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ValidateNapiValue for JsText {}

impl FromNapiValue for JsText {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut bytes = Vec::new();
        // SAFETY: `env` and `value` are live: they are the arguments of a running native call.
        let read = || unsafe { push_string(env, value, &mut bytes) };
        if contained(&Env::from_raw(env), "a text is read", read)? {
            Ok(Self(Text::from_wtf8(bytes)))
        } else {
            Err(napi::Error::new(Status::StringExpected, "a string was expected"))
        }
    }
}

impl ToNapiValue for JsText {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is live: it is the argument of a running native call.
        let make = || unsafe { create_string(env, text.0.as_bytes()) };
        contained(&Env::from_raw(env), "a text is made", make)?
    }
}

/// Makes a JavaScript string of WTF-8 bytes.
///
/// # Safety
/// `env` must be a live environment on its own thread, with an open handle scope.
pub unsafe fn create_string(env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    let status = match std::str::from_utf8(bytes) {
        // V8 takes these as they are, where it would decode the others.
        // SAFETY: the pointer and the length are those of `text`; the caller vouches for `env`.
        Ok(text) if text.is_ascii() => unsafe {
            sys::napi_create_string_latin1(env, text.as_ptr().cast(), text.len() as isize, &mut value)
        },
        // SAFETY: the pointer and the length are those of `text`; the caller vouches for `env`.
        Ok(text) => unsafe {
            sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, &mut value)
        },
        Err(_) => {
            let units: Vec<u16> = crate::ecma::text::utf16_units(bytes).collect();
            // SAFETY: the pointer and the length are those of `units`; the caller vouches for `env`.
            unsafe { sys::napi_create_string_utf16(env, units.as_ptr(), units.len() as isize, &mut value) }
        }
    };
    if status == sys::Status::napi_ok {
        Ok(value)
    } else {
        Err(napi::Error::new(Status::from(status), "a string could not be created"))
    }
}

/// Appends a JavaScript string to WTF-8 bytes. `false`, with nothing appended, if the value is not a string.
///
/// By way of UTF-16, which is exact for lone surrogates and which V8 hands over faster than UTF-8.
///
/// # Safety
/// `env` must be a live environment on its own thread and `value` a handle of an open scope in it.
#[inline]
pub unsafe fn push_string(env: sys::napi_env, value: sys::napi_value, bytes: &mut Vec<u8>) -> bool {
    /// Longer strings are read into memory of their own.
    const SHORT: usize = 256;
    let mut units = [const { MaybeUninit::<u16>::uninit() }; SHORT];
    let mut length = 0;
    // SAFETY: there is room for `SHORT` units, of which Node-API writes no more, its terminator included.
    let status = unsafe {
        sys::napi_get_value_string_utf16(env, value, units.as_mut_ptr().cast(), SHORT, &mut length)
    };
    if status != sys::Status::napi_ok {
        return false;
    }
    if length + 1 >= SHORT {
        // It may have been cut.
        // SAFETY: as for this function.
        return unsafe { push_long_string(env, value, bytes) };
    }
    // SAFETY: Node-API has just initialised `length` units.
    push_utf16(unsafe { std::slice::from_raw_parts(units.as_ptr().cast(), length) }, bytes);
    true
}

/// As [`push_string`], for any length.
///
/// # Safety
/// As [`push_string`].
#[cold]
unsafe fn push_long_string(env: sys::napi_env, value: sys::napi_value, bytes: &mut Vec<u8>) -> bool {
    let mut length = 0;
    // SAFETY: with a null buffer Node-API writes the length only.
    if unsafe { sys::napi_get_value_string_utf16(env, value, ptr::null_mut(), 0, &mut length) }
        != sys::Status::napi_ok
    {
        return false;
    }
    let mut units = vec![0u16; length + 1];
    // SAFETY: `units` has room for the string and its terminator.
    if unsafe { sys::napi_get_value_string_utf16(env, value, units.as_mut_ptr(), units.len(), &mut length) }
        != sys::Status::napi_ok
    {
        return false;
    }
    push_utf16(&units[..length], bytes);
    true
}
