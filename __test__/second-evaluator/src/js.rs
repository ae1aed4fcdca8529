//! JavaScript's values, and what `String`, `Number` and `toLowerCase` make of them.

/// A JavaScript string: UTF-16 code units, well-formed or not.
pub type JsString = Vec<u16>;

/// A value that JSON can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(JsString),
    Array(Vec<Value>),
    /// In the order of insertion; see [`Value::set`].
    Object(Vec<(JsString, Value)>),
}

pub fn js(text: &str) -> JsString {
    text.encode_utf16().collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(js(text))
    }
}

/// An object with these properties.
pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    let mut object = Value::Object(Vec::new());
    for (name, value) in properties {
        object.set(js(name), value);
    }
    object
}

impl Value {
    /// Sets a property as JavaScript does: an old one keeps its place, and those that look like an index of an
    /// array come first, in ascending order.
    pub fn set(&mut self, name: JsString, value: Value) {
        let Self::Object(properties) = self else { panic!("not an object") };
        if let Some(old) = properties.iter_mut().find(|(key, _)| *key == name) {
            old.1 = value;
            return;
        }
        let place = match index(&name) {
            Some(new) => properties.iter().position(|(key, _)| index(key).is_none_or(|old| old > new)),
            None => None,
        };
        properties.insert(place.unwrap_or(properties.len()), (name, value));
    }

    pub fn remove(&mut self, name: &str) {
        let Self::Object(properties) = self else { panic!("not an object") };
        properties.retain(|(key, _)| *key != js(name));
    }

    /// An own property; of arrays the elements and the length too.
    pub fn get(&self, name: &[u16]) -> Option<Value> {
        match self {
            Self::Object(properties) => {
                properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
            }
            Self::Array(items) if name == js("length") => Some(Self::Number(items.len() as f64)),
            Self::Array(items) => items.get(index(name)? as usize).cloned(),
            _ => None,
        }
    }

    /// A property that is there and neither null nor anything else that counts as false.
    pub fn truthy(&self, name: &str) -> Option<Value> {
        self.get(&js(name)).filter(Value::is_truthy)
    }

    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    pub fn items(&self) -> &[Value] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    pub fn properties(&self) -> &[(JsString, Value)] {
        match self {
            Self::Object(properties) => properties,
            _ => &[],
        }
    }

    pub fn as_string(&self) -> Option<JsString> {
        match self {
            Self::String(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// The index that a property's name stands for.
fn index(name: &[u16]) -> Option<u32> {
    let text = String::from_utf16(name).ok()?;
    let index: u32 = text.parse().ok()?;
    (index != u32::MAX && index.to_string() == text).then_some(index)
}

/// `String(number)`, of the shortest digits that mean the number.
pub fn number_to_string(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    if number < 0.0 {
        return format!("-{}", number_to_string(-number));
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap();
    let digits = digits.replace('.', "");
    let point = exponent.parse::<i32>().unwrap() + 1;
    let count = digits.len() as i32;
    if count <= point && point <= 21 {
        return format!("{digits}{}", "0".repeat((point - count) as usize));
    }
    if 0 < point && point <= 21 {
        return format!("{}.{}", &digits[..point as usize], &digits[point as usize..]);
    }
    if -6 < point && point <= 0 {
        return format!("0.{}{digits}", "0".repeat(-point as usize));
    }
    let sign = if point > 0 { '+' } else { '-' };
    let power = (point - 1).abs();
    match digits.len() {
        1 => format!("{digits}e{sign}{power}"),
        _ => format!("{}.{}e{sign}{power}", &digits[..1], &digits[1..]),
    }
}

/// `Number(text)`.
pub fn string_to_number(text: &[u16]) -> f64 {
    let Ok(text) = String::from_utf16(text) else { return f64::NAN };
    let text = text.trim_matches(is_space);
    if text.is_empty() {
        return 0.0;
    }
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return radix_to_number(digits, radix);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let is_numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    // Rust's own grammar for such characters is JavaScript's.
    if unsigned.chars().all(is_numeric) { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// Exact up to 53 bits, which is as far as the cases go.
fn radix_to_number(digits: &str, radix: u32) -> f64 {
    if digits.is_empty() {
        return f64::NAN;
    }
    digits
        .chars()
        .try_fold(0.0, |number, c| Some(number * f64::from(radix) + f64::from(c.to_digit(radix)?)))
        .unwrap_or(f64::NAN)
}

fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

/// `text.toLowerCase()`.
pub fn to_lower_case(text: &[u16]) -> JsString {
    // Lone surrogates have no case, and end what decides about a final sigma.
    let mut lower = JsString::new();
    let mut run = String::new();
    for item in char::decode_utf16(text.iter().copied()) {
        match item {
            Ok(c) => run.push(c),
            Err(lone) => {
                lower.extend(std::mem::take(&mut run).to_lowercase().encode_utf16());
                lower.push(lone.unpaired_surrogate());
            }
        }
    }
    lower.extend(run.to_lowercase().encode_utf16());
    lower
}

/// WTF-8: what the servers hash.
pub fn to_wtf8(text: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in char::decode_utf16(text.iter().copied()) {
        match item {
            Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                bytes.extend([
                    0xE0 | (unit >> 12) as u8,
                    0x80 | (unit >> 6) as u8 & 0x3F,
                    0x80 | unit as u8 & 0x3F,
                ]);
            }
        }
    }
    bytes
}
