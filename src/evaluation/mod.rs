//! Evaluates a plan for one user: pure, and without allocation once the [`Scratch`] has grown.
//!
//! In: a plan, the stored cohorts, a [`Selection`], and the user's values by slot. Out: one outcome code per
//! selected flag. (Contract: evaluation 3 to 7.)

mod operators;
mod slots;
mod subject;

use std::hint::select_unpredictable;
use std::sync::Arc;

use self::operators::{
    InvalidPattern, Patterns, Tools, list_matches, missing_matches, passing_matches, text_matches,
};
use self::slots::{CellText, Items, Kind};
use crate::cohort::Cohort;
use crate::ecma::json::{in_property_order, push_quoted};
use crate::plan::condition::{CohortSlot, Condition, Constant, Operator, ResultSelector, Source};
use crate::plan::program::{Bucket, Code, MATCH, NO_MATCH, NONE, Program, Step};
use crate::plan::{Plan, Selection, Slot};

pub use slots::{SlotBuffer, Slots};

/// Where cohort memberships come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CohortSource {
    /// From the stored cohorts, for users and groups that have an identity; else from the user.
    Stored,
    /// From the user, as the slots have it.
    Caller,
}

/// Working memory of an evaluation, kept between calls.
#[derive(Default)]
pub struct Scratch {
    /// A cell for each slot, then one for the cohorts of each identity, then one for passing text.
    buffer: SlotBuffer,
    /// Of the conditions that several flags have.
    verdicts: Memo,
    /// Of each identity in each cohort.
    memberships: Memo,
    /// By result key: the code of the variant so far, or 0.
    results: Vec<u32>,
    /// Result keys in the order in which they came.
    result_order: Vec<u32>,
    tools: Tools,
}

/// What an evaluation has found out and may be asked again: small numbers, each at its place. An entry is the number
/// of the evaluation that wrote it, shifted, and what was found: entries of earlier evaluations need no clearing.
#[derive(Default)]
struct Memo {
    entries: Vec<u32>,
    evaluation: u32,
}

const FOUND_BITS: u32 = 2;

impl Memo {
    fn begin(&mut self, count: usize) {
        self.evaluation += 1;
        if self.evaluation == 1 << (u32::BITS - FOUND_BITS) {
            self.evaluation = 1;
            self.entries.fill(0);
        }
        if self.entries.len() < count {
            self.entries.resize(count, 0);
        }
    }

    fn get(&self, at: usize) -> Option<u32> {
        let entry = self.entries[at];
        (entry >> FOUND_BITS == self.evaluation).then_some(entry & ((1 << FOUND_BITS) - 1))
    }

    /// `found` is below four.
    fn set(&mut self, at: usize, found: u32) {
        self.entries[at] = self.evaluation << FOUND_BITS | found;
    }
}

type Verdict = Result<bool, InvalidPattern>;

fn found_of(verdict: &Verdict) -> u32 {
    verdict.as_ref().map_or(2, |&verdict| u32::from(verdict))
}

fn verdict_of(found: u32) -> Verdict {
    match found {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(InvalidPattern),
    }
}

/// What an evaluation could not decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The first flag (index into [`Plan::flags`]) of which a regular expression ran out of its budget.
    pub exhausted: Option<u32>,
}

/// Evaluates the selected flags. `cohorts` is by index into [`Plan::cohort_ids`]. Writes the code of the i-th
/// selected flag into `codes[i]`, as far as `codes` reaches.
pub fn evaluate<S: Slots + ?Sized>(
    plan: &Plan,
    cohorts: &[Option<Arc<Cohort>>],
    selection: &Selection,
    source: CohortSource,
    slots: &mut S,
    scratch: &mut Scratch,
    codes: &mut [u32],
) -> Notes {
    scratch.begin(plan, selection);
    let code = plan.code();
    let mut run = Run { plan, code, cohorts, source, slots, scratch };
    let mut notes = Notes::default();
    for (&flag, out) in selection.flags.iter().zip(codes) {
        let program = &code.programs[flag as usize];
        let code = run.flag(program).unwrap_or_default();
        *out = code;
        if program.result_key != NONE && code != 0 {
            run.scratch.keep_result(program.result_key, code);
        }
        if run.scratch.tools.patterns.exhausted {
            run.scratch.tools.patterns.exhausted = false;
            notes.exhausted.get_or_insert(flag);
        }
    }
    notes
}

impl Scratch {
    fn begin(&mut self, plan: &Plan, selection: &Selection) {
        let slots = plan.slots().len();
        let identities = plan.code().identities;
        let count = slots + identities + 1;
        self.buffer.begin(count, selection.slots.iter().map(|&slot| slot as usize).chain(slots..count));
        self.verdicts.begin(plan.code().verdicts);
        self.memberships.begin(identities * plan.cohort_ids().len());
        self.tools.patterns = Patterns::default();
        for key in self.result_order.drain(..) {
            self.results[key as usize] = 0;
        }
        if self.results.len() < plan.code().result_keys {
            self.results.resize(plan.code().result_keys, 0);
        }
    }

    fn keep_result(&mut self, key: u32, code: u32) {
        let result = &mut self.results[key as usize];
        if *result == 0 {
            self.result_order.push(key);
        }
        *result = code;
    }
}

/// One evaluation under way.
struct Run<'a, S: ?Sized> {
    plan: &'a Plan,
    code: &'a Code,
    cohorts: &'a [Option<Arc<Cohort>>],
    source: CohortSource,
    slots: &'a mut S,
    scratch: &'a mut Scratch,
}

impl<S: Slots + ?Sized> Run<'_, S> {
    fn flag(&mut self, program: &Program) -> Result<u32, InvalidPattern> {
        for segment in self.code.program_segments(program) {
            if !self.matches(segment.first)? {
                continue;
            }
            let code = match segment.bucket {
                NONE => segment.code,
                bucket => self.bucket(&self.code.buckets[bucket as usize], segment.code),
            };
            if code != 0 {
                return Ok(code);
            }
        }
        Ok(0)
    }

    fn matches(&mut self, first: u32) -> Result<bool, InvalidPattern> {
        let mut at = first;
        loop {
            match at {
                MATCH => return Ok(true),
                NO_MATCH => return Ok(false),
                _ => {
                    let &Step { condition, pass, fail, slot, stranger } = &self.code.steps[at as usize];
                    at = if self.scratch.buffer.is_stranger(slot) {
                        stranger
                    } else if self.verdict(condition)? {
                        pass
                    } else {
                        fail
                    };
                }
            }
        }
    }

    /// The code that the bucket decides on; `otherwise` where it leaves it to the segment.
    fn bucket(&mut self, bucket: &Bucket, otherwise: u32) -> u32 {
        let Some(text) = self.text(&bucket.source).filter(|text| !text.is_empty()) else { return otherwise };
        let hash = bucket.prefix.hash(text);
        let (allocation, distribution) = (hash % 100, hash / 100);
        let mut code = otherwise;
        // They are few, and where a user falls is anybody's guess: selecting is faster than branching.
        for choice in self.code.bucket_choices(bucket) {
            let applies = choice.allocation.contains(allocation) & choice.distribution.contains(distribution);
            code = select_unpredictable(applies, choice.code, code);
        }
        code
    }

    fn verdict(&mut self, index: u32) -> Verdict {
        let condition = &self.code.conditions[index as usize];
        if condition.verdict == NONE {
            return self.condition(condition);
        }
        let place = condition.verdict as usize;
        if let Some(found) = self.scratch.verdicts.get(place) {
            return verdict_of(found);
        }
        let verdict = self.condition(condition);
        self.scratch.verdicts.set(place, found_of(&verdict));
        verdict
    }

    #[inline]
    fn condition(&mut self, condition: &Condition) -> Result<bool, InvalidPattern> {
        if let Source::Slot(slot) = condition.source {
            let cell = self.slot(slot);
            if self.scratch.buffer.kind(cell) == Kind::Text {
                return self.text_cell(condition, cell);
            }
            return self.cell(condition, cell);
        }
        self.special(condition)
    }

    #[inline]
    fn text_cell(&mut self, condition: &Condition, cell: usize) -> Result<bool, InvalidPattern> {
        let Scratch { buffer, tools, .. } = &mut *self.scratch;
        let subject = CellText { buffer, cell, lexicon: &self.code.lexicon };
        text_matches(&condition.operator, subject, &mut tools.patterns)
    }

    fn cell(&mut self, condition: &Condition, cell: usize) -> Result<bool, InvalidPattern> {
        let Condition { operator, matches_none, .. } = condition;
        if self.scratch.buffer.kind(cell) == Kind::Bracket {
            self.scratch.buffer.see_list(cell);
        }
        match self.scratch.buffer.kind(cell) {
            Kind::Unread | Kind::Missing => Ok(missing_matches(operator, *matches_none)),
            Kind::Present => Ok(false),
            Kind::Text | Kind::Bracket => self.text_cell(condition, cell),
            Kind::List => {
                let Scratch { buffer, tools, .. } = &mut *self.scratch;
                list_matches(operator, buffer.items(cell, &self.code.lexicon), tools)
            }
        }
    }

    /// A condition on something else than a value of the user.
    #[inline(never)]
    fn special(&mut self, condition: &Condition) -> Result<bool, InvalidPattern> {
        let Condition { source, operator, matches_none, .. } = condition;
        match source {
            Source::Slot(slot) => {
                let cell = self.slot(*slot);
                self.cell(condition, cell)
            }
            Source::Cohorts(cohorts) => {
                if let Some(is_member) = self.is_member_of_any(cohorts, condition) {
                    return Ok(is_member);
                }
                let cell = self.cohort_list(cohorts);
                self.cell(condition, cell)
            }
            Source::Result(selector) => {
                let Scratch { results, tools, .. } = &mut *self.scratch;
                match stored(selector, results) {
                    Some(Constant { list: Some(items), .. }) => {
                        list_matches(operator, Items::Constant(items), tools)
                    }
                    Some(Constant { text: Some(constant), .. }) => {
                        passing_matches(operator, &constant.text, constant.word, tools)
                    }
                    _ => Ok(missing_matches(operator, *matches_none)),
                }
            }
            Source::Results => {
                let text = self.results();
                let word = self.code.lexicon.word(&text);
                passing_matches(operator, &text, word, &mut self.scratch.tools)
            }
            Source::Nothing => Ok(missing_matches(operator, *matches_none)),
        }
    }

    /// `set contains any` of cohorts alone, without a list of all that the identity is in.
    fn is_member_of_any(&mut self, cohorts: &CohortSlot, condition: &Condition) -> Option<bool> {
        let Operator::SetContainsAny { negated, .. } = &condition.operator else { return None };
        let any_of = cohorts.any_of.as_ref().filter(|_| !condition.matches_none)?;
        let identity = self.identity(cohorts.identity)?;
        let is_member = any_of.iter().any(|&cohort| self.is_member(cohorts, cohort, identity));
        Some(is_member != *negated)
    }

    /// The cell of a slot, filled.
    fn slot(&mut self, slot: u32) -> usize {
        let cell = slot as usize;
        if self.scratch.buffer.kind(cell) == Kind::Unread {
            self.scratch.buffer.put(cell, |buffer| self.slots.read(slot, buffer));
        }
        cell
    }

    /// The text form of what a source holds; none or empty where it has none.
    fn text<'v>(&'v mut self, source: &'v Source) -> Option<&'v [u8]> {
        let cell = match source {
            Source::Slot(slot) => self.slot(*slot),
            Source::Result(selector) => {
                return stored(selector, &self.scratch.results)?
                    .text
                    .as_ref()
                    .map(|constant| &*constant.text);
            }
            Source::Results => {
                let text = self.results();
                self.pass(&text)
            }
            Source::Nothing => return None,
            Source::Cohorts(cohorts) => {
                let cell = self.cohort_list(cohorts);
                self.list_as_json(cell)
            }
        };
        Some(self.scratch.buffer.text(cell))
    }

    /// A cell with this text, until the next one is asked for.
    fn pass(&mut self, text: &[u8]) -> usize {
        let cell = self.plan.slots().len() + self.code.identities;
        self.scratch.buffer.put(cell, |buffer| {
            buffer.bytes().extend_from_slice(text);
            buffer.set_text();
        });
        cell
    }

    /// Cohort lists that were looked up have no text form yet.
    fn list_as_json(&mut self, cell: usize) -> usize {
        let buffer = &mut self.scratch.buffer;
        if buffer.kind(cell) != Kind::List || !buffer.text(cell).is_empty() {
            return cell;
        }
        let mut json = vec![b'['];
        for (index, (item, _)) in buffer.items(cell, &self.code.lexicon).iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            push_quoted(item, &mut json);
        }
        json.push(b']');
        self.pass(&json)
    }

    /// The cell that says who the user or group is. `None` without an identity, and where the caller has looked
    /// up the cohorts.
    fn identity(&mut self, slot: u32) -> Option<usize> {
        if self.source == CohortSource::Caller {
            return None;
        }
        let cell = self.slot(self.slots.twin(slot).unwrap_or(slot));
        let buffer = &self.scratch.buffer;
        match buffer.kind(cell) {
            Kind::Unread | Kind::Missing => None,
            Kind::Present => Some(cell),
            Kind::Text | Kind::Bracket | Kind::List => (!buffer.text(cell).is_empty()).then_some(cell),
        }
    }

    fn is_member(&mut self, cohorts: &CohortSlot, cohort: u32, identity: usize) -> bool {
        let Scratch { buffer, memberships, .. } = &mut *self.scratch;
        // A list here is a string that conditions have seen as one.
        if !matches!(buffer.kind(identity), Kind::Text | Kind::Bracket | Kind::List) {
            return false;
        }
        let place = cohorts.list as usize * self.plan.cohort_ids().len() + cohort as usize;
        if let Some(found) = memberships.get(place) {
            return found != 0;
        }
        let group = &self.plan.cohort_groups()[cohorts.group as usize];
        let stored = self.cohorts.get(cohort as usize).and_then(Option::as_ref);
        let is_member = stored.is_some_and(|cohort| {
            cohort.group_type == group.group_type && cohort.contains(buffer.text(identity))
        });
        memberships.set(place, u32::from(is_member));
        is_member
    }

    /// A cell with the ids of the cohorts that the identity is in; with those of the caller where there is no
    /// identity.
    fn cohort_list(&mut self, cohorts: &CohortSlot) -> usize {
        let Some(identity) = self.identity(cohorts.identity) else { return self.slot(cohorts.slot) };
        let plan = self.plan;
        let cell = plan.slots().len() + cohorts.list as usize;
        if self.scratch.buffer.kind(cell) != Kind::Unread {
            return cell;
        }
        let mut found = plan.cohort_groups()[cohorts.group as usize].cohorts.clone();
        found.retain(|&cohort| self.is_member(cohorts, cohort, identity));
        let is_user = matches!(plan.slots()[cohorts.identity as usize], Slot::Identity(None));
        self.scratch.buffer.put(cell, |buffer| {
            for &cohort in &found {
                buffer.bytes().extend_from_slice(plan.cohort_ids()[cohort as usize].as_bytes());
                buffer.push_item();
            }
            // An empty list of a group's cohorts is left out of the context.
            if is_user || !found.is_empty() {
                buffer.set_list();
            }
        });
        cell
    }

    /// All variants so far as JSON.
    fn results(&self) -> Vec<u8> {
        let entries = self.scratch.result_order.iter().map(|&key| {
            let code = self.scratch.results[key as usize];
            (self.plan.outcomes()[code as usize].flag_key.clone(), code)
        });
        let mut json = vec![b'{'];
        for (index, (key, code)) in in_property_order(entries.collect()).into_iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            push_quoted(key.as_bytes(), &mut json);
            json.push(b':');
            self.plan.variant(code).stringify(&mut json);
        }
        json.push(b'}');
        json
    }
}

fn stored<'a>(selector: &'a ResultSelector, results: &[u32]) -> Option<&'a Constant> {
    let code = results[selector.key as usize];
    let at = selector.values.binary_search_by_key(&code, |(code, _)| *code).ok()?;
    Some(&selector.values[at].1)
}
