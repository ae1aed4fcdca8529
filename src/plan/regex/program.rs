//! The syntax tree as instructions for [`super::backtrack`]. Jumps are relative, so that the body of a repeat
//! can be written several times.

use super::ast::{Node, Syntax};
use super::units::UnitSet;

/// How many instructions all repeats together may add by writing their bodies more than once; a repeat that
/// gets none counts its iterations in a register.
const MAX_COPIED: usize = 4096;

pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) sets: Vec<UnitSet>,
    /// For each backreference, the first registers of the groups it means.
    pub(super) references: Vec<Box<[u32]>>,
    pub(super) registers: usize,
    /// How many instructions have a memo number: 0 where captures make the outcome depend on more than
    /// instruction and position.
    pub(super) memos: usize,
    /// A match can only begin at the start of the haystack.
    pub(super) anchored: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Op {
    Unit {
        test: Test,
        back: bool,
    },
    Start {
        multiline: bool,
    },
    End {
        multiline: bool,
    },
    Boundary {
        negated: bool,
    },
    Jump(i32),
    /// Goes on at `first`, and should that fail, at `second`.
    Fork {
        first: i32,
        second: i32,
        memo: Option<u32>,
    },
    /// A repeat of one code unit.
    Run {
        test: Test,
        back: bool,
        min: u32,
        max: u32,
        greedy: bool,
        memo: Option<u32>,
    },
    /// Register := position.
    Mark(u32),
    /// Fails where the position is still that of the `Mark`.
    Progress(u32),
    Unset {
        from: u32,
        to: u32,
    },
    /// Register := 0.
    CountInit(u32),
    /// Leads into another iteration (the next instruction) or out of the loop (`exit`).
    CountTest {
        counter: u32,
        min: u32,
        max: u32,
        greedy: bool,
        exit: i32,
    },
    /// Begins an iteration: the counter goes up, the register after it is a `Mark`.
    CountEnter(u32),
    /// Ends an iteration: fails where it was not needed and consumed nothing.
    CountNext {
        counter: u32,
        min: u32,
        test: i32,
    },
    /// Matches what lies between the two registers of a group of [`Program::references`]; empty where none
    /// has both set.
    Reference {
        index: u32,
        ignore_case: bool,
        back: bool,
    },
    /// Runs the body that follows up to its `LookEnd`; `end` is behind that.
    Look {
        negated: bool,
        end: i32,
    },
    LookEnd,
    Match,
}

#[derive(Clone, Copy)]
pub(super) enum Test {
    Unit(u16),
    Set(u32),
}

/// `max` of a repeat without end.
pub(super) const ENDLESS: u32 = u32::MAX;

impl Program {
    pub(super) fn new(syntax: &Syntax) -> Self {
        Self::with_copies(syntax, MAX_COPIED)
    }

    /// `max_copied` instructions may be added by writing repeats out; the meaning is the same for any number.
    pub(super) fn with_copies(syntax: &Syntax, max_copied: usize) -> Self {
        let mut kept = vec![false; syntax.groups];
        syntax.references.iter().flatten().for_each(|&group| kept[group] = true);
        let mut registers = 0;
        let kept = kept.iter().map(|&is_kept| {
            let register = registers;
            registers += 2 * u32::from(is_kept);
            Kept { register, is_kept }
        });
        let kept: Vec<Kept> = kept.collect();
        let first_registers =
            |groups: &Vec<usize>| groups.iter().map(|&group| kept[group].register).collect();
        let references = syntax.references.iter().map(first_registers).collect();
        let mut compiler =
            Compiler { kept, registers, ops: Vec::new(), sets: Vec::new(), copies_left: max_copied };
        compiler.node(&syntax.root, false);
        compiler.ops.push(Op::Match);
        let mut program = Self {
            ops: compiler.ops,
            sets: compiler.sets,
            references,
            registers: compiler.registers as usize,
            memos: 0,
            anchored: is_anchored(&syntax.root),
        };
        program.number_memos(syntax.references.is_empty());
        program
    }

    fn number_memos(&mut self, useful: bool) {
        for op in &mut self.ops {
            if let Op::Fork { memo, .. } | Op::Run { memo, .. } = op
                && memo.is_some()
            {
                *memo = useful.then_some(self.memos as u32);
                self.memos += usize::from(useful);
            }
        }
    }
}

fn is_anchored(node: &Node) -> bool {
    match node {
        Node::Start { multiline } => !multiline,
        Node::Sequence(terms) => terms.iter().any(is_anchored),
        Node::Alternatives(alternatives) => alternatives.iter().all(is_anchored),
        Node::Capture { body, .. } => is_anchored(body),
        Node::Repeat { min, body, .. } => *min > 0 && is_anchored(body),
        _ => false,
    }
}

/// Where a capture group is kept: only what a backreference asks for is.
struct Kept {
    /// The first of two, start and end; for a group that is not kept, that of the next one that is.
    register: u32,
    is_kept: bool,
}

struct Compiler {
    kept: Vec<Kept>,
    registers: u32,
    ops: Vec<Op>,
    sets: Vec<UnitSet>,
    copies_left: usize,
}

impl Compiler {
    /// Appends `node`, to be read backwards inside a lookbehind; answers whether it can match empty.
    fn node(&mut self, node: &Node, back: bool) -> bool {
        if let Some(test) = self.test(node) {
            self.ops.push(Op::Unit { test, back });
            return false;
        }
        match node {
            Node::Empty | Node::Unit(_) | Node::Set(_) => {}
            Node::Start { multiline } => self.ops.push(Op::Start { multiline: *multiline }),
            Node::End { multiline } => self.ops.push(Op::End { multiline: *multiline }),
            Node::Boundary { negated } => self.ops.push(Op::Boundary { negated: *negated }),
            Node::Sequence(terms) => {
                let mut empty = true;
                for index in 0..terms.len() {
                    let index = if back { terms.len() - 1 - index } else { index };
                    empty &= self.node(&terms[index], back);
                }
                return empty;
            }
            Node::Alternatives(alternatives) => return self.alternatives(alternatives, back),
            Node::Capture { group, body } => {
                let Kept { register, is_kept } = self.kept[*group];
                if !is_kept {
                    return self.node(body, back);
                }
                self.ops.push(Op::Mark(register + u32::from(back)));
                let empty = self.node(body, back);
                self.ops.push(Op::Mark(register + u32::from(!back)));
                return empty;
            }
            Node::Reference { index, ignore_case } => {
                self.ops.push(Op::Reference { index: *index as u32, ignore_case: *ignore_case, back });
            }
            Node::Look { behind, negated, body } => {
                let look = self.ops.len();
                self.ops.push(Op::Look { negated: *negated, end: 0 });
                self.node(body, *behind);
                self.ops.push(Op::LookEnd);
                self.ops[look] = Op::Look { negated: *negated, end: self.distance(look) };
            }
            Node::Repeat { max: Some(0), .. } => {}
            Node::Repeat { min, max, greedy, groups, body } => {
                let (min, max, greedy) = (*min, max.unwrap_or(ENDLESS), *greedy);
                if let Some(test) = self.test(body) {
                    self.ops.push(Op::Run { test, back, min, max, greedy, memo: Some(0) });
                    return min == 0;
                }
                let start = self.ops.len();
                let register =
                    |group: usize| self.kept.get(group).map_or(self.captures(), |kept| kept.register);
                let (from, to) = (register(groups.start), register(groups.end));
                if from < to {
                    self.ops.push(Op::Unset { from, to });
                }
                let empty = self.node(body, back);
                let body = self.ops.split_off(start);
                self.repeat(&body, empty, min, max, greedy);
                return empty || min == 0;
            }
        }
        true
    }

    /// How many registers the captures take.
    fn captures(&self) -> u32 {
        self.kept.last().map_or(0, |last| last.register + 2 * u32::from(last.is_kept))
    }

    /// The node as a test of one code unit, if it is no more than that.
    fn test(&mut self, node: &Node) -> Option<Test> {
        Some(match node {
            Node::Capture { group, body } if !self.kept[*group].is_kept => return self.test(body),
            Node::Unit(unit) => Test::Unit(*unit),
            Node::Set(set) => {
                self.sets.push(set.clone());
                Test::Set(self.sets.len() as u32 - 1)
            }
            _ => return None,
        })
    }

    fn alternatives(&mut self, alternatives: &[Node], back: bool) -> bool {
        let mut empty = false;
        let mut jumps = Vec::new();
        for (index, alternative) in alternatives.iter().enumerate() {
            let fork = self.ops.len();
            let is_last = index + 1 == alternatives.len();
            if !is_last {
                self.ops.push(Op::Fork { first: 1, second: 0, memo: Some(0) });
            }
            empty |= self.node(alternative, back);
            if !is_last {
                jumps.push(self.ops.len());
                self.ops.push(Op::Jump(0));
                self.ops[fork] = Op::Fork { first: 1, second: self.distance(fork), memo: Some(0) };
            }
        }
        for jump in jumps {
            self.ops[jump] = Op::Jump(self.distance(jump));
        }
        empty
    }

    /// From the instruction at `from` to the next one to be written.
    fn distance(&self, from: usize) -> i32 {
        (self.ops.len() - from) as i32
    }

    /// `body` so often as needed, then `body` so often as allowed: an iteration beyond `min` that consumes
    /// nothing fails.
    fn repeat(&mut self, body: &[Op], empty: bool, min: u32, max: u32, greedy: bool) {
        let optional = if max == ENDLESS { 1 } else { max.saturating_sub(min) };
        let copies = (min as usize).saturating_add(optional as usize);
        let added = copies.saturating_sub(1).saturating_mul(body.len() + 3);
        if added > self.copies_left {
            return self.counted(body, min, max, greedy);
        }
        self.copies_left -= added;
        for _ in 0..min {
            self.ops.extend_from_slice(body);
        }
        let mark = self.registers;
        self.registers += u32::from(empty);
        let mut forks = Vec::new();
        for _ in 0..optional {
            forks.push(self.ops.len());
            self.ops.push(Op::Jump(0));
            if empty {
                self.ops.push(Op::Mark(mark));
            }
            self.ops.extend_from_slice(body);
            if empty {
                self.ops.push(Op::Progress(mark));
            }
        }
        if max == ENDLESS {
            self.ops.push(Op::Jump(-self.distance(forks[0])));
        }
        for fork in forks {
            let exit = self.distance(fork);
            let (first, second) = if greedy { (1, exit) } else { (exit, 1) };
            self.ops[fork] = Op::Fork { first, second, memo: Some(0) };
        }
    }

    fn counted(&mut self, body: &[Op], min: u32, max: u32, greedy: bool) {
        let counter = self.registers;
        self.registers += 2;
        self.ops.push(Op::CountInit(counter));
        let test = self.ops.len();
        self.ops.push(Op::CountTest { counter, min, max, greedy, exit: 0 });
        self.ops.push(Op::CountEnter(counter));
        let first = self.ops.len();
        self.ops.extend_from_slice(body);
        for op in &mut self.ops[first..] {
            if let Op::Fork { memo, .. } | Op::Run { memo, .. } = op {
                // What comes of it depends on the counter, too.
                *memo = None;
            }
        }
        self.ops.push(Op::CountNext { counter, min, test: -self.distance(test) });
        self.ops[test] = Op::CountTest { counter, min, max, greedy, exit: self.distance(test) };
    }
}
