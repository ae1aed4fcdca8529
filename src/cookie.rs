//! Amplitude's cookies: their names, what is in them, new ones (section 10 of the API contract). In: texts from and
//! for the browser. Out: ids, to the JavaScript face.
//!
//! There are two formats: the old one (`device.user....`, of the browser SDK 1) and the new one (URI-encoded JSON
//! in base64). Reading and writing the JSON is left to JavaScript, whose values it holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::ecma::text::{Text, utf16_units};

/// Messages as JavaScript callers know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The API key is shorter than the part of it that names the cookie.
    #[error("Invalid Amplitude API Key")]
    InvalidApiKey,
    /// What `decodeURIComponent` refuses.
    #[error("URI malformed")]
    MalformedUri,
}

/// What a cookie of the old format says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// May be empty.
    pub device_id: Text,
    pub user_id: Option<Text>,
}

/// The name of the cookie for this API key.
///
/// # Errors
///
/// [`CookieError::InvalidApiKey`] for keys of less than 6 code units, 10 in the new format.
pub fn cookie_name(api_key: &Text, new_format: bool) -> Result<Text, CookieError> {
    let (prefix, length) = if new_format { ("AMP_", 10) } else { ("amp_", 6) };
    let key = api_key.to_utf16();
    let part = key.get(..length).ok_or(CookieError::InvalidApiKey)?;
    let name: Vec<u16> = prefix.encode_utf16().chain(part.iter().copied()).collect();
    Ok(Text::from_utf16(&name))
}

/// Reads a cookie of the old format; any text is one.
pub fn parse(cookie: &Text) -> Identity {
    let mut parts = cookie.as_bytes().split(|byte| *byte == b'.');
    let device_id = Text::from_wtf8(parts.next().unwrap_or_default());
    let user_id = parts.next().filter(|part| !part.is_empty());
    Identity { device_id, user_id: user_id.map(|part| Text::from(decode_base64(part))) }
}

/// The JSON text in a cookie of the new format. It may be no JSON at all.
///
/// # Errors
///
/// [`CookieError::MalformedUri`].
pub fn decode_new(cookie: &Text) -> Result<String, CookieError> {
    decode_uri_component(&decode_base64(cookie.as_bytes()))
}

/// A cookie of the old format.
pub fn generate(device_id: &Text) -> Text {
    Text::from_wtf8([device_id.as_bytes(), b".........."].concat())
}

/// A cookie of the new format, of what `JSON.stringify` makes of `{ deviceId }`.
pub fn generate_new(json: &str) -> String {
    STANDARD.encode(encode_uri_component(json))
}

/// `Buffer.from(text, 'base64').toString()`: both alphabets, mixed; everything else is skipped, except that `=`
/// ends the text, wherever it stands. Of each code unit Node sees the lower half only.
fn decode_base64(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut width) = (0u32, 0);
    for unit in utf16_units(text) {
        let value = match unit as u8 {
            letter @ b'A'..=b'Z' => letter - b'A',
            letter @ b'a'..=b'z' => letter - b'a' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push((bits >> width) as u8);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn decode_uri_component(text: &str) -> Result<String, CookieError> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('%') {
        decoded.push_str(plain);
        let mut escape = escape.as_bytes();
        let first = hex_byte(&mut escape)?;
        let mut sequence = [first, 0, 0, 0];
        let length = match first {
            0..0x80 => 1,
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..0xF8 => 4,
            _ => return Err(CookieError::MalformedUri),
        };
        for byte in &mut sequence[1..length] {
            escape = escape.strip_prefix(b"%").ok_or(CookieError::MalformedUri)?;
            *byte = hex_byte(&mut escape)?;
        }
        decoded.push_str(std::str::from_utf8(&sequence[..length]).map_err(|_| CookieError::MalformedUri)?);
        rest = &rest[rest.len() - escape.len()..];
    }
    decoded.push_str(rest);
    Ok(decoded)
}

/// Takes two hexadecimal digits.
fn hex_byte(text: &mut &[u8]) -> Result<u8, CookieError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(CookieError::MalformedUri);
    let [high, low, rest @ ..] = *text else {
        return Err(CookieError::MalformedUri);
    };
    *text = rest;
    Ok((digit(*high)? << 4 | digit(*low)?) as u8)
}

fn encode_uri_component(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 0xF].map(|digit| char::from(HEX[usize::from(digit)])));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// See `cookie_cases.mjs` beside it.
    const CASES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/__test__/rust/cookie_cases.json"));

    #[derive(Deserialize)]
    struct Cases {
        names: Vec<(Text, Option<Text>, Option<Text>)>,
        old: Vec<(Text, Text, Option<Text>)>,
        new: Vec<(Text, Option<Text>)>,
        generated: Vec<(Text, String, Text, String)>,
    }

    fn identity(device_id: &str, user_id: Option<&str>) -> Identity {
        Identity { device_id: device_id.into(), user_id: user_id.map(Text::from) }
    }

    #[test]
    fn node_agrees() {
        let cases: Cases = serde_json::from_str(CASES).unwrap();
        for (key, old, new) in cases.names {
            assert_eq!(cookie_name(&key, false).ok(), old, "{key}");
            assert_eq!(cookie_name(&key, true).ok(), new, "{key}");
        }
        for (cookie, device_id, user_id) in cases.old {
            assert_eq!(parse(&cookie), Identity { device_id, user_id }, "{cookie}");
        }
        for (cookie, json) in cases.new {
            assert_eq!(decode_new(&cookie).ok().map(Text::from), json, "{cookie}");
        }
        for (device_id, json, old, new) in cases.generated {
            assert_eq!((generate(&device_id), generate_new(&json)), (old, new), "{device_id}");
        }
    }

    #[test]
    fn names_need_enough_of_the_key() {
        let name = |key: &str, new_format| cookie_name(&key.into(), new_format);
        assert_eq!(name("1234567", false), Ok("amp_123456".into()));
        assert_eq!(name("1234567890", true), Ok("AMP_1234567890".into()));
        assert_eq!(name("12345", false), Err(CookieError::InvalidApiKey));
        assert_eq!(name("123456789", true), Err(CookieError::InvalidApiKey));
        assert_eq!(CookieError::InvalidApiKey.to_string(), "Invalid Amplitude API Key");
    }

    #[test]
    fn the_old_format() {
        for (cookie, expected) in [
            ("device..........", identity("device", None)),
            ("device.dXNlcg==........1f", identity("device", Some("user"))),
            ("device.Y8O3Pg..", identity("device", Some("c÷>"))),
            ("dev.!!!!", identity("dev", Some(""))),
            ("", identity("", None)),
            (".dXNlcg", identity("", Some("user"))),
        ] {
            assert_eq!(parse(&cookie.into()), expected, "{cookie}");
        }
        assert_eq!(generate(&"device".into()), "device..........".into());
    }

    #[test]
    fn the_new_format() {
        assert_eq!(generate_new("{}"), "JTdCJTdE");
        assert_eq!(decode_new(&"JTdCJTdE".into()), Ok("{}".into()));
        assert_eq!(decode_new(&"".into()), Ok(String::new()));
        assert_eq!(decode_new(&"JQ".into()), Err(CookieError::MalformedUri));
    }

    proptest! {
        #[test]
        fn what_is_generated_is_read(json in any::<String>()) {
            prop_assert_eq!(decode_new(&generate_new(&json).into()), Ok(json));
        }

        #[test]
        fn any_cookie_is_survived(cookie in any::<String>()) {
            parse(&cookie.as_str().into());
            let _ = decode_new(&cookie.into());
        }
    }
}
