//! From flags to a plan.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::condition::{
    CohortSlot, Condition, Constant, Operator, ResultSelector, Source, is_boolean, names_none,
};
use super::hash::Prefix;
use super::order::Order;
use super::program::{Bucket, Choice, Code, MATCH, NONE, Program, Segment, Span};
use super::terms::{SegmentTerms, Term, Terms};
use super::{CohortGroup, CohortsOfFlag, FlagInfo, Outcome, Plan, Slot};
use crate::cohort::USER_GROUP_TYPE;
use crate::ecma::Text;
use crate::ecma::json::{Json, in_property_order, push_quoted};
use crate::flag::{self, Flag, FlagSet, Problem, Properties, spread};

impl Plan {
    /// Compiles what can be compiled. Flags of a dependency cycle are left out; a flag with a regular expression that
    /// is not one stays. Cohorts that left out flags name are looked up all the same.
    pub fn compile(flags: &FlagSet) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut terms = Terms::default();
        let mut kept: Vec<Kept> = Vec::with_capacity(flags.flags.len());
        for (key, flag) in &flags.flags {
            let (terms, faults) = terms.of_flag(flag);
            problems.extend(faults.into_iter().map(|message| Problem { flag: key.clone(), message }));
            kept.push(Kept { key, flag, terms });
        }
        without_cycles(&mut kept, &mut problems);
        let order = Order::new(&rows(&kept));
        let mut compiler = Compiler::new(terms);
        compiler.cohorts(flags);
        let codes: Vec<_> = kept.iter().map(|kept| compiler.outcomes(kept.flag)).collect();
        let plan = compiler.plan(kept, codes, order);
        (plan, problems)
    }
}

/// A flag that can be evaluated.
struct Kept<'a> {
    key: &'a Text,
    flag: &'a Flag,
    /// By segment.
    terms: Vec<SegmentTerms>,
}

fn rows<'a>(kept: &[Kept<'a>]) -> Vec<(&'a Text, &'a Text, &'a [Text])> {
    kept.iter().map(|kept| (kept.key, &kept.flag.key, kept.flag.dependencies.as_slice())).collect()
}

fn without_cycles(kept: &mut Vec<Kept<'_>>, problems: &mut Vec<Problem>) {
    let mut in_cycle = vec![false; kept.len()];
    for cycle in Order::new(&rows(kept)).cycles() {
        let keys: Vec<_> = cycle.iter().map(|&index| kept[index as usize].key.to_string()).collect();
        let message = format!("Detected a cycle between flags {}", keys.join(","));
        for index in cycle {
            in_cycle[index as usize] = true;
            problems.push(Problem { flag: kept[index as usize].key.clone(), message: message.clone() });
        }
    }
    let mut in_cycle = in_cycle.into_iter();
    kept.retain(|_| !in_cycle.next().unwrap_or_default());
}

/// The codes of one flag: by segment and variant name.
type Codes = HashMap<(usize, Text), u32>;

#[derive(Default)]
struct Compiler<'a> {
    terms: Vec<Term<'a>>,
    /// By term: its condition, or [`NONE`] so far.
    condition_of_term: Vec<u32>,
    /// By condition: in how many places it stands.
    uses: Vec<u32>,
    code: Code,
    slots: Vec<Slot>,
    slot_of_path: HashMap<Vec<Text>, u32>,
    /// Of each: its slot, and its place among all identities.
    identities: HashMap<Option<Text>, (u32, u32)>,
    outcomes: Vec<Outcome>,
    /// By code: the variant as the engine's results hold it.
    variants: Vec<Json>,
    /// Distinct result keys.
    keys: HashMap<Text, u32>,
    codes_of_key: Vec<Vec<u32>>,
    groups: Vec<CohortGroup>,
    cohort_ids: Vec<Text>,
    cohort_index: HashMap<Text, u32>,
    cohorts_of_flags: Vec<CohortsOfFlag>,
    /// The slots of the flag at hand.
    used: Vec<u32>,
    reads_enriched: bool,
    /// By result key: whether some selector reads it.
    key_is_read: Vec<bool>,
    reads_all_results: bool,
}

impl<'a> Compiler<'a> {
    fn new(terms: Terms<'a>) -> Self {
        Self {
            condition_of_term: vec![NONE; terms.known.len()],
            terms: terms.known,
            code: Code { lexicon: terms.lexicon, ..Code::default() },
            ..Self::default()
        }
    }

    /// Collects the cohorts that conditions name. (Contract: evaluation 7, step 1.)
    fn cohorts(&mut self, flags: &FlagSet) {
        for (key, flag) in &flags.flags {
            let mut named = Vec::new();
            let segments = flag.segments.iter().filter_map(|segment| segment.conditions.as_ref());
            for condition in segments.flatten().flatten() {
                let Some(group) = cohort_group(condition) else { continue };
                let group = self.group(&group);
                for value in &condition.values {
                    let Json::String(id) = value else { continue };
                    let next = self.cohort_ids.len() as u32;
                    let index = match self.cohort_index.entry(id.clone()) {
                        Entry::Occupied(entry) => *entry.get(),
                        Entry::Vacant(entry) => {
                            self.cohort_ids.push(id.clone());
                            *entry.insert(next)
                        }
                    };
                    push_once(&mut self.groups[group].cohorts, index);
                    push_once(&mut named, index);
                }
            }
            if !named.is_empty() {
                self.cohorts_of_flags.push(CohortsOfFlag { map_key: key.clone(), cohorts: named });
            }
        }
    }

    fn group(&mut self, group_type: &Text) -> usize {
        self.groups.iter().position(|group| group.group_type == *group_type).unwrap_or_else(|| {
            self.groups.push(CohortGroup { group_type: group_type.clone(), cohorts: Vec::new() });
            self.groups.len() - 1
        })
    }

    /// Gives each variant that can come out of a flag its code.
    fn outcomes(&mut self, flag: &Flag) -> Codes {
        if self.outcomes.is_empty() {
            self.outcomes.push(Outcome { flag_key: Text::default(), json: Box::default() });
            self.variants.push(Json::Null);
        }
        let next_key = self.keys.len() as u32;
        let key = *self.keys.entry(flag.key.clone()).or_insert(next_key) as usize;
        if key == self.codes_of_key.len() {
            self.codes_of_key.push(Vec::new());
        }
        let mut codes = Codes::new();
        for (index, segment) in flag.segments.iter().enumerate() {
            let distributed = segment.bucket.iter().flat_map(|bucket| &bucket.allocations);
            let distributed = distributed.flat_map(|allocation| &allocation.distributions);
            let names = distributed.filter_map(|distribution| distribution.variant.as_ref());
            for name in names.chain(&segment.variant) {
                let Some((_, variant)) = flag.variants.iter().find(|(key, _)| key == name) else { continue };
                if let Entry::Vacant(entry) = codes.entry((index, name.clone())) {
                    let code = self.outcomes.len() as u32;
                    entry.insert(code);
                    let json = merged(variant, [&flag.metadata, &segment.metadata]);
                    self.variants.push(Json::parse_cut(&json).unwrap_or(Json::Null));
                    self.outcomes.push(Outcome { flag_key: flag.key.clone(), json });
                    self.codes_of_key[key].push(code);
                }
            }
        }
        codes
    }

    fn plan(mut self, flags: Vec<Kept<'_>>, codes: Vec<Codes>, order: Order) -> Plan {
        self.key_is_read = vec![false; self.keys.len()];
        let mut infos = Vec::with_capacity(flags.len());
        for (kept, codes) in flags.into_iter().zip(codes) {
            let slots = self.program(&kept, &codes);
            let mut codes: Vec<u32> = codes.into_values().collect();
            codes.sort_unstable();
            infos.push(FlagInfo { map_key: kept.key.clone(), key: kept.flag.key.clone(), codes, slots });
        }
        self.finish();
        Plan {
            slots: self.slots,
            outcomes: self.outcomes,
            flags: infos,
            code: self.code,
            groups: self.groups,
            cohort_ids: self.cohort_ids,
            cohorts_of_flags: self.cohorts_of_flags,
            order,
            reads_enriched_user: self.reads_enriched,
            variants: self.variants,
        }
    }

    /// What is only known when all flags have been seen.
    fn finish(&mut self) {
        let Code { programs, conditions, verdicts, result_keys, .. } = &mut self.code;
        for (condition, &uses) in conditions.iter_mut().zip(&self.uses) {
            let depends_on_user = matches!(condition.source, Source::Slot(_) | Source::Cohorts(_));
            if uses > 1 && depends_on_user && condition.operator.is_costly() {
                condition.verdict = *verdicts as u32;
                *verdicts += 1;
            }
        }
        *result_keys = self.keys.len();
        if !self.reads_all_results {
            for program in programs {
                if !self.key_is_read[program.result_key as usize] {
                    program.result_key = NONE;
                }
            }
        }
    }

    /// Lays a flag's program out, and says which slots it may read.
    fn program(&mut self, kept: &Kept<'_>, codes: &Codes) -> Box<[u32]> {
        self.used.clear();
        let start = self.code.segments.len() as u32;
        for (index, (segment, any)) in kept.flag.segments.iter().zip(&kept.terms).enumerate() {
            let code = |name: &Option<Text>| {
                name.as_ref().and_then(|name| codes.get(&(index, name.clone())).copied()).unwrap_or_default()
            };
            let first = match any {
                None => MATCH,
                Some(any) => {
                    let any: Vec<Vec<u32>> = any
                        .iter()
                        .map(|all| all.iter().map(|&term| self.condition(term)).collect())
                        .collect();
                    self.code.push_steps(&any)
                }
            };
            let bucket = segment.bucket.as_ref().map_or(NONE, |bucket| self.bucket(bucket, &code));
            self.code.segments.push(Segment { first, bucket, code: code(&segment.variant) });
        }
        let result_key = self.keys[&kept.flag.key];
        let end = self.code.segments.len() as u32;
        self.code.programs.push(Program { segments: (start, end), result_key });
        self.used.sort_unstable();
        self.used.dedup();
        self.used.as_slice().into()
    }

    fn bucket(&mut self, bucket: &flag::Bucket, code: &dyn Fn(&Option<Text>) -> u32) -> u32 {
        let mut prefix = bucket.salt.as_bytes().to_vec();
        prefix.push(b'/');
        let source = self.source(&bucket.selector, Reading::Text);
        self.used.extend(source.slots());
        let start = self.code.choices.len();
        for allocation in &bucket.allocations {
            self.code.choices.extend(allocation.distributions.iter().map(|distribution| Choice {
                allocation: Span::new(allocation.range),
                distribution: Span::new(distribution.range),
                code: code(&distribution.variant),
            }));
        }
        // The first that applies wins: evaluation lets the last one.
        self.code.choices[start..].reverse();
        let choices = (start as u32, self.code.choices.len() as u32);
        self.code.buckets.push(Bucket { source, prefix: Prefix::new(&prefix), choices });
        self.code.buckets.len() as u32 - 1
    }

    /// The condition of a term, made when it is first asked for.
    fn condition(&mut self, term: u32) -> u32 {
        let known = self.condition_of_term[term as usize];
        let index = if known == NONE { self.make_condition(term) } else { known };
        self.uses[index as usize] += 1;
        self.used.extend(self.code.conditions[index as usize].source.slots());
        index
    }

    fn make_condition(&mut self, term: u32) -> u32 {
        let Term { condition, operator, .. } = &mut self.terms[term as usize];
        let condition = *condition;
        let operator = operator.take().unwrap_or(Operator::Unknown);
        let mut source = self.source(&condition.selector, Reading::Matched);
        if let (Source::Cohorts(cohorts), Operator::SetContainsAny { .. }) = (&mut source, &operator) {
            cohorts.any_of = self.cohorts_named(condition, cohorts.group);
        }
        let index = self.code.conditions.len() as u32;
        let matches_none = names_none(&condition.values);
        self.code.conditions.push(Condition { source, operator, matches_none, verdict: NONE });
        self.uses.push(0);
        self.condition_of_term[term as usize] = index;
        index
    }

    /// The values as cohorts of the group, if all are and none could be taken for a boolean.
    fn cohorts_named(&self, condition: &flag::Condition, group: u32) -> Option<Box<[u32]>> {
        let named = condition.values.iter().map(|value| {
            let Json::String(id) = value else { return None };
            let index = *self.cohort_index.get(id)?;
            (!is_boolean(id) && self.groups[group as usize].cohorts.contains(&index)).then_some(index)
        });
        named.collect()
    }

    fn source(&mut self, selector: &[Option<Text>], reading: Reading) -> Source {
        let Some(path) = selector.iter().cloned().collect::<Option<Vec<Text>>>() else {
            return Source::Nothing;
        };
        match path.split_first() {
            Some((root, path)) if root.as_bytes() == b"context" => self.context(path, reading),
            Some((root, path)) if root.as_bytes() == b"result" => self.result(path),
            _ => Source::Nothing,
        }
    }

    fn context(&mut self, path: &[Text], reading: Reading) -> Source {
        let slot = self.slot(path, reading);
        let Some((group_type, group)) = self.enriched(path) else { return Source::Slot(slot) };
        let next = self.slots.len() as u32;
        let list = self.code.identities as u32;
        let (identity, list) = *self.identities.entry(group_type.clone()).or_insert((next, list));
        if identity == next {
            self.slots.push(Slot::Identity(group_type));
            self.code.identities += 1;
        }
        Source::Cohorts(Box::new(CohortSlot { slot, identity, list, group, any_of: None }))
    }

    fn slot(&mut self, path: &[Text], reading: Reading) -> u32 {
        let next = self.slots.len() as u32;
        let index = *self.slot_of_path.entry(path.to_vec()).or_insert(next);
        if index == next {
            self.slots.push(Slot::Value { path: path.to_vec(), matched: false, text: false });
        }
        if let Slot::Value { matched, text, .. } = &mut self.slots[index as usize] {
            *matched |= reading == Reading::Matched;
            *text |= reading == Reading::Text;
        }
        index
    }

    /// If cohort ids are looked up for this path: whose, and among which.
    fn enriched(&mut self, path: &[Text]) -> Option<(Option<Text>, u32)> {
        let words: Vec<&[u8]> = path.iter().map(Text::as_bytes).collect();
        let of_type = |group_type: &[u8]| {
            let group = self.groups.iter().position(|group| group.group_type.as_bytes() == group_type)?;
            (!self.groups[group].cohorts.is_empty()).then_some(group as u32)
        };
        match words[..] {
            [b"user", b"cohort_ids"] => Some((None, of_type(USER_GROUP_TYPE.as_bytes())?)),
            [b"groups", group_type, b"cohort_ids"] => Some((Some(path[1].clone()), of_type(group_type)?)),
            // More than the ids, or a part of them.
            [] | [b"user"] | [b"groups"] | [b"groups", _] | [b"user", b"cohort_ids", ..] => {
                self.reads_enriched |= !self.cohort_ids.is_empty();
                None
            }
            [b"groups", _, b"cohort_ids", ..] => {
                self.reads_enriched |= !self.cohort_ids.is_empty();
                None
            }
            _ => None,
        }
    }

    fn result(&mut self, path: &[Text]) -> Source {
        let Some((key, path)) = path.split_first() else {
            self.reads_all_results = true;
            return Source::Results;
        };
        let Some(&key) = self.keys.get(key) else { return Source::Nothing };
        self.key_is_read[key as usize] = true;
        let mut values = Vec::new();
        for &code in &self.codes_of_key[key as usize] {
            if let Some(value) = property_at(&self.variants[code as usize], path) {
                values.push((code, Constant::of(&value, &mut self.code.lexicon)));
            }
        }
        Source::Result(Box::new(ResultSelector { key, values: values.into() }))
    }
}

/// The value at a path, unless there is none or it is null.
fn property_at(value: &Json, path: &[Text]) -> Option<Json> {
    let mut value = value.clone();
    for name in path {
        value = value.property(name.as_bytes())?.into_owned();
    }
    (value != Json::Null).then_some(value)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Matched,
    Text,
}

fn push_once(list: &mut Vec<u32>, item: u32) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The group type whose cohorts a condition names.
fn cohort_group(condition: &flag::Condition) -> Option<Text> {
    if !matches!(condition.op.as_bytes(), b"set contains any" | b"set does not contain any") {
        return None;
    }
    let selector = &condition.selector;
    let is = |index: usize, word: &[u8]| {
        selector.get(index).and_then(Option::as_ref).is_some_and(|text| text.as_bytes() == word)
    };
    if selector.len() <= 2 || !is(selector.len() - 1, b"cohort_ids") {
        return None;
    }
    if is(1, b"user") {
        return Some(Text::from(USER_GROUP_TYPE));
    }
    if (0..selector.len()).any(|index| is(index, b"groups")) {
        return selector[2].clone();
    }
    None
}

/// A variant's JSON with its metadata merged: later layers win, the variant's own last.
fn merged(variant: &Properties, below: [&Properties; 2]) -> Box<[u8]> {
    let own = variant.iter().find(|(key, _)| key.as_bytes() == b"metadata");
    let own = own.map(|(_, raw)| spread(raw)).unwrap_or_default();
    let layers = below.into_iter().flatten().chain(&own);
    let metadata = in_property_order(layers.map(|(key, raw)| (key.clone(), raw.get())).collect());
    let mut merged = Vec::new();
    push_object(metadata.iter().map(|(key, raw)| (key, raw.as_bytes())), &mut merged);
    let mut properties: Vec<(Text, &[u8])> =
        variant.iter().map(|(key, raw)| (key.clone(), raw.get().as_bytes())).collect();
    properties.push((Text::from("metadata"), &merged));
    let mut json = Vec::new();
    push_object(in_property_order(properties).iter().map(|(key, raw)| (key, *raw)), &mut json);
    json.into_boxed_slice()
}

fn push_object<'a>(properties: impl Iterator<Item = (&'a Text, &'a [u8])>, json: &mut Vec<u8>) {
    json.push(b'{');
    for (index, (key, raw)) in properties.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        push_quoted(key.as_bytes(), json);
        json.push(b':');
        json.extend_from_slice(raw);
    }
    json.push(b'}');
}
