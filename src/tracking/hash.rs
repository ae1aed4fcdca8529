//! The hash of insert ids, in pieces.
//!
//! In: strings as WTF-8. Out: the 31-polynomial over UTF-16 units in wrapping 32-bit arithmetic (contract:
//! analytics 4.2). The hash of two strings one after the other follows from the hashes of both, so that what is
//! known of a flag beforehand is hashed once and not on every evaluation.

use crate::ecma::text::utf16_units;

/// The hash of a string, and what it takes to put another string behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitHash {
    value: i32,
    /// 31 to the power of the number of units.
    power: i32,
}

impl UnitHash {
    pub const EMPTY: Self = Self { value: 0, power: 1 };

    pub fn of(text: &[u8]) -> Self {
        utf16_units(text).fold(Self::EMPTY, |hash, unit| Self {
            value: hash.value.wrapping_mul(31).wrapping_add(i32::from(unit)),
            power: hash.power.wrapping_mul(31),
        })
    }

    /// The hash of the one string followed by the other. Neither cut may part a surrogate pair.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            value: self.value.wrapping_mul(next.power).wrapping_add(next.value),
            power: self.power.wrapping_mul(next.power),
        }
    }

    pub fn value(self) -> i32 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecma::Text;
    use proptest::prelude::*;

    fn naive(units: &[u16]) -> i32 {
        units.iter().fold(0i32, |hash, &unit| (hash << 5).wrapping_sub(hash).wrapping_add(i32::from(unit)))
    }

    #[test]
    fn the_contracts_vectors_hold() {
        for (text, hash) in [
            ("", 0),
            ("a", 97),
            ("abc", 96_354),
            ("a b", 94_307),
            ("é", 233),
            ("😀", 1_772_899),
            ("zzzzzzzz", -1_910_022_912),
            ("polygenelubricants", i32::MIN),
        ] {
            assert_eq!(UnitHash::of(text.as_bytes()).value(), hash, "{text}");
        }
        assert_eq!(UnitHash::of(Text::from_utf16(&[0xD83D]).as_bytes()).value(), 55_357);
    }

    proptest! {
        #[test]
        fn pieces_hash_as_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..12), 0..6)) {
            // Separated, as in a canonical string: a piece may end in half a pair.
            let pieces: Vec<Vec<u16>> = pieces.into_iter().map(|mut piece| { piece.push(0x20); piece }).collect();
            let whole = pieces
                .iter()
                .fold(UnitHash::EMPTY, |hash, piece| hash.then(UnitHash::of(Text::from_utf16(piece).as_bytes())));
            prop_assert_eq!(whole.value(), naive(&pieces.concat()));
        }
    }
}
