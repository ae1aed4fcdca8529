//! Bytes to flags, contexts and cohorts: well-formed ones, odd in the ways that the rules have something to say on.

use arbitrary::{Result, Unstructured};

use crate::evaluate::Cohort;
use crate::js::{JsString, Value, js, object};

/// What both evaluators are asked.
#[derive(Debug)]
pub struct Case {
    /// Map key to flag.
    pub flags: Value,
    /// `{ user, groups }`.
    pub context: Value,
    pub cohorts: Vec<Cohort>,
    /// Empty: all flags.
    pub keys: Vec<JsString>,
}

const OPERATORS: &[&str] = &[
    "is",
    "is not",
    "contains",
    "does not contain",
    "less",
    "less or equal",
    "greater",
    "greater or equal",
    "version less",
    "version less or equal",
    "version greater",
    "version greater or equal",
    "set is",
    "set is not",
    "set contains",
    "set does not contain",
    "set contains any",
    "set does not contain any",
    "regex match",
    "regex does not match",
    "glob match",
    "IS",
];

/// Whole texts that mean something to some rule.
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "A",
    "true",
    "TRUE",
    "False",
    "(none)",
    "1",
    "1.0",
    "10",
    "-1",
    "0x10",
    "0B11",
    "1e3",
    ".5",
    "5.",
    "+7",
    "Infinity",
    "-Infinity",
    "1_000",
    "\t5\n",
    "\u{a0}7\u{feff}",
    "1.2.3",
    "1.10.0",
    "1.2",
    "1.2.3-rc.10",
    "1.2.3-rc.2",
    "1.2.3-",
    "1.2.3-a..b",
    "1.2.3-a.",
    "1.2.3-.",
    "v1.2.3",
    "1.2.3.4",
    "99999999999999999999.0",
    "[\"a\",\"b\"]",
    "[\"a\"] ",
    " [\"a\"]",
    "[]",
    "[a]",
    "[1.0,1e3]",
    "[null,\"\",true]",
    "[[\"x\"],{\"2\":1,\"1\":[]}]",
    "ΟΔΟΣ",
    "οδος",
    "İ",
    "\u{212a}",
    "k",
    "😀",
    "\u{ffff}",
    "c1",
    "c2",
    "g1",
    "on",
    "off",
];

/// Pieces that longer texts are made of.
const PIECES: &[&str] =
    &["a", "B", ".", "-", "1", "0", "e", "[", "]", "\"", ",", "Σ", "ß", " ", "\\", "{", "}", ":", "😀"];

/// Pieces that patterns are made of. No piece repeats what may repeat, so that no matcher runs away.
const PATTERN_PIECES: &[&str] = &[
    "a", "b", "^", "$", ".", "\\d", "\\w+", "[^a]", "[A-Z1]", "(a)", "(?:a|B)", "|", "\\1", "(?=a)", "(?!a)",
    "(?<=a)", "(?<!1)", "a{2}", "1?", "\\s", "\\b", "\\B", "\\.", "\\ud83d", "\\x61", "\\Z", "(", "[", "a++",
    "(?<n>1)", "\\k<n>", "\\p{L}", "\\u{61}", "{", "}", "]", "\\0", "\\c", "\\_", "[\\d-z]", "[b-a]", "Σ",
    "é",
];

const NAMES: &[&str] = &["plan", "tags", "age", "1", "", "length", "länd"];
const FLAG_KEYS: &[&str] = &["f", "g", "h", "2", "10", "__proto__", "constructor"];
/// Only those that ask for any of them have cohorts looked up at all.
const COHORT_OPERATORS: &[&str] = &[
    "set contains any",
    "set does not contain any",
    "set contains any",
    "set contains",
    "set does not contain",
    "set is",
    "set is not",
    "is",
    "contains",
];
const VARIANTS: &[&str] = &["on", "off", "null", "1", "toString"];
const GROUP_TYPES: &[&str] = &["org", "User", "team"];
const IDS: &[&str] = &["u1", "u2", "acme", "c1", "ü"];
const COHORTS: &[&str] = &["c1", "c2", "g1", "TRUE", "(none)"];
const METADATA: &[&str] = &["deployed", "default", "1", "segmentName"];

/// Makes a case of bytes; any bytes are one.
pub fn case(bytes: &[u8]) -> Case {
    let mut source = Source(Unstructured::new(bytes));
    let mut flags = Value::Object(Vec::new());
    for _ in 0..=source.below(4) {
        let key = source.pick(FLAG_KEYS);
        let flag = source.flag(key);
        flags.set(js(key), flag);
    }
    let context = source.context();
    let cohorts = source.some(3, |source| Cohort {
        id: js(source.pick(COHORTS)),
        group_type: js(source.pick(GROUP_TYPES)),
        members: source.some(4, |source| js(source.pick(IDS))),
    });
    let keys =
        if source.one_in(4) { source.some(3, |source| js(source.pick(FLAG_KEYS))) } else { Vec::new() };
    Case { flags, context, cohorts: distinct(cohorts), keys }
}

/// One cohort an id: the last.
fn distinct(cohorts: Vec<Cohort>) -> Vec<Cohort> {
    let mut kept: Vec<Cohort> = Vec::new();
    for cohort in cohorts {
        kept.retain(|other| other.id != cohort.id);
        kept.push(cohort);
    }
    kept
}

struct Source<'a>(Unstructured<'a>);

impl Source<'_> {
    /// A number below this one; 0 when the bytes have run out.
    fn below(&mut self, limit: usize) -> usize {
        let number: Result<u8> = self.0.arbitrary();
        usize::from(number.unwrap_or_default()) % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn pick<'b>(&mut self, from: &[&'b str]) -> &'b str {
        from[self.below(from.len())]
    }

    fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| one(self)).collect()
    }

    fn text(&mut self) -> JsString {
        match self.below(8) {
            0..5 => js(self.pick(TEXTS)),
            5 | 6 => self.some(6, |source| js(source.pick(PIECES))).concat(),
            _ => self.some(3, |source| source.0.arbitrary::<u16>().unwrap_or(0xd83d)),
        }
    }

    fn texts(&mut self) -> Value {
        Value::Array(self.some(4, |source| Value::String(source.text())))
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 2 { 6 } else { 10 }) {
            0 => Value::Null,
            1 => Value::Bool(self.one_in(2)),
            2 => Value::Number(self.number()),
            3..6 => Value::String(self.text()),
            6..9 => Value::Array(self.some(3, |source| source.value(depth + 1))),
            _ => self.properties(depth + 1),
        }
    }

    fn number(&mut self) -> f64 {
        const NUMBERS: &[f64] =
            &[0.0, -0.0, 1.0, 10.0, 1.5, -1.0, 1e21, 1e-7, 0.1 + 0.2, 123_456_789_012.0, 9e15];
        if self.one_in(3) {
            let number = f64::from_bits(self.0.arbitrary().unwrap_or_default());
            return if number.is_finite() { number } else { 0.0 };
        }
        NUMBERS[self.below(NUMBERS.len())]
    }

    fn properties(&mut self, depth: usize) -> Value {
        let mut object = Value::Object(Vec::new());
        for _ in 0..self.below(4) {
            let name = self.pick(NAMES);
            let value = self.value(depth);
            object.set(js(name), value);
        }
        object
    }

    fn flag(&mut self, key: &str) -> Value {
        let mut variants = Value::Object(Vec::new());
        for _ in 0..=self.below(3) {
            let name = self.pick(VARIANTS);
            let variant = if self.one_in(12) { Value::Null } else { self.variant(name) };
            variants.set(js(name), variant);
        }
        let segments = self.some(4, Self::segment);
        let key = if self.one_in(16) { self.pick(FLAG_KEYS) } else { key };
        let mut flag =
            object([("key", Value::from(key)), ("variants", variants), ("segments", Value::Array(segments))]);
        self.maybe(3, &mut flag, "metadata", Self::metadata);
        self.maybe(3, &mut flag, "dependencies", |source| {
            Value::Array(source.some(3, |source| Value::from(source.pick(FLAG_KEYS))))
        });
        flag
    }

    /// Once in so many times sets a property.
    fn maybe(
        &mut self,
        times: usize,
        object: &mut Value,
        name: &str,
        value: impl FnOnce(&mut Self) -> Value,
    ) {
        if self.one_in(times) {
            let value = value(self);
            object.set(js(name), value);
        }
    }

    fn variant(&mut self, name: &str) -> Value {
        let mut variant = object([("key", Value::from(name))]);
        self.maybe(2, &mut variant, "value", |source| source.value(1));
        self.maybe(4, &mut variant, "payload", |source| source.value(1));
        self.maybe(3, &mut variant, "metadata", Self::metadata);
        variant
    }

    fn metadata(&mut self) -> Value {
        if self.one_in(6) {
            return Value::Null;
        }
        let mut metadata = Value::Object(Vec::new());
        for _ in 0..self.below(3) {
            let name = self.pick(METADATA);
            let value = self.value(2);
            metadata.set(js(name), value);
        }
        metadata
    }

    fn segment(&mut self) -> Value {
        let mut segment = Value::Object(Vec::new());
        if !self.one_in(4) {
            let any = self.some(3, |source| Value::Array(source.some(3, Self::condition)));
            segment.set(js("conditions"), Value::Array(any));
        }
        self.maybe(2, &mut segment, "bucket", Self::bucket);
        if !self.one_in(5) {
            let variant = if self.one_in(8) { Value::Null } else { Value::from(self.pick(VARIANTS)) };
            segment.set(js("variant"), variant);
        }
        self.maybe(3, &mut segment, "metadata", Self::metadata);
        segment
    }

    fn condition(&mut self) -> Value {
        let selector = self.selector();
        let asks_for_cohorts = selector.items().last() == Some(&Value::from("cohort_ids"));
        let op = self.pick(if asks_for_cohorts { COHORT_OPERATORS } else { OPERATORS });
        let values = if op.starts_with("regex") {
            let mut pattern = |source: &mut Self| {
                Value::String(source.some(4, |source| js(source.pick(PATTERN_PIECES))).concat())
            };
            Value::Array(self.some(3, &mut pattern))
        } else if asks_for_cohorts {
            Value::Array(self.some(3, |source| Value::from(source.pick(COHORTS))))
        } else {
            self.texts()
        };
        object([("selector", selector), ("op", Value::from(op)), ("values", values)])
    }

    fn selector(&mut self) -> Value {
        let name = self.pick(NAMES);
        let path: &[&str] = match self.below(18) {
            0 => &["context", "user", "user_id"],
            1..6 => &["context", "user", "user_properties", name],
            6 => &["context", "user", "user_properties", name, self.pick(NAMES)],
            7 | 16 => &["context", "user", "cohort_ids"],
            8 => &["context", "groups", self.pick(GROUP_TYPES), "group_name"],
            17 => &["context", "groups", self.pick(GROUP_TYPES), "cohort_ids"],
            9 => &["context", "groups", self.pick(GROUP_TYPES), "group_properties", name],
            10 | 11 => &["result", self.pick(FLAG_KEYS), self.pick(&["key", "value", "payload", "metadata"])],
            12 => &["result", self.pick(FLAG_KEYS), "metadata", self.pick(METADATA)],
            13 => &["context", self.pick(&["user", "groups"])],
            14 => &["context", "user", "cohort_ids", self.pick(&["length", "0"])],
            _ => [&["result"][..], &["context"], &[], &["nothing", "here"]][self.below(4)],
        };
        Value::Array(path.iter().map(|name| Value::from(*name)).collect())
    }

    fn bucket(&mut self) -> Value {
        const HUNDREDTHS: &[f64] = &[0.0, 100.0, 50.0, 99.5, 10.0, 90.0];
        const SHARES: &[f64] = &[0.0, 42_949_673.0, 21_474_836.0, 42_949_672.0, 1e9];
        let mut bucket = object([("selector", self.selector())]);
        let allocations = self.some(3, |source| {
            let distributions = source.some(3, |source| {
                let mut distribution = object([("range", source.range(SHARES))]);
                if !source.one_in(8) {
                    let variant = source.pick(VARIANTS);
                    distribution.set(js("variant"), Value::from(variant));
                }
                distribution
            });
            object([("range", source.range(HUNDREDTHS)), ("distributions", Value::Array(distributions))])
        });
        bucket.set(js("allocations"), Value::Array(allocations));
        if !self.one_in(8) {
            let salt = self.text();
            bucket.set(js("salt"), Value::String(salt));
        }
        bucket
    }

    fn range(&mut self, ends: &[f64]) -> Value {
        let mut end = || Value::Number(ends[self.below(ends.len())]);
        Value::Array(vec![end(), end()])
    }

    fn context(&mut self) -> Value {
        let mut user = Value::Object(Vec::new());
        self.maybe(2, &mut user, "user_id", |source| Value::from(source.pick(IDS)));
        let properties = self.properties(0);
        user.set(js("user_properties"), properties);
        self.maybe(3, &mut user, "cohort_ids", Self::cohort_ids);
        let mut context = object([("user", user)]);
        let mut groups = Value::Object(Vec::new());
        for _ in 0..self.below(3) {
            let group_type = self.pick(GROUP_TYPES);
            let mut group = object([("group_name", Value::from(self.pick(IDS)))]);
            self.maybe(2, &mut group, "group_properties", |source| source.properties(0));
            self.maybe(3, &mut group, "cohort_ids", Self::cohort_ids);
            groups.set(js(group_type), group);
        }
        if !groups.properties().is_empty() {
            context.set(js("groups"), groups);
        }
        context
    }

    fn cohort_ids(&mut self) -> Value {
        Value::Array(self.some(3, |source| Value::from(source.pick(COHORTS))))
    }
}
