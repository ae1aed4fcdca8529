//! Flags ready to run, flat: a plan's programs lie in a few tables, in the order in which they are gone through.

use std::ops::Range;

use super::condition::{Condition, Operator, Source};
use super::hash::Prefix;
use super::words::Lexicon;

/// What evaluation runs. Ranges and indexes are into its own tables.
#[derive(Default)]
pub struct Code {
    /// By the same index as [`Plan::flags`](super::Plan::flags).
    pub programs: Vec<Program>,
    pub segments: Vec<Segment>,
    pub steps: Vec<Step>,
    /// Each once, however many flags have it.
    pub conditions: Vec<Condition>,
    pub buckets: Vec<Bucket>,
    pub choices: Vec<Choice>,
    pub lexicon: Lexicon,
    /// How many conditions have a place for their verdict.
    pub verdicts: usize,
    /// How many distinct keys results have.
    pub result_keys: usize,
    /// How many users and groups there are whose cohorts are looked up.
    pub identities: usize,
}

/// A flag.
pub struct Program {
    pub segments: (u32, u32),
    /// Index of the key under which later flags find the variant; [`NONE`] if none looks for it.
    pub result_key: u32,
}

/// No such thing.
pub const NONE: u32 = u32::MAX;

/// Codes of 0 mean: no variant, on to the next segment.
pub struct Segment {
    /// The first step, or [`MATCH`] or [`NO_MATCH`].
    pub first: u32,
    /// [`NONE`] leaves it to `code`.
    pub bucket: u32,
    pub code: u32,
}

/// One term. What follows is another step, or [`MATCH`] or [`NO_MATCH`].
pub struct Step {
    pub condition: u32,
    pub pass: u32,
    pub fail: u32,
    /// The slot whose text the condition compares with others for equality; [`NONE`] for other conditions.
    pub slot: u32,
    /// What follows where that text is none that the plan compares with: the condition need not be looked at then,
    /// which spares the commonest of all its way through memory.
    pub stranger: u32,
}

pub const MATCH: u32 = u32::MAX;
pub const NO_MATCH: u32 = u32::MAX - 1;

pub struct Bucket {
    pub source: Source,
    /// The salt and a slash.
    pub prefix: Prefix,
    /// The last one that applies decides.
    pub choices: (u32, u32),
}

/// A distribution of an allocation.
pub struct Choice {
    pub allocation: Span,
    pub distribution: Span,
    pub code: u32,
}

/// The whole numbers of a range.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// From the start on and below the end. Not a number: none.
    pub(super) fn new((start, end): (f64, f64)) -> Self {
        if start.is_nan() || end.is_nan() {
            return Self { start: 0, length: 0 };
        }
        // These casts saturate.
        let (start, end) = (start.ceil() as u32, end.ceil() as u32);
        Self { start, length: end.saturating_sub(start) }
    }

    #[inline]
    pub fn contains(self, number: u32) -> bool {
        number.wrapping_sub(self.start) < self.length
    }
}

impl Code {
    #[inline]
    pub fn program_segments(&self, program: &Program) -> &[Segment] {
        &self.segments[range(program.segments)]
    }

    #[inline]
    pub fn bucket_choices(&self, bucket: &Bucket) -> &[Choice] {
        &self.choices[range(bucket.choices)]
    }

    /// Lays out the terms of a segment, an OR of ANDs of conditions, and says where to begin.
    pub(super) fn push_steps(&mut self, any: &[Vec<u32>]) -> u32 {
        let mut at = self.steps.len() as u32;
        let mut entries = Vec::with_capacity(any.len() + 1);
        for all in any {
            entries.push(if all.is_empty() { MATCH } else { at });
            at += all.len() as u32;
        }
        entries.push(NO_MATCH);
        for (all, fails) in any.iter().zip(&entries[1..]) {
            for (index, &condition) in all.iter().enumerate() {
                let is_last = index + 1 == all.len();
                let pass = if is_last { MATCH } else { self.steps.len() as u32 + 1 };
                let (slot, is_met) = of_stranger(&self.conditions[condition as usize]);
                let stranger = if is_met { pass } else { *fails };
                self.steps.push(Step { condition, pass, fail: *fails, slot, stranger });
            }
        }
        entries[0]
    }
}

/// The slot whose text a condition compares for equality, or [`NONE`], and whether it is met by a text that is not among
/// those of the lexicon.
fn of_stranger(condition: &Condition) -> (u32, bool) {
    match condition {
        Condition { source: Source::Slot(slot), operator: Operator::Is { negated, .. }, .. } => {
            (*slot, *negated)
        }
        _ => (NONE, false),
    }
}

fn range((start, end): (u32, u32)) -> Range<usize> {
    start as usize..end as usize
}

#[cfg(test)]
mod tests {
    use super::super::words::Values;
    use super::*;
    use proptest::prelude::*;

    /// Compares the text in the slot of this number.
    fn comparison(slot: u32, negated: bool) -> Condition {
        let operator = Operator::Is { negated, values: Values::new(&[]) };
        Condition { source: Source::Slot(slot), operator, matches_none: false, verdict: NONE }
    }

    /// Goes through the steps, with the conditions' verdicts given, and which of the slots hold strangers.
    fn run(code: &Code, first: u32, verdicts: u32, strangers: u32) -> bool {
        let mut at = first;
        while at != MATCH && at != NO_MATCH {
            let Step { condition, pass, fail, slot, stranger } = code.steps[at as usize];
            at = match slot {
                _ if strangers & (1 << slot) != 0 => stranger,
                _ if verdicts & (1 << condition) != 0 => pass,
                _ => fail,
            };
        }
        at == MATCH
    }

    proptest! {
        #[test]
        fn steps_are_an_or_of_ands(
            any in prop::collection::vec(prop::collection::vec(0u32..8, 0..4), 0..5),
            verdicts in 0u32..256,
            strangers in 0u32..256,
            negated in 0u32..256,
        ) {
            let is_negated = |slot: u32| negated & (1 << slot) != 0;
            let conditions = (0..8).map(|slot| comparison(slot, is_negated(slot))).collect();
            let mut code = Code { conditions, ..Code::default() };
            code.push_steps(&[vec![0, 1], vec![2]]);
            let first = code.push_steps(&any);
            // A stranger is equal to nothing.
            let verdicts = (verdicts & !strangers) | (negated & strangers);
            let expected = any.iter().any(|all| all.iter().all(|&term| verdicts & (1 << term) != 0));
            prop_assert_eq!(run(&code, first, verdicts, 0), expected);
            // Of strangers the condition is not asked.
            prop_assert_eq!(run(&code, first, verdicts ^ strangers, strangers), expected);
        }

        #[test]
        fn a_span_holds_the_whole_numbers_of_its_range(
            start in -5.0f64..120.0,
            end in -5.0f64..120.0,
            number in 0u32..120,
            whole in any::<bool>(),
        ) {
            let (start, end) = if whole { (start.trunc(), end.trunc()) } else { (start, end) };
            let expected = start <= f64::from(number) && f64::from(number) < end;
            prop_assert_eq!(Span::new((start, end)).contains(number), expected);
        }
    }

    #[test]
    fn spans_of_strange_ranges() {
        assert!(!Span::new((f64::NAN, 100.0)).contains(0));
        assert!(!Span::new((0.0, f64::NAN)).contains(0));
        assert!(Span::new((f64::NEG_INFINITY, f64::INFINITY)).contains(42_949_672));
        assert!(!Span::new((1e300, f64::INFINITY)).contains(42_949_672));
    }
}
