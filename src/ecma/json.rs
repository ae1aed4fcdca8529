//! JSON values as JavaScript holds them: strings with lone surrogates, doubles, property order.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::utf8_runs;
use super::{Text, number};

/// A value that `JSON.parse` would make.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    String(Text),
    Array(Vec<Json>),
    /// In JavaScript's property order.
    Object(Vec<(Text, Json)>),
}

/// Objects and arrays nested deeper than this are refused, or cut.
const DEPTH: usize = 256;

/// The properties of an object in JavaScript's order (integer-like keys first, ascending; of duplicates the last
/// wins and keeps the first one's place), their values unread.
pub struct RawObject<'a>(pub Vec<(Text, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut properties = Vec::new();
                while let Some(entry) = map.next_entry::<Text, &RawValue>()? {
                    properties.push(entry);
                }
                Ok(RawObject(in_property_order(properties)))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

impl<'a> RawObject<'a> {
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key.as_bytes() == name.as_bytes()).map(|(_, value)| *value)
    }
}

/// Puts properties into the order in which JavaScript enumerates them once they have been set in this one.
pub fn in_property_order<T>(properties: Vec<(Text, T)>) -> Vec<(Text, T)> {
    let mut places = std::collections::HashMap::with_capacity(properties.len());
    let mut ordered: Vec<(Text, T)> = Vec::with_capacity(properties.len());
    for (key, value) in properties {
        match places.get(&key) {
            Some(&place) => {
                let slot: &mut (Text, T) = &mut ordered[place];
                slot.1 = value;
            }
            None => {
                places.insert(key.clone(), ordered.len());
                ordered.push((key, value));
            }
        }
    }
    // Stable: other keys stay in the order in which they came.
    ordered.sort_by_key(|(key, _)| array_index(key.as_bytes()).map_or(u64::MAX, u64::from));
    ordered
}

/// The index that a property key stands for, if it is a canonical one (`"2"`, not `"02"`).
pub fn array_index(key: &[u8]) -> Option<u32> {
    if key.is_empty() || key.len() > 10 || (key[0] == b'0' && key.len() > 1) {
        return None;
    }
    if !key.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let index: u64 = std::str::from_utf8(key).ok()?.parse().ok()?;
    u32::try_from(index).ok().filter(|&index| index != u32::MAX)
}

impl Json {
    /// Reads JSON text. `None` for what `JSON.parse` refuses, and for what is nested too deep.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = as_utf8(text)?;
        Self::from_raw(serde_json::from_str::<&RawValue>(&text).ok()?, DEPTH, None)
    }

    /// The same, but what is nested too deep is null.
    pub fn parse_cut(text: &[u8]) -> Option<Self> {
        let text = as_utf8(text)?;
        Self::from_raw(serde_json::from_str::<&RawValue>(&text).ok()?, DEPTH, Some(&Self::Null))
    }

    /// Reads a value of a larger text. `None` where it is nested too deep.
    pub fn of(raw: &RawValue) -> Option<Self> {
        Self::from_raw(raw, DEPTH, None)
    }

    /// `beyond` stands for what is nested too deep.
    fn from_raw(raw: &RawValue, depth: usize, beyond: Option<&Self>) -> Option<Self> {
        let text = raw.get();
        let inner = |raw: &RawValue| match depth.checked_sub(1) {
            Some(depth) => Self::from_raw(raw, depth, beyond),
            None => beyond.cloned(),
        };
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::String(serde_json::from_str(text).ok()?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::Array(items.into_iter().map(inner).collect::<Option<_>>()?)
            }
            b'{' => {
                let object: RawObject = serde_json::from_str(text).ok()?;
                let properties = object.0.into_iter().map(|(key, value)| Some((key, inner(value)?)));
                Self::Object(properties.collect::<Option<_>>()?)
            }
            _ => Self::Number(text.parse().ok()?),
        })
    }

    /// JavaScript's truthiness.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// An own property of an object, or an element or the length of an array.
    pub fn property(&self, name: &[u8]) -> Option<Cow<'_, Json>> {
        match self {
            Self::Object(properties) => properties
                .iter()
                .find(|(key, _)| key.as_bytes() == name)
                .map(|(_, value)| Cow::Borrowed(value)),
            Self::Array(items) if name == b"length" => Some(Cow::Owned(Self::Number(items.len() as f64))),
            Self::Array(items) => items.get(array_index(name)? as usize).map(Cow::Borrowed),
            _ => None,
        }
    }

    /// The text form (contract: evaluation 5, `str`): none for null.
    pub fn text(&self) -> Option<Box<[u8]>> {
        let mut bytes = Vec::new();
        match self {
            Self::Null => return None,
            Self::Array(_) | Self::Object(_) => self.stringify(&mut bytes),
            Self::Bool(_) | Self::Number(_) | Self::String(_) => self.push_string(&mut bytes),
        }
        Some(bytes.into_boxed_slice())
    }

    /// JavaScript's `String(value)`.
    pub fn string(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.push_string(&mut text);
        text
    }

    fn push_string(&self, text: &mut Vec<u8>) {
        match self {
            Self::Null | Self::Bool(_) => self.stringify(text),
            Self::Number(value) => number::push(*value, text),
            Self::String(string) => text.extend_from_slice(string.as_bytes()),
            Self::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(b',');
                    }
                    if *item != Self::Null {
                        item.push_string(text);
                    }
                }
            }
            Self::Object(_) => text.extend_from_slice(b"[object Object]"),
        }
    }

    /// JavaScript's `Number(value)`.
    pub fn number(&self) -> f64 {
        match self {
            Self::Null | Self::Bool(false) => 0.0,
            Self::Bool(true) => 1.0,
            Self::Number(number) => *number,
            Self::String(text) => number::parse(text.as_bytes()),
            Self::Array(_) => number::parse(&self.string()),
            Self::Object(_) => f64::NAN,
        }
    }

    /// The array view (contract: evaluation 5, `list`).
    pub fn list(&self) -> Option<Vec<Box<[u8]>>> {
        match self {
            Self::Array(items) => {
                Some(items.iter().filter_map(Self::text).filter(|item| !item.is_empty()).collect())
            }
            Self::String(text) => list_of_text(text.as_bytes()),
            _ => None,
        }
    }

    /// Appends what `JSON.stringify` makes of the value.
    pub fn stringify(&self, json: &mut Vec<u8>) {
        // A literal too large for a double is Infinity, which JSON has no word for.
        self.push_json(&|_, json| json.extend_from_slice(b"null"), json);
    }

    /// The same with words for what is too large for a double: equal for equal values alone.
    pub fn push_distinct(&self, json: &mut Vec<u8>) {
        self.push_json(&number::push, json);
    }

    fn push_json(&self, infinite: &dyn Fn(f64, &mut Vec<u8>), json: &mut Vec<u8>) {
        match self {
            Self::Null => json.extend_from_slice(b"null"),
            Self::Bool(value) => json.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(number) if !number.is_finite() => infinite(*number, json),
            Self::Number(number) => number::push(*number, json),
            Self::String(text) => push_quoted(text.as_bytes(), json),
            Self::Array(items) => {
                json.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(b',');
                    }
                    item.push_json(infinite, json);
                }
                json.push(b']');
            }
            Self::Object(properties) => {
                json.push(b'{');
                for (index, (key, value)) in properties.iter().enumerate() {
                    if index > 0 {
                        json.push(b',');
                    }
                    push_quoted(key.as_bytes(), json);
                    json.push(b':');
                    value.push_json(infinite, json);
                }
                json.push(b'}');
            }
        }
    }
}

/// The array view of a string: its elements if it is a JSON array that begins with its first character.
pub fn list_of_text(text: &[u8]) -> Option<Vec<Box<[u8]>>> {
    if text.first() != Some(&b'[') {
        return None;
    }
    match Json::parse(text)? {
        array @ Json::Array(_) => array.list(),
        _ => None,
    }
}

/// Appends a JSON string literal as `JSON.stringify` writes it: lone surrogates escaped.
pub fn push_quoted(text: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    for (run, surrogate) in utf8_runs(text) {
        for &byte in run.as_bytes() {
            match byte {
                b'"' => json.extend_from_slice(b"\\\""),
                b'\\' => json.extend_from_slice(b"\\\\"),
                b'\n' => json.extend_from_slice(b"\\n"),
                b'\r' => json.extend_from_slice(b"\\r"),
                b'\t' => json.extend_from_slice(b"\\t"),
                0x08 => json.extend_from_slice(b"\\b"),
                0x0C => json.extend_from_slice(b"\\f"),
                0..0x20 => json.extend_from_slice(escape(byte.into()).as_bytes()),
                _ => json.push(byte),
            }
        }
        if let Some(unit) = surrogate {
            json.extend_from_slice(escape(unit).as_bytes());
        }
    }
    json.push(b'"');
}

/// WTF-8 as UTF-8, lone surrogates as JSON escapes: inside a JSON string they mean the same. `None` where a backslash
/// would escape one, which JSON does not know.
fn as_utf8(text: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Some(Cow::Borrowed(text));
    }
    let mut utf8 = String::with_capacity(text.len() * 2);
    for (run, surrogate) in utf8_runs(text) {
        utf8.push_str(run);
        if let Some(unit) = surrogate {
            let backslashes = run.bytes().rev().take_while(|&byte| byte == b'\\').count();
            if backslashes % 2 == 1 {
                return None;
            }
            utf8.push_str(&escape(unit));
        }
    }
    Some(Cow::Owned(utf8))
}

fn escape(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stringified(text: &str) -> String {
        let mut json = Vec::new();
        Json::parse(text.as_bytes()).unwrap().stringify(&mut json);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn property_order_is_javascripts() {
        assert_eq!(
            stringified(r#"{"b":1,"10":2,"a":3,"9":4,"b":5,"02":6}"#),
            r#"{"9":4,"10":2,"b":5,"a":3,"02":6}"#
        );
    }

    #[test]
    fn numbers_are_doubles() {
        assert_eq!(
            stringified("[1.0,1e3,12345678901234567890,-0,1e400]"),
            "[1,1000,12345678901234567000,0,null]"
        );
    }

    #[test]
    fn lone_surrogates_survive() {
        assert_eq!(stringified(r#""a\ud83d\n\u0001""#), r#""a\ud83d\n\u0001""#);
        let text = Text::from_utf16(
            &"[\"".encode_utf16().chain([0xD83D]).chain("\"]".encode_utf16()).collect::<Vec<_>>(),
        );
        assert_eq!(list_of_text(text.as_bytes()).unwrap()[0][..], Text::from_utf16(&[0xD83D]).as_bytes()[..]);
    }

    #[test]
    fn array_views_drop_the_empty_and_the_missing() {
        let list = |text: &str| {
            let items = list_of_text(text.as_bytes())?;
            Some(items.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect::<Vec<_>>())
        };
        assert_eq!(list(r#"[null,"",true,{"x":1}]"#).unwrap(), ["true", r#"{"x":1}"#]);
        assert_eq!(list("[a]"), None);
        assert_eq!(list(" []"), None);
        assert_eq!(list("[] ").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_backslash_escapes_no_surrogate() {
        let text = |before: &str| {
            let units = format!("[\"{before}").encode_utf16().chain([0xD83D]).collect::<Vec<_>>();
            Text::from_utf16(&[units, "\"]".encode_utf16().collect()].concat())
        };
        for (before, is_json) in [("\\", false), ("\\\\", true), ("\\\\\\", false), ("\\n", true)] {
            assert_eq!(list_of_text(text(before).as_bytes()).is_some(), is_json, "{before}");
        }
    }

    #[test]
    fn values_print_as_javascript_prints_them() {
        for (json, text) in [
            ("\"a\"", "a"),
            ("7", "7"),
            ("-1e999", "-Infinity"),
            ("true", "true"),
            ("null", "null"),
            (r#"[1,null,{"a":2},["x",true]]"#, "1,,[object Object],x,true"),
        ] {
            assert_eq!(Json::parse(json.as_bytes()).unwrap().string(), text.as_bytes(), "{json}");
        }
    }

    #[test]
    fn values_count_as_javascript_counts_them() {
        for (json, number) in [
            ("null", 0.0),
            ("true", 1.0),
            ("\" 0x10\"", 16.0),
            ("[]", 0.0),
            ("[[\"9\"]]", 9.0),
            ("[null]", 0.0),
        ] {
            assert_eq!(Json::parse(json.as_bytes()).unwrap().number(), number, "{json}");
        }
        for json in ["{}", "[1,2]", "\"x\""] {
            assert!(Json::parse(json.as_bytes()).unwrap().number().is_nan(), "{json}");
        }
    }

    #[test]
    fn too_deep_is_refused_or_cut_and_does_not_overflow() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(Json::parse(nested(100_000).as_bytes()), None);
        let mut cut = Vec::new();
        Json::parse_cut(nested(100_000).as_bytes()).unwrap().stringify(&mut cut);
        assert_eq!(cut, nested(DEPTH + 1).replace("[]", "[null]").as_bytes());
        assert_eq!(Json::parse_cut(nested(50).as_bytes()), Json::parse(nested(50).as_bytes()));
        assert_eq!(Json::parse_cut(b"["), None);
    }
}
