//! What is kept of a tracked evaluation until it is delivered: ids and outcome codes, not JSON.
//!
//! In: an [`Evaluation`](super::Evaluation). Out: its events as JSON, one by one, as often as they are to be sent.
//! (Contract: analytics 3 and 4.)

use std::sync::Arc;

use super::Kind;
use super::assignment::{self, push_properties};
use super::dedupe::TTL_MILLIS;
use super::evaluation::Id;
use super::exposure;
use super::hash::UnitHash;
use super::prepared::Prepared;
use crate::ecma::json::push_quoted;

/// The `library` of every event.
const LIBRARY: &str = "amplitude-node-ts/1.5.73";

/// A tracked evaluation. Makes one event, or one for each flag.
pub struct Record {
    pub(super) kind: Kind,
    pub(super) prepared: Arc<Prepared>,
    /// The outcomes that the events are about, in property order.
    pub(super) codes: Box<[u32]>,
    /// Of the canonical string.
    pub(super) canonical: UnitHash,
    /// In milliseconds since 1970.
    pub(super) time: i64,
    pub(super) user_id: OwnedId,
    pub(super) device_id: OwnedId,
    pub(super) groups: Option<Box<str>>,
}

/// An [`Id`] that stays.
pub(super) enum OwnedId {
    Missing,
    Null,
    Text(Box<[u8]>),
    Other { text: Box<[u8]>, json: Option<Box<str>> },
}

impl From<Id<'_>> for OwnedId {
    fn from(id: Id<'_>) -> Self {
        match id {
            Id::Missing => Self::Missing,
            Id::Null => Self::Null,
            Id::Text(text) => Self::Text(text.into()),
            Id::Other { text, json } => Self::Other { text: text.into(), json: json.map(Box::from) },
        }
    }
}

impl OwnedId {
    /// As a template literal prints it.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Missing => b"undefined",
            Self::Null => b"null",
            Self::Text(text) | Self::Other { text, .. } => text,
        }
    }

    fn push_member(&self, name: &str, json: &mut Vec<u8>) {
        if matches!(self, Self::Missing | Self::Other { json: None, .. }) {
            return;
        }
        json.extend_from_slice(format!(r#","{name}":"#).as_bytes());
        match self {
            Self::Text(text) => push_quoted(text, json),
            Self::Other { json: Some(value), .. } => json.extend_from_slice(value.as_bytes()),
            Self::Null | Self::Missing | Self::Other { .. } => json.extend_from_slice(b"null"),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Missing | Self::Null => 0,
            Self::Text(text) => text.len(),
            Self::Other { text, json } => text.len() + json.as_ref().map_or(0, |json| json.len()),
        }
    }
}

impl Record {
    /// How many events it makes: at least one.
    pub fn events(&self) -> u32 {
        match self.kind {
            Kind::Exposure => self.codes.len() as u32,
            Kind::Assignment => 1,
        }
    }

    /// How much memory it takes, roughly, without what it shares with others.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.codes)
            + self.user_id.bytes()
            + self.device_id.bytes()
            + self.groups.as_ref().map_or(0, |groups| groups.len())
    }

    /// Appends the event of this index as a JSON object. `constant` is what the configuration adds to every event:
    /// members, each with a comma before it.
    pub fn push_event(&self, index: u32, event_id: u64, constant: &str, json: &mut Vec<u8>) {
        let (event_type, hash) = match self.kind {
            Kind::Exposure => {
                let flag = self.exposed(index).map_or(UnitHash::EMPTY, |exposed| exposed.flag);
                (exposure::EVENT_TYPE, flag.then(self.canonical))
            }
            Kind::Assignment => (assignment::EVENT_TYPE, self.canonical),
        };
        json.extend_from_slice(format!(r#"{{"time":{},"insert_id":"#, self.time).as_bytes());
        push_quoted(&self.insert_id(hash), json);
        json.extend_from_slice(constant.as_bytes());
        json.extend_from_slice(format!(r#","event_type":"{event_type}""#).as_bytes());
        self.user_id.push_member("user_id", json);
        self.device_id.push_member("device_id", json);
        json.push(b',');
        match self.kind {
            Kind::Exposure => {
                json.extend_from_slice(self.exposed(index).map_or(&[], |exposed| &exposed.properties));
            }
            Kind::Assignment => {
                let outcomes = self.codes.iter().filter_map(|&code| self.prepared.outcome(code));
                push_properties(outcomes.filter_map(|outcome| outcome.assigned.as_ref()), json);
            }
        }
        if let Some(groups) = self.groups.as_ref().filter(|_| self.kind == Kind::Exposure) {
            json.extend_from_slice(br#","groups":"#);
            json.extend_from_slice(groups.as_bytes());
        }
        json.extend_from_slice(format!(r#","event_id":{event_id},"library":"{LIBRARY}"}}"#).as_bytes());
    }

    /// The `user_id` and `device_id`, where they are strings.
    #[cfg(feature = "sync")]
    pub(super) fn text_ids(&self) -> [Option<crate::ecma::Text>; 2] {
        [&self.user_id, &self.device_id].map(|id| match id {
            OwnedId::Text(text) => Some(crate::ecma::Text::from_wtf8(text.clone())),
            OwnedId::Missing | OwnedId::Null | OwnedId::Other { .. } => None,
        })
    }

    fn exposed(&self, index: u32) -> Option<&exposure::Exposed> {
        let code = *self.codes.get(index as usize)?;
        self.prepared.outcome(code)?.exposed.as_ref()
    }

    fn insert_id(&self, hash: UnitHash) -> Vec<u8> {
        let day = self.time.div_euclid(TTL_MILLIS);
        let end = format!(" {} {day}", hash.value());
        [self.user_id.text(), b" ", self.device_id.text(), end.as_bytes()].concat()
    }
}
