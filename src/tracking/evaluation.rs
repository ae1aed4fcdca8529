//! One tracked evaluation: who was evaluated, what came out, when.
//!
//! In: ids and groups as JavaScript has them, outcome codes. Out: the key by which a repetition is known, which
//! costs a few nanoseconds a flag, and a compact [`Record`] of what is to be sent. (Contract: analytics 4.1.)

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Kind;
use super::fingerprint::Fingerprint;
use super::hash::UnitHash;
use super::layout::Layout;
use super::prepared::Prepared;
use super::record::{OwnedId, Record};
use crate::ecma::case::trim;

/// A `user_id` or `device_id`.
#[derive(Clone, Copy, Debug)]
pub enum Id<'a> {
    /// `undefined`.
    Missing,
    Null,
    /// A string, as WTF-8.
    Text(&'a [u8]),
    /// Anything else.
    Other {
        /// `String(value)`, as WTF-8.
        text: &'a [u8],
        /// `JSON.stringify(value)`; `None` where that is undefined.
        json: Option<&'a str>,
    },
}

impl<'a> Id<'a> {
    fn text(self) -> &'a [u8] {
        match self {
            Self::Missing | Self::Null => b"",
            Self::Text(text) | Self::Other { text, .. } => text,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Other { text, json } => text.len() + json.map_or(0, str::len),
            id => id.text().len(),
        }
    }
}

/// What of a user reaches the server.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    pub user_id: Id<'a>,
    pub device_id: Id<'a>,
    /// `JSON.stringify(user.groups)` where they are truthy.
    pub groups: Option<&'a str>,
}

/// An evaluation to track.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    pub prepared: &'a Arc<Prepared>,
    pub layout: &'a Layout,
    /// Of the layout's flags in their order; 0 where there is no variant.
    pub codes: &'a [u32],
    pub user: User<'a>,
    /// In milliseconds since 1970.
    pub now: i64,
}

/// Why an evaluation cannot become events. Holds nothing of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("the user's ids and groups are larger than a request may be")]
    TooLarge,
    #[error("the user's {0} is not json")]
    NotJson(&'static str),
}

/// Bytes of ids and groups in one event: the endpoint takes no request of more than a megabyte.
const MAX_USER_BYTES: usize = 1_000_000;

impl Evaluation<'_> {
    /// The key of the canonical string. `None` if nothing came out, which is not tracked.
    pub fn key(&self) -> Option<u128> {
        if self.codes.iter().all(|&code| code == 0) {
            return None;
        }
        let points = self.prepared.points();
        let user = self.canonical_user(|text| points.fingerprint(text), Fingerprint::then);
        let settled = self.layout.settle(self.codes);
        let flags = self.layout.in_key_order(&settled).map(|code| self.prepared.print(code));
        Some(flags.fold(user, Fingerprint::then).key())
    }

    /// What is to be sent. `None` if the outcomes call for no event.
    ///
    /// # Errors
    /// When no valid event can be made of the user.
    pub fn record(&self, kind: Kind) -> Result<Option<Record>, Rejected> {
        self.check()?;
        let settled = self.layout.settle(self.codes);
        let tracked = |code: &u32| {
            self.prepared.outcome(*code).is_some_and(|outcome| match kind {
                Kind::Exposure => outcome.exposed.is_some(),
                Kind::Assignment => outcome.assigned.is_some(),
            })
        };
        let codes: Box<[u32]> = self.layout.in_property_order(&settled).filter(tracked).collect();
        if kind == Kind::Exposure && codes.is_empty() {
            return Ok(None);
        }
        let user = self.canonical_user(UnitHash::of, UnitHash::then);
        let flags = self.layout.in_key_order(&settled).filter_map(|code| self.prepared.outcome(code));
        Ok(Some(Record {
            kind,
            prepared: Arc::clone(self.prepared),
            codes,
            canonical: flags.map(|outcome| outcome.canonical).fold(user, UnitHash::then),
            time: self.now,
            user_id: OwnedId::from(self.user.user_id),
            device_id: OwnedId::from(self.user.device_id),
            groups: self.user.groups.map(Box::from),
        }))
    }

    /// Folds the canonical string's first part: both ids, trimmed, each with a space behind it.
    fn canonical_user<T>(&self, of: impl Fn(&[u8]) -> T, then: impl Fn(T, T) -> T) -> T {
        let space = || of(b" ");
        let user = then(of(trim(self.user.user_id.text())), space());
        then(user, then(of(trim(self.user.device_id.text())), space()))
    }

    fn check(&self) -> Result<(), Rejected> {
        let User { user_id, device_id, groups } = self.user;
        if user_id.bytes() + device_id.bytes() + groups.map_or(0, str::len) > MAX_USER_BYTES {
            return Err(Rejected::TooLarge);
        }
        for (name, id) in [("user_id", user_id), ("device_id", device_id)] {
            if let Id::Other { json: Some(json), .. } = id {
                check_json(name, json)?;
            }
        }
        groups.map_or(Ok(()), |groups| check_json("groups", groups))
    }
}

fn check_json(name: &'static str, json: &str) -> Result<(), Rejected> {
    serde_json::from_str::<&RawValue>(json).map(drop).map_err(|_| Rejected::NotJson(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecma::Text;
    use crate::tracking::fingerprint::Points;
    use proptest::prelude::*;

    fn prepared(items: &[(Text, String)]) -> Arc<Prepared> {
        let points = Points::from_random([0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210]);
        let none = Text::default();
        let items = items.iter().map(|(key, json)| (key, json.as_bytes()));
        Prepared::new(points, std::iter::once((&none, &b"{}"[..])).chain(items))
    }

    /// A result: a flag key and, where there is a variant, its key.
    type Results = Vec<(String, Option<String>)>;

    fn key_of(user_id: &str, device_id: &str, results: &Results) -> Option<u128> {
        let items: Vec<(Text, String)> = results
            .iter()
            .map(|(flag, key)| {
                (flag.as_str().into(), format!(r#"{{"key":"{}"}}"#, key.as_deref().unwrap_or_default()))
            })
            .collect();
        let codes: Vec<u32> =
            results.iter().zip(1..).map(|((_, key), code)| if key.is_some() { code } else { 0 }).collect();
        Evaluation {
            prepared: &prepared(&items),
            layout: &Layout::new(results.iter().map(|(flag, _)| flag.as_bytes())),
            codes: &codes,
            user: User {
                user_id: Id::Text(user_id.as_bytes()),
                device_id: Id::Text(device_id.as_bytes()),
                groups: None,
            },
            now: 0,
        }
        .key()
    }

    fn canonical(user_id: &str, device_id: &str, results: &Results) -> Option<String> {
        let mut present: Vec<(&str, &str)> = Vec::new();
        for (flag, key) in results {
            if let Some(key) = key {
                present.retain(|(seen, _)| seen != flag);
                present.push((flag, key));
            }
        }
        if present.is_empty() {
            return None;
        }
        present.sort();
        let mut text = format!("{} {} ", user_id.trim(), device_id.trim());
        for (flag, key) in present.into_iter().filter(|(_, key)| !key.is_empty()) {
            text += &format!("{} {} ", flag.trim(), key.trim());
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn keys_are_equal_where_canonical_strings_are(
            user in "[ab ]{0,2}", device in "[ab ]{0,2}", results in prop::collection::vec(("[ab ]{0,2}", prop::option::of("[ab ]{0,2}")), 0..4),
            other_user in "[ab ]{0,2}", other_device in "[ab ]{0,2}", other_results in prop::collection::vec(("[ab ]{0,2}", prop::option::of("[ab ]{0,2}")), 0..4),
        ) {
            prop_assert_eq!(
                key_of(&user, &device, &results) == key_of(&other_user, &other_device, &other_results),
                canonical(&user, &device, &results) == canonical(&other_user, &other_device, &other_results)
            );
        }
    }

    fn with_user(user: User<'_>) -> Result<Option<Record>, Rejected> {
        let prepared = prepared(&[("f".into(), r#"{"key":"on"}"#.into())]);
        let layout = Layout::new([&b"f"[..]]);
        Evaluation { prepared: &prepared, layout: &layout, codes: &[1], user, now: 0 }.record(Kind::Exposure)
    }

    #[test]
    fn users_that_make_no_valid_event_are_rejected() {
        let fine = User { user_id: Id::Text(b"u"), device_id: Id::Missing, groups: Some(r#"{"org":["a"]}"#) };
        assert!(with_user(fine).unwrap().is_some());
        for groups in ["", "{", "{} {}", "undefined", r#"{"a":1},"x":{"b":2}"#] {
            let user = User { groups: Some(groups), ..fine };
            assert_eq!(with_user(user).err(), Some(Rejected::NotJson("groups")), "{groups}");
        }
        let user = User { device_id: Id::Other { text: b"1", json: Some("1n") }, ..fine };
        assert_eq!(with_user(user).err(), Some(Rejected::NotJson("device_id")));
        let huge = vec![b'x'; MAX_USER_BYTES + 1];
        assert_eq!(with_user(User { user_id: Id::Text(&huge), ..fine }).err(), Some(Rejected::TooLarge));
    }
}
