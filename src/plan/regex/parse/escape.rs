//! Escapes: from behind the backslash.

use super::{Node, Parser, Reason, Target, class_escape};

impl Parser<'_> {
    /// An escape outside a class that is no assertion.
    pub(super) fn atom_escape(&mut self) -> Result<Node, Reason> {
        let Some(letter) = self.peek() else {
            return Err("\\ at end of pattern");
        };
        if let Some(set) = class_escape(letter) {
            self.at += 1;
            return Ok(Node::Set(set));
        }
        match letter {
            b'1'..=b'9' => {
                if let Some(group) = self.group_number() {
                    // What a group captures cannot be asked for inside it: it matches empty.
                    let inside = self.groups.get(group) == Some(&true);
                    return Ok(if inside { Node::Empty } else { self.reference(Target::Group(group)) });
                }
            }
            b'k' if self.has_names => {
                self.at += 1;
                if !self.eat(b'<') {
                    return Err("invalid named reference");
                }
                let name = self.group_name()?;
                // Of the groups of a name, only the last one can be open.
                let last = self.names.get(&name).and_then(|groups| groups.last());
                let inside = last.is_some_and(|&group| self.groups[group]);
                return Ok(if inside { Node::Empty } else { self.reference(Target::Name(name)) });
            }
            _ => {}
        }
        let unit = self.character_escape(false)?;
        Ok(self.unit(unit))
    }

    fn reference(&mut self, target: Target) -> Node {
        let next = self.references.len();
        let index = match &target {
            Target::Group(_) => next,
            Target::Name(name) => *self.named_references.entry(name.clone()).or_insert(next),
        };
        if index == next {
            self.references.push(target);
        }
        Node::Reference { index, ignore_case: self.level.modifiers.ignore_case }
    }

    /// The group, counted from 0, that a decimal escape names; where the pattern has no such group, it is no
    /// backreference and stays unread.
    fn group_number(&mut self) -> Option<usize> {
        let mut number = 0usize;
        let mut digits = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek_ahead(digits) {
            number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            digits += 1;
        }
        if number > self.total_groups {
            return None;
        }
        self.at += digits;
        number.checked_sub(1)
    }

    /// An escape that means one code unit.
    pub(super) fn character_escape(&mut self, in_class: bool) -> Result<u16, Reason> {
        let Some(&unit) = self.pattern.get(self.at) else {
            return Err("\\ at end of pattern");
        };
        self.at += 1;
        Ok(match u8::try_from(unit) {
            Ok(b'f') => 0x0C,
            Ok(b'n') => 0x0A,
            Ok(b'r') => 0x0D,
            Ok(b't') => 0x09,
            Ok(b'v') => 0x0B,
            Ok(b'c') => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => self.control(letter),
                Some(letter @ (b'0'..=b'9' | b'_')) if in_class => self.control(letter),
                // The backslash stands for itself, and so does the `c`.
                _ => {
                    self.at -= 1;
                    u16::from(b'\\')
                }
            },
            Ok(digit @ b'0'..=b'7') => self.octal(u16::from(digit - b'0')),
            Ok(b'x') => self.hex(2).unwrap_or(unit),
            Ok(b'u') => self.hex(4).unwrap_or(unit),
            Ok(b'k') if self.has_names => return Err("invalid escape"),
            _ => unit,
        })
    }

    fn control(&mut self, letter: u8) -> u16 {
        self.at += 1;
        u16::from(letter & 0x1F)
    }

    /// Up to three octal digits, as long as the value stays below 256.
    fn octal(&mut self, mut value: u16) -> u16 {
        for _ in 0..2 {
            match self.peek() {
                Some(digit @ b'0'..=b'7') if value < 32 => value = value * 8 + u16::from(digit - b'0'),
                _ => break,
            }
            self.at += 1;
        }
        value
    }

    /// Exactly `digits` hexadecimal digits; anything else stays unread.
    pub(super) fn hex(&mut self, digits: usize) -> Option<u16> {
        let mut value = 0;
        for index in 0..digits {
            let digit = char::from(self.peek_ahead(index)?).to_digit(16)?;
            value = value << 4 | digit as u16;
        }
        self.at += digits;
        Some(value)
    }
}
