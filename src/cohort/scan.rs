//! JSON as a stream: bytes go in, cut anywhere; events come out as soon as they are complete. Only the token
//! that a chunk ends in is kept.
//!
//! Accepts what `JSON.parse` accepts of the bytes decoded as UTF-8: invalid sequences are read as U+FFFD, lone
//! surrogates in escapes stay (strings are WTF-8).

use std::borrow::Cow;

use crate::ecma::text::push_utf16;

/// A piece of the document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Event<'a> {
    Begin(Container),
    End,
    /// The name of a member of an object.
    Key(&'a [u8]),
    Text(&'a [u8]),
    Number(f64),
    /// `true`, `false` or `null`.
    Literal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

/// The document is not JSON, as seen at this offset in the chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw(pub(super) usize);

/// A token that is cut by chunks, and the containers around it, may take so much memory: nothing in a cohort comes near.
const MAX_TOKEN_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 1 << 16;

#[derive(Default)]
pub(super) struct Scanner {
    state: State,
    /// The containers around the current place, outermost first.
    open: Vec<Container>,
    /// The part of the current string or number that came with earlier chunks; of a string, as WTF-8 up to
    /// `undecoded`, from there as it came.
    token: Vec<u8>,
    undecoded: usize,
    /// An escaped lead surrogate whose trail may come next.
    lead: Option<u16>,
    /// Whether the current string is a key.
    key: bool,
}

/// What may come next.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Text,
    Escape,
    /// The digits of a `\u` that are to come, and the number made of those that came.
    Hex(u8, u16),
    Number,
    /// What is to come of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Done,
}

impl Scanner {
    /// Reads on. `take` gets each event with the number of containers around it (a container is not
    /// around its own beginning and end).
    pub(super) fn scan(&mut self, chunk: &[u8], take: &mut impl FnMut(Event<'_>, usize)) -> Result<(), Flaw> {
        let mut at = 0;
        while at < chunk.len() {
            at = match self.state {
                State::Text => self.text(chunk, at, take)?,
                State::Escape => self.escape(chunk, at)?,
                State::Hex(left, number) => self.hex(chunk, at, left, number)?,
                State::Number => self.number(chunk, at, take)?,
                State::Literal(left) => self.literal(chunk, at, left, take)?,
                _ => self.structure(chunk, at, take)?,
            };
        }
        if self.token.len() > MAX_TOKEN_BYTES || self.open.len() > MAX_DEPTH {
            return Err(Flaw(chunk.len()));
        }
        Ok(())
    }

    /// Ends the document. `false` when it is not complete.
    pub(super) fn finish(&mut self, take: &mut impl FnMut(Event<'_>, usize)) -> bool {
        // Only a number that is the whole document has no byte that ends it.
        if self.state == State::Number && self.open.is_empty() {
            return self.number(b" ", 0, take).is_ok();
        }
        self.state == State::Done
    }

    fn structure(
        &mut self,
        chunk: &[u8],
        at: usize,
        take: &mut impl FnMut(Event<'_>, usize),
    ) -> Result<usize, Flaw> {
        use State::{Colon, CommaOrEnd, Key, KeyOrEnd, Value, ValueOrEnd};
        match (chunk[at], self.state) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => {}
            (b'"', state @ (Value | ValueOrEnd | Key | KeyOrEnd)) => {
                self.key = matches!(state, Key | KeyOrEnd);
                self.token.clear();
                self.undecoded = 0;
                self.state = State::Text;
            }
            (b',', CommaOrEnd) => {
                self.state = if self.open.last() == Some(&Container::Object) { Key } else { Value };
            }
            (b':', Colon) => self.state = Value,
            (b'{', Value | ValueOrEnd) => {
                take(Event::Begin(Container::Object), self.open.len());
                self.open.push(Container::Object);
                self.state = KeyOrEnd;
            }
            (b'[', Value | ValueOrEnd) => {
                take(Event::Begin(Container::Array), self.open.len());
                self.open.push(Container::Array);
                self.state = ValueOrEnd;
            }
            (b'}', KeyOrEnd | CommaOrEnd) if self.open.last() == Some(&Container::Object) => self.end(take),
            (b']', ValueOrEnd | CommaOrEnd) if self.open.last() == Some(&Container::Array) => self.end(take),
            (b'-' | b'0'..=b'9', Value | ValueOrEnd) => {
                self.token.clear();
                self.state = State::Number;
                return Ok(at);
            }
            (b't', Value | ValueOrEnd) => self.state = State::Literal(b"rue"),
            (b'f', Value | ValueOrEnd) => self.state = State::Literal(b"alse"),
            (b'n', Value | ValueOrEnd) => self.state = State::Literal(b"ull"),
            _ => return Err(Flaw(at)),
        }
        Ok(at + 1)
    }

    fn end(&mut self, take: &mut impl FnMut(Event<'_>, usize)) {
        self.open.pop();
        self.value(Event::End, take);
    }

    fn value(&mut self, event: Event<'_>, take: &mut impl FnMut(Event<'_>, usize)) {
        take(event, self.open.len());
        self.state = self.after_value();
    }

    fn after_value(&self) -> State {
        if self.open.is_empty() { State::Done } else { State::CommaOrEnd }
    }

    fn text(
        &mut self,
        chunk: &[u8],
        at: usize,
        take: &mut impl FnMut(Event<'_>, usize),
    ) -> Result<usize, Flaw> {
        let rest = &chunk[at..];
        let length = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let run = &rest[..length];
        if run.iter().any(|byte| *byte < b' ') {
            let control = run.iter().position(|byte| *byte < b' ').unwrap_or_default();
            return Err(Flaw(at + control));
        }
        let Some(&stop) = rest.get(length) else {
            self.append(run);
            return Ok(chunk.len());
        };
        if stop == b'\\' {
            self.append(run);
            self.decode();
            self.state = State::Escape;
        } else if self.token.is_empty() && self.lead.is_none() {
            // The whole string lies in this chunk: it need not be copied.
            self.text_event(String::from_utf8_lossy(run).as_bytes(), take);
        } else {
            self.append(run);
            self.decode();
            self.flush_lead();
            let token = std::mem::take(&mut self.token);
            self.text_event(&token, take);
            self.token = token;
        }
        Ok(at + length + 1)
    }

    fn text_event(&mut self, text: &[u8], take: &mut impl FnMut(Event<'_>, usize)) {
        if self.key {
            take(Event::Key(text), self.open.len());
            self.state = State::Colon;
        } else {
            self.value(Event::Text(text), take);
        }
    }

    /// Adds characters that are not escaped; they may begin or end within a UTF-8 sequence.
    fn append(&mut self, run: &[u8]) {
        if !run.is_empty() {
            self.flush_lead();
            self.token.extend_from_slice(run);
        }
    }

    /// Decodes what was appended, once it is known to end a sequence.
    fn decode(&mut self) {
        if let Cow::Owned(decoded) = String::from_utf8_lossy(&self.token[self.undecoded..]) {
            self.token.truncate(self.undecoded);
            self.token.extend_from_slice(decoded.as_bytes());
        }
        self.undecoded = self.token.len();
    }

    fn escape(&mut self, chunk: &[u8], at: usize) -> Result<usize, Flaw> {
        let unit = match chunk[at] {
            byte @ (b'"' | b'\\' | b'/') => u16::from(byte),
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => 0x0A,
            b'r' => 0x0D,
            b't' => 0x09,
            b'u' => {
                self.state = State::Hex(4, 0);
                return Ok(at + 1);
            }
            _ => return Err(Flaw(at)),
        };
        self.push_unit(unit);
        Ok(at + 1)
    }

    fn hex(&mut self, chunk: &[u8], at: usize, left: u8, number: u16) -> Result<usize, Flaw> {
        let digit = char::from(chunk[at]).to_digit(16).ok_or(Flaw(at))?;
        let number = number << 4 | digit as u16;
        if left > 1 {
            self.state = State::Hex(left - 1, number);
        } else {
            self.push_unit(number);
        }
        Ok(at + 1)
    }

    /// Adds an escaped UTF-16 code unit.
    fn push_unit(&mut self, unit: u16) {
        match (self.lead, unit) {
            (Some(lead), 0xDC00..=0xDFFF) => {
                push_utf16(&[lead, unit], &mut self.token);
                self.lead = None;
            }
            (_, 0xD800..=0xDBFF) => {
                self.flush_lead();
                self.lead = Some(unit);
            }
            _ => {
                self.flush_lead();
                push_utf16(&[unit], &mut self.token);
            }
        }
        self.undecoded = self.token.len();
        self.state = State::Text;
    }

    /// Gives up waiting for the trail surrogate: the lead stands alone.
    fn flush_lead(&mut self) {
        if let Some(lead) = self.lead.take() {
            push_utf16(&[lead], &mut self.token);
            self.undecoded = self.token.len();
        }
    }

    fn number(
        &mut self,
        chunk: &[u8],
        at: usize,
        take: &mut impl FnMut(Event<'_>, usize),
    ) -> Result<usize, Flaw> {
        let rest = &chunk[at..];
        let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(|byte| part(byte)).count();
        self.token.extend_from_slice(&rest[..length]);
        if length < rest.len() {
            let number = json_number(&self.token).ok_or(Flaw(at + length))?;
            self.value(Event::Number(number), take);
        }
        Ok(at + length)
    }

    fn literal(
        &mut self,
        chunk: &[u8],
        at: usize,
        left: &'static [u8],
        take: &mut impl FnMut(Event<'_>, usize),
    ) -> Result<usize, Flaw> {
        match left {
            [next, ..] if *next != chunk[at] => return Err(Flaw(at)),
            [_, left @ ..] if !left.is_empty() => self.state = State::Literal(left),
            _ => self.value(Event::Literal, take),
        }
        Ok(at + 1)
    }
}

/// The value of a number as JSON writes it: Rust takes more, such as `.5` and `01`.
fn json_number(text: &[u8]) -> Option<f64> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(unsigned);
    if whole == 0 || whole > 1 && unsigned[0] == b'0' {
        return None;
    }
    let mut rest = &unsigned[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return None;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        if length == 0 {
            return None;
        }
        rest = &exponent[length..];
    }
    if rest.is_empty() { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}
