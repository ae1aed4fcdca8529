//! The syntax tree between [`super::parse`] and the two matchers. Its depth is bounded by the parser, so that
//! whoever walks it may recurse.

use std::ops::Range;

use super::units::UnitSet;

#[derive(Debug, PartialEq)]
pub(super) enum Node {
    /// Matches without consuming.
    Empty,
    Unit(u16),
    Set(UnitSet),
    /// `^`, also behind a line terminator when multiline.
    Start {
        multiline: bool,
    },
    /// `$`, also before a line terminator when multiline.
    End {
        multiline: bool,
    },
    /// `\b`, or `\B` when negated.
    Boundary {
        negated: bool,
    },
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    Capture {
        /// Counted from 0.
        group: usize,
        body: Box<Node>,
    },
    Reference {
        /// The index of an entry of [`Syntax::references`].
        index: usize,
        ignore_case: bool,
    },
    Look {
        behind: bool,
        negated: bool,
        body: Box<Node>,
    },
    Repeat {
        min: u32,
        /// `None` is without end.
        max: Option<u32>,
        greedy: bool,
        /// The capture groups within, unset at the start of every iteration.
        groups: Range<usize>,
        body: Box<Node>,
    },
}

/// A valid pattern.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) root: Node,
    pub(super) groups: usize,
    /// The groups that each backreference means: those of one name, where it is that of several, of which no
    /// two take part in a match.
    pub(super) references: Vec<Vec<usize>>,
    /// Groups nest deeper than [`super::parse::MAX_DEPTH`]: the pattern is valid, but `root` lacks them.
    pub(super) too_deep: bool,
}
