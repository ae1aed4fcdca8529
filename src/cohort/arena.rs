//! Short strings one after the other, each with its ordinal (its place in the order of all members): what a set
//! is built from. In: members as they come. Out: the same again, by offset, while a shard is packed.

/// Allocations above this come straight from the system and go back to it when freed. glibc may keep smaller
/// ones, so that the process would go on holding what the build no longer needs; other allocators return
/// memory from far smaller sizes on.
const RETURNED_FROM: usize = if cfg!(target_env = "gnu") { 33 << 20 } else { 0 };
/// For arenas smaller than this it does not matter.
const SMALL: usize = 128 << 10;

/// The bytes of a record before the member's own: the length, the ordinal.
const HEADER: usize = 1 + size_of::<u32>();

#[derive(Default)]
pub(super) struct Arena {
    records: Vec<u8>,
}

impl Arena {
    /// The longest string an arena takes, in bytes.
    pub(super) const LONGEST: usize = u8::MAX as usize;

    /// Appends a string of at most [`Arena::LONGEST`] bytes.
    pub(super) fn push(&mut self, member: &[u8], ordinal: u32) {
        self.make_room(HEADER + member.len());
        self.records.push(member.len() as u8);
        self.records.extend_from_slice(&ordinal.to_le_bytes());
        self.records.extend_from_slice(member);
    }

    /// The offsets of the strings, in the order in which they were pushed.
    pub(super) fn offsets(&self) -> impl Iterator<Item = usize> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let length = *self.records.get(offset)?;
            let this = offset;
            offset += HEADER + usize::from(length);
            Some(this)
        })
    }

    pub(super) fn member(&self, offset: usize) -> &[u8] {
        let length = usize::from(self.records[offset]);
        &self.records[offset + HEADER..][..length]
    }

    pub(super) fn ordinal(&self, offset: usize) -> u32 {
        let mut ordinal = [0; size_of::<u32>()];
        ordinal.copy_from_slice(&self.records[offset + 1..offset + HEADER]);
        u32::from_le_bytes(ordinal)
    }

    fn make_room(&mut self, size: usize) {
        let length = self.records.len();
        if self.records.capacity() - length >= size {
            return;
        }
        let capacity = if length < SMALL {
            (2 * length).max(length + size)
        } else {
            // An eighth at a time: doubling would make large sets peak at twice their size.
            (length + size.max(length / 8)).max(RETURNED_FROM)
        };
        self.records.reserve_exact(capacity - length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_in_order() {
        let members: Vec<Vec<u8>> = (0..3000).map(|i| vec![i as u8; i % 256]).collect();
        let mut arena = Arena::default();
        for (member, ordinal) in members.iter().zip(7..) {
            arena.push(member, ordinal);
        }
        let read: Vec<_> =
            arena.offsets().map(|offset| (arena.member(offset), arena.ordinal(offset))).collect();
        assert!(read.into_iter().eq(members.iter().map(Vec::as_slice).zip(7..)));
    }
}
