//! The texts that conditions compare for equality, as small numbers: a user's text is looked up once, whatever
//! the number of conditions that ask for it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// What is known of a text: its number in the [`Lexicon`], and whether it is a boolean in whatever case.
/// The default is a text that equals no filter value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(u32);

const IS_TRUE: u32 = 1 << 31;
const IS_FALSE: u32 = 1 << 30;

impl Word {
    fn new(text: &[u8], number: u32) -> Self {
        // Only these two have the lengths of four and five: the comparison is seldom made.
        let boolean = match text.len() {
            4 if text.eq_ignore_ascii_case(b"true") => IS_TRUE,
            5 if text.eq_ignore_ascii_case(b"false") => IS_FALSE,
            _ => 0,
        };
        Self(number | boolean)
    }

    pub fn is_true(self) -> bool {
        self.0 & IS_TRUE != 0
    }

    pub fn is_false(self) -> bool {
        self.0 & IS_FALSE != 0
    }

    /// The same for equal texts of the lexicon; 0 for all others.
    pub fn number(self) -> u32 {
        self.0 & !(IS_TRUE | IS_FALSE)
    }
}

/// The distinct texts of a plan.
#[derive(Default)]
pub struct Lexicon {
    // User texts are only looked up, never put in: a fixed hash gives nobody a way to make it slow.
    numbers: HashMap<Box<[u8]>, u32, FixedState>,
    /// One bit for each [`trait_of`] that some text has: most user texts are none of the lexicon's, and of most
    /// of those this tells.
    traits: Vec<u64>,
}

impl Lexicon {
    #[inline]
    pub fn word(&self, text: &[u8]) -> Word {
        let bit = self.bit_of(text);
        match self.traits.get(bit / BITS) {
            Some(bits) if bits & (1 << (bit % BITS)) != 0 => self.look_up(text),
            _ => Word::new(text, 0),
        }
    }

    fn look_up(&self, text: &[u8]) -> Word {
        Word::new(text, self.numbers.get(text).copied().unwrap_or_default())
    }

    pub(super) fn add(&mut self, text: &[u8]) -> Word {
        let next = self.numbers.len() as u32 + 1;
        let number = *self.numbers.entry(text.into()).or_insert(next);
        if number == next {
            if self.numbers.len() * BITS_A_TEXT > self.traits.len() * BITS {
                let bits = (self.numbers.len() * 2 * BITS_A_TEXT).next_power_of_two().max(BITS);
                self.traits = vec![0; bits / BITS];
                let known: Vec<usize> = self.numbers.keys().map(|text| self.bit_of(text)).collect();
                known.into_iter().for_each(|bit| self.traits[bit / BITS] |= 1 << (bit % BITS));
            }
            let bit = self.bit_of(text);
            self.traits[bit / BITS] |= 1 << (bit % BITS);
        }
        Word::new(text, number)
    }

    fn bit_of(&self, text: &[u8]) -> usize {
        trait_of(text) as usize & (self.traits.len() * BITS).wrapping_sub(1)
    }
}

const BITS: usize = u64::BITS as usize;
const BITS_A_TEXT: usize = 16;

/// Something that is found out at once and differs between most texts: length, beginning, middle and end.
#[inline]
fn trait_of(text: &[u8]) -> u64 {
    let seen = match *text {
        [first, .., before_last, last] => {
            u32::from_le_bytes([first, text[text.len() / 2], last, before_last])
        }
        [first, last] => u32::from_le_bytes([first, last, last, first]),
        [only] => u32::from(only),
        [] => 0,
    };
    (u64::from(seen) | (text.len() as u64) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

/// Filter values that a text may equal.
pub struct Values {
    /// Ascending.
    numbers: Box<[u32]>,
    /// Some value is `true` in whatever case.
    has_true: bool,
    has_false: bool,
}

/// Up to as many are looked through, more are searched by halves.
const FEW: usize = 16;

impl Values {
    pub(super) fn new(words: &[Word]) -> Self {
        Self {
            numbers: distinct(words.iter().map(|word| word.number())),
            has_true: words.iter().any(|word| word.is_true()),
            has_false: words.iter().any(|word| word.is_false()),
        }
    }

    /// Whether the text equals some value; booleans in whatever case, if some value is one.
    #[inline]
    pub fn contain(&self, word: Word) -> bool {
        if word == Word::default() {
            return false;
        }
        if word.is_true() || word.is_false() {
            return if word.is_true() { self.has_true } else { self.has_false };
        }
        let number = word.number();
        if self.numbers.len() <= FEW {
            self.numbers.contains(&number)
        } else {
            self.numbers.binary_search(&number).is_ok()
        }
    }
}

/// Ascending, each once.
pub(super) fn distinct(numbers: impl Iterator<Item = u32>) -> Box<[u32]> {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(values: &[&str], text: &str) -> bool {
        let mut lexicon = Lexicon::default();
        let words: Vec<_> = values.iter().map(|value| lexicon.add(value.as_bytes())).collect();
        Values::new(&words).contain(lexicon.word(text.as_bytes()))
    }

    #[test]
    fn texts_are_compared_exactly_and_booleans_in_whatever_case() {
        assert!(contain(&["a", "b"], "b"));
        assert!(!contain(&["a", "b"], "B"));
        assert!(!contain(&["a"], ""));
        assert!(contain(&["a", ""], ""));
        assert!(contain(&["TRUE"], "true"));
        assert!(contain(&["True"], "tRUE"));
        assert!(!contain(&["True"], "false"));
        assert!(contain(&["x", "FALSE"], "False"));
        assert!(!contain(&["x"], "true"));
    }

    #[test]
    fn many_values_are_found_as_few_are() {
        let values: Vec<String> = (0..1000).map(|i| format!("value-{i}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        assert!(values.iter().all(|value| contain(&values, value)));
        assert!(!contain(&values, "value-1000"));
    }
}
