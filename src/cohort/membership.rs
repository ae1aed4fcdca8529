//! An exact set of ids. In: WTF-8 strings. Out: is it one of them, how many, and which.

use std::collections::HashMap;
use std::fmt;

use crate::ecma::text::Text;

/// A set of ids that never changes. Any string is allowed.
#[derive(Clone, Default)]
pub struct Members {
    ordinals: HashMap<Text, usize>,
}

impl Members {
    /// Whether this id (WTF-8) is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.ordinals.contains_key(member)
    }

    /// The number of distinct ids.
    pub fn len(&self) -> usize {
        self.ordinals.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ordinals.is_empty()
    }

    /// The ids, in the order in which they first came.
    pub fn iter(&self) -> impl Iterator<Item = Text> {
        let mut members: Vec<_> = self.ordinals.iter().collect();
        members.sort_unstable_by_key(|(_, ordinal)| **ordinal);
        members.into_iter().map(|(member, _)| member.clone())
    }
}

impl<M: AsRef<[u8]>> FromIterator<M> for Members {
    fn from_iter<I: IntoIterator<Item = M>>(members: I) -> Self {
        let mut ordinals = HashMap::new();
        for (ordinal, member) in members.into_iter().enumerate() {
            ordinals.entry(Text::from_wtf8(member.as_ref())).or_insert(ordinal);
        }
        Self { ordinals }
    }
}

impl fmt::Debug for Members {
    /// The count only: member ids are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Members({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_counts_once_and_keeps_its_first_place() {
        let members: Members = ["b", "", "a", "b"].into_iter().collect();
        assert_eq!(members.len(), 3);
        assert_eq!(members.iter().collect::<Vec<_>>(), ["b", "", "a"].map(Text::from));
        assert!(members.contains(b"") && members.contains(b"a") && !members.contains(b"c"));
    }

    #[test]
    fn debug_shows_no_ids() {
        assert_eq!(format!("{:?}", ["x@y.z"].into_iter().collect::<Members>()), "Members(1)");
    }
}
