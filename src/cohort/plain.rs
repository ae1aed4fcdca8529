//! A set of strings of one length as sorted strings, each with its ordinal (its place in the order of all
//! members): for the few and the long, which packing would not make smaller.

use std::ops::Range;

const ORDINAL_BYTES: usize = size_of::<u32>();

#[derive(Clone)]
pub(super) struct Plain {
    member_length: usize,
    /// For each member: its bytes, then its ordinal.
    records: Vec<u8>,
}

impl Plain {
    /// From strings of this length with their ordinals. Of equal strings the lowest ordinal stays.
    pub(super) fn new<'a>(member_length: usize, members: impl Iterator<Item = (&'a [u8], u32)>) -> Self {
        let mut sorted: Vec<_> = members.collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(member, _)| *member);
        let mut records = Vec::with_capacity(sorted.len() * (member_length + ORDINAL_BYTES));
        for (member, ordinal) in sorted {
            records.extend_from_slice(member);
            records.extend_from_slice(&ordinal.to_le_bytes());
        }
        Self { member_length, records }
    }

    pub(super) fn contains(&self, member: &[u8]) -> bool {
        let begin = partition_point(0..self.len(), |index| self.member(index) < member);
        begin < self.len() && self.member(begin) == member
    }

    pub(super) fn len(&self) -> usize {
        self.records.len() / self.record_size()
    }

    pub(super) fn member(&self, index: usize) -> &[u8] {
        let begin = index * self.record_size();
        &self.records[begin..begin + self.member_length]
    }

    pub(super) fn ordinal(&self, index: usize) -> u32 {
        let end = (index + 1) * self.record_size();
        let mut ordinal = [0; ORDINAL_BYTES];
        ordinal.copy_from_slice(&self.records[end - ORDINAL_BYTES..end]);
        u32::from_le_bytes(ordinal)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.records.capacity()
    }

    fn record_size(&self) -> usize {
        self.member_length + ORDINAL_BYTES
    }
}

/// The first index of the range for which `before` no longer holds. By branches, unlike `packed`'s: a guess loads the next
/// string ahead, which is up to a third faster where strings are long.
fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start + (end - start) / 2;
        if before(middle) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}
