//! `JSON.parse` and `JSON.stringify`.

use std::fmt::Write;

use crate::js::{JsString, Value, js, number_to_string};

/// The value, unless the text is not JSON.
pub fn parse(text: &[u16]) -> Option<Value> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value()?;
    parser.space();
    (parser.at == text.len()).then_some(value)
}

struct Parser<'a> {
    text: &'a [u16],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).and_then(|&unit| char::from_u32(u32::from(unit)))
    }

    fn take(&mut self, c: char) -> Option<()> {
        (self.peek()? == c).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        word.chars().try_for_each(|c| self.take(c))?;
        Some(value)
    }

    fn value(&mut self) -> Option<Value> {
        self.space();
        match self.peek()? {
            'n' => self.word("null", Value::Null),
            't' => self.word("true", Value::Bool(true)),
            'f' => self.word("false", Value::Bool(false)),
            '"' => self.string().map(Value::String),
            '[' => self.array(),
            '{' => self.object(),
            _ => self.number(),
        }
    }

    fn array(&mut self) -> Option<Value> {
        self.take('[')?;
        let mut items = Vec::new();
        self.space();
        if self.take(']').is_some() {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(']').is_some() {
                return Some(Value::Array(items));
            }
            self.take(',')?;
        }
    }

    fn object(&mut self) -> Option<Value> {
        self.take('{')?;
        let mut object = Value::Object(Vec::new());
        self.space();
        if self.take('}').is_some() {
            return Some(object);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.take(':')?;
            let value = self.value()?;
            object.set(name, value);
            self.space();
            if self.take('}').is_some() {
                return Some(object);
            }
            self.take(',')?;
        }
    }

    fn string(&mut self) -> Option<JsString> {
        self.take('"')?;
        let mut string = JsString::new();
        loop {
            let unit = *self.text.get(self.at)?;
            self.at += 1;
            match char::from_u32(u32::from(unit)) {
                Some('"') => return Some(string),
                Some('\\') => string.push(self.escape()?),
                Some(c) if c < ' ' => return None,
                _ => string.push(unit),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            'b' => 8,
            't' => 9,
            'n' => 10,
            'f' => 12,
            'r' => 13,
            '"' | '\\' | '/' => c as u16,
            'u' => {
                let digits = String::from_utf16(self.text.get(self.at..self.at + 4)?).ok()?;
                self.at += 4;
                digits.chars().all(|c| c.is_ascii_hexdigit()).then_some(())?;
                u16::from_str_radix(&digits, 16).ok()?
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let _ = self.take('-');
        if self.take('0').is_none() {
            self.digits()?;
        }
        if self.take('.').is_some() {
            self.digits()?;
        }
        if self.take('e').or_else(|| self.take('E')).is_some() {
            let _ = self.take('+').or_else(|| self.take('-'));
            self.digits()?;
        }
        String::from_utf16(&self.text[start..self.at]).ok()?.parse().ok().map(Value::Number)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// What `JSON.stringify` writes.
pub fn stringify(value: &Value) -> JsString {
    js(&stringify_utf8(value))
}

/// The same as UTF-8: lone surrogates come out escaped.
pub fn stringify_utf8(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(",");
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if !number.is_finite() => "null".to_owned(),
        Value::Number(number) => number_to_string(*number),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(stringify_utf8).collect())),
        Value::Object(properties) => {
            let property =
                |(name, value): &(JsString, Value)| format!("{}:{}", quoted(name), stringify_utf8(value));
            format!("{{{}}}", joined(properties.iter().map(property).collect()))
        }
    }
}

fn quoted(text: &[u16]) -> String {
    let mut quoted = "\"".to_owned();
    for item in char::decode_utf16(text.iter().copied()) {
        match item {
            Ok('"') => quoted.push_str("\\\""),
            Ok('\\') => quoted.push_str("\\\\"),
            Ok('\u{8}') => quoted.push_str("\\b"),
            Ok('\t') => quoted.push_str("\\t"),
            Ok('\n') => quoted.push_str("\\n"),
            Ok('\u{c}') => quoted.push_str("\\f"),
            Ok('\r') => quoted.push_str("\\r"),
            Ok(c) if c < ' ' => write!(quoted, "\\u{:04x}", c as u32).unwrap(),
            Ok(c) => quoted.push(c),
            Err(lone) => write!(quoted, "\\u{:04x}", lone.unpaired_surrogate()).unwrap(),
        }
    }
    quoted.push('"');
    quoted
}
