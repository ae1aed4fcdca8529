//! Bracketed classes.

use super::{Parser, Reason, class_escape};
use crate::plan::regex::units::UnitSet;

enum Atom {
    Unit(u16),
    Set(UnitSet),
}

impl Parser<'_> {
    /// From behind `[` to behind `]`.
    pub(super) fn class(&mut self) -> Result<UnitSet, Reason> {
        let negated = self.eat(b'^');
        let mut ranges = Vec::new();
        let mut add = |atom| match atom {
            Atom::Unit(unit) => ranges.push((unit, unit)),
            Atom::Set(set) => ranges.extend_from_slice(set.ranges()),
        };
        const DASH: Atom = Atom::Unit(b'-' as u16);
        while !self.eat(b']') {
            let first = self.class_atom()?;
            if self.peek() != Some(b'-') || self.peek_ahead(1) == Some(b']') {
                add(first);
                continue;
            }
            self.at += 1;
            match (first, self.class_atom()?) {
                (Atom::Unit(low), Atom::Unit(high)) if low > high => {
                    return Err("range out of order in character class");
                }
                (Atom::Unit(low), Atom::Unit(high)) => add(Atom::Set(UnitSet::new(vec![(low, high)]))),
                // A range cannot begin or end with `\w`: the dash stands for itself.
                (first, second) => [first, DASH, second].into_iter().for_each(&mut add),
            }
        }
        if self.level.modifiers.ignore_case {
            ranges = UnitSet::new(ranges).ignoring_case().ranges().to_vec();
        }
        Ok(if negated { UnitSet::not(ranges) } else { UnitSet::new(ranges) })
    }

    fn class_atom(&mut self) -> Result<Atom, Reason> {
        let Some(&unit) = self.pattern.get(self.at) else {
            return Err("unterminated character class");
        };
        self.at += 1;
        if unit != u16::from(b'\\') {
            return Ok(Atom::Unit(unit));
        }
        let Some(letter) = self.peek() else {
            return Err("\\ at end of pattern");
        };
        if let Some(set) = class_escape(letter) {
            self.at += 1;
            return Ok(Atom::Set(set));
        }
        if letter == b'b' {
            self.at += 1;
            return Ok(Atom::Unit(0x08));
        }
        self.character_escape(true).map(Atom::Unit)
    }
}
