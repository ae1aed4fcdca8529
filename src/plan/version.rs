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

    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut numbers = [0.0; 3];
        let mut rest = text;
        for count in 1..=numbers.len() {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (number, after) = rest.split_at(digits);
            numbers[count - 1] = parse_digits(number)?;
            match after.first() {
                None if count >= 2 => return Some(Self { numbers, pre: None }),
                Some(b'.') => rest = &after[1..],
                Some(b'-') if count == 3 && is_pre_release(after) => {
                    return Some(Self { numbers, pre: Some(after) });
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

/// Digits, at least one, as a double.
fn parse_digits(digits: &[u8]) -> Option<f64> {
    match digits.len() {
        0 => None,
        1..=15 => {
            let exact = digits.iter().fold(0u64, |number, &digit| number * 10 + u64::from(digit - b'0'));
            Some(exact as f64)
        }
        _ => std::str::from_utf8(digits).ok()?.parse().ok(),
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
