//! From flags to a plan.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::condition::{CohortSlot, Condition, Constant, Operator, ResultSelector, Source, names_none};
use super::order::Order;
use super::{Branch, Bucket, CohortGroup, Distribution, FlagInfo, Outcome, Plan, Program, Segment, Slot};
use crate::cohort::USER_GROUP_TYPE;
use crate::ecma::Text;
use crate::ecma::json::{Json, in_property_order, push_quoted};
use crate::flag::{self, Flag, FlagSet, Problem, Properties};

impl Plan {
    /// Compiles what can be compiled. Flags of a dependency cycle are left out, and so are those that cannot be
    /// evaluated; a flag with a regular expression that is not one stays.
    pub fn compile(flags: &FlagSet) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut kept: Vec<(&Text, &Flag, Vec<Operators>)> = Vec::with_capacity(flags.flags.len());
        for (key, flag) in &flags.flags {
            match operators(flag) {
                Ok((operators, faults)) => {
                    problems.extend(faults.into_iter().map(|message| Problem { flag: key.clone(), message }));
                    kept.push((key, flag, operators));
                }
                Err(message) => problems.push(Problem { flag: key.clone(), message }),
            }
        }
        without_cycles(&mut kept, &mut problems);
        let rows: Vec<_> =
            kept.iter().map(|(key, flag, _)| (*key, &flag.key, flag.dependencies.as_slice())).collect();
        let order = Order::new(&rows);
        let mut compiler = Compiler::default();
        compiler.cohorts(&kept);
        let outcomes: Vec<_> = kept.iter().map(|(_, flag, _)| compiler.outcomes(flag)).collect();
        let plan = compiler.plan(kept, outcomes, order);
        (plan, problems)
    }
}

/// A segment's conditions, compiled.
type Operators = Option<Vec<Vec<Operator>>>;

/// Compiles a flag's operators: what can fail.
fn operators(flag: &Flag) -> Result<(Vec<Operators>, Vec<String>), String> {
    let mut faults = Vec::new();
    let mut segments = Vec::with_capacity(flag.segments.len());
    for segment in &flag.segments {
        let compiled = segment.conditions.as_ref().map(|any| {
            any.iter()
                .map(|all| {
                    all.iter().map(|term| Operator::new(&term.op, &term.values, &mut faults)).collect()
                })
                .collect::<Result<Vec<Vec<_>>, String>>()
        });
        segments.push(compiled.transpose()?);
    }
    Ok((segments, faults))
}

fn without_cycles(kept: &mut Vec<(&Text, &Flag, Vec<Operators>)>, problems: &mut Vec<Problem>) {
    let rows: Vec<_> =
        kept.iter().map(|(key, flag, _)| (*key, &flag.key, flag.dependencies.as_slice())).collect();
    let mut in_cycle = vec![false; kept.len()];
    for cycle in Order::new(&rows).cycles() {
        let keys: Vec<_> = cycle.iter().map(|&index| kept[index as usize].0.to_string()).collect();
        let message = format!("Detected a cycle between flags {}", keys.join(","));
        for index in cycle {
            in_cycle[index as usize] = true;
            problems.push(Problem { flag: kept[index as usize].0.clone(), message: message.clone() });
        }
    }
    let mut in_cycle = in_cycle.into_iter();
    kept.retain(|_| !in_cycle.next().unwrap_or_default());
}

/// The codes of one flag: by segment and variant name.
type Codes = HashMap<(usize, Text), u32>;

#[derive(Default)]
struct Compiler {
    slots: Vec<Slot>,
    slot_of_path: HashMap<Vec<Text>, u32>,
    slot_of_identity: HashMap<Option<Text>, u32>,
    outcomes: Vec<Outcome>,
    /// By code: the variant as the engine's results hold it.
    variants: Vec<Json>,
    /// Distinct result keys.
    keys: HashMap<Text, u32>,
    codes_of_key: Vec<Vec<u32>>,
    groups: Vec<CohortGroup>,
    cohort_ids: Vec<Text>,
    cohort_index: HashMap<Text, u32>,
    cohorts_of_flag: Vec<Vec<u32>>,
    /// The slots of the flag at hand.
    used: Vec<u32>,
    reads_enriched: bool,
}

impl Compiler {
    /// Collects the cohorts that conditions name. (Contract: evaluation 7, step 1.)
    fn cohorts(&mut self, flags: &[(&Text, &Flag, Vec<Operators>)]) {
        for (_, flag, _) in flags {
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
            self.cohorts_of_flag.push(named);
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
                    self.variants.push(Json::parse(&json).unwrap_or(Json::Null));
                    self.outcomes.push(Outcome { flag_key: flag.key.clone(), json });
                    self.codes_of_key[key].push(code);
                }
            }
        }
        codes
    }

    fn plan(mut self, flags: Vec<(&Text, &Flag, Vec<Operators>)>, codes: Vec<Codes>, order: Order) -> Plan {
        let mut programs = Vec::with_capacity(flags.len());
        let mut infos = Vec::with_capacity(flags.len());
        let cohorts = std::mem::take(&mut self.cohorts_of_flag);
        for (((map_key, flag, operators), codes), cohorts) in flags.into_iter().zip(codes).zip(cohorts) {
            let program = self.program(flag, operators, &codes);
            let mut all: Vec<u32> = codes.into_values().collect();
            all.sort_unstable();
            let may_be_absent = !program.segments.iter().any(Segment::always_decides);
            infos.push(FlagInfo {
                map_key: map_key.clone(),
                key: flag.key.clone(),
                codes: all,
                may_be_absent,
                cohorts,
            });
            programs.push(program);
        }
        Plan {
            slots: self.slots,
            outcomes: self.outcomes,
            flags: infos,
            programs,
            result_keys: self.keys.len(),
            groups: self.groups,
            cohort_ids: self.cohort_ids,
            order,
            reads_enriched_user: self.reads_enriched,
            variants: self.variants,
        }
    }

    fn program(&mut self, flag: &Flag, operators: Vec<Operators>, codes: &Codes) -> Program {
        self.used.clear();
        let segments = flag.segments.iter().zip(operators).enumerate();
        let segments = segments
            .map(|(index, (segment, operators))| {
                let code = |name: &Option<Text>| {
                    name.as_ref()
                        .and_then(|name| codes.get(&(index, name.clone())).copied())
                        .unwrap_or_default()
                };
                Segment {
                    conditions: segment.conditions.as_ref().zip(operators).map(|(conditions, operators)| {
                        let any = conditions.iter().zip(operators);
                        any.map(|(all, operators)| {
                            all.iter().zip(operators).map(|(term, op)| self.condition(term, op)).collect()
                        })
                        .collect()
                    }),
                    bucket: segment.bucket.as_ref().map(|bucket| self.bucket(bucket, &code)),
                    code: code(&segment.variant),
                }
            })
            .collect();
        self.used.sort_unstable();
        self.used.dedup();
        Program { segments, slots: self.used.clone().into(), result_key: self.keys[&flag.key] }
    }

    fn bucket(&mut self, bucket: &flag::Bucket, code: &dyn Fn(&Option<Text>) -> u32) -> Bucket {
        let mut prefix = bucket.salt.as_bytes().to_vec();
        prefix.push(b'/');
        let source = self.source(&bucket.selector, Reading::Text);
        let branches = bucket.allocations.iter().map(|allocation| Branch {
            range: allocation.range,
            distributions: allocation
                .distributions
                .iter()
                .map(|distribution| Distribution {
                    range: distribution.range,
                    code: code(&distribution.variant),
                })
                .collect(),
        });
        Bucket { source, prefix: prefix.into(), branches: branches.collect() }
    }

    fn condition(&mut self, condition: &flag::Condition, operator: Operator) -> Condition {
        let mut source = self.source(&condition.selector, Reading::Matched);
        if let (Source::Cohorts(cohorts), Operator::SetContainsAny { .. }) = (&mut source, &operator) {
            cohorts.any_of = self.cohorts_named(condition, cohorts.group);
        }
        Condition { source, operator, matches_none: names_none(&condition.values) }
    }

    /// The values as cohorts of the group, if all are and none could be taken for a boolean.
    fn cohorts_named(&self, condition: &flag::Condition, group: u32) -> Option<Box<[u32]>> {
        let named = condition.values.iter().map(|value| {
            let Json::String(id) = value else { return None };
            let is_boolean =
                [&b"true"[..], b"false"].iter().any(|word| id.as_bytes().eq_ignore_ascii_case(word));
            let index = *self.cohort_index.get(id)?;
            (!is_boolean && self.groups[group as usize].cohorts.contains(&index)).then_some(index)
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
        let identity = *self.slot_of_identity.entry(group_type.clone()).or_insert(next);
        if identity == next {
            self.slots.push(Slot::Identity(group_type));
        }
        self.used.push(identity);
        Source::Cohorts(Box::new(CohortSlot { slot, identity, group, any_of: None }))
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
        self.used.push(index);
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

    fn result(&self, path: &[Text]) -> Source {
        let Some((key, path)) = path.split_first() else { return Source::Results };
        let Some(&key) = self.keys.get(key) else { return Source::Nothing };
        let values = self.codes_of_key[key as usize].iter().filter_map(|&code| {
            let mut value = self.variants[code as usize].clone();
            for name in path {
                value = value.property(name.as_bytes())?.into_owned();
            }
            (value != Json::Null).then(|| (code, Constant::of(&value)))
        });
        Source::Result(Box::new(ResultSelector { key, values: values.collect() }))
    }
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
    let own: Properties = own
        .and_then(|(_, raw)| serde_json::from_str::<crate::ecma::json::RawObject>(raw.get()).ok())
        .map(|object| object.0.into_iter().map(|(key, value)| (key, value.to_owned())).collect())
        .unwrap_or_default();
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
