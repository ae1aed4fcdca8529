//! Evaluates a plan for one user: pure, and without allocation once the [`Scratch`] has grown.
//!
//! In: a plan, the stored cohorts, a [`Selection`], and the user's values by slot. Out: one outcome code per
//! selected flag. (Contract: evaluation 3 to 7.)

mod hash;
mod operators;
mod slots;

use std::sync::Arc;

use self::operators::{InvalidPattern, Tools, Value, matches};
use self::slots::Kind;
use crate::cohort::Cohort;
use crate::ecma::json::{in_property_order, push_quoted};
use crate::plan::condition::{CohortSlot, Condition, Operator, ResultSelector, Source};
use crate::plan::{Bucket, Plan, Program, Selection};

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
    /// A cell for each slot, then one for the cohorts of each group, then one for passing text.
    buffer: SlotBuffer,
    /// By result key: the code of the variant so far, or 0.
    results: Vec<u32>,
    /// Result keys in the order in which they came.
    result_order: Vec<u32>,
    tools: Tools,
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
    scratch.begin(plan);
    let mut run = Run { plan, cohorts, source, slots, scratch };
    let mut notes = Notes::default();
    for (&flag, out) in selection.flags.iter().zip(codes) {
        let program = &plan.programs()[flag as usize];
        let code = run.flag(program).unwrap_or_default();
        *out = code;
        if code != 0 {
            let slot = &mut run.scratch.results[program.result_key as usize];
            if *slot == 0 {
                run.scratch.result_order.push(program.result_key);
            }
            *slot = code;
        }
        if std::mem::take(&mut run.scratch.tools.exhausted) {
            notes.exhausted.get_or_insert(flag);
        }
    }
    notes
}

impl Scratch {
    fn begin(&mut self, plan: &Plan) {
        self.buffer.clear(plan.slots().len() + plan.cohort_groups().len() + 1);
        self.results.clear();
        self.results.resize(plan.result_keys(), 0);
        self.result_order.clear();
        self.tools.clear();
    }
}

/// One evaluation under way.
struct Run<'a, S: ?Sized> {
    plan: &'a Plan,
    cohorts: &'a [Option<Arc<Cohort>>],
    source: CohortSource,
    slots: &'a mut S,
    scratch: &'a mut Scratch,
}

impl<S: Slots + ?Sized> Run<'_, S> {
    fn flag(&mut self, program: &Program) -> Result<u32, InvalidPattern> {
        for segment in &program.segments {
            let matched = match &segment.conditions {
                None => true,
                Some(any) => self.any(any)?,
            };
            if !matched {
                continue;
            }
            let code = match &segment.bucket {
                Some(bucket) => self.bucket(bucket).unwrap_or(segment.code),
                None => segment.code,
            };
            if code != 0 {
                return Ok(code);
            }
        }
        Ok(0)
    }

    fn any(&mut self, any: &[Box<[Condition]>]) -> Result<bool, InvalidPattern> {
        'terms: for all in any {
            for condition in all {
                if !self.condition(condition)? {
                    continue 'terms;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The code that the bucket decides on; `None` leaves it to the segment.
    fn bucket(&mut self, bucket: &Bucket) -> Option<u32> {
        let text = self.text(&bucket.source).filter(|text| !text.is_empty())?;
        let hash = hash::murmur3(&bucket.prefix, text);
        let (allocation, distribution) = (f64::from(hash % 100), f64::from(hash / 100));
        let within = |(start, end): (f64, f64), value: f64| start <= value && value < end;
        bucket
            .branches
            .iter()
            .filter(|branch| within(branch.range, allocation))
            .flat_map(|branch| &branch.distributions)
            .find(|candidate| within(candidate.range, distribution))
            .map(|candidate| candidate.code)
    }

    fn condition(&mut self, condition: &Condition) -> Result<bool, InvalidPattern> {
        let Condition { source, operator, matches_none } = condition;
        if let Source::Cohorts(cohorts) = source
            && let CohortSlot { identity, any_of: Some(any_of), group, .. } = &**cohorts
            && !matches_none
            && let Operator::SetContainsAny { negated, .. } = operator
            && let Some(identity) = self.identity(*identity)
        {
            let is_member = any_of.iter().any(|&cohort| self.is_member(*group, cohort, identity));
            return Ok(is_member != *negated);
        }
        let cell = match source {
            Source::Slot(slot) => self.slot(*slot),
            Source::Cohorts(cohorts) => self.cohort_list(cohorts),
            Source::Result(selector) => {
                let value = constant(selector, &self.scratch.results);
                return matches(operator, *matches_none, value, &mut self.scratch.tools);
            }
            Source::Results => {
                let text = self.results();
                let value = Value::Text(&text, None);
                return matches(operator, *matches_none, value, &mut self.scratch.tools);
            }
            Source::Nothing => {
                return matches(operator, *matches_none, Value::Missing, &mut self.scratch.tools);
            }
        };
        let Scratch { buffer, tools, .. } = &mut *self.scratch;
        buffer.see_list(cell);
        let value = match *buffer.kind(cell) {
            Kind::Present => return Ok(false),
            Kind::Unread | Kind::Missing => Value::Missing,
            Kind::String(range) | Kind::Text(range) => Value::Text(buffer.text(range), Some(range)),
            Kind::List { items, .. } => Value::List(buffer.items(items)),
        };
        matches(operator, *matches_none, value, tools)
    }

    /// The cell of a slot, filled.
    fn slot(&mut self, slot: u32) -> usize {
        let cell = slot as usize;
        if matches!(self.scratch.buffer.kind(cell), Kind::Unread) {
            self.scratch.buffer.put(cell, |buffer| self.slots.read(slot, buffer));
        }
        cell
    }

    /// The text form of what a source holds.
    fn text<'v>(&'v mut self, source: &'v Source) -> Option<&'v [u8]> {
        let cell = match source {
            Source::Slot(slot) => self.slot(*slot),
            Source::Result(selector) => {
                return stored(selector, &self.scratch.results)?.text.as_deref();
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
        let buffer = &self.scratch.buffer;
        match *buffer.kind(cell) {
            Kind::Unread | Kind::Missing | Kind::Present => None,
            Kind::String(range) | Kind::Text(range) => Some(buffer.text(range)),
            Kind::List { text, .. } => text.map(|range| buffer.text(range)),
        }
    }

    /// A cell with this text, until the next one is asked for.
    fn pass(&mut self, text: &[u8]) -> usize {
        let cell = self.plan.slots().len() + self.plan.cohort_groups().len();
        self.scratch.buffer.put(cell, |buffer| {
            buffer.bytes().extend_from_slice(text);
            buffer.set_text();
        });
        cell
    }

    /// Cohort lists that were looked up have no text form yet.
    fn list_as_json(&mut self, cell: usize) -> usize {
        let buffer = &self.scratch.buffer;
        let Kind::List { text: None, items } = *buffer.kind(cell) else { return cell };
        let mut json = vec![b'['];
        for (index, item) in buffer.items(items).iter().enumerate() {
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
        let cell = self.slot(slot);
        (!matches!(self.scratch.buffer.kind(cell), Kind::Missing)).then_some(cell)
    }

    fn is_member(&self, group: u32, cohort: u32, identity: usize) -> bool {
        let buffer = &self.scratch.buffer;
        let (Kind::String(range) | Kind::Text(range)) = *buffer.kind(identity) else { return false };
        let group = &self.plan.cohort_groups()[group as usize];
        self.cohorts.get(cohort as usize).and_then(Option::as_ref).is_some_and(|cohort| {
            cohort.group_type == group.group_type && cohort.contains(buffer.text(range))
        })
    }

    /// A cell with the ids of the cohorts that the identity is in; with those of the caller where there is no
    /// identity.
    fn cohort_list(&mut self, cohorts: &CohortSlot) -> usize {
        let Some(identity) = self.identity(cohorts.identity) else { return self.slot(cohorts.slot) };
        let plan = self.plan;
        let cell = plan.slots().len() + cohorts.group as usize;
        if !matches!(self.scratch.buffer.kind(cell), Kind::Unread) {
            return cell;
        }
        let group = &plan.cohort_groups()[cohorts.group as usize];
        let found: Vec<u32> = group
            .cohorts
            .iter()
            .copied()
            .filter(|&cohort| self.is_member(cohorts.group, cohort, identity))
            .collect();
        let is_user = matches!(plan.slots()[cohorts.identity as usize], crate::plan::Slot::Identity(None));
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

fn constant<'a>(selector: &'a ResultSelector, results: &[u32]) -> Value<'a> {
    match stored(selector, results) {
        None => Value::Missing,
        Some(value) => match (&value.list, &value.text) {
            (Some(items), _) => Value::List(slots::Items::Constant(items)),
            (None, Some(text)) => Value::Text(text, None),
            (None, None) => Value::Missing,
        },
    }
}

fn stored<'a>(selector: &'a ResultSelector, results: &[u32]) -> Option<&'a crate::plan::condition::Constant> {
    let code = results[selector.key as usize];
    let at = selector.values.binary_search_by_key(&code, |(code, _)| *code).ok()?;
    Some(&selector.values[at].1)
}
