//! What the operators say of one value. (Contract: evaluation 6.)

use std::mem;

use super::slots::Items;
use super::subject::{Passing, Subject};
use crate::ecma::text::{compare_utf16, utf16_units};
use crate::plan::condition::{Comparison, Operator, Substring};
use crate::plan::regex::{Budget, MatchOutcome};
use crate::plan::version::OwnedVersion;
use crate::plan::words::{Values, Word};

/// Ends the evaluation of a flag, which has no variant for this user: it came to a pattern, or another filter value,
/// that is none.
pub(super) struct InvalidPattern;

/// What matching needs besides the value.
#[derive(Default)]
pub(super) struct Tools {
    /// The lower case of a passing text.
    lower: Vec<u8>,
    numbers: Vec<u32>,
    pub(super) patterns: Patterns,
}

/// How the regular expressions of an evaluation fare.
#[derive(Default)]
pub(super) struct Patterns {
    /// For all that are still to come.
    pub(super) budget: Budget,
    /// One has run out of it.
    pub(super) exhausted: bool,
}

pub(super) fn missing_matches(operator: &Operator, matches_none: bool) -> bool {
    match operator {
        Operator::Is { negated, .. }
        | Operator::Contains { negated, .. }
        | Operator::SetContains { negated, .. }
        | Operator::SetContainsAny { negated, .. }
        | Operator::Broken { negated, .. } => matches_none != *negated,
        Operator::Compare { .. } | Operator::Version { .. } => matches_none,
        Operator::SetIs { negated, .. } => matches_none && !negated,
        Operator::Regex { .. } | Operator::Unknown => false,
    }
}

pub(super) fn list_matches(
    operator: &Operator,
    items: Items<'_>,
    tools: &mut Tools,
) -> Result<bool, InvalidPattern> {
    match operator {
        Operator::SetIs { negated, numbers } => Ok(same_set(numbers, items, &mut tools.numbers) != *negated),
        Operator::SetContains { negated, words } => Ok(contains_all(words, items) != *negated),
        Operator::SetContainsAny { negated, values } => Ok(contains_any(values, items) != *negated),
        _ => {
            // Some element that satisfies it is enough, for negated operators too.
            let earlier = mem::take(&mut tools.patterns.exhausted);
            let mut matches = Ok(false);
            for (text, word) in items.iter() {
                matches = passing_matches(operator, text, word, tools);
                if !matches!(matches, Ok(false)) || tools.patterns.exhausted {
                    break;
                }
            }
            tools.patterns.exhausted |= earlier;
            matches
        }
    }
}

pub(super) fn passing_matches(
    operator: &Operator,
    text: &[u8],
    word: Word,
    tools: &mut Tools,
) -> Result<bool, InvalidPattern> {
    let Tools { lower, patterns, .. } = tools;
    text_matches(operator, Passing { text, word, lower }, patterns)
}

/// Whether a text satisfies an operator.
#[inline]
pub(super) fn text_matches(
    operator: &Operator,
    mut subject: impl Subject,
    tried: &mut Patterns,
) -> Result<bool, InvalidPattern> {
    Ok(match operator {
        Operator::Is { negated, values } => values.contain(subject.word()) != *negated,
        Operator::Contains { negated, filters } => {
            let lower = subject.lower();
            filters.iter().any(|filter| is_in(filter, lower)) != *negated
        }
        Operator::Compare { order, numbers } => is_so_of_any(*order, numbers, &mut subject),
        Operator::Version { order, texts, numbers, versions } => {
            match version_matches(*order, versions, &mut subject) {
                Some(matches) => matches,
                None => {
                    let text = subject.text();
                    texts.iter().any(|filter| order.holds(compare_utf16(text, filter.as_bytes())))
                        || is_so_of_any(*order, numbers, &mut subject)
                }
            }
        }
        Operator::Regex { negated, patterns } => {
            for pattern in patterns {
                match pattern.as_ref().ok_or(InvalidPattern)?.is_match(subject.text(), &mut tried.budget) {
                    MatchOutcome::Match => return Ok(!negated),
                    MatchOutcome::NoMatch => {}
                    MatchOutcome::Exhausted => {
                        tried.exhausted = true;
                        return Ok(false);
                    }
                }
            }
            *negated
        }
        // These want a list.
        Operator::SetIs { .. } | Operator::SetContains { .. } | Operator::SetContainsAny { .. } => false,
        Operator::Broken { negated, filters } => {
            let lower = subject.lower();
            if !filters.iter().any(|filter| is_in(filter, lower)) {
                return Err(InvalidPattern);
            }
            !negated
        }
        Operator::Unknown => false,
    })
}

fn is_so_of_any(order: Comparison, numbers: &[f64], subject: &mut impl Subject) -> bool {
    if numbers.is_empty() {
        return false;
    }
    let number = subject.number();
    numbers.iter().any(|filter| number.partial_cmp(filter).is_some_and(|found| order.holds(found)))
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

/// As versions, where the text is one and some filter value is.
fn version_matches(order: Comparison, versions: &[OwnedVersion], subject: &mut impl Subject) -> Option<bool> {
    if versions.is_empty() {
        return None;
    }
    let version = subject.version()?;
    Some(versions.iter().any(|filter| order.holds(version.compare(&filter.as_version()))))
}

/// The same texts, however often each. `found` is working memory.
fn same_set(numbers: &[u32], items: Items<'_>, found: &mut Vec<u32>) -> bool {
    found.clear();
    for (_, word) in items.iter() {
        if numbers.binary_search(&word.number()).is_err() {
            return false;
        }
        found.push(word.number());
    }
    found.sort_unstable();
    found.dedup();
    found.len() == numbers.len()
}

fn contains_any(values: &Values, items: Items<'_>) -> bool {
    items.iter().any(|(_, word)| values.contain(word))
}

/// Every filter value is in the list. Duplicates count: a list shorter than the filter never does.
fn contains_all(words: &[Word], items: Items<'_>) -> bool {
    items.len() >= words.len()
        && words.iter().all(|word| {
            items.iter().any(|(_, item)| match (word.is_true(), word.is_false()) {
                (true, _) => item.is_true(),
                (_, true) => item.is_false(),
                _ => item.number() == word.number(),
            })
        })
}
