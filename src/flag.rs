//! Flags as the server sends them, read leniently: one malformed flag is reported and left out.
//!
//! In: JSON bytes. Out: a [`FlagSet`] and one [`Problem`] for each flag that is not as it should be.
//! Feeds the plan. (Contract: evaluation 1.)

use std::char::DecodeUtf16Error;

use serde_json::value::RawValue;

use crate::ecma::Text;
use crate::ecma::json::{Json, RawObject, in_property_order, push_quoted};
use crate::error::Coded;

/// Flags by their key in the map, in JavaScript's property order: integer-like keys first, ascending, then the
/// order of insertion; of duplicates the last wins and keeps the place of the first.
#[derive(Debug, Default)]
pub struct FlagSet {
    pub flags: Vec<(Text, Flag)>,
}

#[derive(Debug)]
pub struct Flag {
    pub key: Text,
    pub dependencies: Vec<Text>,
    pub variants: Vec<(Text, Properties)>,
    pub segments: Vec<Segment>,
    pub metadata: Properties,
}

/// An object's own properties in their order, values as they came.
pub type Properties = Vec<(Text, Box<RawValue>)>;

#[derive(Debug)]
pub struct Segment {
    /// `None` matches always. Outer list OR, inner list AND.
    pub conditions: Option<Vec<Vec<Condition>>>,
    pub bucket: Option<Bucket>,
    pub variant: Option<Text>,
    pub metadata: Properties,
}

#[derive(Debug)]
pub struct Condition {
    /// `None`: an element that selects nothing.
    pub selector: Vec<Option<Text>>,
    pub op: Text,
    pub values: Vec<Json>,
}

#[derive(Debug)]
pub struct Bucket {
    pub selector: Vec<Option<Text>>,
    pub salt: Text,
    pub allocations: Vec<Allocation>,
}

#[derive(Debug)]
pub struct Allocation {
    /// Of a hundred, end exclusive.
    pub range: (f64, f64),
    pub distributions: Vec<Distribution>,
}

#[derive(Debug)]
pub struct Distribution {
    pub variant: Option<Text>,
    /// Of 42,949,673, end exclusive.
    pub range: (f64, f64),
}

/// Why a flag is left out, or what part of it does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub flag: Text,
    pub message: String,
}

/// Why there are no flags at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagsError {
    #[error("flags are not valid JSON")]
    NotJson,
    #[error("flags are not a JSON array")]
    NotArray,
    #[error("flags are not a JSON object")]
    NotObject,
}

impl Coded for FlagsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotJson => "FLAGS_NOT_JSON",
            Self::NotArray => "FLAGS_NOT_ARRAY",
            Self::NotObject => "FLAGS_NOT_OBJECT",
        }
    }
}

impl FlagSet {
    /// From the server's array of flags, keyed by each flag's `key`.
    ///
    /// # Errors
    /// Where the whole is not a JSON array.
    pub fn from_array(json: &[u8]) -> Result<(Self, Vec<Problem>), FlagsError> {
        let text = std::str::from_utf8(json).map_err(|_| FlagsError::NotJson)?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| FlagsError::NotJson)?;
        let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| FlagsError::NotArray)?;
        let mut keyed = Vec::with_capacity(items.len());
        let mut problems = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let key = object(item).ok().and_then(|flag| own_key(flag.get("key")?));
            match key {
                Some(key) => keyed.push((key, item)),
                None => problems.push(Problem {
                    flag: Text::from(format!("#{index}")),
                    message: "it has no key".to_owned(),
                }),
            }
        }
        Ok(Self::read(keyed, problems))
    }

    /// From an object of flags, whose keys may differ from the flags' own.
    ///
    /// # Errors
    /// Where the whole is not a JSON object.
    pub fn from_map(json: &[u8]) -> Result<(Self, Vec<Problem>), FlagsError> {
        let text = std::str::from_utf8(json).map_err(|_| FlagsError::NotJson)?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| FlagsError::NotJson)?;
        let map: RawObject = serde_json::from_str(raw.get()).map_err(|_| FlagsError::NotObject)?;
        Ok(Self::read(map.0, Vec::new()))
    }

    fn read(keyed: Vec<(Text, &RawValue)>, mut problems: Vec<Problem>) -> (Self, Vec<Problem>) {
        let mut flags = Vec::with_capacity(keyed.len());
        for (key, raw) in in_property_order(keyed) {
            if is_falsy(raw) {
                continue;
            }
            match Flag::read(raw) {
                Ok(flag) => flags.push((key, flag)),
                Err(message) => problems.push(Problem { flag: key, message: message.to_owned() }),
            }
        }
        (Self { flags }, problems)
    }
}

/// What is wrong with a flag.
type Malformed = &'static str;

impl Flag {
    fn read(raw: &RawValue) -> Result<Self, Malformed> {
        let flag = object(raw)?;
        let key = flag.get("key").and_then(own_key).ok_or("it has no key")?;
        let dependencies = match given(flag.get("dependencies")) {
            Some(raw) => dependencies(raw).ok_or("its dependencies are not a list")?,
            None => Vec::new(),
        };
        let variants = flag.get("variants").filter(|raw| raw.get() != "null").ok_or("it has no variants")?;
        let variants = object(variants).map_or_else(|_| spread(variants), owned).into_iter();
        let variants = variants.filter(|(_, raw)| !is_falsy(raw)).map(|(name, raw)| (name, spread(&raw)));
        let variants = variants.collect();
        let segments = list(flag.get("segments").ok_or("it has no segments")?)
            .ok_or("its segments are not a list")?
            .into_iter()
            // What has no properties gives nobody a variant.
            .filter(|raw| raw.get() == "null" || is_object(raw))
            .map(Segment::read)
            .collect::<Result<_, _>>()?;
        Ok(Self { key, dependencies, variants, segments, metadata: metadata(&flag) })
    }
}

impl Segment {
    fn read(raw: &RawValue) -> Result<Self, Malformed> {
        let segment = object(raw).map_err(|_| "a segment is not an object")?;
        let conditions = match given(segment.get("conditions")) {
            Some(raw) => Some(
                list(raw)
                    .ok_or("conditions are not a list")?
                    .into_iter()
                    .map(|all| {
                        let all = list(all).ok_or("conditions are not a list of lists")?;
                        all.into_iter().map(Condition::read).collect()
                    })
                    .collect::<Result<_, _>>()?,
            ),
            None => None,
        };
        Ok(Self {
            conditions,
            // What has no selector leaves it to the segment.
            bucket: segment.get("bucket").filter(|raw| is_object(raw)).map(Bucket::read).transpose()?,
            variant: segment.get("variant").and_then(property_key),
            metadata: metadata(&segment),
        })
    }
}

impl Condition {
    fn read(raw: &RawValue) -> Result<Self, Malformed> {
        let condition = object(raw).map_err(|_| "a condition is not an object")?;
        let values = condition.get("values").and_then(list).ok_or("a condition has no list of values")?;
        let values = values.into_iter().map(Json::of).collect::<Option<_>>();
        Ok(Self {
            selector: selector(condition.get("selector"))?,
            op: condition.get("op").and_then(string).unwrap_or_default(),
            values: values.ok_or("a condition's values are nested too deep")?,
        })
    }
}

impl Bucket {
    fn read(raw: &RawValue) -> Result<Self, Malformed> {
        const MALFORMED: Malformed = "a bucket has malformed allocations";
        let bucket = object(raw)?;
        let allocations = bucket.get("allocations").and_then(list).ok_or(MALFORMED)?;
        let allocations = allocations.into_iter().map(|raw| {
            let allocation = object(raw).ok()?;
            let distributions = allocation.get("distributions").and_then(list)?.into_iter().map(|raw| {
                let distribution = object(raw).ok()?;
                Some(Distribution {
                    variant: distribution.get("variant").and_then(property_key),
                    range: range(distribution.get("range")?)?,
                })
            });
            Some(Allocation {
                range: range(allocation.get("range")?)?,
                distributions: distributions.collect::<Option<_>>()?,
            })
        });
        Ok(Self {
            selector: selector(bucket.get("selector"))?,
            salt: bucket.get("salt").and_then(property_key).unwrap_or_else(|| Text::from("undefined")),
            allocations: allocations.collect::<Option<_>>().ok_or(MALFORMED)?,
        })
    }
}

fn object(raw: &RawValue) -> Result<RawObject<'_>, Malformed> {
    serde_json::from_str(raw.get()).map_err(|_| "it is not an object")
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

fn string(raw: &RawValue) -> Option<Text> {
    serde_json::from_str(raw.get()).ok()
}

/// A flag's own key.
fn own_key(raw: &RawValue) -> Option<Text> {
    (raw.get() != "null").then(|| property_key(raw))?
}

/// The keys of a list. Of a string they are its characters.
fn dependencies(raw: &RawValue) -> Option<Vec<Text>> {
    if let Some(text) = string(raw) {
        let characters = char::decode_utf16(text.to_utf16());
        let character = |unit: Result<char, DecodeUtf16Error>| match unit {
            Ok(character) => Text::from(character.to_string()),
            Err(lone) => Text::from_utf16(&[lone.unpaired_surrogate()]),
        };
        return Some(characters.map(character).collect());
    }
    list(raw)?.into_iter().map(property_key).collect()
}

/// A value that is there and, in JavaScript's eyes, true.
fn given(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| !is_falsy(raw))
}

fn is_falsy(raw: &RawValue) -> bool {
    match raw.get() {
        "null" | "false" | "\"\"" => true,
        text => text.parse::<f64>().is_ok_and(|number| number == 0.0),
    }
}

/// The property key that a value stands for: `null` is the key `"null"`.
fn property_key(raw: &RawValue) -> Option<Text> {
    Some(Text::from_wtf8(Json::of(raw)?.string()))
}

/// An end that is not there is not a number: nothing is in such a range.
fn range(raw: &RawValue) -> Option<(f64, f64)> {
    let range = Json::of(raw).filter(|range| *range != Json::Null)?;
    let end = |name: &[u8]| range.property(name).map_or(f64::NAN, |end| end.number());
    Some((end(b"0"), end(b"1")))
}

fn selector(raw: Option<&RawValue>) -> Result<Vec<Option<Text>>, Malformed> {
    const MALFORMED: Malformed = "a selector is not a list";
    let Some(raw) = given(raw) else { return Ok(Vec::new()) };
    // Its characters are no names of what can be selected.
    if string(raw).is_some() {
        return Ok(vec![None]);
    }
    let elements = list(raw).ok_or(MALFORMED)?;
    Ok(elements.into_iter().map(|element| given(Some(element)).and_then(property_key)).collect())
}

fn metadata(holder: &RawObject<'_>) -> Properties {
    holder.get("metadata").map(spread).unwrap_or_default()
}

/// What `Object.assign` takes of a value: the properties of an object, the elements of a list, the code units of a
/// string. (`__proto__` is no property then.)
pub(crate) fn spread(raw: &RawValue) -> Properties {
    let place = |index: usize| Text::from(index.to_string());
    if let Ok(object) = object(raw) {
        let properties = owned(object).into_iter();
        return properties.filter(|(key, _)| key.as_bytes() != b"__proto__").collect();
    }
    if let Some(list) = list(raw) {
        return list.into_iter().enumerate().map(|(at, item)| (place(at), item.to_owned())).collect();
    }
    let units = string(raw).map(|text| text.to_utf16()).unwrap_or_default();
    let units = units.into_iter().enumerate().filter_map(|(at, unit)| Some((place(at), quoted(unit)?)));
    units.collect()
}

fn owned(object: RawObject<'_>) -> Properties {
    object.0.into_iter().map(|(key, value)| (key, value.to_owned())).collect()
}

fn quoted(unit: u16) -> Option<Box<RawValue>> {
    let mut json = Vec::new();
    push_quoted(Text::from_utf16(&[unit]).as_bytes(), &mut json);
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}
