//! Version numbers as targeting compares them, in linear time. (Contract: evaluation 6, "Version".)

use std::cmp::Ordering;

/// `major.minor[.patch[-pre]]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Version<'a> {
    /// As doubles: numbers above 2^53 collapse as they do in JavaScript.
    numbers: [f64; 3],
    /// With its leading hyphen.
    pre: Option<&'a [u8]>,
}

/// A version that keeps its text.
#[derive(Clone, Debug)]
pub struct OwnedVersion {
    numbers: [f64; 3],
    pre: Option<Box<[u8]>>,
}

impl OwnedVersion {
    pub fn as_version(&self) -> Version<'_> {
        Version { numbers: self.numbers, pre: self.pre.as_deref() }
    }
}

impl<'a> Version<'a> {
    pub fn into_owned(self) -> OwnedVersion {
        OwnedVersion { numbers: self.numbers, pre: self.pre.map(Box::from) }
    }

    #[inline]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut numbers = [0.0; 3];
        let mut at = 0;
        for count in 1..=numbers.len() {
            let (number, digits) = leading_number(&text[at..])?;
            numbers[count - 1] = number;
            at += digits;
            match text.get(at) {
                None if count >= 2 => return Some(Self { numbers, pre: None }),
                Some(b'.') => at += 1,
                Some(b'-') if count == 3 && is_pre_release(&text[at..]) => {
                    return Some(Self { numbers, pre: Some(&text[at..]) });
                }
                _ => return None,
            }
        }
        None
    }

    /// The numbers, and how many bytes at the end of the text are the pre-release.
    pub fn parts(&self) -> ([f64; 3], Option<u32>) {
        (self.numbers, self.pre.map(|pre| pre.len() as u32))
    }

    /// The version of a text that has these [`parts`](Self::parts).
    pub fn of_parts((numbers, pre): ([f64; 3], Option<u32>), text: &'a [u8]) -> Self {
        Self { numbers, pre: pre.and_then(|length| text.get(text.len().checked_sub(length as usize)?..)) }
    }

    pub fn compare(&self, other: &Version<'_>) -> Ordering {
        self.numbers.partial_cmp(&other.numbers).unwrap_or(Ordering::Equal).then_with(|| {
            match (self.pre, other.pre) {
                (None, None) => Ordering::Equal,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                // ASCII: the order of the bytes is that of the code units.
                (Some(a), Some(b)) => a.cmp(b),
            }
        })
    }
}

/// The digits that a text begins with, at least one, as a double, and how many they are.
#[inline]
fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    let mut number = 0u64;
    let mut digits = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(digits) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        digits += 1;
    }
    match digits {
        0 => None,
        1..=15 => Some((number as f64, digits)),
        // Too many for the sum above to be exact.
        _ => Some((std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?, digits)),
    }
}

/// `-`, then nothing or runs of `[-A-Za-z0-9_]` between dots, of which the last may be followed by one more.
fn is_pre_release(pre: &[u8]) -> bool {
    let text = &pre[1..];
    let runs = text.strip_suffix(b".").unwrap_or(text);
    text.is_empty()
        || runs.split(|&byte| byte == b'.').all(|run| {
            !run.is_empty()
                && run.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_kept_to() {
        for text in [
            "1.2",
            "1.2.3",
            "1.2.3-",
            "1.2.3-rc.1",
            "1.2.3-rc.1.",
            "1.2.3--_",
            "01.2",
            "99999999999999999999.0",
        ] {
            assert!(Version::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            "1",
            "1.",
            ".1",
            "1.2.",
            "1.2.3.4",
            "v1.2",
            "1.2-rc",
            "1.2.3-a..b",
            "1.2.3-.",
            "1.2.3+b",
            "1.2.3-é",
            "1.٢",
            " 1.2",
        ] {
            assert!(Version::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_hostile_text_is_read_in_linear_time() {
        let text = format!("1.2.3-{}!", "a".repeat(1_000_000));
        assert!(Version::parse(text.as_bytes()).is_none());
    }

    #[test]
    fn versions_are_ordered() {
        let ordered =
            ["1.2.3-", "1.2.3-alpha", "1.2.3-rc.10", "1.2.3-rc.2", "1.2.3", "1.10", "1.10.1", "2.0"];
        for pair in ordered.windows(2) {
            let [a, b] = [0, 1].map(|i| Version::parse(pair[i].as_bytes()).unwrap());
            assert_eq!(a.compare(&b), Ordering::Less, "{pair:?}");
        }
    }
}
