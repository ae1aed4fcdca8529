//! The distinct terms of all flags, each compiled once: projects ask the same of their users in many flags.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::condition::Operator;
use super::words::Lexicon;
use crate::ecma::Text;
use crate::ecma::json::Json;
use crate::flag::{self, Flag};

/// A segment's terms, an OR of ANDs, as indexes into [`Terms::known`]. `None` matches always.
pub(super) type SegmentTerms = Option<Vec<Vec<u32>>>;

#[derive(Default)]
pub(super) struct Terms<'a> {
    pub(super) known: Vec<Term<'a>>,
    /// By what a term says.
    index: HashMap<Vec<u8>, u32>,
    pub(super) lexicon: Lexicon,
}

pub(super) struct Term<'a> {
    pub(super) condition: &'a flag::Condition,
    /// Taken by the one condition that is made of it.
    pub(super) operator: Option<Operator>,
    faults: Vec<String>,
}

impl<'a> Terms<'a> {
    /// A flag's terms by segment, and which of its regular expressions and other filter values are none.
    pub(super) fn of_flag(&mut self, flag: &'a Flag) -> (Vec<SegmentTerms>, Vec<String>) {
        let mut faults = Vec::new();
        let mut term = |condition: &'a flag::Condition| {
            let index = self.add(condition);
            faults.extend(self.known[index as usize].faults.iter().cloned());
            index
        };
        let mut terms = |all: &'a Vec<flag::Condition>| all.iter().map(&mut term).collect();
        let segments = flag.segments.iter().map(|segment| {
            let any = segment.conditions.as_ref()?;
            Some(any.iter().map(&mut terms).collect())
        });
        (segments.collect(), faults)
    }

    fn add(&mut self, condition: &'a flag::Condition) -> u32 {
        let next = self.known.len() as u32;
        match self.index.entry(key_of(condition)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let mut faults = Vec::new();
                let operator =
                    Operator::new(&condition.op, &condition.values, &mut self.lexicon, &mut faults);
                self.known.push(Term { condition, operator: Some(operator), faults });
                *entry.insert(next)
            }
        }
    }
}

/// What a term says, so that equal terms have equal keys and others have not.
fn key_of(condition: &flag::Condition) -> Vec<u8> {
    let text = |text: &Text| Json::String(text.clone());
    let selector = condition.selector.iter().map(|name| name.as_ref().map_or(Json::Null, text));
    let values = Json::Array(condition.values.clone());
    let mut key = Vec::new();
    Json::Array(vec![Json::Array(selector.collect()), text(&condition.op), values]).push_distinct(&mut key);
    key
}
