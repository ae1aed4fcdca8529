//! What an answer of the endpoint means for the events of a batch.
//!
//! In: an [`Answer`] or the error in its place. Out: a [`Verdict`]. A `code` in the body counts before the status
//! of the response; where the body has none, the status counts. (Contract: analytics 5.2 and 7.9.)

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use super::endpoint::Answer;
use crate::ecma::Text;
use crate::ecma::json::Json;
use crate::transport::{TransportError, TransportErrorKind};

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Taken,
    /// Not one of the events will ever be taken.
    Refused {
        code: u16,
        error: String,
    },
    /// Some events are not valid: those of these indexes. None named: something else about the request is wrong.
    Invalid {
        code: u16,
        error: String,
        events: HashSet<usize>,
    },
    TooLarge {
        code: u16,
        error: String,
    },
    Limited(Limited),
    /// Worth another attempt.
    Failed {
        status: &'static str,
        code: u16,
        error: String,
        retry_after: Option<Duration>,
    },
}

/// Too many events, of all or of some.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Limited {
    pub error: String,
    /// Who has used up the day's quota: no event of theirs will be taken today.
    pub users: HashSet<Text>,
    pub devices: HashSet<Text>,
    /// Indexes of events that would be taken later.
    pub throttled: HashSet<usize>,
    pub retry_after: Option<Duration>,
}

/// No server is waited for longer than this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

impl Verdict {
    pub fn of(answer: &Result<Answer, TransportError>) -> Self {
        match answer {
            Ok(answer) => Self::of_answer(answer),
            Err(error) => {
                let (status, code) = match error.kind {
                    TransportErrorKind::Timeout => ("Timeout", 408),
                    TransportErrorKind::Truncated => ("unknown", 0),
                    _ => ("failed", 0),
                };
                Self::Failed { status, code, error: error.message.clone(), retry_after: None }
            }
        }
    }

    fn of_answer(answer: &Answer) -> Self {
        let body = Json::parse(&answer.body).unwrap_or(Json::Null);
        let code = code_of(&body).unwrap_or(answer.status);
        let error = field(&body, "error", "error").map_or_else(String::new, |error| match &*error {
            Json::String(text) => text.to_string(),
            _ => String::new(),
        });
        let retry_after = answer.retry_after.map(|delay| delay.min(MAX_RETRY_AFTER));
        match code {
            200..300 => Self::Taken,
            408 => Self::Failed { status: "Timeout", code, error, retry_after },
            413 => Self::TooLarge { code, error },
            429 => Self::Limited(Limited {
                error,
                users: keys(&body, "exceeded_daily_quota_users", "exceededDailyQuotaUsers"),
                devices: keys(&body, "exceeded_daily_quota_devices", "exceededDailyQuotaDevices"),
                throttled: field(&body, "throttled_events", "throttledEvents")
                    .map_or_else(HashSet::new, |events| indexes(&events).collect()),
                retry_after,
            }),
            400..500 => {
                let misses_field =
                    field(&body, "missing_field", "missingField").is_some_and(|field| field.is_truthy());
                if misses_field || error.starts_with("Invalid API key") {
                    return Self::Refused { code, error };
                }
                Self::Invalid { code, error, events: invalid_events(&body) }
            }
            500.. => Self::Failed { status: "failed", code, error, retry_after },
            _ => Self::Failed { status: "unknown", code, error, retry_after },
        }
    }
}

/// The `code` of a body that is an object and has one.
fn code_of(body: &Json) -> Option<u16> {
    match &*body.property(b"code").filter(|_| matches!(body, Json::Object(_)))? {
        Json::Number(code) if *code > 0.0 => Some(*code as u16),
        _ => None,
    }
}

/// A member of the body, as the server words it or as upstream hands it to transports.
fn field<'a>(body: &'a Json, name: &str, camel: &str) -> Option<Cow<'a, Json>> {
    body.property(name.as_bytes()).or_else(|| body.property(camel.as_bytes()))
}

fn keys(body: &Json, name: &str, camel: &str) -> HashSet<Text> {
    match field(body, name, camel).as_deref() {
        Some(Json::Object(properties)) => properties.iter().map(|(key, _)| key.clone()).collect(),
        _ => HashSet::new(),
    }
}

fn invalid_events(body: &Json) -> HashSet<usize> {
    let by_field = [
        ("events_with_invalid_fields", "eventsWithInvalidFields"),
        ("events_with_missing_fields", "eventsWithMissingFields"),
        ("events_with_invalid_id_lengths", "eventsWithInvalidIdLengths"),
    ];
    let mut events = HashSet::new();
    for (name, camel) in by_field {
        if let Some(Json::Object(fields)) = field(body, name, camel).as_deref() {
            events.extend(fields.iter().flat_map(|(_, listed)| indexes(listed)));
        }
    }
    if let Some(silenced) = field(body, "silenced_events", "silencedEvents") {
        events.extend(indexes(&silenced));
    }
    events
}

fn indexes(list: &Json) -> impl Iterator<Item = usize> {
    let items = match list {
        Json::Array(items) => items.as_slice(),
        _ => &[],
    };
    items.iter().filter_map(|item| match item {
        Json::Number(index) if *index >= 0.0 && index.fract() == 0.0 => Some(*index as usize),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> Verdict {
        Verdict::of(&Ok(Answer { status, retry_after: None, body: body.to_owned().into() }))
    }

    fn named(status: u16, body: &str) -> String {
        match verdict(status, body) {
            Verdict::Taken => "taken".into(),
            Verdict::Refused { .. } => "refused".into(),
            Verdict::Invalid { .. } => "invalid".into(),
            Verdict::TooLarge { .. } => "too large".into(),
            Verdict::Limited(_) => "limited".into(),
            Verdict::Failed { status, code, .. } => format!("{status} {code}"),
        }
    }

    #[test]
    fn answers_are_classified_by_code_then_status() {
        for (status, body, expected) in [
            (200, "", "taken"),
            (204, "<html>", "taken"),
            (200, "null", "taken"),
            (200, r#"{"code":200}"#, "taken"),
            (500, r#"{"code":200}"#, "taken"),
            (200, "{}", "taken"),
            (200, r#"{"error":"x"}"#, "taken"),
            (200, "\"success\"", "taken"),
            (200, "123", "taken"),
            (200, r#"{"code":"500"}"#, "taken"),
            (429, "{}", "limited"),
            (429, "[]", "limited"),
            (500, "123", "failed 500"),
            (200, r#"{"code":500}"#, "failed 500"),
            (503, "", "failed 503"),
            (301, "", "unknown 301"),
            (100, "", "unknown 100"),
            (408, "", "Timeout 408"),
            (413, "", "too large"),
            (400, "", "invalid"),
            (401, "nope", "invalid"),
            (404, r#"{"error":"no such thing"}"#, "invalid"),
            (400, r#"{"code":400,"error":"Invalid API key: abc"}"#, "refused"),
            (400, r#"{"code":400,"error":"x","missing_field":"api_key"}"#, "refused"),
            (400, r#"{"code":400,"error":7}"#, "invalid"),
        ] {
            assert_eq!(named(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn lost_connections_and_deadlines_are_worth_another_attempt() {
        for (kind, expected) in [
            (TransportErrorKind::Connection, "failed"),
            (TransportErrorKind::Timeout, "Timeout"),
            (TransportErrorKind::Truncated, "unknown"),
            (TransportErrorKind::Oversize, "failed"),
            (TransportErrorKind::Custom, "failed"),
        ] {
            let error = TransportError { kind, code: "E", message: "m".into() };
            match Verdict::of(&Err(error)) {
                Verdict::Failed { status, .. } => assert_eq!(status, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_events_at_fault_are_collected_from_all_lists() {
        let snake = r#"{"code":400,"error":"e","events_with_invalid_fields":{"time":[1,3],"ip":[3]},
            "events_with_missing_fields":{"x":[4]},"events_with_invalid_id_lengths":{"y":[6,-1,"2",1.5]},"silenced_events":[5]}"#;
        let camel = r#"{"error":"e","eventsWithInvalidFields":{"time":[1,3]},"eventsWithMissingFields":{"x":[4]},
            "eventsWithInvalidIdLengths":{"y":[6]},"silencedEvents":[5]}"#;
        for body in [snake, camel] {
            let events = HashSet::from([1, 3, 4, 5, 6]);
            assert_eq!(verdict(400, body), Verdict::Invalid { code: 400, error: "e".into(), events });
        }
    }

    #[test]
    fn quotas_and_throttled_events_are_told_apart() {
        let body = r#"{"code":429,"error":"e","exceeded_daily_quota_users":{"u1":9},
            "exceeded_daily_quota_devices":{"d4":9},"throttled_events":[2,3]}"#;
        let answer = Answer { status: 429, retry_after: Some(Duration::MAX), body: body.into() };
        let expected = Limited {
            error: "e".into(),
            users: HashSet::from(["u1".into()]),
            devices: HashSet::from(["d4".into()]),
            throttled: HashSet::from([2, 3]),
            retry_after: Some(MAX_RETRY_AFTER),
        };
        assert_eq!(Verdict::of(&Ok(answer)), Verdict::Limited(expected));
    }
}
