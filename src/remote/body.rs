//! Whether a body can be turned into variants, as JavaScript would see it.
//!
//! In: the bytes of a 200 answer. Out: the same text, or why JavaScript would throw on it. Nothing is built.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::FetchError;
use crate::ecma::text::decoded;

/// The body as UTF-8 text: bytes that are not become U+FFFD, as JavaScript decodes them.
///
/// # Errors
/// [`FetchError::NotJson`], [`FetchError::NotVariants`].
pub(super) fn checked(body: Bytes) -> Result<Bytes, FetchError> {
    let body = match decoded(&body) {
        Cow::Borrowed(_) => body,
        Cow::Owned(text) => Bytes::from(text),
    };
    let first = body.trim_ascii_start().first();
    // What holds variants is JSON for certain: looking inside is stricter than skipping over.
    if matches!(first, Some(b'{' | b'[')) && matches!(serde_json::from_slice(&body), Ok(HasNull(false))) {
        return Ok(body);
    }
    if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return Err(FetchError::NotJson { body });
    }
    match first {
        Some(b'{' | b'[' | b'n') => Err(FetchError::NotVariants { body }),
        // Other scalars have no members and so hold no variant: not an error, as for JavaScript.
        _ => Ok(body),
    }
}

/// Whether one of the members of an object or list is `null`.
struct HasNull(bool);

impl<'de> Deserialize<'de> for HasNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = HasNull;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variants")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<HasNull, A::Error> {
        let mut has_null = false;
        while let Some(item) = items.next_element::<Option<IgnoredAny>>()? {
            has_null |= item.is_none();
        }
        Ok(HasNull(has_null))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<HasNull, A::Error> {
        let mut has_null = false;
        while let Some((AnyKey, value)) = members.next_entry::<AnyKey, Option<IgnoredAny>>()? {
            has_null |= value.is_none();
        }
        Ok(HasNull(has_null))
    }
}

/// Any key, lone surrogates included.
struct AnyKey;

impl<'de> Deserialize<'de> for AnyKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = AnyKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<AnyKey, E> {
                Ok(AnyKey)
            }
        }

        deserializer.deserialize_bytes(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(body: &'static [u8]) -> &'static str {
        match checked(Bytes::from_static(body)) {
            Ok(_) => "variants",
            Err(FetchError::NotJson { .. }) => "not json",
            Err(FetchError::NotVariants { .. }) => "not variants",
            Err(_) => "other",
        }
    }

    #[test]
    fn accepts_what_javascript_would_make_variants_of() {
        let deep =
            Box::leak(format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000)).into_boxed_str());
        for body in [
            &br#"{"flag":{"key":"on","value":null}}"#[..],
            b" {} \n",
            b"[]",
            b"[{}]",
            b"3",
            b"-1.5e3",
            b"true",
            b"\"\\ud800\"",
            br#"{"\ud800":{"value":"\udfff"}}"#,
            br#"{"a":1e999}"#,
            deep.as_bytes(),
        ] {
            assert_eq!(verdict(body), "variants", "{}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        }
    }

    #[test]
    fn refuses_what_javascript_would_throw_on() {
        for body in [&b""[..], b"<html>", b"{", b"{}{}", b"\xef\xbb\xbf{}", b"{'a':1}", b"NaN", b"[1,]"] {
            assert_eq!(verdict(body), "not json", "{}", String::from_utf8_lossy(body));
        }
        for body in [&b"null"[..], br#"{"a":{},"b":null}"#, b"[null]"] {
            assert_eq!(verdict(body), "not variants", "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        let body = checked(Bytes::from_static(b"{\"a\":\"\xff\"}")).unwrap();
        assert_eq!(body, "{\"a\":\"\u{fffd}\"}");
    }
}
