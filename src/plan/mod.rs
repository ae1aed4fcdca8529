//! Flags compiled for evaluation, once per update.
//!
//! In: a [`FlagSet`](crate::flag::FlagSet). Out: a [`Plan`]: programs ready to run, the *slots* (the distinct
//! values that the flags read from a user) and the *outcomes* (one small integer for each flag, segment and
//! variant that can come out, metadata merged). Feeds evaluation and the snapshot.

mod compile;
pub mod condition;
mod hash;
mod order;
pub mod program;
pub mod regex;
mod terms;
pub mod version;
pub mod words;

use self::order::Order;
use self::program::Code;
use crate::ecma::Text;
use crate::ecma::json::Json;

/// Compiled flags.
#[derive(Default)]
pub struct Plan {
    slots: Vec<Slot>,
    outcomes: Vec<Outcome>,
    flags: Vec<FlagInfo>,
    code: Code,
    groups: Vec<CohortGroup>,
    cohort_ids: Vec<Text>,
    cohorts_of_flags: Vec<CohortsOfFlag>,
    order: Order,
    reads_enriched_user: bool,
    /// By code: the variant as a value.
    variants: Vec<Json>,
}

/// Something a caller reads from its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A value of the evaluation context. `path` is the selector below `context`:
    /// `["user", "user_properties", "plan"]`, `["groups", "org", "group_name"]`, or shorter: `["user"]`, `[]`.
    Value {
        path: Vec<Text>,
        /// Conditions read it: a list is wanted where the value is one.
        matched: bool,
        /// A bucket reads it: the text is wanted even of a list.
        text: bool,
    },
    /// Whose cohorts to look up: the user (`user.user_id`), or the first name of `groups[type]`.
    Identity(Option<Text>),
}

/// What comes out of a flag for a user.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The flag's own key, under which the variant is returned.
    pub flag_key: Text,
    /// The variant as a JSON object: its own properties in JavaScript's order and as they came, with `metadata`
    /// replaced by the merged one.
    pub json: Box<[u8]>,
}

/// What a caller may want to know of a flag.
#[derive(Clone, Debug)]
pub struct FlagInfo {
    /// The key in the map, by which flags are asked for and depended on.
    pub map_key: Text,
    /// The flag's own key, under which its variant is returned.
    pub key: Text,
    /// The codes that can come out, ascending. Code 0, no variant, is always possible besides.
    pub codes: Vec<u32>,
    /// Indexes into [`Plan::slots`], ascending: what the flag may read.
    pub slots: Box<[u32]>,
}

/// The cohorts that a flag names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortsOfFlag {
    pub map_key: Text,
    /// Indexes into [`Plan::cohort_ids`], in the order in which the flag names them.
    pub cohorts: Vec<u32>,
}

/// The cohorts of one kind of group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortGroup {
    /// `User`, or the group type.
    pub group_type: Text,
    /// Indexes into [`Plan::cohort_ids`], in order of appearance.
    pub cohorts: Vec<u32>,
}

/// Which flags to evaluate, in which order, and what they may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Indexes into [`Plan::flags`], dependencies first. The i-th code that evaluation writes belongs to the
    /// i-th flag here.
    pub flags: Vec<u32>,
    /// Indexes into [`Plan::slots`], ascending: all that these flags may read.
    pub slots: Vec<u32>,
    /// Some slot shows cohort ids as part of something larger (`["user"]`) or in parts. Then the caller has to
    /// look up the cohorts first and read the slots from a user that holds them
    /// ([`CohortSource::Caller`](crate::evaluation)).
    pub reads_enriched_user: bool,
}

impl Plan {
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// By code. The first is a placeholder for code 0, no variant.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// In the order of the map.
    pub fn flags(&self) -> &[FlagInfo] {
        &self.flags
    }

    /// By group type, in order of appearance.
    pub fn cohort_groups(&self) -> &[CohortGroup] {
        &self.groups
    }

    /// All distinct ids, in order of appearance.
    pub fn cohort_ids(&self) -> &[Text] {
        &self.cohort_ids
    }

    /// Of the flags that name some, in the order of the map; of flags of a dependency cycle too.
    pub fn cohorts_of_flags(&self) -> &[CohortsOfFlag] {
        &self.cohorts_of_flags
    }

    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The variant of a code as a value.
    pub fn variant(&self, code: u32) -> &Json {
        &self.variants[code as usize]
    }

    /// The flags of these map keys with all they depend on, parents first; all flags for `None` and for no
    /// keys. Keys that are not in the map are passed over.
    pub fn select(&self, keys: Option<&[Text]>) -> Selection {
        let flags = self.order.select(keys.filter(|keys| !keys.is_empty()));
        let mut slots: Vec<u32> =
            flags.iter().flat_map(|&flag| self.flags[flag as usize].slots.iter().copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        Selection { flags, slots, reads_enriched_user: self.reads_enriched_user }
    }
}
