//! Which evaluations have been tracked already.
//!
//! In: the key of an evaluation's canonical string, and the time. Out: whether it is new. (Contract: analytics
//! 4.5: least recently used out first, and a time to live that counts from the insert.)

use std::hash::{BuildHasherDefault, Hasher};

use lru::LruCache;

/// What upstream calls its TTL: a repeated evaluation is tracked again once this much time has passed.
pub const TTL_MILLIS: i64 = 86_400_000;

/// Remembers evaluations, at most a number of them.
pub struct Dedupe {
    capacity: usize,
    /// Key to the time of its insert. Grows as it fills: the capacity is the caller's and may be huge.
    seen: LruCache<u128, i64, BuildHasherDefault<KeyHasher>>,
}

impl Dedupe {
    /// `capacity` of nought counts as one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            seen: LruCache::unbounded_with_hasher(BuildHasherDefault::default()),
        }
    }

    /// Whether the evaluation is to be tracked; if so it is remembered. `now` is in milliseconds since 1970.
    pub fn is_new(&mut self, key: u128, now: i64) -> bool {
        if let Some(&inserted) = self.seen.get(&key) {
            if now.saturating_sub(inserted) <= TTL_MILLIS {
                return false;
            }
            self.seen.pop(&key);
        } else if self.seen.len() >= self.capacity {
            self.seen.pop_lru();
        }
        self.seen.put(key, now);
        true
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// Keys are random numbers already, unknown to whoever chooses the strings.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
            self.0 ^= word;
        }
    }

    fn write_u128(&mut self, key: u128) {
        // The values are below 2^61; hash tables look at the top bits.
        self.0 = ((key >> 64) as u64).wrapping_shl(3) ^ (key as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn run(capacity: usize, users: &str) -> Vec<u8> {
        let mut dedupe = Dedupe::new(capacity);
        users.bytes().map(|user| u8::from(dedupe.is_new(user.into(), NOW))).collect()
    }

    #[test]
    fn the_least_recently_used_leaves_first() {
        assert_eq!(run(3, "abcadbac"), [1, 1, 1, 0, 1, 1, 0, 1]);
    }

    #[test]
    fn no_capacity_is_one() {
        assert_eq!(run(0, "aaba"), [1, 0, 1, 1]);
        assert_eq!(run(1, "aaba"), [1, 0, 1, 1]);
    }

    #[test]
    fn the_time_to_live_counts_from_the_insert() {
        let mut dedupe = Dedupe::new(10);
        assert!(dedupe.is_new(1, NOW));
        // A hit does not extend it.
        assert!(!dedupe.is_new(1, NOW + TTL_MILLIS - 1));
        assert!(!dedupe.is_new(1, NOW + TTL_MILLIS));
        assert!(dedupe.is_new(1, NOW + TTL_MILLIS + 1));
        assert!(!dedupe.is_new(1, NOW + TTL_MILLIS + 2));
    }

    #[test]
    fn an_expired_entry_makes_room_for_itself_only() {
        let mut dedupe = Dedupe::new(2);
        assert!(dedupe.is_new(1, NOW));
        assert!(dedupe.is_new(2, NOW + 1000));
        assert!(dedupe.is_new(1, NOW + TTL_MILLIS + 500));
        assert!(!dedupe.is_new(2, NOW + TTL_MILLIS + 600));
    }

    #[test]
    fn a_clock_set_back_does_not_track_again() {
        let mut dedupe = Dedupe::new(2);
        assert!(dedupe.is_new(1, NOW));
        assert!(!dedupe.is_new(1, NOW - 10 * TTL_MILLIS));
    }

    #[test]
    fn memory_follows_use_not_capacity() {
        let mut dedupe = Dedupe::new(usize::MAX);
        assert!(dedupe.is_new(1, NOW));
        assert_eq!(dedupe.len(), 1);
    }
}
