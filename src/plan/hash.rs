//! The bucketing hash: MurmurHash3 x86 32-bit with seed 0, of a text behind a prefix that is known beforehand.

/// What the hash has taken in of a prefix.
#[derive(Clone, Copy, Debug)]
pub struct Prefix {
    hash: u32,
    length: u32,
    /// What the prefix leaves over of its last block, low byte first.
    rest: u32,
    /// The bytes of `rest`: less than four.
    filled: u32,
}

impl Prefix {
    pub fn new(prefix: &[u8]) -> Self {
        let (blocks, rest) = prefix.as_chunks::<4>();
        Self {
            hash: blocks.iter().fold(0, |hash, block| step(hash, u32::from_le_bytes(*block))),
            length: prefix.len() as u32,
            rest: little_endian(rest),
            filled: rest.len() as u32,
        }
    }

    /// The hash of the prefix followed by `value`.
    #[inline]
    pub fn hash(&self, value: &[u8]) -> u32 {
        let Self { mut hash, length, mut rest, filled } = *self;
        let (blocks, tail) = value.as_chunks::<4>();
        // Blocks of the value straddle those of the hash where the prefix leaves something over.
        let shift = filled * 8;
        for block in blocks {
            let block = u64::from(u32::from_le_bytes(*block)) << shift | u64::from(rest);
            hash = step(hash, block as u32);
            rest = (block >> 32) as u32;
        }
        let end = u64::from(little_endian(tail)) << shift | u64::from(rest);
        let left = filled as usize + tail.len();
        let last = if left >= 4 {
            hash = step(hash, end as u32);
            (end >> 32) as u32
        } else {
            end as u32
        };
        // Without a tail `last` is 0, which mixes to nothing.
        hash ^= mix(last);
        hash ^= length.wrapping_add(value.len() as u32);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
        hash ^ (hash >> 16)
    }
}

/// Less than four bytes as a number.
fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |rest, &byte| (rest << 8) | u32::from(byte))
}

fn step(hash: u32, block: u32) -> u32 {
    (hash ^ mix(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64)
}

fn mix(block: u32) -> u32 {
    block.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecma::Text;
    use proptest::prelude::*;

    #[test]
    fn the_hash_vectors_hold() {
        let vectors: [(&[u16], u32); 12] = [
            (&[], 0),
            (&[0x61], 1_009_084_850),
            (&[0x61, 0x62], 2_613_040_991),
            (&[0x61, 0x62, 0x63], 3_017_643_002),
            (&[0x61, 0x62, 0x63, 0x64], 1_139_631_978),
            (&[0], 1_364_076_727),
            (&[0xE9], 269_551_495),
            (&[0x65E5, 0x672C], 3_302_619_458),
            (&[0xD83D, 0xDE00], 3_199_479_546),
            (&[0xD800], 3_055_733_070),
            (&[0xDC00], 2_892_079_203),
            (&[0xD83D, 0xDE00, 0xD83D], 826_346_218),
        ];
        for (units, expected) in vectors {
            assert_eq!(Prefix::new(b"").hash(Text::from_utf16(units).as_bytes()), expected, "{units:?}");
        }
        assert_eq!(Prefix::new(b"salt/").hash(b"user"), 1_464_243_757);
        assert_eq!(Prefix::new(b"s/").hash(b"u"), 1_474_444_136);
        assert_eq!(Prefix::new(b"salt/").hash(Text::from_utf16(&[0xD800]).as_bytes()), 4_257_585_053);
        assert_eq!(Prefix::new(b"hello, ").hash(b"world"), 345_750_399);
    }

    proptest! {
        #[test]
        fn it_is_the_murmur3_crates(bytes in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..80) {
            let (prefix, value) = bytes.split_at(cut.min(bytes.len()));
            let expected = murmur3::murmur3_32(&mut std::io::Cursor::new(&bytes), 0).unwrap();
            prop_assert_eq!(Prefix::new(prefix).hash(value), expected);
        }
    }
}
