//! Conditions ready to run: everything that does not depend on the user is worked out here.
//! (Contract: evaluation 5 and 6.)

use std::cmp::Ordering;

use memchr::memmem::Finder;

use super::regex::Pattern;
use super::version::{OwnedVersion, Version};
use super::words::{Lexicon, Values, Word, distinct};
use crate::ecma::json::Json;
use crate::ecma::text::utf16_units;
use crate::ecma::{Text, case};

/// One term.
pub struct Condition {
    pub source: Source,
    pub operator: Operator,
    /// Whether the filter values contain `(none)`, which stands for a missing value.
    pub matches_none: bool,
    /// The place for its verdict in an evaluation, where that is worth keeping: several flags have it, and it
    /// depends on nothing but the user. Else [`NONE`](super::program::NONE).
    pub verdict: u32,
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

impl Source {
    /// What it may read of the user.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        let [first, second] = match self {
            Self::Slot(slot) => [Some(*slot), None],
            Self::Cohorts(cohorts) => [Some(cohorts.slot), Some(cohorts.identity)],
            Self::Nothing | Self::Result(_) | Self::Results => [None, None],
        };
        first.into_iter().chain(second)
    }
}

#[derive(Debug)]
pub struct CohortSlot {
    /// The slot with the ids that the caller supplies.
    pub slot: u32,
    pub identity: u32,
    /// Index of the identity among all whose cohorts are looked up. (Of one group type are the user and a group, where
    /// a project calls a type of its own `User`.)
    pub list: u32,
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
    pub text: Option<ConstantText>,
    pub list: Option<Box<[ConstantText]>>,
}

#[derive(Debug)]
pub struct ConstantText {
    pub text: Box<[u8]>,
    pub word: Word,
}

impl Constant {
    pub(super) fn of(value: &Json, lexicon: &mut Lexicon) -> Self {
        let mut constant = |text: Box<[u8]>| ConstantText { word: lexicon.add(&text), text };
        Self {
            text: value.text().map(&mut constant),
            list: value.list().map(|items| items.into_iter().map(&mut constant).collect()),
        }
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
        /// These and the numbers count for users who have none.
        texts: Box<[Text]>,
        numbers: Box<[f64]>,
        /// Where there are some, nothing else counts for users who have one.
        versions: Box<[OwnedVersion]>,
    },
    SetIs {
        negated: bool,
        /// The words' numbers, ascending.
        numbers: Box<[u32]>,
    },
    SetContains {
        negated: bool,
        words: Box<[Word]>,
    },
    SetContainsAny {
        negated: bool,
        values: Values,
    },
    Regex {
        negated: bool,
        patterns: Box<[Option<Pattern>]>,
    },
    /// One with a filter value that it cannot work with: a user whose value gets there has no variant of the flag.
    Broken {
        negated: bool,
        /// Of `contains`: those before that one. A value that has one of them does not get there.
        filters: Box<[Substring]>,
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

impl Operator {
    /// The operator of that name with its filter values. Patterns that are none, and values of a type that the
    /// operator cannot work with, are told to `faults`: a user who reaches one has no variant of the flag.
    pub(super) fn new(name: &Text, values: &[Json], lexicon: &mut Lexicon, faults: &mut Vec<String>) -> Self {
        let name = name.as_bytes();
        if let Some(order) = Comparison::of(name) {
            return Self::Compare { order, numbers: numbers(values) };
        }
        if let b"regex match" | b"regex does not match" = name {
            let patterns = values.iter().map(|value| pattern(value, faults)).collect();
            return Self::Regex { negated: name != b"regex match", patterns };
        }
        let negated = matches!(
            name,
            b"is not"
                | b"does not contain"
                | b"set is not"
                | b"set does not contain"
                | b"set does not contain any"
        );
        let mut words = || -> Vec<Word> {
            values.iter().map(|value| lexicon.add(string(value).map_or(NO_TEXT, Text::as_bytes))).collect()
        };
        match name {
            b"is" | b"is not" => match broken(values, is_boolean) {
                Some(_) => Self::broken(negated, Box::default(), faults),
                None => Self::Is { negated, values: Values::new(&words()) },
            },
            b"contains" | b"does not contain" => match broken(values, |_| false) {
                Some(at) => Self::broken(negated, substrings(&values[..at]), faults),
                None => Self::Contains { negated, filters: substrings(values) },
            },
            b"version less" => Self::version(Comparison::Less, values),
            b"version less or equal" => Self::version(Comparison::LessOrEqual, values),
            b"version greater" => Self::version(Comparison::Greater, values),
            b"version greater or equal" => Self::version(Comparison::GreaterOrEqual, values),
            b"set is" | b"set is not" => {
                Self::SetIs { negated, numbers: distinct(words().iter().map(|word| word.number())) }
            }
            b"set contains" | b"set does not contain" => Self::SetContains { negated, words: words().into() },
            b"set contains any" | b"set does not contain any" => {
                Self::SetContainsAny { negated, values: Values::new(&words()) }
            }
            _ => Self::Unknown,
        }
    }

    fn broken(negated: bool, filters: Box<[Substring]>, faults: &mut Vec<String>) -> Self {
        faults.push("a filter value is not a string".to_owned());
        Self::Broken { negated, filters }
    }

    fn version(order: Comparison, values: &[Json]) -> Self {
        let strings = values.iter().map(Json::string);
        let versions = strings.filter_map(|text| Some(Version::parse(&text)?.into_owned())).collect();
        let is_number = |value: &&Json| matches!(value, Json::Null | Json::Bool(_) | Json::Number(_));
        let (counted, texts): (Vec<_>, Vec<_>) = values.iter().partition(is_number);
        let texts = texts.into_iter().map(|value| Text::from_wtf8(value.string())).collect();
        Self::Version { order, texts, numbers: numbers(counted), versions }
    }

    /// Whether finding the verdict out costs more than looking it up.
    pub(super) fn is_costly(&self) -> bool {
        !matches!(self, Self::Is { .. } | Self::Unknown)
    }
}

/// Whether a list of filter values names the missing value.
pub(super) fn names_none(values: &[Json]) -> bool {
    values.iter().any(|value| matches!(value, Json::String(text) if text.as_bytes() == b"(none)"))
}

/// What no text is: the word of filter values that equal none.
const NO_TEXT: &[u8] = &[0xFF];

fn string(value: &Json) -> Option<&Text> {
    match value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn is_boolean(text: &Text) -> bool {
    [&b"true"[..], b"false"].iter().any(|word| text.as_bytes().eq_ignore_ascii_case(word))
}

/// Where the first value is that is not a string, unless one before it is `enough` to look no further.
fn broken(values: &[Json], enough: impl Fn(&Text) -> bool) -> Option<usize> {
    let at = values.iter().position(|value| string(value).is_none_or(&enough))?;
    string(&values[at]).is_none().then_some(at)
}

fn numbers<'a>(values: impl IntoIterator<Item = &'a Json>) -> Box<[f64]> {
    values.into_iter().map(Json::number).filter(|number| !number.is_nan()).collect()
}

fn substrings(values: &[Json]) -> Box<[Substring]> {
    values
        .iter()
        .filter_map(string)
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

fn pattern(value: &Json, faults: &mut Vec<String>) -> Option<Pattern> {
    let text = Text::from_wtf8(value.string());
    Pattern::compile(&text).map_err(|error| faults.push(format!("invalid regular expression: {error}"))).ok()
}
