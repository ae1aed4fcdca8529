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
    /// `^`
    Start,
    /// `$`
    End,
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
    /// The index of an entry of [`Syntax::references`].
    Reference(usize),
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
    /// The group that each backreference means.
    pub(super) references: Vec<usize>,
    /// Groups nest deeper than [`super::parse::MAX_DEPTH`]: the pattern is valid, but `root` lacks them.
    pub(super) too_deep: bool,
}
