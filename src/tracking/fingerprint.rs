//! What the dedupe filter remembers in place of a canonical string: 122 bits, computed from prepared pieces.
//!
//! In: strings. Out: a [`Fingerprint`]: the string read as a polynomial modulo 2^61 - 1, at two secret random
//! points. Strings of at most `n` bytes that differ have the same fingerprint with a probability of at most
//! `(n / 2^61)^2`, whatever the strings are, as long as whoever chooses them does not know the points. With
//! 65,536 remembered evaluations of 40,000 bytes each, a wrong match among them has odds of less than 2^-60.
//!
//! Fingerprints join as strings do, so that a flag's part is computed once and not on every evaluation.

/// The modulus: a Mersenne prime, so that reducing is a shift and an addition.
const PRIME: u64 = (1 << 61) - 1;

/// The two points. Fingerprints of different points say nothing about one another.
#[derive(Clone, Copy)]
pub struct Points([u64; 2]);

impl Points {
    /// From two words of good randomness.
    pub fn from_random(words: [u64; 2]) -> Self {
        // Nought and one would make a poor polynomial: they are left out.
        Self(words.map(|word| word % (PRIME - 2) + 2))
    }

    /// Of these bytes.
    pub fn fingerprint(&self, text: &[u8]) -> Fingerprint {
        text.iter().fold(Fingerprint::EMPTY, |print, &byte| {
            // One more than the byte, so that leading NULs count.
            let step = |value, point| add(multiply(value, point), u64::from(byte) + 1);
            Fingerprint {
                values: [step(print.values[0], self.0[0]), step(print.values[1], self.0[1])],
                powers: [multiply(print.powers[0], self.0[0]), multiply(print.powers[1], self.0[1])],
            }
        })
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    values: [u64; 2],
    powers: [u64; 2],
}

impl Fingerprint {
    pub const EMPTY: Self = Self { values: [0, 0], powers: [1, 1] };

    /// Of the one string followed by the other.
    #[must_use]
    #[inline]
    pub fn then(self, next: Self) -> Self {
        let value = |i: usize| add(multiply(self.values[i], next.powers[i]), next.values[i]);
        let power = |i: usize| multiply(self.powers[i], next.powers[i]);
        Self { values: [value(0), value(1)], powers: [power(0), power(1)] }
    }

    /// The value alone, once nothing is to follow.
    pub fn key(self) -> u128 {
        (u128::from(self.values[0]) << 64) | u128::from(self.values[1])
    }
}

#[inline]
fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= PRIME { sum - PRIME } else { sum }
}

#[inline]
fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // 2^61 is 1 here: the upper part counts as much as the lower.
    add((product as u64) & PRIME, (product >> 61) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points() -> Points {
        Points::from_random([0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03])
    }

    #[test]
    fn multiplication_is_modular() {
        for (a, b) in
            [(PRIME - 1, PRIME - 1), (PRIME - 1, 2), (1 << 60, 1 << 60), (0, 5), (123_456_789, 987_654_321)]
        {
            let exact = (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64;
            assert_eq!(multiply(a, b), exact);
        }
    }

    #[test]
    fn nul_bytes_and_lengths_count() {
        let print = |text: &[u8]| points().fingerprint(text).key();
        assert_ne!(print(b""), print(b"\0"));
        assert_ne!(print(b"\0"), print(b"\0\0"));
        assert_ne!(print(b"\0a"), print(b"a"));
    }

    #[test]
    fn other_points_give_other_fingerprints() {
        let other = Points::from_random([1, 2]);
        assert_ne!(points().fingerprint(b"user ").key(), other.fingerprint(b"user ").key());
    }

    proptest! {
        #[test]
        fn pieces_print_as_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6)) {
            let joined = pieces
                .iter()
                .fold(Fingerprint::EMPTY, |print, piece| print.then(points().fingerprint(piece)));
            prop_assert_eq!(joined, points().fingerprint(&pieces.concat()));
        }

        #[test]
        fn equal_only_where_the_strings_are(a in "[ab \\x00]{0,6}", b in "[ab \\x00]{0,6}") {
            let print = |text: &str| points().fingerprint(text.as_bytes()).key();
            prop_assert_eq!(print(&a) == print(&b), a == b);
        }
    }
}
