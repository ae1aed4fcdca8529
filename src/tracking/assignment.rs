//! `[Experiment] Assignment`: one event for every evaluation.
//!
//! In: a flag key and a variant. Out: what it adds to the properties of the event. Several of these make the
//! properties. (Contract: analytics 4.4.)

use super::prepared::{is_mutual_exclusion_group, metadata, truthy};
use crate::ecma::json::{Json, push_quoted};

pub(super) const EVENT_TYPE: &str = "[Experiment] Assignment";

/// The assignment of one outcome.
pub(super) struct Assigned {
    /// `"<flag>.variant":…` and, where they are known, `,"<flag>.details":…`.
    event_properties: Box<[u8]>,
    /// One property, and whether it is set or unset; nothing for mutual exclusion groups.
    user_property: Option<(Write, Box<[u8]>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Set,
    Unset,
}

impl Assigned {
    /// `None` for variants without a key, which are not tracked.
    pub fn of(flag_key: &[u8], variant: &Json) -> Option<Self> {
        let key = truthy(variant, "key")?;
        let mut event_properties = property(&[flag_key, b".variant"], &key);
        let version = metadata(variant, "flagVersion").filter(Json::is_truthy);
        let segment = metadata(variant, "segmentName").filter(Json::is_truthy);
        if let (Some(version), Some(segment)) = (version, segment) {
            let details = [&b"v"[..], &version.string(), b" rule:", &segment.string()].concat();
            let details = Json::String(crate::ecma::Text::from_wtf8(details));
            event_properties.push(b',');
            event_properties.extend(property(&[flag_key, b".details"], &details));
        }
        let user_property = (!is_mutual_exclusion_group(variant)).then(|| {
            let (write, value) = if metadata(variant, "default").is_some_and(|default| default.is_truthy()) {
                (Write::Unset, Json::String("-".into()))
            } else {
                (Write::Set, key)
            };
            (write, property(&[b"[Experiment] ", flag_key], &value).into_boxed_slice())
        });
        Some(Self { event_properties: event_properties.into_boxed_slice(), user_property })
    }

    pub fn bytes(&self) -> usize {
        self.event_properties.len() + self.user_property.as_ref().map_or(0, |(_, property)| property.len())
    }
}

fn property(name: &[&[u8]], value: &Json) -> Vec<u8> {
    let mut json = Vec::new();
    push_quoted(&name.concat(), &mut json);
    json.push(b':');
    value.stringify(&mut json);
    json
}

/// Appends `"event_properties":{…},"user_properties":{…}`.
pub(super) fn push_properties<'a>(assigned: impl Iterator<Item = &'a Assigned> + Clone, json: &mut Vec<u8>) {
    json.extend_from_slice(br#""event_properties":{"#);
    push_list(assigned.clone().map(|one| &one.event_properties), json);
    let written = |write| {
        let written = assigned.clone().filter_map(|one| one.user_property.as_ref());
        written.filter(move |property| property.0 == write).map(|property| &property.1)
    };
    json.extend_from_slice(br#"},"user_properties":{"$set":{"#);
    push_list(written(Write::Set), json);
    json.extend_from_slice(br#"},"$unset":{"#);
    push_list(written(Write::Unset), json);
    json.extend_from_slice(b"}}");
}

fn push_list<'a>(items: impl Iterator<Item = &'a Box<[u8]>>, json: &mut Vec<u8>) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(item);
    }
}
