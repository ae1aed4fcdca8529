//! A set of strings of one length as sorted numbers, bit by bit. About 7 bytes for a member of 15 digits, 12 for
//! one of 15 letters and digits, 16 for a UUID, its place in the order included.
//!
//! The strings come in shards, so that while one is packed the others are still raw or already packed: the peak
//! of a build stays below twice its result.

use std::ops::Range;

use super::bits::{BitArray, low_bits, width_of};
use super::packing::{ByteSet, Packing};
use super::raw::{RawMembers, partition_point};

/// How many shards a set has; see [`shard_of`].
pub(super) const SHARDS: usize = 8;
/// Packing fewer members than this does not pay.
const FEWEST: usize = 256;
/// Longer strings are not packed: their tables would be large.
const LONGEST: usize = 256;
/// What the tables of a packing may cost, in bytes per member.
const TABLE_BUDGET: usize = 2;
/// The directory has one entry for every so many members or more.
const MEMBERS_PER_ENTRY: u64 = 16;

/// The shard a member belongs to. Any function would do; this one is cheap and spreads most ids evenly.
pub(super) fn shard_of(member: &[u8]) -> usize {
    member.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) as usize % SHARDS
}

#[derive(Clone)]
pub(super) struct Packed {
    packing: Packing,
    shards: Vec<Shard>,
}

impl Packed {
    /// Packs [`SHARDS`] shards of strings of one length, each of which is let go once it is packed; gives them back
    /// where packing does not pay. No ordinal is above `last_ordinal`.
    pub(super) fn new(shards: Vec<RawMembers>, last_ordinal: u32) -> Result<Self, Vec<RawMembers>> {
        let count: usize = shards.iter().map(RawMembers::len).sum();
        let length = shards[0].member_length();
        if count < FEWEST || length > LONGEST {
            return Err(shards);
        }
        let mut seen = vec![ByteSet::default(); length];
        for member in shards.iter().flat_map(RawMembers::iter) {
            seen.iter_mut().zip(member).for_each(|(set, byte)| set.insert(*byte));
        }
        let Some(packing) = Packing::new(&seen, count * TABLE_BUDGET) else {
            return Err(shards);
        };
        let ordinal_width = width_of(u64::from(last_ordinal));
        let shards = shards.into_iter().map(|raw| Shard::new(&packing, &raw, ordinal_width)).collect();
        Ok(Self { packing, shards })
    }

    /// Whether this string, which must have the right length, is in the set.
    pub(super) fn contains(&self, member: &[u8]) -> bool {
        self.shards[shard_of(member)].find(&self.packing, member).is_some_and(|found| !found.is_empty())
    }

    /// Calls `take` with each ordinal, in the order of [`Packed::read`]'s index.
    pub(super) fn ordinals(&self, take: impl FnMut(u32)) {
        self.shards.iter().flat_map(|shard| (0..shard.len).map(|index| shard.ordinal(index))).for_each(take);
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
    ordinal_width: u32,
    len: usize,
}

impl Shard {
    fn new(packing: &Packing, raw: &RawMembers, ordinal_width: u32) -> Self {
        let head = |member: &[u8]| packing.encode(0, member).unwrap_or_default();
        let sorted = raw.sorted_distinct(head);

        let most_entries = (sorted.len() as u64 / MEMBERS_PER_ENTRY).max(1);
        let lower_width = (0..64).find(|width| packing.max(0) >> width < most_entries).unwrap_or(64);
        let mut directory = vec![0; upper_part(packing.max(0), lower_width) + 2];
        for (head, _) in &sorted {
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
        let mut records = BitArray::with_capacity(sorted.len() * record_width as usize);
        for &(head, index) in &sorted {
            records.push(head & low_bits(lower_width), lower_width);
            for group in other_groups.clone() {
                let number = packing.encode(group, raw.member(index)).unwrap_or_default();
                records.push(number, packing.width(group));
            }
            records.push(u64::from(raw.ordinal(index)), ordinal_width);
        }
        Self { directory, records, record_width, lower_width, ordinal_width, len: sorted.len() }
    }

    /// The records (one or none) equal to `member`; `None` if it is not even made of the right bytes.
    fn find(&self, packing: &Packing, member: &[u8]) -> Option<Range<usize>> {
        let head = packing.encode(0, member)?;
        let entry = upper_part(head, self.lower_width);
        let mut range = self.directory[entry] as usize..self.directory[entry + 1] as usize;
        range = self.narrow(range, 0, self.lower_width, head & low_bits(self.lower_width));
        let mut offset = self.lower_width;
        for group in 1..packing.groups() {
            if range.is_empty() {
                break;
            }
            let width = packing.width(group);
            range = self.narrow(range, offset, width, packing.encode(group, member)?);
            offset += width;
        }
        Some(range)
    }

    /// Those of the records, sorted by this field, where the field has this value.
    fn narrow(&self, range: Range<usize>, offset: u32, width: u32, value: u64) -> Range<usize> {
        let field = |index: usize| self.field(index, offset, width);
        let begin = partition_point(range.clone(), |index| field(index) < value);
        let end = partition_point(begin..range.end, |index| field(index) == value);
        begin..end
    }

    fn field(&self, index: usize, offset: u32, width: u32) -> u64 {
        self.records.read(index * self.record_width as usize + offset as usize, width)
    }

    fn ordinal(&self, index: usize) -> u32 {
        self.field(index, self.record_width - self.ordinal_width, self.ordinal_width) as u32
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

fn upper_part(head: u64, lower_width: u32) -> usize {
    head.checked_shr(lower_width).unwrap_or(0) as usize
}
