//! Amplitude's cookies.

use napi::{Env, Error, Result};
use napi_derive::napi;

use super::contain::contained;
use super::text::JsText;
use crate::cookie::{self, CookieError};
use crate::ecma::Text;

/// The ids in a cookie.
#[napi(object, object_from_js = false)]
pub struct CookieIds {
    #[napi(ts_type = "string")]
    pub device_id: JsText,
    #[napi(ts_type = "string")]
    pub user_id: Option<JsText>,
}

/// The cookie's name for an API key.
///
/// # Errors
/// If the key is too short.
#[napi(ts_return_type = "string")]
pub fn cookie_name(
    env: &Env,
    #[napi(ts_arg_type = "string")] api_key: JsText,
    new_format: bool,
) -> Result<JsText> {
    contained(env, "cookie_name", || cookie::cookie_name(&api_key.0, new_format).map(JsText).map_err(error))?
}

/// The ids in a cookie of the old format.
#[napi]
pub fn cookie_parse(env: &Env, #[napi(ts_arg_type = "string")] cookie: JsText) -> Result<CookieIds> {
    contained(env, "cookie_parse", || {
        let ids = cookie::parse(&cookie.0);
        CookieIds { device_id: JsText(ids.device_id), user_id: ids.user_id.map(JsText) }
    })
}

/// The JSON text in a cookie of the new format.
///
/// # Errors
/// If its percent encoding is broken.
#[napi]
pub fn cookie_decode(env: &Env, #[napi(ts_arg_type = "string")] cookie: JsText) -> Result<String> {
    contained(env, "cookie_decode", || cookie::decode_new(&cookie.0).map_err(error))?
}

/// A cookie of the new format for a JSON text.
#[napi]
pub fn cookie_encode(env: &Env, json: String) -> Result<String> {
    contained(env, "cookie_encode", || cookie::generate_new(&json))
}

/// A cookie of the old format.
#[napi(ts_return_type = "string")]
pub fn cookie_generate(env: &Env, #[napi(ts_arg_type = "string")] device_id: JsText) -> Result<JsText> {
    contained(env, "cookie_generate", || JsText(Text::from_wtf8(cookie::generate(&device_id.0).as_bytes())))
}

fn error(error: CookieError) -> Error {
    Error::from_reason(error.to_string())
}
