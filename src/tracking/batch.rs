//! The body of a request: events to JSON, no more of them than the endpoint takes at once.
//!
//! In: events of the queue. Out: bytes. (Contract: analytics 2.)

use std::time::{SystemTime, UNIX_EPOCH};

use super::config::Config;
use super::queue::{OWN, Origin, Slot};
use crate::ecma::Text;
use crate::ecma::json::{Json, push_quoted};
use crate::key::Secret;

/// Bytes of events in one body; a single event may be larger. The endpoint refuses requests of more than a megabyte.
const MAX_EVENTS_BYTES: usize = 1_000_000;

/// Upstream's telemetry about its own requests, in all but the first.
const REQUEST_METADATA: &str = r#","request_metadata":{"sdk":{"metrics":{"histogram":{}}}}"#;

impl Slot {
    /// Appends the event.
    pub(super) fn push_json(&self, constant: &str, json: &mut Vec<u8>) {
        match &self.origin {
            Origin::Recorded { held, index } => {
                held.record.push_event(*index, self.id.saturating_sub(OWN), constant, json);
            }
            Origin::Stored(stored) => json.extend_from_slice(stored),
        }
    }

    /// The `user_id` and `device_id`, where they are strings.
    pub(super) fn ids(&self) -> [Option<Text>; 2] {
        match &self.origin {
            Origin::Recorded { held, .. } => held.record.text_ids(),
            Origin::Stored(json) => {
                let event = Json::parse(json).unwrap_or(Json::Null);
                [&b"user_id"[..], b"device_id"].map(|name| match event.property(name).as_deref() {
                    Some(Json::String(text)) => Some(text.clone()),
                    _ => None,
                })
            }
        }
    }
}

/// Makes the body for the first of these events, as many as fit. Takes the others out of `slots` and gives them back.
pub(super) fn body(
    config: &Config,
    api_key: &Secret,
    slots: &mut Vec<Slot>,
    is_first: bool,
    now: SystemTime,
) -> (Vec<u8>, Vec<Slot>) {
    let mut json = br#"{"api_key":"#.to_vec();
    push_quoted(api_key.expose().as_bytes(), &mut json);
    json.extend_from_slice(br#","events":["#);
    let start = json.len();
    let mut fitting = slots.len();
    for (at, slot) in slots.iter().enumerate() {
        let before = json.len();
        if at > 0 {
            json.push(b',');
        }
        slot.push_json(&config.event_constant, &mut json);
        if at > 0 && json.len() - start > MAX_EVENTS_BYTES {
            json.truncate(before);
            fitting = at;
            break;
        }
    }
    let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let end = format!(
        r#"],"options":{},"client_upload_time":"{}"{}}}"#,
        config.request_options,
        iso_8601(millis as u64),
        if is_first { "" } else { REQUEST_METADATA }
    );
    json.extend_from_slice(end.as_bytes());
    (json, slots.split_off(fitting))
}

/// `2023-11-14T22:13:20.423Z`
fn iso_8601(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    // Civil date from days, in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_423, "2023-11-14T22:13:20.423Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso_8601(millis), text);
        }
    }
}
