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
mod case;
mod linear;
mod parse;
mod program;
#[cfg(test)]
mod tests;
mod units;

use std::fmt;

use crate::ecma::text::Text;
use backtrack::Outcome;
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

/// What the matching of one evaluation may cost, in steps: instructions, units and choices looked at. One hostile value may
/// reach many patterns, and be a list of a million hostile values.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    left: u32,
}

impl Budget {
    /// For one answer: some tens of milliseconds at most.
    const MOST: u32 = 6_000_000;
    /// For one answer once all is spent: far more than patterns take that were meant for their values.
    const LEAST: u32 = Self::MOST / 120;

    fn allowance(self) -> u32 {
        self.left.clamp(Self::LEAST, Self::MOST)
    }

    fn spend(&mut self, steps: u32) {
        self.left = self.left.saturating_sub(steps);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: 2 * Self::MOST }
    }
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
    pub fn is_match(&self, haystack: &[u8], budget: &mut Budget) -> MatchOutcome {
        match self.linear.as_ref().and_then(|linear| linear.is_match(haystack)) {
            Some(true) => MatchOutcome::Match,
            Some(false) => MatchOutcome::NoMatch,
            None => {
                let Some(program) = &self.program else { return MatchOutcome::Exhausted };
                let Outcome { outcome, steps } = program.run(haystack, budget.allowance());
                budget.spend(steps);
                outcome
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
