//! What the operators say of one value. (Contract: evaluation 6.)

use super::slots::{Items, Range};
use crate::ecma::text::{compare_utf16, utf16_units};
use crate::ecma::{Text, case, number};
use crate::plan::condition::{Comparison, Operator, Substring};
use crate::plan::regex::MatchOutcome;
use crate::plan::version::Version;

use std::collections::HashSet;

/// A value that a condition looks at.
pub(super) enum Value<'a> {
    Missing,
    /// With the place where it stands, which stands for the text as long as the evaluation lasts.
    Text(&'a [u8], Option<Range>),
    List(Items<'a>),
}

/// Ends the evaluation of a flag: it has no variant for this user.
pub(super) struct InvalidPattern;

/// What matching needs besides the value.
#[derive(Default)]
pub(super) struct Tools {
    lower: Vec<u8>,
    /// Whose lower case `lower` is.
    lower_of: Option<Range>,
    /// The number of the text at a place.
    number_of: Option<(Range, f64)>,
    /// A pattern has run out of its budget.
    pub(super) exhausted: bool,
}

impl Tools {
    /// Forgets the places of the evaluation before.
    pub(super) fn clear(&mut self) {
        self.lower_of = None;
        self.number_of = None;
    }

    /// Puts the text's lower case into `lower`.
    fn lower(&mut self, text: &[u8], place: Option<Range>) {
        if place.is_some() && place == self.lower_of {
            return;
        }
        self.lower.clear();
        case::push_lower(text, &mut self.lower);
        self.lower_of = place;
    }

    fn number(&mut self, text: &[u8], place: Option<Range>) -> f64 {
        if let (Some(place), Some((known, number))) = (place, self.number_of)
            && place == known
        {
            return number;
        }
        let number = number::parse(text);
        self.number_of = place.map(|place| (place, number));
        number
    }
}

/// Whether a value satisfies an operator.
pub(super) fn matches(
    operator: &Operator,
    matches_none: bool,
    value: Value<'_>,
    tools: &mut Tools,
) -> Result<bool, InvalidPattern> {
    match value {
        Value::Missing => Ok(missing_matches(operator, matches_none)),
        Value::List(items) => match operator {
            Operator::SetIs { negated, values } => Ok(same_set(values, items) != *negated),
            Operator::SetContains { negated, values } => Ok(contains_all(values, items) != *negated),
            Operator::SetContainsAny { negated, values } => {
                Ok(items.iter().any(|item| values.contain(item)) != *negated)
            }
            _ => {
                // Some element that satisfies it is enough, for negated operators too.
                for item in items.iter() {
                    if text_matches(operator, item, None, tools)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        },
        Value::Text(text, place) => text_matches(operator, text, place, tools),
    }
}

fn missing_matches(operator: &Operator, matches_none: bool) -> bool {
    match operator {
        Operator::Is { negated, .. }
        | Operator::Contains { negated, .. }
        | Operator::SetContains { negated, .. }
        | Operator::SetContainsAny { negated, .. } => matches_none != *negated,
        Operator::Compare { .. } | Operator::Version { .. } => matches_none,
        Operator::SetIs { negated, .. } => matches_none && !negated,
        Operator::Regex { .. } | Operator::Unknown => false,
    }
}

fn text_matches(
    operator: &Operator,
    text: &[u8],
    place: Option<Range>,
    tools: &mut Tools,
) -> Result<bool, InvalidPattern> {
    Ok(match operator {
        Operator::Is { negated, values } => values.contain(text) != *negated,
        Operator::Contains { negated, filters } => {
            tools.lower(text, place);
            filters.iter().any(|filter| is_in(filter, &tools.lower)) != *negated
        }
        Operator::Compare { order, numbers } => {
            let number = tools.number(text, place);
            numbers.iter().any(|filter| number.partial_cmp(filter).is_some_and(|found| order.holds(found)))
        }
        Operator::Version { order, .. } => version_matches(operator, *order, text),
        Operator::Regex { negated, patterns } => {
            for pattern in patterns {
                match pattern.as_ref().ok_or(InvalidPattern)?.is_match(text) {
                    MatchOutcome::Match => return Ok(!negated),
                    MatchOutcome::NoMatch => {}
                    MatchOutcome::Exhausted => {
                        tools.exhausted = true;
                        return Ok(false);
                    }
                }
            }
            *negated
        }
        // These want a list.
        Operator::SetIs { .. } | Operator::SetContains { .. } | Operator::SetContainsAny { .. } => false,
        Operator::Unknown => false,
    })
}

fn is_in(filter: &Substring, text: &[u8]) -> bool {
    match filter {
        Substring::Bytes(filter) => filter.find(text).is_some(),
        Substring::Units(filter) => {
            let units: Vec<u16> = utf16_units(text).collect();
            units.windows(filter.len()).any(|window| *window == **filter)
        }
    }
}

fn version_matches(operator: &Operator, order: Comparison, text: &[u8]) -> bool {
    let Operator::Version { texts, has_version, .. } = operator else { return false };
    match Version::parse(text) {
        Some(version) if *has_version => texts
            .iter()
            .filter_map(|filter| Version::parse(filter.as_bytes()))
            .any(|filter| order.holds(version.compare(&filter))),
        _ => texts.iter().any(|filter| order.holds(compare_utf16(text, filter.as_bytes()))),
    }
}

fn same_set(values: &HashSet<Text>, items: Items<'_>) -> bool {
    if !items.iter().all(|item| values.contains(item)) {
        return false;
    }
    let distinct: HashSet<&[u8]> = items.iter().collect();
    distinct.len() == values.len()
}

/// Every filter value is in the list. Duplicates count: a list shorter than the filter never does.
fn contains_all(values: &[Text], items: Items<'_>) -> bool {
    if items.len() < values.len() {
        return false;
    }
    let is = |word: &'static [u8]| move |item: &[u8]| item.eq_ignore_ascii_case(word);
    let (has_true, has_false) = (items.iter().any(is(b"true")), items.iter().any(is(b"false")));
    values.iter().all(|value| {
        let value = value.as_bytes();
        match value {
            _ if (has_true || has_false) && value.eq_ignore_ascii_case(b"true") => has_true,
            _ if (has_true || has_false) && value.eq_ignore_ascii_case(b"false") => has_false,
            _ => items.iter().any(|item| item == value),
        }
    })
}
