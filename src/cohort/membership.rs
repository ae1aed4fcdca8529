//! An exact set of ids that takes a fraction of the memory of the strings. In: WTF-8 strings, one by one. Out: is
//! it one of them, how many, and which.
//!
//! Ids of one length are kept together, as packed numbers where that pays and as plain sorted strings where it
//! does not. No hash is involved, so there is no string that passes for another. (A finite state set, `fst`, was
//! measured too: 12 to 36 bytes for a member where this takes 7 to 16, and ten times as long to build.)

use std::fmt;

use super::builder::MembersBuilder;
use super::packed::Packed;
use super::plain::Plain;
use crate::ecma::text::Text;

/// A set of ids that never changes. Any string is allowed.
#[derive(Clone, Default)]
pub struct Members {
    /// By length in bytes, ascending.
    sets: Vec<(usize, Set)>,
    len: usize,
    /// No ordinal is as large.
    ordinals: u32,
}

impl Members {
    /// From the sets of each length, whose ordinals are all below `ordinals`.
    pub(super) fn new(mut sets: Vec<(usize, Set)>, ordinals: u32) -> Self {
        sets.sort_unstable_by_key(|(length, _)| *length);
        let len = sets.iter().map(|(_, set)| set.len()).sum();
        Self { sets, len, ordinals }
    }

    /// Whether this id (WTF-8) is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self.sets.binary_search_by_key(&member.len(), |(length, _)| *length) {
            Ok(found) => self.sets[found].1.contains(member),
            Err(_) => false,
        }
    }

    /// The number of distinct ids.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ids, in the order in which they first came. Takes four bytes per id for as long as it is used.
    pub fn iter(&self) -> impl Iterator<Item = Text> {
        let mut order = vec![u32::MAX; self.ordinals as usize];
        let mut place = 0;
        let mut begins = Vec::with_capacity(self.sets.len());
        for (_, set) in &self.sets {
            begins.push(place);
            set.ordinals(|ordinal| {
                order[ordinal as usize] = place;
                place += 1;
            });
        }
        // The ordinals of repeated ids belong to none.
        order.retain(|place| *place != u32::MAX);
        order.into_iter().map(move |place| {
            let found = begins.partition_point(|begin| *begin <= place) - 1;
            let (length, set) = &self.sets[found];
            let mut member = vec![0; *length];
            set.read((place - begins[found]) as usize, &mut member);
            Text::from_wtf8(member)
        })
    }

    /// The memory the ids take, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|(_, set)| set.heap_bytes()).sum();
        self.sets.capacity() * size_of::<(usize, Set)>() + sets
    }
}

impl<M: AsRef<[u8]>> FromIterator<M> for Members {
    fn from_iter<I: IntoIterator<Item = M>>(members: I) -> Self {
        let mut builder = MembersBuilder::default();
        for member in members {
            builder.push(member.as_ref());
        }
        builder.finish()
    }
}

impl fmt::Debug for Members {
    /// The count only: member ids are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Members({})", self.len())
    }
}

/// The distinct ids of one length. They have an order of their own, in which they are read.
#[derive(Clone)]
pub(super) enum Set {
    Plain(Plain),
    Packed(Packed),
}

impl Set {
    fn contains(&self, member: &[u8]) -> bool {
        match self {
            Self::Plain(plain) => plain.contains(member),
            Self::Packed(packed) => packed.contains(member),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.len(),
            Self::Packed(packed) => packed.len(),
        }
    }

    /// Calls `take` with the ordinal of each id.
    fn ordinals(&self, take: impl FnMut(u32)) {
        match self {
            Self::Plain(plain) => (0..plain.len()).map(|index| plain.ordinal(index)).for_each(take),
            Self::Packed(packed) => packed.ordinals().for_each(take),
        }
    }

    fn read(&self, index: usize, member: &mut [u8]) {
        match self {
            Self::Plain(plain) => member.copy_from_slice(plain.member(index)),
            Self::Packed(packed) => packed.read(index, member),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.heap_bytes(),
            Self::Packed(packed) => packed.heap_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// A small generator (splitmix64), so that large sets cost little to make.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        }

        fn text(&mut self, length: usize, alphabet: &[u8]) -> Vec<u8> {
            (0..length).map(|_| alphabet[self.next() as usize % alphabet.len()]).collect()
        }

        fn uuid(&mut self) -> Vec<u8> {
            let (high, low) = (self.next(), self.next());
            let hex = format!("{high:016x}{low:016x}");
            format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]).into()
        }
    }

    const DIGITS: &[u8] = b"0123456789";
    const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// Everything a set must be: these strings in this order, and none of those near them.
    fn check(members: &[Vec<u8>]) -> Members {
        let set: Members = members.iter().collect();
        let mut known = HashSet::new();
        let order: Vec<_> = members.iter().filter(|member| known.insert(member.as_slice())).collect();
        assert_eq!(set.len(), order.len());
        assert!(set.iter().map(|member| member.as_bytes().to_vec()).eq(order.iter().map(|m| (**m).clone())));
        for member in members {
            assert!(set.contains(member));
            let mut near = member.clone();
            near.push(b'0');
            assert_eq!(set.contains(&near), known.contains(near.as_slice()));
            near.truncate(member.len());
            for position in 0..near.len().min(64) {
                near[position] = near[position].wrapping_add(1);
                assert_eq!(set.contains(&near), known.contains(near.as_slice()));
                near[position] = member[position];
            }
        }
        set
    }

    fn bytes_per_member(members: &Members) -> f64 {
        members.heap_bytes() as f64 / members.len() as f64
    }

    #[test]
    fn few_members_of_any_kind() {
        let set = check(&["b", "", "a", "b", "Ω≈ç", "a\0b", "", "x@y.z"].map(|m| m.as_bytes().to_vec()));
        assert_eq!(set.len(), 6);
        let lone = Text::from_utf16(&[0xD800]);
        let set = check(&[lone.as_bytes().to_vec(), "\u{FFFD}".into(), vec![b'h'; 1 << 20]]);
        assert_eq!(set.len(), 3);
        check(&[]);
    }

    #[test]
    fn digits_take_less_than_eight_bytes() {
        let mut random = Random(1);
        let set = check(&(0..20_000).map(|_| random.text(15, DIGITS)).collect::<Vec<_>>());
        assert!(bytes_per_member(&set) < 8.0, "{}", bytes_per_member(&set));
    }

    #[test]
    fn letters_and_digits_take_less_than_a_quarter_of_the_53_bytes_v8_needs() {
        let mut random = Random(2);
        let set = check(&(0..20_000).map(|_| random.text(15, LETTERS_AND_DIGITS)).collect::<Vec<_>>());
        assert!(bytes_per_member(&set) < 13.0, "{}", bytes_per_member(&set));
    }

    #[test]
    fn uuids_take_less_than_a_quarter_of_the_77_bytes_v8_needs() {
        let mut random = Random(3);
        let set = check(&(0..10_000).map(|_| random.uuid()).collect::<Vec<_>>());
        assert!(bytes_per_member(&set) < 17.0, "{}", bytes_per_member(&set));
    }

    #[test]
    fn consecutive_ids_take_little_more_than_their_place() {
        let set = check(&(0..20_000).map(|i| format!("user-{i:010}").into()).collect::<Vec<_>>());
        assert!(bytes_per_member(&set) < 3.5, "{}", bytes_per_member(&set));
    }

    #[test]
    fn ids_that_share_their_first_group_are_told_apart_by_the_others() {
        let mut random = Random(4);
        let prefixes: Vec<_> = (0..3).map(|_| random.text(12, LETTERS_AND_DIGITS)).collect();
        let members: Vec<_> = (0..3000)
            .map(|i| [prefixes[i % 3].clone(), random.text(24, LETTERS_AND_DIGITS)].concat())
            .collect();
        check(&members);
    }

    #[test]
    fn many_copies_of_one_id_are_one_member() {
        let set = check(&vec![b"again".to_vec(); 1000]);
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn every_byte_at_every_position() {
        check(&(0..=u16::MAX).step_by(7).map(|i| i.to_be_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn debug_shows_no_ids() {
        assert_eq!(format!("{:?}", ["x@y.z"].into_iter().collect::<Members>()), "Members(1)");
    }

    /// Ids as different products make them.
    fn id() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "[0-9]{1,4}".prop_map(String::into_bytes),
            "[0-9a-f]{2}-[0-9a-f]{1}".prop_map(String::into_bytes),
            "[a-c]{0,3}@[a-b]{1,2}\\.com".prop_map(String::into_bytes),
            "[a-zé😀]{0,3}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..3),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn it_is_the_set_the_standard_library_makes(
            members in prop::collection::vec(id(), 0..3000),
            others in prop::collection::vec(id(), 0..500),
        ) {
            let set = check(&members);
            let known: HashSet<_> = members.into_iter().collect();
            for other in others {
                prop_assert_eq!(set.contains(&other), known.contains(&other));
            }
        }
    }
}
