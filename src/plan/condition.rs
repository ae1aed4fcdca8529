//! Conditions ready to run: everything that does not depend on the user is worked out here.
//! (Contract: evaluation 5 and 6.)

use std::cmp::Ordering;
use std::collections::HashSet;

use memchr::memmem::Finder;

use super::regex::Pattern;
use super::version::Version;
use crate::ecma::json::Json;
use crate::ecma::text::utf16_units;
use crate::ecma::{Text, case, number};

/// One term.
pub struct Condition {
    pub source: Source,
    pub operator: Operator,
    /// Whether the filter values contain `(none)`, which stands for a missing value.
    pub matches_none: bool,
}

/// Where a condition's value comes from.
#[derive(Debug)]
pub enum Source {
    /// The selector can select nothing.
    Nothing,
    Slot(u32),
    /// Cohort ids that are looked up for whoever has an identity.
    Cohorts(Box<CohortSlot>),
    /// A property of the variant that a flag evaluated earlier came out with.
    Result(Box<ResultSelector>),
    /// All variants so far, as one object.
    Results,
}

#[derive(Debug)]
pub struct CohortSlot {
    /// The slot with the ids that the caller supplies.
    pub slot: u32,
    pub identity: u32,
    /// Index into [`Plan::cohort_groups`](super::Plan::cohort_groups).
    pub group: u32,
    /// For `set contains any` of ids alone: indexes into [`Plan::cohort_ids`](super::Plan::cohort_ids).
    pub any_of: Option<Box<[u32]>>,
}

#[derive(Debug)]
pub struct ResultSelector {
    /// Index of the result key among the plan's distinct ones.
    pub key: u32,
    /// By outcome code, ascending; codes whose variant lacks the property are not there.
    pub values: Box<[(u32, Constant)]>,
}

/// A value known at compile time.
#[derive(Debug)]
pub struct Constant {
    pub text: Option<Box<[u8]>>,
    pub list: Option<Box<[Box<[u8]>]>>,
}

impl Constant {
    pub(super) fn of(value: &Json) -> Self {
        Self { text: value.text(), list: value.list().map(Vec::into_boxed_slice) }
    }
}

pub enum Operator {
    Is {
        negated: bool,
        values: Values,
    },
    Contains {
        negated: bool,
        filters: Box<[Substring]>,
    },
    Compare {
        order: Comparison,
        numbers: Box<[f64]>,
    },
    Version {
        order: Comparison,
        texts: Box<[Text]>,
        /// Some filter value is a version: then the others do not count for users who have one.
        has_version: bool,
    },
    SetIs {
        negated: bool,
        values: HashSet<Text>,
    },
    SetContains {
        negated: bool,
        values: Box<[Text]>,
    },
    SetContainsAny {
        negated: bool,
        values: Values,
    },
    Regex {
        negated: bool,
        patterns: Box<[Option<Pattern>]>,
    },
    /// Matches nothing.
    Unknown,
}

/// A lower-cased filter of `contains`.
pub enum Substring {
    Bytes(Box<Finder<'static>>),
    /// One that holds half a surrogate pair, which may be half of a character in the text: found by code units.
    Units(Box<[u16]>),
}

/// A comparison and the orders that satisfy it.
#[derive(Clone, Copy, Debug)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    fn of(words: &[u8]) -> Option<Self> {
        Some(match words {
            b"less" => Self::Less,
            b"less or equal" => Self::LessOrEqual,
            b"greater" => Self::Greater,
            b"greater or equal" => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// Filter values that a text may equal. Conditions are kept small: many fit into the processor's cache.
pub struct Values {
    /// Looked through, where they are few.
    few: Box<[Text]>,
    /// Hashed, where they are many.
    many: Option<HashSet<Text>>,
    /// Some value is `true` in whatever case.
    has_true: bool,
    has_false: bool,
}

const FEW: usize = 16;

impl Values {
    fn new(texts: Vec<Text>) -> Self {
        let has = |word: &[u8]| texts.iter().any(|text| text.as_bytes().eq_ignore_ascii_case(word));
        let (has_true, has_false) = (has(b"true"), has(b"false"));
        let (few, many) = if texts.len() > FEW {
            (Box::default(), Some(texts.into_iter().collect()))
        } else {
            (texts.into_boxed_slice(), None)
        };
        Self { few, many, has_true, has_false }
    }

    /// Whether the text equals some value; booleans in whatever case, if some value is one.
    pub fn contain(&self, text: &[u8]) -> bool {
        if self.has_true || self.has_false {
            if text.eq_ignore_ascii_case(b"true") {
                return self.has_true;
            }
            if text.eq_ignore_ascii_case(b"false") {
                return self.has_false;
            }
        }
        self.few.iter().any(|value| value.as_bytes() == text)
            || self.many.as_ref().is_some_and(|values| values.contains(text))
    }
}

impl Operator {
    /// The operator of that name with its filter values. Patterns that are none are told to `faults`: a user who
    /// reaches one has no variant of the flag.
    ///
    /// # Errors
    /// Where a value is of a type that the operator cannot work with: the flag cannot be evaluated.
    pub(super) fn new(name: &Text, values: &[Json], faults: &mut Vec<String>) -> Result<Self, String> {
        let name = name.as_bytes();
        if let Some(order) = Comparison::of(name) {
            let numbers = values.iter().map(to_number).filter(|number| !number.is_nan());
            return Ok(Self::Compare { order, numbers: numbers.collect() });
        }
        if let b"regex match" | b"regex does not match" = name {
            let patterns = values.iter().map(|value| pattern(value, faults)).collect();
            return Ok(Self::Regex { negated: name != b"regex match", patterns });
        }
        let operator: fn(Vec<Text>) -> Self = match name {
            b"is" => |texts| Self::Is { negated: false, values: Values::new(texts) },
            b"is not" => |texts| Self::Is { negated: true, values: Values::new(texts) },
            b"contains" => |texts| Self::Contains { negated: false, filters: substrings(&texts) },
            b"does not contain" => |texts| Self::Contains { negated: true, filters: substrings(&texts) },
            b"version less" => |texts| Self::version(Comparison::Less, texts),
            b"version less or equal" => |texts| Self::version(Comparison::LessOrEqual, texts),
            b"version greater" => |texts| Self::version(Comparison::Greater, texts),
            b"version greater or equal" => |texts| Self::version(Comparison::GreaterOrEqual, texts),
            b"set is" => |texts| Self::SetIs { negated: false, values: texts.into_iter().collect() },
            b"set is not" => |texts| Self::SetIs { negated: true, values: texts.into_iter().collect() },
            b"set contains" => |texts| Self::SetContains { negated: false, values: texts.into() },
            b"set does not contain" => |texts| Self::SetContains { negated: true, values: texts.into() },
            b"set contains any" => {
                |texts| Self::SetContainsAny { negated: false, values: Values::new(texts) }
            }
            b"set does not contain any" => {
                |texts| Self::SetContainsAny { negated: true, values: Values::new(texts) }
            }
            _ => return Ok(Self::Unknown),
        };
        Ok(operator(texts(values)?))
    }

    fn version(order: Comparison, texts: Vec<Text>) -> Self {
        let has_version = texts.iter().any(|text| Version::parse(text.as_bytes()).is_some());
        Self::Version { order, texts: texts.into(), has_version }
    }
}

/// Whether a list of filter values names the missing value.
pub(super) fn names_none(values: &[Json]) -> bool {
    values.iter().any(|value| matches!(value, Json::String(text) if text.as_bytes() == b"(none)"))
}

fn texts(values: &[Json]) -> Result<Vec<Text>, String> {
    let text = |value: &Json| match value {
        Json::String(text) => Ok(text.clone()),
        _ => Err("a filter value is not a string".to_owned()),
    };
    values.iter().map(text).collect()
}

fn substrings(texts: &[Text]) -> Box<[Substring]> {
    texts
        .iter()
        .map(|text| {
            let mut lower = Vec::new();
            case::push_lower(text.as_bytes(), &mut lower);
            match std::str::from_utf8(&lower) {
                Ok(_) => Substring::Bytes(Box::new(Finder::new(&lower).into_owned())),
                Err(_) => Substring::Units(utf16_units(&lower).collect()),
            }
        })
        .collect()
}

/// ECMAScript's `Number` of a JSON value.
fn to_number(value: &Json) -> f64 {
    match value {
        Json::Null | Json::Bool(false) => 0.0,
        Json::Bool(true) => 1.0,
        Json::Number(number) => *number,
        Json::String(text) => number::parse(text.as_bytes()),
        Json::Array(_) | Json::Object(_) => f64::NAN,
    }
}

fn pattern(value: &Json, faults: &mut Vec<String>) -> Option<Pattern> {
    let text = match value {
        Json::Null => Text::from("null"),
        value => Text::from_wtf8(value.text()?),
    };
    Pattern::compile(&text).map_err(|error| faults.push(format!("invalid regular expression: {error}"))).ok()
}
