//! Which code units are the same where case is ignored, as the non-unicode mode of ECMAScript has it: those
//! with the same upper case, unit by unit.

use std::sync::LazyLock;

/// Every unit with every other one that is the same, in order.
static PAIRS: LazyLock<Box<[(u16, u16)]>> = LazyLock::new(|| {
    let mut units: Vec<_> = (0..=0xFFFF).map(|unit| (canonical(unit), unit)).collect();
    units.sort_unstable();
    let mut pairs = Vec::new();
    for same in units.chunk_by(|(one, _), (other, _)| one == other) {
        for &(_, unit) in same {
            pairs.extend(same.iter().filter(|&&(_, other)| other != unit).map(|&(_, other)| (unit, other)));
        }
    }
    pairs.sort_unstable();
    pairs.into_boxed_slice()
});

/// Canonicalize of the standard. What has an upper case of several units stays as it is, and so does what
/// would become ASCII.
fn canonical(unit: u16) -> u16 {
    let Some(letter) = char::from_u32(u32::from(unit)) else { return unit };
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if letter.is_ascii() || !upper.is_ascii() => {
            u16::try_from(u32::from(upper)).unwrap_or(unit)
        }
        _ => unit,
    }
}

/// The units between two, ends included, that are the same as others, each with each of these.
pub(super) fn pairs(low: u16, high: u16) -> &'static [(u16, u16)] {
    let from = PAIRS.partition_point(|&(unit, _)| unit < low);
    let to = PAIRS.partition_point(|&(unit, _)| unit <= high);
    &PAIRS[from..to]
}

pub(super) fn is_same(one: u16, other: u16) -> bool {
    one == other || PAIRS.binary_search(&(one, other)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::regex::units::{DIGIT, LINE_TERMINATOR, SPACE, UnitSet, WORD};

    #[track_caller]
    fn assert_same(units: &str, others: &str) {
        let all: Vec<u16> = units.encode_utf16().collect();
        for &unit in &all {
            let found: Vec<u16> = pairs(unit, unit).iter().map(|&(_, other)| other).collect();
            let expected: Vec<u16> = all.iter().copied().filter(|&other| other != unit).collect();
            assert_eq!(found, expected, "{unit:x}");
            assert!(all.iter().all(|&other| is_same(unit, other)));
            assert!(others.encode_utf16().all(|other| !is_same(unit, other) && !is_same(other, unit)));
        }
    }

    #[test]
    fn the_upper_case_decides() {
        assert_same("Kk", "\u{212A}");
        assert_same("Ss", "ſß");
        assert_same("Ii", "İı");
        assert_same("ſ", "Ss");
        assert_same("ß", "ẞSs");
        assert_same("Éé", "Ee");
        assert_same("Ÿÿ", "Yy");
        assert_same("µΜμ", "Mm");
        assert_same("Σςσ", "Ϲϲ");
        assert_same("Ǆǅǆ", "Ǉ");
        assert_same("\u{345}Ιι\u{1FBE}", "Ii");
        assert_same("ᾈ", "ᾀ");
        assert_same("Ωω", "\u{2126}");
        assert_same("ŉ", "Nn");
        assert_same("1", "!");
    }

    #[test]
    fn surrogates_are_the_same_as_nothing_else() {
        assert!(pairs(0xD800, 0xDFFF).is_empty());
        assert!(!is_same(0xDC00, 0xDC28));
    }

    /// What is read for `\w`, `.` and their kin needs no other units where case is ignored.
    #[test]
    fn the_sets_of_escapes_are_complete() {
        for ranges in [DIGIT, LINE_TERMINATOR, SPACE, WORD] {
            let set = UnitSet::new(ranges.to_vec());
            assert!(pairs(0, 0xFFFF).iter().all(|&(one, other)| set.contains(one) == set.contains(other)));
        }
    }
}
