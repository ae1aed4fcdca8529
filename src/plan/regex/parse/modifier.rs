//! Inline modifiers: `(?i:`, `(?-m:` and the like.

use super::{Parser, Reason};

/// What is in force for the terms of a group.
#[derive(Clone, Copy, Default)]
pub(super) struct Modifiers {
    pub(super) ignore_case: bool,
    pub(super) multiline: bool,
    pub(super) dot_all: bool,
}

impl Parser<'_> {
    /// From behind `(?` to behind `:`; answers those of the group that begins there.
    pub(super) fn modifiers(&mut self) -> Result<Modifiers, Reason> {
        let start = self.at;
        let mut modifiers = self.level.modifiers;
        let mut value = true;
        loop {
            let modifier = match self.peek() {
                Some(b'i') => &mut modifiers.ignore_case,
                Some(b'm') => &mut modifiers.multiline,
                Some(b's') => &mut modifiers.dot_all,
                Some(b'-') if value => {
                    value = false;
                    self.at += 1;
                    continue;
                }
                Some(b'-') => return Err("multiple dashes in flag group"),
                // Nothing but a dash.
                Some(b':') if self.at == start + 1 && !value => return Err("invalid flag group"),
                Some(b':') => {
                    self.at += 1;
                    return Ok(modifiers);
                }
                _ => return Err("invalid group"),
            };
            *modifier = value;
            if self.pattern[start..self.at].contains(&self.pattern[self.at]) {
                return Err("repeated flag in flag group");
            }
            self.at += 1;
        }
    }
}
