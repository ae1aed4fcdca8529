//! Conditions ready to run: everything that does not depend on the user is worked out here.
//! (Contract: evaluation 5 and 6.)

use std::cmp::Ordering;

use memchr::memmem::Finder;

use super::regex::Pattern;
use super::version::{OwnedVersion, Version};
use super::words::{Lexicon, Values, Word, distinct};
use crate::ecma::json::Json;
use crate::ecma::text::utf16_units;
use crate::ecma::{Text, case, number};

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
        texts: Box<[Text]>,
        /// Those that are versions: where there are some, the others do not count for users who have one.
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
    /// The operator of that name with its filter values. Patterns that are none are told to `faults`: a user who
    /// reaches one has no variant of the flag.
    ///
    /// # Errors
    /// Where a value is of a type that the operator cannot work with: the flag cannot be evaluated.
    pub(super) fn new(
        name: &Text,
        values: &[Json],
        lexicon: &mut Lexicon,
        faults: &mut Vec<String>,
    ) -> Result<Self, String> {
        let name = name.as_bytes();
        if let Some(order) = Comparison::of(name) {
            let numbers = values.iter().map(to_number).filter(|number| !number.is_nan());
            return Ok(Self::Compare { order, numbers: numbers.collect() });
        }
        if let b"regex match" | b"regex does not match" = name {
            let patterns = values.iter().map(|value| pattern(value, faults)).collect();
            return Ok(Self::Regex { negated: name != b"regex match", patterns });
        }
        let negated = matches!(
            name,
            b"is not"
                | b"does not contain"
                | b"set is not"
                | b"set does not contain"
                | b"set does not contain any"
        );
        let mut words =
            |texts: &[Text]| -> Vec<Word> { texts.iter().map(|text| lexicon.add(text.as_bytes())).collect() };
        Ok(match name {
            b"is" | b"is not" => Self::Is { negated, values: Values::new(&words(&texts(values)?)) },
            b"contains" | b"does not contain" => {
                Self::Contains { negated, filters: substrings(&texts(values)?) }
            }
            b"version less" => Self::version(Comparison::Less, texts(values)?),
            b"version less or equal" => Self::version(Comparison::LessOrEqual, texts(values)?),
            b"version greater" => Self::version(Comparison::Greater, texts(values)?),
            b"version greater or equal" => Self::version(Comparison::GreaterOrEqual, texts(values)?),
            b"set is" | b"set is not" => {
                let words = words(&texts(values)?);
                Self::SetIs { negated, numbers: distinct(words.iter().map(|word| word.number())) }
            }
            b"set contains" | b"set does not contain" => {
                Self::SetContains { negated, words: words(&texts(values)?).into() }
            }
            b"set contains any" | b"set does not contain any" => {
                Self::SetContainsAny { negated, values: Values::new(&words(&texts(values)?)) }
            }
            _ => Self::Unknown,
        })
    }

    fn version(order: Comparison, texts: Vec<Text>) -> Self {
        let versions = texts.iter().filter_map(|text| Version::parse(text.as_bytes()));
        Self::Version { order, versions: versions.map(Version::into_owned).collect(), texts: texts.into() }
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
