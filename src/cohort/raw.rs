//! Strings of one length as they came, each with its ordinal (its place in the order of all members): what a set
//! is built from, and how small sets stay.

use std::ops::Range;

const ORDINAL_BYTES: usize = size_of::<u32>();

#[derive(Clone)]
pub(super) struct RawMembers {
    member_length: usize,
    /// For each member: its bytes, then its ordinal.
    records: Vec<u8>,
}

impl RawMembers {
    pub(super) fn new(member_length: usize) -> Self {
        Self { member_length, records: Vec::new() }
    }

    /// Appends a string of the right length.
    pub(super) fn push(&mut self, member: &[u8], ordinal: u32) {
        let size = self.record_size();
        if self.records.capacity() - self.records.len() < size {
            // An eighth at a time: doubling would make large sets peak at twice their size.
            self.records.reserve_exact(size.max(self.records.len() / 8));
        }
        self.records.extend_from_slice(member);
        self.records.extend_from_slice(&ordinal.to_le_bytes());
    }

    pub(super) fn member_length(&self) -> usize {
        self.member_length
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.member(index))
    }

    /// The indices of the distinct members in byte order, with what `head` makes of each, which must not
    /// contradict that order. Of equal members the first stays.
    pub(super) fn sorted_distinct(&self, head: impl Fn(&[u8]) -> u64) -> Vec<(u64, usize)> {
        let mut sorted: Vec<_> =
            self.iter().enumerate().map(|(index, member)| (head(member), index)).collect();
        sorted.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| (self.member(a.1), a.1).cmp(&(self.member(b.1), b.1)))
        });
        sorted.dedup_by(|later, first| later.0 == first.0 && self.member(later.1) == self.member(first.1));
        sorted
    }

    /// All the members of these parts, sorted and distinct, so that [`RawMembers::contains`] works.
    pub(super) fn merge_sorted(member_length: usize, parts: impl IntoIterator<Item = Self>) -> Self {
        let records = parts.into_iter().flat_map(|part| part.records).collect();
        let all = Self { member_length, records };
        let sorted = all.sorted_distinct(|_| 0);
        let mut records = Vec::with_capacity(sorted.len() * all.record_size());
        for (_, index) in sorted {
            records.extend_from_slice(&all.records[index * all.record_size()..][..all.record_size()]);
        }
        Self { member_length, records }
    }

    /// Whether this string is among sorted ones.
    pub(super) fn contains(&self, member: &[u8]) -> bool {
        let begin = partition_point(0..self.len(), |index| self.member(index) < member);
        begin < self.len() && self.member(begin) == member
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.records.capacity()
    }

    fn record_size(&self) -> usize {
        self.member_length + ORDINAL_BYTES
    }
}

/// The first index of the range for which `before` no longer holds.
pub(super) fn partition_point(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
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
