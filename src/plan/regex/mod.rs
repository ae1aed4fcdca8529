//! ECMAScript regular expressions without flags, as `new RegExp(pattern).test(text)` has them, that cannot
//! hang the process: spec section "Regex" of the operators.
//!
//! In: the pattern of a condition, once per update, and a property value, per evaluation. Out: whether it
//! matches, or that the budget did not suffice to tell. Feeds the compiled conditions.
//!
//! [`parse`] decides validity and makes the tree ([`ast`]). Then there are two tiers: [`linear`] hands what is
//! a regular language to the `regex` crate; [`backtrack`] runs everything else, and all that is too large for
//! the first, as a [`program`] on a budget.

mod ast;
mod backtrack;
mod linear;
mod parse;
mod program;
#[cfg(test)]
mod tests;
mod units;

use std::fmt;

use crate::ecma::text::Text;
use linear::Linear;
use program::Program;

/// A compiled regular expression.
pub struct Pattern {
    linear: Option<Linear>,
    /// `None` where the pattern nests too deep to be matched.
    program: Option<Program>,
}

/// The pattern is not valid; JavaScript throws a `SyntaxError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression /{pattern}/: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

/// Whether a haystack matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOutcome {
    Match,
    NoMatch,
    /// The answer would take too many steps or too much memory.
    Exhausted,
}

impl Pattern {
    /// Takes time in proportion to the pattern, plus some milliseconds at most.
    ///
    /// # Errors
    /// Where V8 would reject the pattern.
    pub fn compile(pattern: &Text) -> Result<Self, PatternError> {
        let syntax = parse::parse(&pattern.to_utf16())
            .map_err(|reason| PatternError { pattern: excerpt(pattern), reason })?;
        if syntax.too_deep {
            return Ok(Self { linear: None, program: None });
        }
        Ok(Self { linear: Linear::translate(&syntax.root), program: Some(Program::new(&syntax)) })
    }

    /// Searches well-formed WTF-8, in bounded time.
    pub fn is_match(&self, haystack: &[u8]) -> MatchOutcome {
        match self.linear.as_ref().and_then(|linear| linear.is_match(haystack)) {
            Some(true) => MatchOutcome::Match,
            Some(false) => MatchOutcome::NoMatch,
            None => {
                self.program.as_ref().map_or(MatchOutcome::Exhausted, |program| program.run(haystack).outcome)
            }
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").field("is_linear", &self.linear.is_some()).finish_non_exhaustive()
    }
}

/// So much of a pattern as a log line can bear.
fn excerpt(pattern: &Text) -> String {
    const LENGTH: usize = 200;
    let text = pattern.to_string_lossy();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
