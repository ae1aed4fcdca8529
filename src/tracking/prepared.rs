//! Outcomes prepared for tracking, once per plan: whatever of an event does not depend on the user.
//!
//! In: the plan's outcomes (a flag key and a variant's JSON each). Out: [`Prepared`], by outcome code: pieces of
//! canonical strings already hashed, and pieces of events already in JSON. Feeds [`super::evaluation`] and
//! [`super::record`].

use std::sync::Arc;

use super::assignment::Assigned;
use super::exposure::Exposed;
use super::fingerprint::{Fingerprint, Points};
use super::hash::UnitHash;
use crate::ecma::Text;
use crate::ecma::case::trim;
use crate::ecma::json::Json;

/// The prepared outcomes of a plan.
pub struct Prepared {
    points: Points,
    /// By code, beside the outcomes: a repeated evaluation looks at nothing else.
    prints: Vec<Fingerprint>,
    outcomes: Vec<Outcome>,
    bytes: usize,
}

/// What tracking knows of one outcome.
pub(super) struct Outcome {
    /// Of its piece of a canonical string: the empty string where the variant has no key.
    pub canonical: UnitHash,
    /// `None` if no exposure is ever tracked for it.
    pub exposed: Option<Exposed>,
    /// `None` if the variant has no key.
    pub assigned: Option<Assigned>,
}

impl Prepared {
    /// From the flag key and the variant (a JSON object) of every code, beginning with code 0, which means no
    /// variant whatever its item says. A variant that is not a JSON object is not tracked.
    pub fn new<'a>(points: Points, items: impl IntoIterator<Item = (&'a Text, &'a [u8])>) -> Arc<Self> {
        let mut prepared = Self { points, prints: Vec::new(), outcomes: Vec::new(), bytes: 0 };
        for (code, (flag_key, json)) in items.into_iter().enumerate() {
            let variant = Json::parse_cut(json).filter(|json| code != 0 && matches!(json, Json::Object(_)));
            prepared.push(flag_key.as_bytes(), variant.as_ref());
        }
        Arc::new(prepared)
    }

    fn push(&mut self, flag_key: &[u8], variant: Option<&Json>) {
        let key = variant.and_then(|variant| truthy(variant, "key"));
        let canonical = key
            .as_ref()
            .map_or_else(Vec::new, |key| [trim(flag_key), b" ", trim(&key.string()), b" "].concat());
        let exposed = variant.and_then(|variant| Exposed::of(flag_key, variant));
        let assigned = variant.and_then(|variant| Assigned::of(flag_key, variant));
        self.bytes += size_of::<Outcome>() + size_of::<Fingerprint>();
        self.bytes +=
            exposed.as_ref().map_or(0, Exposed::bytes) + assigned.as_ref().map_or(0, Assigned::bytes);
        self.prints.push(self.points.fingerprint(&canonical));
        self.outcomes.push(Outcome { canonical: UnitHash::of(&canonical), exposed, assigned });
    }

    /// Where fingerprints are taken.
    pub(super) fn points(&self) -> Points {
        self.points
    }

    /// Of the code's piece of a canonical string: the empty string's for codes without one.
    #[inline]
    pub(super) fn print(&self, code: u32) -> Fingerprint {
        self.prints.get(code as usize).copied().unwrap_or(Fingerprint::EMPTY)
    }

    pub(super) fn outcome(&self, code: u32) -> Option<&Outcome> {
        self.outcomes.get(code as usize)
    }

    /// How much memory this takes, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A property of an object if JavaScript takes it for true.
pub(super) fn truthy(object: &Json, name: &str) -> Option<Json> {
    let value = object.property(name.as_bytes())?;
    value.is_truthy().then(|| value.into_owned())
}

/// `metadata.name` of a variant, if it is there.
pub(super) fn metadata(variant: &Json, name: &str) -> Option<Json> {
    Some(variant.property(b"metadata")?.property(name.as_bytes())?.into_owned())
}

pub(super) fn is_mutual_exclusion_group(variant: &Json) -> bool {
    metadata(variant, "flagType").is_some_and(|kind| kind.string() == b"mutual-exclusion-group")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_variant_is_not_tracked() {
        let key = Text::from("f");
        let items: [&[u8]; 4] = [br#"{"key":"on"}"#, b"7", b"{", br#"{"key":"on"}"#];
        let prepared = Prepared::new(Points::from_random([5, 6]), items.map(|json| (&key, json)));
        let tracked: Vec<bool> = (0..5)
            .map(|code| prepared.outcome(code).is_some_and(|outcome| outcome.exposed.is_some()))
            .collect();
        assert_eq!(tracked, [false, false, false, true, false]);
    }
}
