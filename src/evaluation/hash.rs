//! The bucketing hash: MurmurHash3 x86 32-bit with seed 0, over two pieces as if they were one.

/// The hash of `prefix` followed by `value`.
pub(super) fn murmur3(prefix: &[u8], value: &[u8]) -> u32 {
    let (blocks, rest) = prefix.as_chunks::<4>();
    let mut hash = blocks.iter().fold(0, |hash, block| step(hash, u32::from_le_bytes(*block)));
    // What the prefix leaves over is completed by the first bytes of the value.
    let missing = (4 - rest.len()) % 4;
    let (head, value_rest) = value.split_at(missing.min(value.len()));
    let mut pending = [0; 4];
    pending[..rest.len()].copy_from_slice(rest);
    pending[rest.len()..rest.len() + head.len()].copy_from_slice(head);
    let filled = rest.len() + head.len();
    let tail = if filled == 4 || filled == 0 {
        if filled == 4 {
            hash = step(hash, u32::from_le_bytes(pending));
        }
        let (blocks, tail) = value_rest.as_chunks::<4>();
        hash = blocks.iter().fold(hash, |hash, block| step(hash, u32::from_le_bytes(*block)));
        tail
    } else {
        &pending[..filled]
    };
    if !tail.is_empty() {
        hash ^= mix(tail.iter().rev().fold(0, |rest, &byte| (rest << 8) | u32::from(byte)));
    }
    hash ^= (prefix.len() + value.len()) as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
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
            assert_eq!(murmur3(b"", Text::from_utf16(units).as_bytes()), expected, "{units:?}");
        }
        assert_eq!(murmur3(b"salt/", b"user"), 1_464_243_757);
        assert_eq!(murmur3(b"s/", b"u"), 1_474_444_136);
        assert_eq!(murmur3(b"salt/", Text::from_utf16(&[0xD800]).as_bytes()), 4_257_585_053);
        assert_eq!(murmur3(b"hello, ", b"world"), 345_750_399);
    }

    proptest! {
        #[test]
        fn it_is_the_murmur3_crates(bytes in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..80) {
            let (prefix, value) = bytes.split_at(cut.min(bytes.len()));
            let expected = murmur3::murmur3_32(&mut std::io::Cursor::new(&bytes), 0).unwrap();
            prop_assert_eq!(murmur3(prefix, value), expected);
        }
    }
}
