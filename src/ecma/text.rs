//! JavaScript strings in Rust: WTF-8 bytes, so that lone surrogates survive and hash as themselves.

use std::borrow::{Borrow, Cow};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// An owned JavaScript string as well-formed WTF-8.
///
/// Equality of the bytes is equality of the UTF-16 code units. The *order* of the bytes is not: see
/// [`compare_utf16`].
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Box<[u8]>);

impl Text {
    /// From UTF-16 code units, as JavaScript holds them.
    pub fn from_utf16(units: &[u16]) -> Self {
        let mut bytes = Vec::with_capacity(units.len());
        push_utf16(units, &mut bytes);
        Self(bytes.into_boxed_slice())
    }

    /// From bytes that are already well-formed WTF-8 (surrogate pairs as one four-byte sequence).
    pub fn from_wtf8(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The string if it holds no lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// For messages: lone surrogates become U+FFFD.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The UTF-16 code units, lone surrogates included.
    pub fn to_utf16(&self) -> Vec<u16> {
        utf16_units(&self.0).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into_boxed_slice())
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}

impl<'de> Deserialize<'de> for Text {
    /// From a JSON string; `"\ud800"` is accepted, since serde_json hands lone surrogates over as WTF-8
    /// where bytes are asked for.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text::from_wtf8(bytes))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Text, E> {
                Ok(Text::from_wtf8(bytes))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text::from(text))
            }
        }
        deserializer.deserialize_byte_buf(TextVisitor)
    }
}

/// UTF-8 as JavaScript decodes it: bytes that are none become U+FFFD.
pub fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    // `from_utf8_lossy` alone looks at each byte, also where nothing is wrong.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Appends UTF-16 code units to WTF-8 bytes. The bytes before must not end in a lone lead surrogate whose
/// trail comes first in `units`.
#[inline]
pub fn push_utf16(units: &[u16], bytes: &mut Vec<u8>) {
    // Most texts are ASCII: by blocks, which the compiler turns into few instructions.
    const BLOCK: usize = 16;
    let start = bytes.len();
    let (blocks, rest) = units.as_chunks::<BLOCK>();
    let mut all = [0; BLOCK];
    bytes.reserve(units.len());
    for block in blocks {
        for (all, unit) in all.iter_mut().zip(block) {
            *all |= unit;
        }
        bytes.extend_from_slice(&block.map(|unit| unit as u8));
    }
    let mut last = 0;
    bytes.extend(rest.iter().map(|&unit| {
        last |= unit;
        unit as u8
    }));
    let is_ascii = |unit: u16| unit < 0x80;
    if is_ascii(last) && u128::from_ne_bytes(all.map(|unit| u8::from(!is_ascii(unit)))) == 0 {
        return;
    }
    bytes.truncate(start);
    push_decoded(units, bytes);
}

#[cold]
fn push_decoded(units: &[u16], bytes: &mut Vec<u8>) {
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => {
                let mut buffer = [0; 4];
                bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
            Err(lone) => {
                let unit = u32::from(lone.unpaired_surrogate());
                bytes.extend_from_slice(&[
                    0xE0 | (unit >> 12) as u8,
                    0x80 | ((unit >> 6) & 0x3F) as u8,
                    0x80 | (unit & 0x3F) as u8,
                ]);
            }
        }
    }
}

/// The UTF-16 code units of WTF-8 bytes.
pub fn utf16_units(bytes: &[u8]) -> Utf16Units<'_> {
    Utf16Units { bytes, trail: None }
}

/// See [`utf16_units`].
pub struct Utf16Units<'a> {
    bytes: &'a [u8],
    trail: Option<u16>,
}

impl Iterator for Utf16Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if let Some(trail) = self.trail.take() {
            return Some(trail);
        }
        let (&first, rest) = self.bytes.split_first()?;
        let length = match first {
            0..0x80 => {
                self.bytes = rest;
                return Some(u16::from(first));
            }
            0x80..0xE0 => 1,
            0xE0..0xF0 => 2,
            _ => 3,
        };
        let mut point = u32::from(first) & (0x3F >> length);
        let length = length.min(rest.len());
        for &byte in &rest[..length] {
            point = (point << 6) | u32::from(byte & 0x3F);
        }
        self.bytes = &rest[length..];
        if point < 0x1_0000 {
            return Some(point as u16);
        }
        let offset = point - 0x1_0000;
        self.trail = Some(0xDC00 | (offset & 0x3FF) as u16);
        Some(0xD800 | (offset >> 10) as u16)
    }
}

/// Takes WTF-8 apart: stretches of UTF-8, each with the lone surrogate that ends it, if one does.
pub fn utf8_runs(bytes: &[u8]) -> impl Iterator<Item = (&str, Option<u16>)> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest.take().filter(|bytes| !bytes.is_empty())?;
        // Only surrogates begin with 0xED and go on with 0xA0 or more.
        let lone = bytes.windows(3).position(|window| window[0] == 0xED && window[1] >= 0xA0);
        let (run, surrogate) = match lone {
            Some(at) => {
                rest = Some(&bytes[at + 3..]);
                let (second, third) = (u16::from(bytes[at + 1]), u16::from(bytes[at + 2]));
                (&bytes[..at], Some(0xD000 | ((second & 0x3F) << 6) | (third & 0x3F)))
            }
            None => (bytes, None),
        };
        Some((std::str::from_utf8(run).unwrap_or_default(), surrogate))
    })
}

/// Orders WTF-8 strings as JavaScript's `<` does: by UTF-16 code unit.
pub fn compare_utf16(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    utf16_units(a).cmp(utf16_units(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn code_units_survive_the_round_trip() {
        for units in [&[0x61, 0xD800][..], &[0xDC00, 0xD83D, 0xDE00], &[0x7FF, 0x800, 0xFFFF], &[]] {
            assert_eq!(Text::from_utf16(units).to_utf16(), units);
        }
    }

    #[test]
    fn a_lone_surrogate_keeps_its_three_bytes() {
        assert_eq!(Text::from_utf16(&[0xD800]).as_bytes(), [0xED, 0xA0, 0x80]);
    }

    #[test]
    fn json_with_lone_surrogates_parses() {
        let text: Text = serde_json::from_str(r#""a\ud83d""#).unwrap();
        assert_eq!(text.to_utf16(), [0x61, 0xD83D]);
        let text: Text = serde_json::from_str(r#""\ud83d\ude00""#).unwrap();
        assert_eq!(text, Text::from("😀"));
    }

    #[test]
    fn order_is_by_code_unit() {
        assert_eq!(compare_utf16("\u{FFFF}".as_bytes(), "😀".as_bytes()), Ordering::Greater);
        assert_eq!(compare_utf16(b"a", b"ab"), Ordering::Less);
    }
}
