//! Names of capture groups.

use super::{Parser, Reason};

const INVALID_NAME: Reason = "invalid capture group name";
const INVALID_ESCAPE: Reason = "invalid Unicode escape";

impl Parser<'_> {
    /// From behind `<` to behind `>`.
    pub(super) fn group_name(&mut self) -> Result<String, Reason> {
        let mut name = String::new();
        loop {
            let point = if self.peek() == Some(b'\\') && self.peek_ahead(1) == Some(b'u') {
                self.at += 2;
                self.code_point_escape()?
            } else {
                self.code_point()
            };
            // A lone surrogate is no `char`, and in no identifier.
            let letter = point.and_then(char::from_u32).ok_or(INVALID_NAME)?;
            match letter {
                // Also when it was written as an escape: V8 asks only afterwards.
                '>' if !name.is_empty() => return Ok(name),
                _ if name.is_empty() && is_identifier_start(letter) => {}
                _ if !name.is_empty() && is_identifier_part(letter) => {}
                _ => return Err(INVALID_NAME),
            }
            name.push(letter);
        }
    }

    /// Reads a code point, surrogate pairs joined.
    fn code_point(&mut self) -> Option<u32> {
        let &first = self.pattern.get(self.at)?;
        self.at += 1;
        let Some(&second) = self.pattern.get(self.at) else {
            return Some(u32::from(first));
        };
        let pair = join(first, second);
        self.at += usize::from(pair.is_some());
        Some(pair.unwrap_or(u32::from(first)))
    }

    /// Behind `\u`: four digits, two such surrogates, or `{...}`.
    fn code_point_escape(&mut self) -> Result<Option<u32>, Reason> {
        if self.eat(b'{') {
            let mut value = None;
            while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                self.at += 1;
                let more = value.unwrap_or(0) << 4 | digit;
                if more > 0x10_FFFF {
                    return Err(INVALID_ESCAPE);
                }
                value = Some(more);
            }
            return if value.is_some() && self.eat(b'}') { Ok(value) } else { Err(INVALID_ESCAPE) };
        }
        let first = self.hex(4).ok_or(INVALID_ESCAPE)?;
        let after_first = self.at;
        if self.eat(b'\\')
            && self.eat(b'u')
            && let Some(second) = self.hex(4)
            && let Some(pair) = join(first, second)
        {
            return Ok(Some(pair));
        }
        self.at = after_first;
        Ok(Some(u32::from(first)))
    }
}

fn join(lead: u16, trail: u16) -> Option<u32> {
    char::decode_utf16([lead, trail])
        .next()
        .and_then(Result::ok)
        .map(u32::from)
        .filter(|&point| point > 0xFFFF)
}

fn is_identifier_start(letter: char) -> bool {
    matches!(letter, '$' | '_')
        || unicode_ident::is_xid_start(letter)
        || is_id_only(letter)
        || is_id_start_only(letter)
}

fn is_identifier_part(letter: char) -> bool {
    matches!(letter, '$' | '\u{200C}' | '\u{200D}')
        || unicode_ident::is_xid_continue(letter)
        || is_id_only(letter)
}

/// In ID_Start and ID_Continue, but for the sake of normalisation not in XID_Start and XID_Continue.
fn is_id_only(letter: char) -> bool {
    matches!(letter, '\u{37A}' | '\u{309B}'..='\u{309C}' | '\u{FC5E}'..='\u{FC63}' | '\u{FDFA}'..='\u{FDFB}')
        || matches!(letter, '\u{FE70}'..='\u{FE7E}' if u32::from(letter) % 2 == 0)
}

/// In ID_Start, not in XID_Start, and in both of the others.
fn is_id_start_only(letter: char) -> bool {
    matches!(letter, '\u{E33}' | '\u{EB3}' | '\u{FF9E}'..='\u{FF9F}')
}
