//! Cohorts: who is in them, exactly and in little memory.
//!
//! In: the body of a cohort download, or members put by hand. Out: a [`Cohort`], which answers "is this id a
//! member?" for the plan and the snapshot, and gives its members back for the JavaScript face.

mod arena;
mod bits;
mod builder;
mod membership;
mod packed;
mod packing;
mod parse;
mod plain;
mod scan;

pub use membership::Members;
pub use parse::{CohortParseError, CohortParser};

use crate::ecma::text::Text;

/// The group type whose members are user ids.
pub const USER_GROUP_TYPE: &str = "User";

/// One cohort as the server or the application gave it.
///
/// The numbers are JavaScript numbers; `None` where there was none.
#[derive(Debug, Clone)]
pub struct Cohort {
    pub id: Text,
    /// [`USER_GROUP_TYPE`], or the group type whose group names are the members.
    pub group_type: Text,
    pub group_type_id: Option<f64>,
    pub last_computed: Option<f64>,
    /// Sent back to the server, which answers 204 when nothing is newer.
    pub last_modified: Option<f64>,
    /// The size the server claims; [`Cohort::len`] counts.
    pub size: Option<f64>,
    members: Members,
}

impl Cohort {
    /// A cohort of these members (WTF-8), its numbers unknown.
    pub fn new(id: Text, group_type: Text, members: Members) -> Self {
        Self {
            id,
            group_type,
            group_type_id: None,
            last_computed: None,
            last_modified: None,
            size: None,
            members,
        }
    }

    /// Whether this id (WTF-8) is a member. Exact: never true for a string that was not put in.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.members.contains(member)
    }

    /// The number of distinct members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The memory the members take, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.members.heap_bytes()
    }

    /// The distinct members, in the order in which they first came.
    pub fn members(&self) -> impl Iterator<Item = Text> {
        self.members.iter()
    }
}
