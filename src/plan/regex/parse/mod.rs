//! ECMAScript pattern without flags, Annex B included: UTF-16 code units in, [`Syntax`] or the reason why the
//! pattern is invalid out. What V8 accepts is valid, also where the standard says otherwise; but for inline
//! modifiers and groups of one name, where its versions differ, the standard counts.
//!
//! Open groups are kept on a stack of our own: a pattern may nest as deep as it is long.

use std::collections::HashMap;
use std::ops::Range;

use super::ast::{Node, Syntax};
use super::units::{DIGIT, LINE_TERMINATOR, SPACE, UnitSet, WORD};
use modifier::Modifiers;

mod class;
mod escape;
mod modifier;
mod name;

/// Groups that nest deeper are checked, but left out of the tree.
pub(super) const MAX_DEPTH: usize = 200;
/// V8's limit.
const MAX_GROUPS: usize = 32767;
/// Larger repeat counts mean this one. No JavaScript string is long enough to tell the difference.
const MAX_COUNT: u32 = i32::MAX as u32;

type Reason = &'static str;

pub(super) fn parse(pattern: &[u16]) -> Result<Syntax, Reason> {
    let (total_groups, has_names) = count_groups(pattern);
    let mut parser = Parser {
        pattern,
        at: 0,
        total_groups,
        has_names,
        groups: Vec::new(),
        names: HashMap::new(),
        references: Vec::new(),
        named_references: HashMap::new(),
        too_deep: false,
        open: Vec::new(),
        level: Level::new(Kind::Plain, 0..0, Modifiers::default()),
    };
    parser.disjunction()?;
    let references = parser.references.iter().map(|target| match target {
        Target::Group(group) => Ok(vec![*group]),
        Target::Name(name) => parser.names.get(name).cloned().ok_or("invalid named capture referenced"),
    });
    Ok(Syntax {
        references: references.collect::<Result<_, _>>()?,
        root: parser.level.close().1,
        groups: parser.groups.len(),
        too_deep: parser.too_deep,
    })
}

/// How many capture groups there are, and whether any has a name: both decide what an escape means, wherever
/// it stands.
fn count_groups(pattern: &[u16]) -> (usize, bool) {
    let mut groups = 0;
    let mut named = false;
    let mut in_class = false;
    let mut rest = pattern;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match u8::try_from(*first) {
            Ok(b'\\') => rest = rest.get(1..).unwrap_or_default(),
            Ok(b'[') => in_class = true,
            Ok(b']') => in_class = false,
            Ok(b'(') if !in_class => match ascii(rest, 0) {
                Some(b'?') => {
                    if ascii(rest, 1) == Some(b'<') && !matches!(ascii(rest, 2), Some(b'=' | b'!')) {
                        named = true;
                        groups += 1;
                    }
                }
                _ => groups += 1,
            },
            _ => {}
        }
    }
    (groups, named)
}

fn ascii(units: &[u16], index: usize) -> Option<u8> {
    units.get(index).and_then(|&unit| u8::try_from(unit).ok())
}

struct Parser<'a> {
    pattern: &'a [u16],
    at: usize,
    total_groups: usize,
    has_names: bool,
    /// For each capture group so far, whether it is still open.
    groups: Vec<bool>,
    /// The groups of each name.
    names: HashMap<String, Vec<usize>>,
    references: Vec<Target>,
    /// Where the names are in `references`.
    named_references: HashMap<String, usize>,
    too_deep: bool,
    open: Vec<Level>,
    level: Level,
}

enum Target {
    Group(usize),
    Name(String),
}

/// A group being read.
struct Level {
    kind: Kind,
    modifiers: Modifiers,
    groups_before: usize,
    /// The first capture group that can be in it, and the first that can be in its present alternative.
    first_group: usize,
    first_of_alternative: usize,
    alternatives: Vec<Node>,
    terms: Vec<Node>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The pattern itself, or `(?:`
    Plain,
    Capture(usize),
    Look {
        behind: bool,
        negated: bool,
    },
}

impl Level {
    /// `opened` is the capture group that it is, if any, and empty otherwise.
    fn new(kind: Kind, opened: Range<usize>, modifiers: Modifiers) -> Self {
        Self {
            kind,
            modifiers,
            groups_before: opened.start,
            first_group: opened.end,
            first_of_alternative: opened.end,
            alternatives: Vec::new(),
            terms: Vec::new(),
        }
    }

    fn end_alternative(&mut self) {
        let mut terms = std::mem::take(&mut self.terms);
        self.alternatives.push(match terms.pop() {
            None => Node::Empty,
            Some(only) if terms.is_empty() => only,
            Some(last) => {
                terms.push(last);
                Node::Sequence(terms)
            }
        });
    }

    fn close(mut self) -> (Kind, Node) {
        self.end_alternative();
        let body = match self.alternatives.pop() {
            Some(only) if self.alternatives.is_empty() => only,
            last => {
                self.alternatives.extend(last);
                Node::Alternatives(self.alternatives)
            }
        };
        let node = match self.kind {
            Kind::Plain => body,
            Kind::Capture(group) => Node::Capture { group, body: Box::new(body) },
            Kind::Look { behind, negated } => Node::Look { behind, negated, body: Box::new(body) },
        };
        (self.kind, node)
    }
}

impl Parser<'_> {
    fn disjunction(&mut self) -> Result<(), Reason> {
        while let Some(&unit) = self.pattern.get(self.at) {
            self.at += 1;
            let groups_before = self.groups.len();
            match u8::try_from(unit) {
                Ok(b'^') => self.level.terms.push(Node::Start { multiline: self.level.modifiers.multiline }),
                Ok(b'$') => self.level.terms.push(Node::End { multiline: self.level.modifiers.multiline }),
                Ok(b'|') => {
                    self.level.end_alternative();
                    self.level.first_of_alternative = groups_before;
                }
                Ok(b'(') => self.open_group()?,
                Ok(b')') => self.close_group()?,
                Ok(b'[') => {
                    let set = self.class()?;
                    self.atom(Node::Set(set), groups_before)?;
                }
                Ok(b'.') => {
                    let others = if self.level.modifiers.dot_all { &[] } else { LINE_TERMINATOR };
                    self.atom(Node::Set(UnitSet::not(others.to_vec())), groups_before)?;
                }
                Ok(b'\\') => match self.peek() {
                    None => return Err("\\ at end of pattern"),
                    Some(letter @ (b'b' | b'B')) => {
                        self.at += 1;
                        self.level.terms.push(Node::Boundary { negated: letter == b'B' });
                    }
                    Some(_) => {
                        let node = self.atom_escape()?;
                        self.atom(node, groups_before)?;
                    }
                },
                Ok(b'*' | b'+' | b'?') => return Err("nothing to repeat"),
                Ok(b'{') if self.interval().is_some() => return Err("nothing to repeat"),
                _ => {
                    let node = self.unit(unit);
                    self.atom(node, groups_before)?;
                }
            }
        }
        if self.open.is_empty() { Ok(()) } else { Err("unterminated group") }
    }

    fn open_group(&mut self) -> Result<(), Reason> {
        let groups_before = self.groups.len();
        let mut modifiers = self.level.modifiers;
        let kind = if !self.eat(b'?') {
            self.capture(None)?
        } else if self.eat(b':') {
            Kind::Plain
        } else {
            let behind = self.eat(b'<');
            match self.peek() {
                Some(sign @ (b'=' | b'!')) => {
                    self.at += 1;
                    Kind::Look { behind, negated: sign == b'!' }
                }
                _ if behind => {
                    let name = self.group_name()?;
                    self.capture(Some(name))?
                }
                _ => {
                    modifiers = self.modifiers()?;
                    Kind::Plain
                }
            }
        };
        let level = Level::new(kind, groups_before..self.groups.len(), modifiers);
        self.open.push(std::mem::replace(&mut self.level, level));
        Ok(())
    }

    fn capture(&mut self, name: Option<String>) -> Result<Kind, Reason> {
        let group = self.groups.len();
        if group == MAX_GROUPS {
            return Err("too many captures");
        }
        if let Some(name) = name {
            let last = self.names.get(&name).and_then(|groups| groups.last());
            if last.is_some_and(|&last| !self.is_excluded(last)) {
                return Err("duplicate capture group name");
            }
            self.names.entry(name).or_default().push(group);
        }
        self.groups.push(true);
        Ok(Kind::Capture(group))
    }

    /// Whether a group cannot take part in a match along with what follows, for it is in another alternative.
    /// What excludes the last group of a name excludes those before it.
    fn is_excluded(&self, group: usize) -> bool {
        let level = if self.level.first_group <= group {
            Some(&self.level)
        } else {
            let around = self.open.partition_point(|level| level.first_group <= group);
            self.open[..around].last()
        };
        level.is_some_and(|level| group < level.first_of_alternative)
    }

    fn close_group(&mut self) -> Result<(), Reason> {
        let depth = self.open.len();
        let outer = self.open.pop().ok_or("unmatched ')'")?;
        let level = std::mem::replace(&mut self.level, outer);
        let groups_before = level.groups_before;
        let (kind, mut node) = level.close();
        if let Kind::Capture(group) = kind {
            self.groups[group] = false;
        }
        if depth > MAX_DEPTH {
            self.too_deep = true;
            node = Node::Empty;
        }
        if let Kind::Look { behind: true, .. } = kind {
            self.level.terms.push(node);
            return if self.quantifier()?.is_some() { Err("invalid quantifier") } else { Ok(()) };
        }
        self.atom(node, groups_before)
    }

    /// A character that stands for itself.
    fn unit(&self, unit: u16) -> Node {
        if self.level.modifiers.ignore_case {
            let set = UnitSet::new(vec![(unit, unit)]).ignoring_case();
            if set.ranges() != [(unit, unit)] {
                return Node::Set(set);
            }
        }
        Node::Unit(unit)
    }

    /// Adds a term with the quantifier that follows it.
    fn atom(&mut self, node: Node, groups_before: usize) -> Result<(), Reason> {
        let node = match self.quantifier()? {
            None => node,
            Some((min, max)) => Node::Repeat {
                min,
                max,
                greedy: !self.eat(b'?'),
                groups: groups_before..self.groups.len(),
                body: Box::new(node),
            },
        };
        self.level.terms.push(node);
        Ok(())
    }

    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, Reason> {
        let range = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => {
                self.at += 1;
                let Some((min, max)) = self.interval() else {
                    self.at -= 1;
                    return Ok(None);
                };
                if max.is_some_and(|max| max < min) {
                    return Err("numbers out of order in {} quantifier");
                }
                return Ok(Some((min, max)));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(range))
    }

    /// The rest of `{2}`, `{2,}` or `{2,5}`; anything else is left unread, since the brace is then a literal.
    fn interval(&mut self) -> Option<(u32, Option<u32>)> {
        let start = self.at;
        let range = self.interval_or_less();
        if range.is_none() {
            self.at = start;
        }
        range
    }

    fn interval_or_less(&mut self) -> Option<(u32, Option<u32>)> {
        let min = self.count()?;
        let max = if !self.eat(b',') {
            Some(min)
        } else if self.peek() == Some(b'}') {
            None
        } else {
            Some(self.count()?)
        };
        self.eat(b'}').then_some((min, max))
    }

    fn count(&mut self) -> Option<u32> {
        let mut count = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            let more = count.unwrap_or(0u32).saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            count = Some(more.min(MAX_COUNT));
        }
        count
    }

    /// The unit under the cursor, where it is below 256; 0xFF for any other, which no syntax needs; `None` at
    /// the end.
    fn peek(&self) -> Option<u8> {
        self.peek_ahead(0)
    }

    fn peek_ahead(&self, distance: usize) -> Option<u8> {
        self.pattern.get(self.at + distance).map(|&unit| u8::try_from(unit).unwrap_or(0xFF))
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }
}

/// `\d` and its kin.
fn class_escape(letter: u8) -> Option<UnitSet> {
    Some(match letter {
        b'd' => UnitSet::new(DIGIT.to_vec()),
        b'D' => UnitSet::not(DIGIT.to_vec()),
        b's' => UnitSet::new(SPACE.to_vec()),
        b'S' => UnitSet::not(SPACE.to_vec()),
        b'w' => UnitSet::new(WORD.to_vec()),
        b'W' => UnitSet::not(WORD.to_vec()),
        _ => return None,
    })
}
