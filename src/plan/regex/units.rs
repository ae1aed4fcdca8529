//! Sets of UTF-16 code units: character classes as the non-unicode mode of ECMAScript has them.

use super::case;

pub(super) const DIGIT: &[(u16, u16)] = &[(0x30, 0x39)];
pub(super) const WORD: &[(u16, u16)] = &[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];
/// WhiteSpace and LineTerminator.
pub(super) const SPACE: &[(u16, u16)] = &[
    (0x09, 0x0D),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
];
pub(super) const LINE_TERMINATOR: &[(u16, u16)] = &[(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)];

/// Ranges, ends included, in order, neither overlapping nor adjacent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitSet {
    ranges: Box<[(u16, u16)]>,
    ascii: u128,
}

impl UnitSet {
    pub(super) fn new(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match merged.last_mut() {
                Some(last) if u32::from(low) <= u32::from(last.1) + 1 => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        let mut ascii = 0;
        for &(low, high) in &merged {
            for unit in low..=high.min(0x7F) {
                ascii |= 1 << unit;
            }
        }
        Self { ranges: merged.into_boxed_slice(), ascii }
    }

    /// All units that are not in `ranges`.
    pub(super) fn not(ranges: Vec<(u16, u16)>) -> Self {
        let mut inverse = Vec::new();
        let mut next = 0;
        for &(low, high) in &Self::new(ranges).ranges {
            if u32::from(low) > next {
                inverse.push((next as u16, low - 1));
            }
            next = u32::from(high) + 1;
        }
        if next <= 0xFFFF {
            inverse.push((next as u16, 0xFFFF));
        }
        Self::new(inverse)
    }

    /// With all units that differ from one of the set in case alone.
    pub(super) fn ignoring_case(&self) -> Self {
        let others = self.ranges.iter().flat_map(|&(low, high)| case::pairs(low, high));
        let others = others.filter(|&&(_, other)| !self.contains(other)).map(|&(_, other)| (other, other));
        Self::new(self.ranges.iter().copied().chain(others).collect())
    }

    pub(super) fn ranges(&self) -> &[(u16, u16)] {
        &self.ranges
    }

    #[inline]
    pub(super) fn contains(&self, unit: u16) -> bool {
        if unit < 0x80 {
            return self.ascii >> unit & 1 == 1;
        }
        let after = self.ranges.partition_point(|&(low, _)| low <= unit);
        after > 0 && unit <= self.ranges[after - 1].1
    }
}

pub(super) fn is_line_terminator(unit: u16) -> bool {
    matches!(unit, 0x0A | 0x0D | 0x2028 | 0x2029)
}

pub(super) fn is_word(unit: u16) -> bool {
    matches!(u8::try_from(unit), Ok(byte) if byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_invert() {
        let set = UnitSet::new(vec![(5, 9), (0, 2), (3, 3), (8, 0x100)]);
        assert_eq!(set.ranges(), [(0, 3), (5, 0x100)]);
        assert_eq!(UnitSet::not(vec![(0, 3), (5, 0x100)]).ranges(), [(4, 4), (0x101, 0xFFFF)]);
        assert_eq!(UnitSet::not(vec![]).ranges(), [(0, 0xFFFF)]);
        assert_eq!(UnitSet::not(vec![(0, 0xFFFF)]).ranges(), []);
    }

    #[test]
    fn case_is_ignored() {
        let ignoring_case = |ranges: &[(u16, u16)]| UnitSet::new(ranges.to_vec()).ignoring_case();
        assert_eq!(ignoring_case(&[(0x59, 0x62)]).ranges(), [(0x41, 0x42), (0x59, 0x62), (0x79, 0x7A)]);
        assert_eq!(ignoring_case(&[(0xFF, 0xFF)]).ranges(), [(0xFF, 0xFF), (0x178, 0x178)]);
        assert_eq!(ignoring_case(&[(0x30, 0x39)]).ranges(), [(0x30, 0x39)]);
        assert_eq!(ignoring_case(&[(0, 0xFFFF)]).ranges(), [(0, 0xFFFF)]);
        assert_eq!(ignoring_case(&[]).ranges(), []);
    }

    #[test]
    fn membership_agrees_with_the_ranges() {
        let ranges = [(0x20, 0x2F), (0x7F, 0x81), (0x2028, 0x2029), (0xFFFF, 0xFFFF)];
        let set = UnitSet::new(ranges.to_vec());
        for unit in 0..=0xFFFF {
            assert_eq!(set.contains(unit), ranges.iter().any(|&(low, high)| (low..=high).contains(&unit)));
        }
        let [word, line_terminator] = [WORD, LINE_TERMINATOR].map(|ranges| UnitSet::new(ranges.to_vec()));
        assert!((0..=0xFFFF).all(|unit| is_word(unit) == word.contains(unit)));
        assert!((0..=0xFFFF).all(|unit| is_line_terminator(unit) == line_terminator.contains(unit)));
    }
}
