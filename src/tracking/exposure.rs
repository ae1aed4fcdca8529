//! `[Experiment] Exposure`: one event for every flag that a user was exposed to.
//!
//! In: a flag key and a variant. Out: whether it is tracked, and the part of its event that no user changes.
//! (Contract: analytics 4.3.)

use super::hash::UnitHash;
use super::prepared::{is_mutual_exclusion_group, metadata, truthy};
use crate::ecma::json::{Json, push_quoted};

pub(super) const EVENT_TYPE: &str = "[Experiment] Exposure";

/// The exposure to one outcome.
pub(super) struct Exposed {
    /// Of the flag key and a space: what stands before the canonical string in the hash of an insert id.
    pub flag: UnitHash,
    /// `"event_properties":{…},"user_properties":{…}`
    pub properties: Box<[u8]>,
}

impl Exposed {
    /// `None` for outcomes that are not tracked: those that say so and a flag's default.
    pub fn of(flag_key: &[u8], variant: &Json) -> Option<Self> {
        let tracks = match metadata(variant, "trackExposure") {
            None | Some(Json::Null) => true,
            Some(tracks) => tracks.is_truthy(),
        };
        let is_default = metadata(variant, "default").is_some_and(|default| default.is_truthy());
        if !tracks || is_default {
            return None;
        }
        Some(Self {
            flag: UnitHash::of(&[flag_key, b" "].concat()),
            properties: properties(flag_key, variant).into_boxed_slice(),
        })
    }

    pub fn bytes(&self) -> usize {
        self.properties.len()
    }
}

fn properties(flag_key: &[u8], variant: &Json) -> Vec<u8> {
    let value = truthy(variant, "key").or_else(|| truthy(variant, "value"));
    let mut json = br#""event_properties":{"[Experiment] Flag Key":"#.to_vec();
    push_quoted(flag_key, &mut json);
    if let Some(value) = &value {
        json.extend_from_slice(br#","[Experiment] Variant":"#);
        value.stringify(&mut json);
    }
    if let Some(key) = metadata(variant, "experimentKey").filter(Json::is_truthy) {
        json.extend_from_slice(br#","[Experiment] Experiment Key":"#);
        key.stringify(&mut json);
    }
    if let Some(metadata) = truthy(variant, "metadata") {
        json.extend_from_slice(br#","metadata":"#);
        metadata.stringify(&mut json);
    }
    json.extend_from_slice(br#"},"user_properties":{"$set":{"#);
    if let Some(value) = value.filter(|_| !is_mutual_exclusion_group(variant)) {
        push_quoted(&[b"[Experiment] ", flag_key].concat(), &mut json);
        json.push(b':');
        value.stringify(&mut json);
    }
    json.extend_from_slice(br#"},"$unset":{}}"#);
    json
}
