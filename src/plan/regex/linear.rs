//! The fast tier: patterns without look-around and backreferences, run by the `regex` crate in linear time.
//!
//! Such a pattern matches or not by its language alone: greed, captures and the order of alternatives do not
//! show. The translation writes that language over bytes: every code unit, surrogates included, as the one to
//! three bytes UTF-8 would use for its number. The haystack is WTF-8, which is the same thing but for the
//! surrogate pairs; where there are any, a copy splits them.

use std::borrow::Cow;
use std::fmt::Write;

use regex::bytes::{Regex, RegexBuilder};

use super::ast::Node;
use super::units::UnitSet;

/// How many bytes, repeats written out, a translation may match at most; larger patterns cost too much to
/// build.
const MAX_WEIGHT: u64 = 50_000;
const MAX_PROGRAM_BYTES: usize = 4 << 20;
const MAX_CACHE_BYTES: usize = 1 << 20;
/// Weight times haystack bytes: above, even linear time is too long.
const MAX_WORK: u64 = 12_000_000;

pub(super) struct Linear {
    regex: Regex,
    weight: u64,
    /// `\B` holds between the bytes of one code unit, where the pattern must not match.
    ascii_only: bool,
}

impl Linear {
    /// `None` where the translation would mean something else, or be too large.
    pub(super) fn translate(root: &Node) -> Option<Self> {
        let mut translation = Translation { pattern: String::new(), ascii_only: false };
        let weight = translation.node(root)?;
        let regex = RegexBuilder::new(&translation.pattern)
            .unicode(false)
            .size_limit(MAX_PROGRAM_BYTES)
            .dfa_size_limit(MAX_CACHE_BYTES)
            .build()
            .ok()?;
        Some(Self { regex, weight, ascii_only: translation.ascii_only })
    }

    /// `None` where this haystack is for the other tier.
    pub(super) fn is_match(&self, haystack: &[u8]) -> Option<bool> {
        if self.weight.saturating_mul(haystack.len() as u64) > MAX_WORK
            || self.ascii_only && !haystack.is_ascii()
        {
            return None;
        }
        Some(self.regex.is_match(&split_pairs(haystack)))
    }
}

/// Writes each surrogate pair as its two surrogates.
fn split_pairs(wtf8: &[u8]) -> Cow<'_, [u8]> {
    if !wtf8.iter().any(|&byte| byte >= 0xF0) {
        return Cow::Borrowed(wtf8);
    }
    let mut bytes = Vec::with_capacity(wtf8.len() * 3 / 2);
    for unit in crate::ecma::text::utf16_units(wtf8) {
        let (encoded, length) = encode(unit);
        bytes.extend_from_slice(&encoded[..length]);
    }
    Cow::Owned(bytes)
}

/// UTF-8, surrogates included.
fn encode(unit: u16) -> ([u8; 3], usize) {
    let last = 0x80 | (unit & 0x3F) as u8;
    match unit {
        ..=0x7F => ([unit as u8, 0, 0], 1),
        0x80..=0x7FF => ([0xC0 | (unit >> 6) as u8, last, 0], 2),
        _ => ([0xE0 | (unit >> 12) as u8, 0x80 | (unit >> 6 & 0x3F) as u8, last], 3),
    }
}

struct Translation {
    pattern: String,
    ascii_only: bool,
}

impl Translation {
    /// Appends what `node` matches; answers its weight, at least 1.
    fn node(&mut self, node: &Node) -> Option<u64> {
        let mut weight = 1;
        match node {
            Node::Empty => self.pattern.push_str("(?:)"),
            Node::Unit(unit) => {
                let (bytes, length) = encode(*unit);
                bytes[..length].iter().for_each(|&byte| self.bytes(byte, byte));
                weight = length as u64;
            }
            Node::Set(set) => weight = self.set(set),
            Node::Start { multiline: false } => self.pattern.push_str(r"\A"),
            Node::End { multiline: false } => self.pattern.push_str(r"\z"),
            Node::Boundary { negated: false } => self.pattern.push_str(r"\b"),
            Node::Boundary { negated: true } => {
                self.ascii_only = true;
                self.pattern.push_str(r"\B");
            }
            Node::Sequence(terms) => {
                for term in terms {
                    weight += self.node(term)?;
                }
            }
            Node::Alternatives(alternatives) => {
                for (index, alternative) in alternatives.iter().enumerate() {
                    self.pattern.push_str(if index == 0 { "(?:" } else { "|" });
                    weight += self.node(alternative)?;
                }
                self.pattern.push(')');
            }
            // Nobody asks what was captured.
            Node::Capture { body, .. } => return self.node(body),
            Node::Repeat { min, max, body, .. } => {
                self.pattern.push_str("(?:");
                let once = self.node(body)?;
                let times = max.unwrap_or_else(|| min.saturating_add(1)).max(1);
                weight = once.saturating_mul(u64::from(times));
                if weight > MAX_WEIGHT {
                    return None;
                }
                match max {
                    Some(max) => write!(self.pattern, "){{{min},{max}}}").ok()?,
                    None => write!(self.pattern, "){{{min},}}").ok()?,
                }
            }
            // That crate's lines end elsewhere.
            Node::Start { multiline: true } | Node::End { multiline: true } => return None,
            Node::Reference { .. } | Node::Look { .. } => return None,
        }
        (weight <= MAX_WEIGHT).then_some(weight)
    }

    fn set(&mut self, set: &UnitSet) -> u64 {
        if set.ranges().is_empty() {
            self.pattern.push_str(r"[^\x00-\xFF]");
            return 1;
        }
        let mut weight = 0;
        self.pattern.push_str("(?:");
        for &(low, high) in set.ranges() {
            for (from, to) in [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFFF)] {
                if low <= to && high >= from {
                    weight += self.range(low.max(from), high.min(to));
                }
            }
        }
        self.pattern.pop();
        self.pattern.push(')');
        weight
    }

    /// Units whose encodings are of one length, as alternatives each of which ends in `|`. Where the leading
    /// bytes differ, the range is cut until the bytes behind them run their full course.
    fn range(&mut self, low: u16, high: u16) -> u64 {
        let ((first, length), (last, _)) = (encode(low), encode(high));
        for tail_bits in [12, 6] {
            let tail = (1 << tail_bits) - 1;
            if length * 6 <= tail_bits || low >> tail_bits == high >> tail_bits {
                continue;
            }
            if low & tail != 0 {
                return self.range(low, low | tail) + self.range((low | tail) + 1, high);
            }
            if high & tail != tail {
                return self.range(low, (high & !tail) - 1) + self.range(high & !tail, high);
            }
        }
        for (&from, &to) in first[..length].iter().zip(&last) {
            self.bytes(from, to);
        }
        self.pattern.push('|');
        length as u64
    }

    fn bytes(&mut self, from: u8, to: u8) {
        // Writing to a `String` does not fail.
        let _ = if from == to {
            write!(self.pattern, r"\x{from:02X}")
        } else {
            write!(self.pattern, r"[\x{from:02X}-\x{to:02X}]")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_translates_to_exactly_its_units() {
        for ranges in [
            &[(0, 0)][..],
            &[(0x7F, 0x80)],
            &[(0x7FF, 0x800)],
            &[(0xC5, 0x1234), (0x2028, 0x2029)],
            &[(0xD800, 0xDBFF)],
            &[(0xDC01, 0xFFFE)],
            &[(0x61, 0xFFFF)],
            &[],
        ] {
            for set in [UnitSet::new(ranges.to_vec()), UnitSet::not(ranges.to_vec())] {
                let node = Node::Sequence(vec![
                    Node::Start { multiline: false },
                    Node::Set(set.clone()),
                    Node::End { multiline: false },
                ]);
                let linear = Linear::translate(&node).unwrap();
                for unit in 0..=0xFFFF {
                    let (bytes, length) = encode(unit);
                    assert_eq!(
                        linear.is_match(&bytes[..length]),
                        Some(set.contains(unit)),
                        "{unit:x} {set:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn pairs_are_split_and_the_rest_is_not_copied() {
        assert!(matches!(split_pairs("aé€\u{FFFF}".as_bytes()), Cow::Borrowed(_)));
        assert_eq!(*split_pairs("a😀b".as_bytes()), *b"a\xED\xA0\xBD\xED\xB8\x80b");
    }
}
