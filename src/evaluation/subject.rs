//! A text as operators look at it, whether it stands in a cell (what is worked out of it is kept) or passes by.

use crate::ecma::{case, number};
use crate::plan::version::Version;
use crate::plan::words::Word;

/// A text that an operator looks at, and what is worked out of it.
pub(super) trait Subject {
    fn text(&self) -> &[u8];
    fn word(&mut self) -> Word;
    fn number(&mut self) -> f64;
    fn lower(&mut self) -> &[u8];
    fn version(&mut self) -> Option<Version<'_>>;
}

/// One that is looked at once.
pub(super) struct Passing<'a> {
    pub(super) text: &'a [u8],
    pub(super) word: Word,
    /// Working memory.
    pub(super) lower: &'a mut Vec<u8>,
}

impl Subject for Passing<'_> {
    fn text(&self) -> &[u8] {
        self.text
    }

    fn word(&mut self) -> Word {
        self.word
    }

    fn number(&mut self) -> f64 {
        number::parse(self.text)
    }

    fn lower(&mut self) -> &[u8] {
        self.lower.clear();
        case::push_lower(self.text, self.lower);
        self.lower
    }

    fn version(&mut self) -> Option<Version<'_>> {
        Version::parse(self.text)
    }
}
