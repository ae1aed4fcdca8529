//! Numbers of any width up to 64 bits, one after the other without gaps.

/// Only the lowest `width` bits set; `width` is at most 64.
pub(super) fn low_bits(width: u32) -> u64 {
    u64::MAX.checked_shr(64 - width).unwrap_or(0)
}

/// How many bits it takes to write numbers up to `max`.
pub(super) fn width_of(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

#[derive(Clone, Default)]
pub(super) struct BitArray {
    words: Vec<u64>,
    bits: usize,
}

impl BitArray {
    pub(super) fn with_capacity(bits: usize) -> Self {
        Self { words: Vec::with_capacity(bits.div_ceil(64)), bits: 0 }
    }

    /// Appends `value`, which must fit in `width` bits.
    pub(super) fn push(&mut self, value: u64, width: u32) {
        if width == 0 {
            return;
        }
        let used = (self.bits % 64) as u32;
        match self.words.last_mut() {
            Some(last) if used > 0 => {
                *last |= value << used;
                if used + width > 64 {
                    self.words.push(value >> (64 - used));
                }
            }
            _ => self.words.push(value),
        }
        self.bits += width as usize;
    }

    /// The number of `width` bits that begins at bit `offset`.
    pub(super) fn read(&self, offset: usize, width: u32) -> u64 {
        if width == 0 {
            return 0;
        }
        let (word, skipped) = (offset / 64, offset % 64);
        // Whether it reaches into the next word is anybody's guess: taking that in always is faster than asking.
        let next = self.words.get(word + 1).copied().unwrap_or_default();
        let both = u128::from(next) << 64 | u128::from(self.words[word]);
        (both >> skipped) as u64 & low_bits(width)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_of_any_width_come_back(numbers in prop::collection::vec((any::<u64>(), 0..=64u32), 0..50)) {
            let mut array = BitArray::default();
            for &(value, width) in &numbers {
                array.push(value & low_bits(width), width);
            }
            let mut offset = 0;
            for &(value, width) in &numbers {
                prop_assert_eq!(array.read(offset, width), value & low_bits(width));
                offset += width as usize;
            }
        }
    }

    #[test]
    fn widths_and_masks() {
        assert_eq!([0, 1, 2, 255, 256, u64::MAX].map(width_of), [0, 1, 2, 8, 9, 64]);
        assert_eq!([0, 1, 63, 64].map(low_bits), [0, 1, u64::MAX >> 1, u64::MAX]);
    }
}
