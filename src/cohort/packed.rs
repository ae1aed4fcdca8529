//! A set of strings of one length as sorted numbers, bit by bit. About 7 bytes for a member of 15 digits, 12 for
//! one of 15 letters and digits, 16 for a UUID, its place in the order included.
//!
//! The set is cut into shards, so that a build need not hold all of it twice.

use std::hint::select_unpredictable;
use std::ops::Range;

use super::arena::Arena;
use super::bits::{BitArray, low_bits};
use super::packing::Packing;

/// How many shards a set has; see [`shard_of`].
pub(super) const SHARDS: usize = 8;
/// The directory has one entry for every so many members or more: half a byte for each, where a search then has one
/// or two steps.
const MEMBERS_PER_ENTRY: u64 = 4;

/// The shard a member belongs to. Any function would do; this one is cheap and spreads most ids evenly.
pub(super) fn shard_of(member: &[u8]) -> usize {
    let ends = match (member.first_chunk(), member.last_chunk()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(32),
        _ => member.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)),
    };
    // The high bits of the product depend on all that was multiplied.
    (ends.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % SHARDS
}

#[derive(Clone)]
pub(super) struct Packed {
    packing: Packing,
    ordinal_width: u32,
    shards: Vec<Shard>,
}

impl Packed {
    /// A set of strings that this packing knows, whose ordinals fit in so many bits. Its [`SHARDS`] shards
    /// are still to be added.
    pub(super) fn new(packing: Packing, ordinal_width: u32) -> Self {
        Self { packing, ordinal_width, shards: Vec::with_capacity(SHARDS) }
    }

    /// What [`Packed::add_shard`] needs to know of a member.
    pub(super) fn head(&self, member: &[u8]) -> u64 {
        self.packing.encode(0, member).unwrap_or_default()
    }

    /// Adds the next shard: the members of the arena at these offsets, each with its head.
    pub(super) fn add_shard(&mut self, members: Vec<(u64, usize)>, arena: &Arena) {
        self.shards.push(Shard::new(&self.packing, self.ordinal_width, members, arena));
    }

    /// Whether this string, which must have the right length, is in the set.
    pub(super) fn contains(&self, member: &[u8]) -> bool {
        self.shards[shard_of(member)].contains(&self.packing, member)
    }

    /// The ordinals, in the order of [`Packed::read`]'s index.
    pub(super) fn ordinals(&self) -> impl Iterator<Item = u32> {
        let ordinals = |shard: &Shard, index| {
            let offset = shard.record_width - self.ordinal_width;
            shard.field(index, offset, self.ordinal_width) as u32
        };
        self.shards.iter().flat_map(move |shard| (0..shard.len).map(move |index| ordinals(shard, index)))
    }

    /// Writes the member at this index into `member`, which must have the right length.
    pub(super) fn read(&self, mut index: usize, member: &mut [u8]) {
        for shard in &self.shards {
            if index < shard.len {
                return shard.read(&self.packing, index, member);
            }
            index -= shard.len;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len).sum()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let shards: usize = self.shards.iter().map(Shard::heap_bytes).sum();
        self.packing.heap_bytes() + self.shards.capacity() * size_of::<Shard>() + shards
    }
}

/// Sorted members. The number of a member's first group is cut in two: the upper part is an index into the
/// directory, only the lower part is stored.
#[derive(Clone)]
struct Shard {
    /// Where the records of each upper part begin; one entry more than there are upper parts.
    directory: Vec<u32>,
    /// For each member: the lower part, the other groups, the ordinal.
    records: BitArray,
    record_width: u32,
    lower_width: u32,
    len: usize,
}

impl Shard {
    fn new(packing: &Packing, ordinal_width: u32, mut members: Vec<(u64, usize)>, arena: &Arena) -> Self {
        // The numbers sort as the strings do; of equal strings the first one pushed comes first and stays.
        members.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| (arena.member(a.1), a.1).cmp(&(arena.member(b.1), b.1)))
        });
        members.dedup_by(|later, first| later.0 == first.0 && arena.member(later.1) == arena.member(first.1));

        let most_entries = (members.len() as u64 / MEMBERS_PER_ENTRY).max(1);
        let lower_width = (0..64).find(|width| packing.max(0) >> width < most_entries).unwrap_or(64);
        let mut directory = vec![0; upper_part(packing.max(0), lower_width) + 2];
        for (head, _) in &members {
            directory[upper_part(*head, lower_width) + 1] += 1;
        }
        let mut begin = 0;
        for entry in &mut directory {
            begin += *entry;
            *entry = begin;
        }

        let other_groups = 1..packing.groups();
        let others_width: u32 = other_groups.clone().map(|group| packing.width(group)).sum();
        let record_width = lower_width + others_width + ordinal_width;
        let mut records = BitArray::with_capacity(members.len() * record_width as usize);
        for &(head, offset) in &members {
            records.push(head & low_bits(lower_width), lower_width);
            for group in other_groups.clone() {
                let number = packing.encode(group, arena.member(offset)).unwrap_or_default();
                records.push(number, packing.width(group));
            }
            records.push(u64::from(arena.ordinal(offset)), ordinal_width);
        }
        Self { directory, records, record_width, lower_width, len: members.len() }
    }

    fn contains(&self, packing: &Packing, member: &[u8]) -> bool {
        let Some(head) = packing.encode(0, member) else {
            return false;
        };
        let entry = upper_part(head, self.lower_width);
        let mut range = self.directory[entry] as usize..self.directory[entry + 1] as usize;
        range = self.narrow(range, 0, self.lower_width, head & low_bits(self.lower_width));
        let mut offset = self.lower_width;
        for group in 1..packing.groups() {
            if range.is_empty() {
                return false;
            }
            let Some(number) = packing.encode(group, member) else {
                return false;
            };
            let width = packing.width(group);
            range = match range.len() {
                // Nearly always.
                1 if self.field(range.start, offset, width) == number => range,
                1 => return false,
                _ => self.narrow(range, offset, width, number),
            };
            offset += width;
        }
        !range.is_empty()
    }

    /// Those of the records, sorted by this field, where the field has this value.
    fn narrow(&self, range: Range<usize>, offset: u32, width: u32, value: u64) -> Range<usize> {
        let field = |index: usize| self.field(index, offset, width);
        let begin = partition_point(range.clone(), |index| field(index) < value);
        let found = |index: usize| index < range.end && field(index) == value;
        // Nearly always there is one at most.
        if !found(begin) {
            return begin..begin;
        }
        if !found(begin + 1) {
            return begin..begin + 1;
        }
        begin..partition_point(begin + 2..range.end, found)
    }

    fn field(&self, index: usize, offset: u32, width: u32) -> u64 {
        self.records.read(index * self.record_width as usize + offset as usize, width)
    }

    fn read(&self, packing: &Packing, index: usize, member: &mut [u8]) {
        let upper = self.directory.partition_point(|begin| *begin as usize <= index) - 1;
        let upper = (upper as u64).checked_shl(self.lower_width).unwrap_or(0);
        packing.decode(0, upper | self.field(index, 0, self.lower_width), member);
        let mut offset = self.lower_width;
        for group in 1..packing.groups() {
            let width = packing.width(group);
            packing.decode(group, self.field(index, offset, width), member);
            offset += width;
        }
    }

    fn heap_bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>() + self.records.heap_bytes()
    }
}

/// The first index of the range for which `before` no longer holds. It is anybody's guess on which side that is:
/// selecting is faster than branching.
fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let mut start = range.start;
    let mut count = range.len();
    while count > 0 {
        let half = count / 2;
        let is_before = before(start + half);
        start = select_unpredictable(is_before, start + half + 1, start);
        count = select_unpredictable(is_before, count - half - 1, half);
    }
    start
}

fn upper_part(head: u64, lower_width: u32) -> usize {
    head.checked_shr(lower_width).unwrap_or(0) as usize
}
