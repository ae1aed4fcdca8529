//! The body of a cohort download, read as it arrives. In: chunks of JSON, cut anywhere. Out: a [`Cohort`], or why
//! there is none. The body is never held as a whole.

use thiserror::Error;

use super::Cohort;
use super::builder::MembersBuilder;
use super::scan::{Container, Event, Flaw, Scanner};
use crate::ecma::text::Text;

/// Why a body is not a cohort.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CohortParseError {
    /// Not JSON.
    #[error("cohort is not valid JSON at byte {offset}")]
    InvalidJson { offset: u64 },
    /// JSON as far as it goes, but it stops too early.
    #[error("cohort ends before its JSON does")]
    Truncated,
    /// JSON, but not an object; `null` for example.
    #[error("cohort is not a JSON object")]
    NotAnObject,
    /// A field without which a cohort is of no use is missing, or has the wrong type.
    #[error("cohort has no valid `{field}`")]
    InvalidField { field: &'static str },
}

/// Reads one body (section 4 of the wire contract): keys in any order, unknown ones skipped, of repeated ones the
/// last counts. `memberIds` must be an array; what it holds besides strings is no member. `cohortId` and
/// `groupType` must be strings. A number that is missing or something else is `None`.
#[derive(Default)]
pub struct CohortParser {
    scanner: Scanner,
    fields: Fields,
    /// The bytes of the chunks before.
    offset: u64,
    error: Option<CohortParseError>,
}

impl CohortParser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next chunk.
    ///
    /// # Errors
    ///
    /// [`CohortParseError::InvalidJson`]: the rest need not be read. Every later call gives it again.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), CohortParseError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let fields = &mut self.fields;
        if let Err(Flaw(at)) = self.scanner.scan(chunk, &mut |event, depth| fields.take(event, depth)) {
            let error = CohortParseError::InvalidJson { offset: self.offset + at as u64 };
            self.error = Some(error.clone());
            return Err(error);
        }
        self.offset += chunk.len() as u64;
        Ok(())
    }

    /// Ends the body and packs the members, which takes about a second for every five million.
    ///
    /// # Errors
    ///
    /// What is wrong with the body as a whole.
    pub fn finish(mut self) -> Result<Cohort, CohortParseError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let fields = &mut self.fields;
        if !self.scanner.finish(&mut |event, depth| fields.take(event, depth)) {
            return Err(CohortParseError::Truncated);
        }
        self.fields.finish()
    }
}

/// What was read of the cohort. `None`: missing, or of the wrong type.
#[derive(Default)]
struct Fields {
    object: bool,
    /// The last key of the outermost object.
    current: Field,
    /// Whether the events at depth 2 are elements of `memberIds`.
    in_members: bool,
    id: Option<Text>,
    group_type: Option<Text>,
    group_type_id: Option<f64>,
    last_computed: Option<f64>,
    last_modified: Option<f64>,
    size: Option<f64>,
    members: Option<MembersBuilder>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Field {
    Id,
    GroupType,
    GroupTypeId,
    LastComputed,
    LastModified,
    Size,
    Members,
    #[default]
    Unknown,
}

impl Field {
    fn named(key: &[u8]) -> Self {
        match key {
            b"cohortId" => Self::Id,
            b"groupType" => Self::GroupType,
            b"groupTypeId" => Self::GroupTypeId,
            b"lastComputed" => Self::LastComputed,
            b"lastModified" => Self::LastModified,
            b"size" => Self::Size,
            b"memberIds" => Self::Members,
            _ => Self::Unknown,
        }
    }
}

impl Fields {
    fn take(&mut self, event: Event<'_>, depth: usize) {
        match (depth, event) {
            (2, Event::Text(member)) if self.in_members => {
                if let Some(members) = &mut self.members {
                    members.push(member);
                }
            }
            (1, Event::Key(key)) => self.current = Field::named(key),
            (1, Event::End) => self.in_members = false,
            (1, value) => self.value(value),
            (0, Event::Begin(Container::Object)) => self.object = true,
            _ => {}
        }
    }

    fn value(&mut self, value: Event<'_>) {
        let text = || if let Event::Text(text) = value { Some(Text::from_wtf8(text)) } else { None };
        let number = || if let Event::Number(number) = value { Some(number) } else { None };
        match self.current {
            Field::Id => self.id = text(),
            Field::GroupType => self.group_type = text(),
            Field::GroupTypeId => self.group_type_id = number(),
            Field::LastComputed => self.last_computed = number(),
            Field::LastModified => self.last_modified = number(),
            Field::Size => self.size = number(),
            Field::Members => {
                self.in_members = value == Event::Begin(Container::Array);
                self.members = self.in_members.then(MembersBuilder::default);
            }
            Field::Unknown => {}
        }
    }

    fn finish(self) -> Result<Cohort, CohortParseError> {
        if !self.object {
            return Err(CohortParseError::NotAnObject);
        }
        let invalid = |field| CohortParseError::InvalidField { field };
        let id = self.id.ok_or_else(|| invalid("cohortId"))?;
        let group_type = self.group_type.ok_or_else(|| invalid("groupType"))?;
        let members = self.members.ok_or_else(|| invalid("memberIds"))?.finish();
        Ok(Cohort {
            id,
            group_type,
            group_type_id: self.group_type_id,
            last_computed: self.last_computed,
            last_modified: self.last_modified,
            size: self.size,
            members,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cohort::Members;
    use crate::ecma::text::utf16_units;

    fn parse_in_chunks(body: &[u8], size: usize) -> Result<Cohort, CohortParseError> {
        let mut parser = CohortParser::new();
        for chunk in body.chunks(size) {
            parser.push(chunk)?;
        }
        parser.finish()
    }

    fn parse(body: &str) -> Result<Cohort, CohortParseError> {
        let whole = parse_in_chunks(body.as_bytes(), usize::MAX);
        let bytewise = parse_in_chunks(body.as_bytes(), 1);
        assert_eq!(whole.as_ref().err(), bytewise.as_ref().err());
        whole
    }

    fn with_members(members: &str) -> Result<Cohort, CohortParseError> {
        parse(&format!(r#"{{"cohortId":"c","groupType":"User","memberIds":{members}}}"#))
    }

    fn members(cohort: &Cohort) -> Vec<Text> {
        cohort.members().collect()
    }

    fn invalid(field: &'static str) -> CohortParseError {
        CohortParseError::InvalidField { field }
    }

    #[test]
    fn the_body_of_the_contract() {
        let cohort = parse(
            r#"{"cohortId":"c1","groupType":"org id","groupTypeId":3,"lastComputed":1722000000000,
                "lastModified":1722000000123.5,"size":3,"memberIds":["b","a","b"]}"#,
        )
        .unwrap();
        assert_eq!((cohort.id.as_str(), cohort.group_type.as_str()), (Some("c1"), Some("org id")));
        assert_eq!((cohort.group_type_id, cohort.size), (Some(3.0), Some(3.0)));
        assert_eq!((cohort.last_computed, cohort.last_modified), (Some(1722e9), Some(1_722_000_000_123.5)));
        assert_eq!(members(&cohort), [Text::from("b"), Text::from("a")]);
        assert_eq!(cohort.len(), 2);
        assert!(cohort.contains(b"a") && !cohort.contains(b"ab"));
    }

    #[test]
    fn keys_may_come_in_any_order_among_unknown_ones() {
        let cohort = parse(
            r#" { "memberIds" : [ "a" ] , "x" : { "memberIds" : [ "no", {"cohortId":"no"} ], "y": [] }
               , "n" : -0.5e+3 , "t":true,"f":false , "z":null, "s":"\"]}" , "groupType" : "User"
               , "cohortId" : "c", "groupTypeId": null, "size": "3", "": [[["no"]]] } "#,
        )
        .unwrap();
        assert_eq!(members(&cohort), [Text::from("a")]);
        assert_eq!((&cohort.id, &cohort.group_type), (&Text::from("c"), &Text::from("User")));
        assert_eq!((cohort.group_type_id, cohort.size, cohort.last_modified), (None, None, None));
    }

    #[test]
    fn a_body_that_never_ends_is_given_up_before_it_fills_the_memory() {
        for (start, more) in [(&b"{\"cohortId\":\""[..], b'x'), (b"[", b'['), (b"{\"size\":", b'1')] {
            let mut parser = CohortParser::new();
            parser.push(start).unwrap();
            let chunk = vec![more; 1 << 16];
            let refused = (0..64).any(|_| parser.push(&chunk).is_err());
            assert!(refused, "{}", char::from(more));
        }
    }

    #[test]
    fn of_repeated_keys_the_last_counts() {
        let body = r#"{"memberIds":["a"],"cohortId":5,"groupType":"x","cohortId":"c","groupType":"User","#;
        let cohort = parse(&format!(r#"{body}"memberIds":["b"]}}"#)).unwrap();
        assert_eq!((members(&cohort), cohort.id), (vec![Text::from("b")], Text::from("c")));
        assert_eq!(parse(&format!(r#"{body}"memberIds":null}}"#)).unwrap_err(), invalid("memberIds"));
    }

    #[test]
    fn what_is_no_string_is_no_member() {
        let cohort = with_members(r#"[5,"6",null,true,["7"],{"8":"8"},-1.5,[],"",{}]"#).unwrap();
        assert_eq!(members(&cohort), [Text::from("6"), Text::default()]);
        assert!(!cohort.contains(b"5"));
    }

    #[test]
    fn strings_are_those_that_json_parse_makes() {
        let cohort = with_members(
            r#"["\"\\\/\b\f\n\r\t", "\u0041\u00e9\u4e2D", "\ud83d\ude00", "\ud83d", "\ude00\ud83d", "\ud83dx",
                "\ud83d\n", "\ud83d\ud83d\ude00", "Ω😀\u0000é"]"#,
        )
        .unwrap();
        let expected: [&[u16]; 9] = [
            &[0x22, 0x5C, 0x2F, 8, 0xC, 0xA, 0xD, 9],
            &[0x41, 0xE9, 0x4E2D],
            &[0xD83D, 0xDE00],
            &[0xD83D],
            &[0xDE00, 0xD83D],
            &[0xD83D, 0x78],
            &[0xD83D, 0xA],
            &[0xD83D, 0xD83D, 0xDE00],
            &[0x3A9, 0xD83D, 0xDE00, 0, 0xE9],
        ];
        assert_eq!(members(&cohort), expected.map(Text::from_utf16));
    }

    #[test]
    fn bytes_that_are_not_utf8_become_replacement_characters() {
        let sequences: [&[u8]; 6] =
            [b"a\xFFb", b"\xE2\x82", b"\xE2\x82\\n\xAC", b"\xED\xA0\x80", b"\xF0\x9F\x98", b"\xC3\xA9"];
        for member in sequences {
            let body = [br#"{"cohortId":"c","groupType":"User","memberIds":[""#, member, br#""]}"#].concat();
            let expected = String::from_utf8_lossy(member).replace("\\n", "\n");
            for size in [1, 2, usize::MAX] {
                let cohort = parse_in_chunks(&body, size).unwrap();
                assert_eq!(members(&cohort), [Text::from(expected.as_str())]);
            }
        }
    }

    #[test]
    fn a_body_that_is_no_cohort_says_why() {
        use CohortParseError::{InvalidJson, NotAnObject, Truncated};
        let error = |body: &str| parse(body).unwrap_err();
        for body in ["null", "5", " -1.5e3", r#""x""#, "[]", "true", r#"[{"cohortId":"c"}]"#] {
            assert_eq!(error(body), NotAnObject, "{body}");
        }
        for body in ["", " ", "{", r#"{"a"#, r#"{"a":"\u00"#, r#"{"a":tr"#, r#"{"a":1"#, "[1,", "-"] {
            assert_eq!(error(body), Truncated, "{body}");
        }
        for (body, offset) in [("<html>", 0), ("{}x", 2), ("{\"a\":\"\n\"}", 6), (r#"{"a":nul}"#, 8)] {
            assert_eq!(error(body), InvalidJson { offset }, "{body}");
        }
        assert_eq!(error("{}"), invalid("cohortId"));
        assert_eq!(error(r#"{"cohortId":"c","memberIds":[]}"#), invalid("groupType"));
        assert_eq!(error(r#"{"cohortId":"c","groupType":"User"}"#), invalid("memberIds"));
        for members in ["null", "{}", r#""a""#, "5"] {
            assert_eq!(with_members(members).unwrap_err(), invalid("memberIds"));
        }
    }

    #[test]
    fn after_an_error_the_parser_stays_there() {
        let mut parser = CohortParser::new();
        let error = parser.push(b"<").unwrap_err();
        assert_eq!(parser.push(b"{}"), Err(error.clone()));
        assert_eq!(parser.finish().unwrap_err(), error);
    }

    #[test]
    fn json_is_what_json_parse_accepts() {
        let good = ["-0", "0.5", "1e5", "1E-5", "1e400", "10", "[ ]", "{ }", r#""\/""#, "\"\u{7f}\u{2028}\""];
        for value in good {
            assert!(with_members(&format!("[{value}]")).is_ok(), "{value}");
        }
        let bad_numbers =
            ["01", "-", "+1", ".5", "1.", "1e", "1e+", "1-1", "--1", "-01", "0x1", "1.5.5", "NaN", "1 2"];
        let bad_strings = ["'a'", r#""\x""#, r#""\u00g0""#, "\"\t\"", "a", "True", "nulll", "\u{feff}"];
        let bad_structure =
            [",", "1,", "[", "}", "]", "{]", r#"{"a"}"#, r#"{"a",1}"#, r#"{"a":}"#, "{a:1}", "{,}", ":"];
        for value in bad_numbers.iter().chain(&bad_strings).chain(&bad_structure) {
            let error = with_members(&format!("[{value}]")).unwrap_err();
            assert!(matches!(error, CohortParseError::InvalidJson { .. }), "{value}: {error}");
        }
    }

    /// A string as JSON. Without `how` only what must be escaped is; else each code unit as `how` says.
    fn json_string(text: &Text, how: &[bool]) -> String {
        if let (Some(plain), []) = (text.as_str(), how) {
            return json!(plain).to_string();
        }
        let mut out = String::from("\"");
        for (unit, escaped) in utf16_units(text.as_bytes()).zip(how.iter().chain([&true]).cycle()) {
            match u8::try_from(unit) {
                Ok(byte @ (b'a'..=b'z' | b'0'..=b'9')) if !escaped => out.push(char::from(byte)),
                _ => write!(out, "\\u{unit:04x}").unwrap(),
            }
        }
        out + "\""
    }

    fn text() -> impl Strategy<Value = Text> {
        prop_oneof![
            4 => "[a-z0-9]{0,20}".prop_map(Text::from),
            2 => any::<String>().prop_map(Text::from),
            1 => prop::collection::vec(any::<u16>(), 0..8).prop_map(|units| Text::from_utf16(&units)),
            1 => prop::collection::vec(0xD800..0xE000u16, 0..8).prop_map(|units| Text::from_utf16(&units)),
        ]
    }

    /// Any JSON value.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|b| json!(b)),
            any::<f64>().prop_map(|n| json!(n)),
            any::<i64>().prop_map(|n| json!(n)),
            any::<String>().prop_map(|s| json!(s)),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
                prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_members_come_through_however_written_and_cut(
            texts in prop::collection::vec((text(), prop::collection::vec(any::<bool>(), 0..4)), 0..20),
            unknown in json(),
            number in any::<f64>(),
            cuts in prop::collection::vec(1..40usize, 1..10),
        ) {
            let written: Vec<_> = texts.iter().map(|(text, how)| json_string(text, how)).collect();
            let body = format!(
                r#"{{"x":{unknown},"cohortId":"c","memberIds":[{}],"groupType":"","lastModified":{},"y":{unknown}}}"#,
                written.join(" ,\n"),
                json!(number),
            );
            let mut parser = CohortParser::new();
            let mut rest = body.as_bytes();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, left) = rest.split_at((*cut).min(rest.len()));
                parser.push(chunk).unwrap();
                rest = left;
            }
            let cohort = parser.finish().unwrap();
            let expected: Members = texts.iter().map(|(text, _)| text).collect();
            prop_assert_eq!(members(&cohort), expected.iter().collect::<Vec<_>>());
            prop_assert_eq!(cohort.last_modified, json!(number).as_f64());
        }

        #[test]
        fn damaged_json_is_refused_when_serde_refuses_it(
            value in json(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), "[ -~]|\n|"), 0..3),
            size in 1..50usize,
        ) {
            let mut body = json!({ "x": value, "cohortId": "c" }).to_string();
            for (index, replacement) in damage {
                let at = index.index(body.len());
                if body.is_char_boundary(at) && body.is_char_boundary(at + 1) {
                    body.replace_range(at..=at, &replacement);
                }
            }
            let valid = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
            let error = parse_in_chunks(body.as_bytes(), size).unwrap_err();
            let refused = matches!(error, CohortParseError::InvalidJson { .. } | CohortParseError::Truncated);
            prop_assert_eq!(refused, !valid, "{} {:?}", body, error);
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200), size in 1..20usize) {
            let _ = parse_in_chunks(&body, size);
        }
    }
}
