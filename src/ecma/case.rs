//! `String.prototype.toLowerCase` and the white space that ECMAScript trims, on WTF-8.

use super::text::{push_utf16, utf8_runs};

/// Appends the lower-cased string: locale-free, with the context-sensitive final sigma, no normalisation.
pub fn push_lower(text: &[u8], lower: &mut Vec<u8>) {
    if text.is_ascii() {
        lower.extend(text.iter().map(u8::to_ascii_lowercase));
        return;
    }
    for (run, surrogate) in utf8_runs(text) {
        lower.extend_from_slice(run.to_lowercase().as_bytes());
        // Lone surrogates have no case.
        push_utf16(surrogate.as_slice(), lower);
    }
}

/// Without ECMAScript's white space and line terminators at both ends. Unlike `str::trim` it strips U+FEFF and
/// leaves U+0085.
pub fn trim(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let Some(length) = leading_space(rest) {
        rest = &rest[length..];
    }
    while let Some(length) = trailing_space(rest) {
        rest = &rest[..rest.len() - length];
    }
    rest
}

fn leading_space(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    if first < 0x80 {
        return matches!(first, b'\t'..=b'\r' | b' ').then_some(1);
    }
    [2, 3].into_iter().find(|&length| text.get(..length).is_some_and(is_wide_space))
}

fn trailing_space(text: &[u8]) -> Option<usize> {
    let last = *text.last()?;
    if last < 0x80 {
        return matches!(last, b'\t'..=b'\r' | b' ').then_some(1);
    }
    [2, 3]
        .into_iter()
        .find(|&length| text.len() >= length && text.get(text.len() - length..).is_some_and(is_wide_space))
}

fn is_wide_space(bytes: &[u8]) -> bool {
    let Some(c) = std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next()) else {
        return false;
    };
    c.len_utf8() == bytes.len()
        && matches!(
            c,
            '\u{A0}' | '\u{1680}' | '\u{2000}'
                ..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{FEFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(text: &str) -> String {
        let mut bytes = Vec::new();
        push_lower(text.as_bytes(), &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lower_case_is_ecmascripts() {
        assert_eq!(lower("ΟΔΟΣ"), "οδος");
        assert_eq!(lower("İ").chars().count(), 2);
        assert_eq!(lower("\u{212A}"), "k");
        assert_eq!(lower("STRASSE"), "strasse");
    }

    #[test]
    fn lone_surrogates_keep_their_place() {
        let mut bytes = Vec::new();
        push_lower(&[b'A', 0xED, 0xA0, 0x80, 0xC3, 0x89], &mut bytes);
        assert_eq!(bytes, [b'a', 0xED, 0xA0, 0x80, 0xC3, 0xA9]);
    }

    #[test]
    fn trim_strips_what_ecmascript_strips() {
        assert_eq!(trim("\u{FEFF}\t a b\u{A0}\u{3000}\n".as_bytes()), b"a b");
        assert_eq!(trim("\u{85}a\u{200B}".as_bytes()), "\u{85}a\u{200B}".as_bytes());
        assert_eq!(trim(b" \n "), b"");
    }
}
