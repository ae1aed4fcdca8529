//! `Number(text)` and `String(number)`.

use super::case::trim;

/// ECMAScript's StringToNumber: NaN for what is not a numeric literal, 0 for blanks.
pub fn parse(text: &[u8]) -> f64 {
    let text = trim(text);
    let (radix, digits) = match text {
        [] => return 0.0,
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits),
        _ => return decimal(text),
    };
    integer(digits, radix)
}

fn decimal(text: &[u8]) -> f64 {
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    // Rust also takes "inf", "nan" and "infinity" in any case; ECMAScript takes `Infinity` alone.
    if !unsigned.starts_with(b"Infinity")
        && !unsigned.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return f64::NAN;
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Digits of a power-of-two radix as the nearest double.
fn integer(digits: &[u8], radix: u32) -> f64 {
    if digits.is_empty() || !digits.iter().all(|&digit| (digit as char).is_digit(radix)) {
        return f64::NAN;
    }
    let bits_a_digit = radix.trailing_zeros();
    let mut mantissa: u64 = 0;
    let mut exponent: i32 = 0;
    let mut sticky = false;
    for &digit in digits {
        let value = u64::from((digit as char).to_digit(radix).unwrap_or_default());
        if mantissa >> (63 - bits_a_digit) == 0 {
            mantissa = (mantissa << bits_a_digit) | value;
        } else {
            exponent = exponent.saturating_add(bits_a_digit as i32);
            sticky |= value != 0;
        }
    }
    // With more than 54 significant bits in hand, one more bit stands for all that were dropped.
    (mantissa | u64::from(sticky)) as f64 * 2f64.powi(exponent)
}

/// Appends the number as ECMAScript's `String` prints it.
pub fn push(number: f64, text: &mut Vec<u8>) {
    // Negative zero prints as "0".
    let number = if number == 0.0 { 0.0 } else { number };
    text.extend_from_slice(ryu_js::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_those_of_ecmascript() {
        for (text, number) in [
            ("", 0.0),
            (" \t\n", 0.0),
            ("\u{A0}7\u{FEFF}", 7.0),
            ("0x10", 16.0),
            ("0o17", 15.0),
            ("0b11", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-1e3", -1000.0),
            ("+2", 2.0),
            ("017", 17.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x20000000000001", 9_007_199_254_740_992.0),
            ("0x20000000000003", 9_007_199_254_740_996.0),
            ("0x200000000000010000000000000000000001", 2.7875931498163285e42),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text}");
        }
        for text in
            ["1_000", "-0x10", "1n", "abc", "inf", "nan", "infinity", ".", "e5", "1e", "0x", "--1", "1 2"]
        {
            assert!(parse(text.as_bytes()).is_nan(), "{text}");
        }
    }

    #[test]
    fn numbers_print_as_ecmascript_prints_them() {
        for (number, text) in
            [(1e21, "1e+21"), (-0.0, "0"), (1.0, "1"), (0.1 + 0.2, "0.30000000000000004"), (1e-7, "1e-7")]
        {
            let mut bytes = Vec::new();
            push(number, &mut bytes);
            assert_eq!(bytes, text.as_bytes());
        }
    }
}
