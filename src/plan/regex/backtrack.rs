//! The complete tier: a backtracking matcher over UTF-16 code units that means exactly what ECMAScript does,
//! on a budget of steps and a stack of its own.
//!
//! Where the pattern has no backreferences, an instruction that failed at a position once is not tried there
//! again, so that look-around does not make a pattern exponential.

use super::MatchOutcome;
use super::case;
use super::program::{ENDLESS, Op, Program, Test};
use super::units::{UnitSet, is_line_terminator, is_word};
use crate::ecma::text::utf16_units;

/// Entries of 16 bytes.
const MAX_STACK: usize = 1 << 20;
/// Bits; above, a haystack is matched without memory.
const MAX_MEMO: usize = 1 << 25;
/// Bytes; to decode more takes too long.
const MAX_HAYSTACK: usize = 1 << 24;

const UNSET: u32 = u32::MAX;

impl Program {
    /// Gives up after `allowance` steps.
    pub(super) fn run(&self, haystack: &[u8], allowance: u32) -> Outcome {
        if haystack.len() > MAX_HAYSTACK {
            return Outcome { outcome: MatchOutcome::Exhausted, steps: 0 };
        }
        if haystack.is_ascii() {
            return Matcher::new(self, haystack, allowance).search();
        }
        let units: Vec<u16> = utf16_units(haystack).collect();
        Matcher::new(self, &units[..], allowance).search()
    }
}

/// An answer and what it took.
pub(super) struct Outcome {
    pub(super) outcome: MatchOutcome,
    pub(super) steps: u32,
}

/// A haystack by code unit.
trait Units: Copy {
    fn length(self) -> u32;
    /// `index` is below the length.
    fn unit(self, index: u32) -> u16;
}

/// ASCII.
impl Units for &[u8] {
    fn length(self) -> u32 {
        self.len() as u32
    }

    #[inline]
    fn unit(self, index: u32) -> u16 {
        u16::from(self[index as usize])
    }
}

impl Units for &[u16] {
    fn length(self) -> u32 {
        self.len() as u32
    }

    #[inline]
    fn unit(self, index: u32) -> u16 {
        self[index as usize]
    }
}

struct Matcher<'p, H> {
    program: &'p Program,
    haystack: H,
    length: u32,
    steps: u32,
    allowance: u32,
    registers: Vec<u32>,
    stack: Vec<Entry>,
    looks: Vec<Look>,
    failed: Memo,
}

/// What to do when the present attempt fails, last first.
#[derive(Clone, Copy)]
enum Entry {
    Try {
        op: u32,
        at: u32,
    },
    Restore {
        register: u32,
        value: u32,
    },
    /// A greedy run that may give back units, down to `least`.
    Shrink {
        op: u32,
        at: u32,
        least: u32,
    },
    /// A lazy run that may take up to `left` more units.
    Grow {
        op: u32,
        at: u32,
        left: u32,
    },
    /// The body of the innermost look has no more alternatives.
    LookFailed,
}

/// A look-around whose body is being matched.
struct Look {
    op: u32,
    at: u32,
    stack: u32,
    trail: u32,
}

struct Exhausted;

impl<'p, H: Units> Matcher<'p, H> {
    fn new(program: &'p Program, haystack: H, allowance: u32) -> Self {
        let length = haystack.length();
        Self {
            program,
            haystack,
            length,
            steps: 0,
            allowance,
            registers: vec![UNSET; program.registers],
            stack: Vec::new(),
            looks: Vec::new(),
            failed: Memo::new(program.memos, length),
        }
    }

    fn search(mut self) -> Outcome {
        let last = if self.program.anchored { 0 } else { self.length };
        let mut outcome = MatchOutcome::NoMatch;
        for start in 0..=last {
            outcome = match self.match_at(start) {
                Ok(false) => continue,
                Ok(true) => MatchOutcome::Match,
                Err(Exhausted) => MatchOutcome::Exhausted,
            };
            break;
        }
        Outcome { outcome, steps: self.steps }
    }

    /// A failed attempt leaves all registers unset again.
    fn match_at(&mut self, start: u32) -> Result<bool, Exhausted> {
        let (mut op, mut at) = (0, start);
        loop {
            self.spend(1)?;
            match self.step(op, at)? {
                Step::To(next_op, next_at) => (op, at) = (next_op, next_at),
                Step::Matched => return Ok(true),
                Step::Fail => match self.back()? {
                    Some(next) => (op, at) = next,
                    None => return Ok(false),
                },
            }
        }
    }

    fn spend(&mut self, steps: u32) -> Result<(), Exhausted> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.allowance { Err(Exhausted) } else { Ok(()) }
    }

    fn step(&mut self, op: u32, at: u32) -> Result<Step, Exhausted> {
        let next = Step::To(op + 1, at);
        let jump = |distance: i32| op.wrapping_add_signed(distance);
        Ok(match self.program.ops[op as usize] {
            Op::Unit { test, back } => match self.neighbour(at, back) {
                Some(unit) if self.passes(test, unit) => Step::To(op + 1, shift(at, 1, back)),
                _ => Step::Fail,
            },
            Op::Start { multiline } => next.if_so(at == 0 || multiline && self.is_line_end_at(at, true)),
            Op::End { multiline } => {
                next.if_so(at == self.length || multiline && self.is_line_end_at(at, false))
            }
            Op::Boundary { negated } => {
                let is_word_at = |back| self.neighbour(at, back).is_some_and(is_word);
                next.if_so((is_word_at(true) != is_word_at(false)) != negated)
            }
            Op::Jump(distance) => Step::To(jump(distance), at),
            Op::Fork { first, second, memo } => {
                if self.is_known_to_fail(memo, at) {
                    return Ok(Step::Fail);
                }
                self.push(Entry::Try { op: jump(second), at })?;
                Step::To(jump(first), at)
            }
            Op::Run { test, back, min, max, greedy, memo } => {
                if self.is_known_to_fail(memo, at) {
                    return Ok(Step::Fail);
                }
                let taken = self.run(test, at, back, if greedy { max } else { min })?;
                if taken < min {
                    return Ok(Step::Fail);
                }
                let end = shift(at, taken, back);
                if !greedy && max > min {
                    let left = if max == ENDLESS { ENDLESS } else { max - min };
                    self.push(Entry::Grow { op, at: end, left })?;
                } else if taken > min {
                    self.push(Entry::Shrink { op, at: end, least: shift(at, min, back) })?;
                }
                Step::To(op + 1, end)
            }
            Op::Mark(register) => {
                self.set(register, at)?;
                next
            }
            Op::Progress(register) => next.if_so(self.register(register) != at),
            Op::Unset { from, to } => {
                self.spend(to - from)?;
                for register in from..to {
                    if self.register(register) != UNSET {
                        self.set(register, UNSET)?;
                    }
                }
                next
            }
            Op::CountInit(counter) => {
                self.set(counter, 0)?;
                next
            }
            Op::CountTest { counter, min, max, greedy, exit } => {
                let count = self.register(counter);
                let (enter, exit) = (op + 1, jump(exit));
                if count < min {
                    next
                } else if count >= max {
                    Step::To(exit, at)
                } else {
                    let (first, second) = if greedy { (enter, exit) } else { (exit, enter) };
                    self.push(Entry::Try { op: second, at })?;
                    Step::To(first, at)
                }
            }
            Op::CountEnter(counter) => {
                self.set(counter, self.register(counter) + 1)?;
                self.set(counter + 1, at)?;
                next
            }
            Op::CountNext { counter, min, test } => {
                let needless = self.register(counter) > min && self.register(counter + 1) == at;
                Step::To(jump(test), at).if_so(!needless)
            }
            Op::Reference { index, ignore_case, back } => {
                let starts = &self.program.references[index as usize];
                self.spend(starts.len() as u32 - 1)?;
                let mut captures =
                    starts.iter().map(|&start| (self.register(start), self.register(start + 1)));
                match captures.find(|&(from, to)| from != UNSET && to != UNSET) {
                    Some(capture) => self.reference(op, at, capture, ignore_case, back)?,
                    None => next,
                }
            }
            Op::Look { .. } => {
                let (stack, trail) = (self.stack.len() as u32, self.failed.trail.len() as u32);
                self.looks.push(Look { op, at, stack, trail });
                self.push(Entry::LookFailed)?;
                next
            }
            Op::LookEnd => self.look_matched()?,
            Op::Match => Step::Matched,
        })
    }

    /// Goes back to the last choice.
    fn back(&mut self) -> Result<Option<(u32, u32)>, Exhausted> {
        while let Some(entry) = self.stack.pop() {
            self.spend(1)?;
            match entry {
                Entry::Try { op, at } => return Ok(Some((op, at))),
                Entry::Restore { register, value } => self.registers[register as usize] = value,
                Entry::Shrink { op, at, least } => {
                    let Op::Run { back, .. } = self.program.ops[op as usize] else { continue };
                    let at = shift(at, 1, !back);
                    if at != least {
                        self.push(Entry::Shrink { op, at, least })?;
                    }
                    return Ok(Some((op + 1, at)));
                }
                Entry::Grow { op, at, left } => {
                    let Op::Run { test, back, .. } = self.program.ops[op as usize] else { continue };
                    if !self.neighbour(at, back).is_some_and(|unit| self.passes(test, unit)) {
                        continue;
                    }
                    let at = shift(at, 1, back);
                    let left = if left == ENDLESS { ENDLESS } else { left - 1 };
                    if left > 0 {
                        self.push(Entry::Grow { op, at, left })?;
                    }
                    return Ok(Some((op + 1, at)));
                }
                Entry::LookFailed => {
                    let Some(look) = self.looks.pop() else { continue };
                    self.failed.trail.truncate(look.trail as usize);
                    if let Op::Look { negated: true, end } = self.program.ops[look.op as usize] {
                        return Ok(Some((look.op.wrapping_add_signed(end), look.at)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The body of the innermost look matched: there is no going back into it. What it captured stays, to be
    /// undone when the attempt fails later; of a negated look, nothing stays.
    fn look_matched(&mut self) -> Result<Step, Exhausted> {
        let Some(look) = self.looks.pop() else { return Ok(Step::Fail) };
        let Op::Look { negated, end } = self.program.ops[look.op as usize] else { return Ok(Step::Fail) };
        self.failed.forgive(look.trail as usize);
        let inner = self.stack.len() - look.stack as usize;
        self.spend(inner as u32)?;
        if negated {
            for entry in self.stack.drain(look.stack as usize..).rev() {
                if let Entry::Restore { register, value } = entry {
                    self.registers[register as usize] = value;
                }
            }
            return Ok(Step::Fail);
        }
        let first = look.stack as usize;
        let mut kept = first;
        for index in first..self.stack.len() {
            if let Entry::Restore { .. } = self.stack[index] {
                self.stack[kept] = self.stack[index];
                kept += 1;
            }
        }
        self.stack.truncate(kept);
        Ok(Step::To(look.op.wrapping_add_signed(end), look.at))
    }

    fn reference(
        &mut self,
        op: u32,
        at: u32,
        (from, to): (u32, u32),
        ignore_case: bool,
        back: bool,
    ) -> Result<Step, Exhausted> {
        let length = to - from;
        let available = if back { at } else { self.length - at };
        if length > available {
            return Ok(Step::Fail);
        }
        self.spend(length)?;
        let end = shift(at, length, back);
        let low = at.min(end);
        let same = (0..length).all(|index| {
            let (one, other) = (self.haystack.unit(from + index), self.haystack.unit(low + index));
            if ignore_case { case::is_same(one, other) } else { one == other }
        });
        Ok(Step::To(op + 1, end).if_so(same))
    }

    /// How many units in a row pass, up to `max`.
    fn run(&mut self, test: Test, at: u32, back: bool, max: u32) -> Result<u32, Exhausted> {
        let available = if back { at } else { self.length - at };
        let max = max.min(available);
        let mut taken = 0;
        while taken < max
            && self.neighbour(shift(at, taken, back), back).is_some_and(|unit| self.passes(test, unit))
        {
            taken += 1;
        }
        self.spend(taken)?;
        Ok(taken)
    }

    #[inline]
    fn neighbour(&self, at: u32, back: bool) -> Option<u16> {
        let index = if back { at.checked_sub(1)? } else { at };
        (index < self.length).then(|| self.haystack.unit(index))
    }

    #[inline]
    fn passes(&self, test: Test, unit: u16) -> bool {
        match test {
            Test::Unit(expected) => unit == expected,
            Test::Set(set) => {
                let set: &UnitSet = &self.program.sets[set as usize];
                set.contains(unit)
            }
        }
    }

    fn is_line_end_at(&self, at: u32, back: bool) -> bool {
        self.neighbour(at, back).is_some_and(is_line_terminator)
    }

    fn is_known_to_fail(&mut self, memo: Option<u32>, at: u32) -> bool {
        memo.is_some_and(|memo| !self.failed.insert(memo, at, !self.looks.is_empty()))
    }

    fn register(&self, register: u32) -> u32 {
        self.registers[register as usize]
    }

    fn set(&mut self, register: u32, value: u32) -> Result<(), Exhausted> {
        let before = std::mem::replace(&mut self.registers[register as usize], value);
        self.push(Entry::Restore { register, value: before })
    }

    fn push(&mut self, entry: Entry) -> Result<(), Exhausted> {
        if self.stack.len() == MAX_STACK {
            return Err(Exhausted);
        }
        self.stack.push(entry);
        Ok(())
    }
}

fn shift(at: u32, by: u32, back: bool) -> u32 {
    if back { at - by } else { at + by }
}

enum Step {
    To(u32, u32),
    Fail,
    Matched,
}

impl Step {
    fn if_so(self, condition: bool) -> Self {
        if condition { self } else { Self::Fail }
    }
}

/// Which (instruction, position) were tried. One that is met again has failed, or is being tried right now
/// and gets nowhere by starting over; with one exception, see [`Memo::forgive`].
struct Memo {
    bits: Vec<u64>,
    /// Positions there are.
    stride: usize,
    /// The bits set while a look was open.
    trail: Vec<u32>,
}

impl Memo {
    fn new(memos: usize, length: u32) -> Self {
        let stride = length as usize + 1;
        let bits = memos.saturating_mul(stride);
        let words = if bits > MAX_MEMO { 0 } else { bits.div_ceil(64) };
        Self { bits: vec![0; words], stride, trail: Vec::new() }
    }

    /// False where it was there.
    fn insert(&mut self, memo: u32, at: u32, in_look: bool) -> bool {
        let bit = memo as usize * self.stride + at as usize;
        let Some(word) = self.bits.get_mut(bit / 64) else { return true };
        let is_new = *word >> (bit % 64) & 1 == 0;
        *word |= 1 << (bit % 64);
        if is_new && in_look {
            self.trail.push(bit as u32);
        }
        is_new
    }

    /// A look has matched: what was tried since it began has not all failed.
    fn forgive(&mut self, trail: usize) {
        for bit in self.trail.drain(trail..) {
            self.bits[bit as usize / 64] &= !(1 << (bit % 64));
        }
    }
}
