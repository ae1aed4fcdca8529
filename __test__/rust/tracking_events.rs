//! Events, as the contract's worked examples have them (analytics 4.6), and what the dedupe filter takes for equal.

// A test helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The tables say their shapes.
#![allow(clippy::type_complexity)]

use std::sync::Arc;

use experiment_node_server::ecma::Text;
use experiment_node_server::tracking::dedupe::Dedupe;
use experiment_node_server::tracking::{Evaluation, Id, Kind, Layout, Points, Prepared, Record, User};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000_000;
const U: User<'static> =
    User { user_id: Id::Text(b"user-1"), device_id: Id::Text(b"device-1"), groups: None };

fn user<'a>(user_id: &'a str, device_id: &'a str) -> User<'a> {
    User { user_id: Id::Text(user_id.as_bytes()), device_id: Id::Text(device_id.as_bytes()), groups: None }
}

fn only_user(user_id: &str) -> User<'_> {
    User { user_id: Id::Text(user_id.as_bytes()), device_id: Id::Missing, groups: None }
}

/// Flags and their variants in the order in which they were evaluated.
type Results<'a> = &'a [(&'a str, Value)];

fn on() -> Value {
    json!({ "key": "on" })
}

struct World {
    prepared: Arc<Prepared>,
    layout: Layout,
    codes: Vec<u32>,
}

impl World {
    fn new(results: Results<'_>) -> Self {
        let texts: Vec<(Text, String)> =
            results.iter().map(|(flag, variant)| (Text::from(*flag), variant.to_string())).collect();
        let none = (Text::default(), String::from("null"));
        let items = std::iter::once(&none).chain(&texts).map(|(flag, variant)| (flag, variant.as_bytes()));
        Self {
            prepared: Prepared::new(Points::from_random([3, 5]), items),
            layout: Layout::new(texts.iter().map(|(flag, _)| flag.as_bytes())),
            codes: (1..=results.len() as u32).collect(),
        }
    }

    fn evaluation<'a>(&'a self, user: User<'a>, now: i64) -> Evaluation<'a> {
        Evaluation { prepared: &self.prepared, layout: &self.layout, codes: &self.codes, user, now }
    }
}

fn json_of(record: &Record, index: u32) -> String {
    let mut json = Vec::new();
    record.push_event(index, 7, "", &mut json);
    String::from_utf8(json).unwrap()
}

fn events_at(kind: Kind, user: User<'_>, results: Results<'_>, now: i64) -> Vec<Value> {
    let record = World::new(results).evaluation(user, now).record(kind).unwrap();
    let indexes = 0..record.as_ref().map_or(0, Record::events);
    indexes.map(|index| serde_json::from_str(&json_of(record.as_ref().unwrap(), index)).unwrap()).collect()
}

fn exposures(user: User<'_>, results: Results<'_>) -> Vec<Value> {
    events_at(Kind::Exposure, user, results, NOW)
}

fn assignment(user: User<'_>, results: Results<'_>) -> Value {
    let mut events = events_at(Kind::Assignment, user, results, NOW);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn insert_ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["insert_id"].as_str().unwrap()).collect()
}

fn flags(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_properties"]["[Experiment] Flag Key"].as_str().unwrap()).collect()
}

#[test]
fn the_hash_is_of_flag_and_canonical_string() {
    let mutex = json!({ "flagType": "mutual-exclusion-group" });
    let holdout = json!({ "flagType": "holdout-group" });
    let off = json!({ "key": "off", "metadata": { "default": true } });
    let untracked = json!({ "key": "x", "metadata": { "trackExposure": false } });
    let number =
        User { user_id: Id::Other { text: b"42", json: Some("42") }, device_id: Id::Null, groups: None };
    let objects = User {
        user_id: Id::Other { text: b"[object Object]", json: Some(r#"{"a":1}"#) },
        device_id: Id::Other { text: b"1,x", json: Some(r#"[1,"x"]"#) },
        groups: None,
    };
    let spaced = user("  user-1\t", "\u{A0}device-1\u{FEFF}");
    let nobody = User { user_id: Id::Missing, device_id: Id::Missing, groups: None };
    let all_on = |metadata: Value| json!({ "key": "on", "metadata": metadata });
    let rows: Vec<(User<'_>, Vec<(&str, Value)>, Vec<&str>)> = vec![
        (U, vec![("flag-1", on())], vec!["user-1 device-1 1338133142 19675"]),
        (only_user("user-1"), vec![("flag-1", on())], vec!["user-1 undefined 1415884880 19675"]),
        (
            User { user_id: Id::Missing, ..U },
            vec![("flag-1", on())],
            vec!["undefined device-1 -1217619609 19675"],
        ),
        (
            spaced,
            vec![(" flag-1 ", json!({ "key": " on " }))],
            vec!["  user-1\t \u{A0}device-1\u{FEFF} -1674447690 19675"],
        ),
        (U, vec![("b", on()), ("a", off), ("c", untracked)], vec!["user-1 device-1 1650641765 19675"]),
        (
            U,
            vec![
                ("mx", json!({ "key": "slot-1", "metadata": mutex })),
                ("hold", json!({ "key": "holdout", "metadata": holdout })),
            ],
            vec!["user-1 device-1 1098777745 19675", "user-1 device-1 -721467483 19675"],
        ),
        (U, vec![("flag-1", json!({ "value": "v-only" }))], vec!["user-1 device-1 1360933061 19675"]),
        (
            U,
            vec![("flag-1", json!({ "key": "", "value": "", "metadata": {} }))],
            vec!["user-1 device-1 1360933061 19675"],
        ),
        (
            U,
            vec![(
                "flag-1",
                all_on(json!({ "experimentKey": "exp-9", "trackExposure": null, "default": false })),
            )],
            vec!["user-1 device-1 1338133142 19675"],
        ),
        (number, vec![("flag-1", on())], vec!["42 null 935318943 19675"]),
        (only_user("u"), vec![("flag-1", on())], vec!["u undefined 2124921590 19675"]),
        (
            only_user("u"),
            ["b", "10", "a", "9", "B"]
                .into_iter()
                .zip(["1", "2", "3", "4", "5"])
                .map(|(flag, key)| (flag, json!({ "key": key })))
                .collect(),
            vec![
                "u undefined 1715372054 19675",
                "u undefined 1310640368 19675",
                "u undefined -1307783155 19675",
                "u undefined -1338802962 19675",
                "u undefined 1994550317 19675",
            ],
        ),
        (
            only_user("u"),
            vec![("～", json!({ "key": "k" })), ("😀", json!({ "key": "k" }))],
            vec!["u undefined 1974647542 19675", "u undefined 2050252049 19675"],
        ),
        (user("u\u{85}", "\u{200B}d"), vec![("f", on())], vec!["u\u{85} \u{200B}d 2439414 19675"]),
        (nobody, vec![("f", on())], vec!["undefined undefined -394663507 19675"]),
        (
            U,
            vec![("flag-1", json!({ "value": { "a": 1 } })), ("flag-2", json!({ "value": 0 }))],
            vec!["user-1 device-1 1360933061 19675", "user-1 device-1 363860708 19675"],
        ),
        (
            user("ユーザー", "d😀"),
            vec![("フラグ", json!({ "key": "オン" }))],
            vec!["ユーザー d😀 -619310310 19675"],
        ),
        (only_user("a b"), vec![("f", on())], vec!["a b undefined 1661155742 19675"]),
        (user("a", "b"), vec![("f", on())], vec!["a b -2100534736 19675"]),
        (
            U,
            vec![
                ("flag-1", all_on(json!({ "default": "false" }))),
                ("flag-2", all_on(json!({ "trackExposure": "false" }))),
                ("flag-3", all_on(json!({ "trackExposure": 0 }))),
            ],
            vec!["user-1 device-1 1188124058 19675"],
        ),
        (objects, vec![("f", on())], vec!["[object Object] 1,x -367620094 19675"]),
    ];
    for (user, results, expected) in rows {
        let events = exposures(user, &results);
        assert_eq!(insert_ids(&events), expected, "{results:?}");
    }
}

#[test]
fn the_day_is_that_of_the_evaluation_in_utc() {
    for (now, day) in [(1_700_006_399_999, "19675"), (1_700_006_400_000, "19676")] {
        let events = events_at(Kind::Exposure, U, &[("flag-1", on())], now);
        assert!(insert_ids(&events)[0].ends_with(day));
        assert_eq!(events[0]["time"], now);
    }
}

#[test]
fn an_exposure_has_its_members_in_upstreams_order() {
    let variant = json!({ "key": "treatment", "value": "v", "payload": 1, "metadata": { "experimentKey": "exp-1", "flagVersion": 7 } });
    let world = World::new(&[("flag-exp", variant)]);
    let user = User { groups: Some(r#"{"org":["acme"]}"#), ..U };
    let record = world.evaluation(user, NOW).record(Kind::Exposure).unwrap().unwrap();
    let mut json = Vec::new();
    record.push_event(
        0,
        0,
        r#","plan":{"branch":"main"},"ingestion_metadata":{"source_name":"ampli"}"#,
        &mut json,
    );
    assert_eq!(
        String::from_utf8(json).unwrap(),
        concat!(
            r#"{"time":1700000000000,"insert_id":"user-1 device-1 -986253229 19675","plan":{"branch":"main"},"#,
            r#""ingestion_metadata":{"source_name":"ampli"},"event_type":"[Experiment] Exposure","#,
            r#""user_id":"user-1","device_id":"device-1","event_properties":{"[Experiment] Flag Key":"flag-exp","#,
            r#""[Experiment] Variant":"treatment","[Experiment] Experiment Key":"exp-1","#,
            r#""metadata":{"experimentKey":"exp-1","flagVersion":7}},"user_properties":"#,
            r#"{"$set":{"[Experiment] flag-exp":"treatment"},"$unset":{}},"groups":{"org":["acme"]},"#,
            r#""event_id":0,"library":"amplitude-node-ts/1.5.73"}"#
        )
    );
}

#[test]
fn ids_keep_their_type_and_the_missing_are_left_out() {
    let number =
        User { user_id: Id::Other { text: b"42", json: Some("42") }, device_id: Id::Null, groups: None };
    let event = exposures(number, &[("f", on())]).remove(0);
    assert_eq!((&event["user_id"], event.get("device_id")), (&json!(42), Some(&Value::Null)));
    let function = User { user_id: Id::Other { text: b"() => 1", json: None }, ..only_user("") };
    let event = exposures(function, &[("f", on())]).remove(0);
    assert_eq!((event.get("user_id"), event.get("device_id")), (None, None));
}

#[test]
fn lone_surrogates_reach_the_wire_as_escapes() {
    let lone = Text::from_utf16(&[0x61, 0xD83D]);
    let user = User { user_id: Id::Text(lone.as_bytes()), ..only_user("") };
    let world = World::new(&[("f", on())]);
    let json = json_of(&world.evaluation(user, NOW).record(Kind::Exposure).unwrap().unwrap(), 0);
    assert!(json.contains(r#""insert_id":"a\ud83d undefined "#), "{json}");
    assert!(json.contains(r#""user_id":"a\ud83d""#), "{json}");
}

#[test]
fn exposure_properties_say_what_the_user_saw() {
    let seen = |variant: Value| {
        let event = exposures(U, &[("flag-1", variant)]).remove(0);
        (event["event_properties"].clone(), event["user_properties"].clone())
    };
    let key = "[Experiment] Flag Key";
    let set = |value: Value| json!({ "$set": { "[Experiment] flag-1": value }, "$unset": {} });
    let nothing = json!({ "$set": {}, "$unset": {} });
    assert_eq!(
        seen(json!({ "value": "v-only" })),
        (json!({ key: "flag-1", "[Experiment] Variant": "v-only" }), set(json!("v-only")))
    );
    assert_eq!(
        seen(json!({ "key": "", "value": "", "metadata": {} })),
        (json!({ key: "flag-1", "metadata": {} }), nothing.clone())
    );
    assert_eq!(
        seen(json!({ "value": { "a": 1 } })),
        (json!({ key: "flag-1", "[Experiment] Variant": { "a": 1 } }), set(json!({ "a": 1 })))
    );
    assert_eq!(seen(json!({ "value": 0 })), (json!({ key: "flag-1" }), nothing.clone()));
    let metadata = json!({ "flagType": "mutual-exclusion-group", "experimentKey": "e" });
    assert_eq!(
        seen(json!({ "key": "slot-1", "metadata": metadata })),
        (
            json!({ key: "flag-1", "[Experiment] Variant": "slot-1", "[Experiment] Experiment Key": "e", "metadata": metadata }),
            nothing
        )
    );
}

#[test]
fn keys_are_sent_as_they_are_and_in_property_order() {
    let events =
        exposures(user(" u ", "d"), &[("b", on()), (" flag-1 ", json!({ "key": " on " })), ("10", on())]);
    assert_eq!(flags(&events), ["10", "b", " flag-1 "]);
    assert_eq!(events[2]["user_properties"]["$set"]["[Experiment]  flag-1 "], " on ");
}

#[test]
fn groups_go_with_exposures_only() {
    let grouped = User { groups: Some(r#"{"org":["acme","b"],"team":[]}"#), ..only_user("u") };
    let event = exposures(grouped, &[("flag-1", on())]).remove(0);
    assert_eq!(event["groups"], json!({ "org": ["acme", "b"], "team": [] }));
    assert_eq!(assignment(grouped, &[("flag-1", on())]).get("groups"), None);
}

#[test]
fn an_assignment_tells_of_every_flag_with_a_key() {
    let metadata = |version: u32, segment: &str| json!({ "flagVersion": version, "segmentName": segment });
    let with = |mut metadata: Value, name: &str, value: Value| {
        metadata[name] = value;
        metadata
    };
    let event = assignment(
        U,
        &[
            ("flag-1", json!({ "key": "on", "metadata": metadata(7, "All Other Users") })),
            ("flag-2", json!({ "key": "off", "metadata": with(metadata(1, "Seg"), "default", json!(true)) })),
            (
                "mx",
                json!({ "key": "slot-1", "metadata": with(metadata(2, "s"), "flagType", json!("mutual-exclusion-group")) }),
            ),
            ("nk", json!({ "value": "x" })),
            ("ts", json!({ "key": "on", "metadata": { "trackExposure": false } })),
        ],
    );
    assert_eq!(event["event_type"], "[Experiment] Assignment");
    assert_eq!(event["insert_id"], "user-1 device-1 1045684227 19675");
    assert_eq!(
        event["event_properties"],
        json!({
            "flag-1.variant": "on", "flag-1.details": "v7 rule:All Other Users",
            "flag-2.variant": "off", "flag-2.details": "v1 rule:Seg",
            "mx.variant": "slot-1", "mx.details": "v2 rule:s",
            "ts.variant": "on",
        })
    );
    assert_eq!(
        event["user_properties"],
        json!({
            "$set": { "[Experiment] flag-1": "on", "[Experiment] ts": "on" },
            "$unset": { "[Experiment] flag-2": "-" },
        })
    );
}

#[test]
fn an_assignment_without_keys_is_sent_empty() {
    let event = assignment(only_user("u"), &[("f", json!({ "value": "only" }))]);
    assert_eq!(event["insert_id"], "u undefined 113461 19675");
    assert_eq!(event["event_properties"], json!({}));
    assert_eq!(event["user_properties"], json!({ "$set": {}, "$unset": {} }));
}

#[test]
fn version_nought_makes_no_details() {
    let variant = json!({ "key": "on", "metadata": { "flagVersion": 0, "segmentName": "S" } });
    let event = assignment(only_user(" u "), &[("f", variant)]);
    assert_eq!(event["insert_id"], " u  undefined 1392088402 19675");
    assert_eq!(event["event_properties"], json!({ "f.variant": "on" }));
}

#[test]
fn details_print_odd_metadata_as_javascript_does() {
    let variant = json!({ "key": "x", "metadata": { "flagVersion": [1, null, { "a": 2 }], "segmentName": { "x": 1 } } });
    let event = assignment(U, &[("10", variant)]);
    assert_eq!(event["event_properties"]["10.details"], "v1,,[object Object] rule:[object Object]");
}

#[test]
fn what_is_equal_is_tracked_once() {
    let on_with = |metadata: Value| json!({ "key": "on", "metadata": metadata });
    let one = |text, json| User {
        user_id: Id::Other { text, json: Some(json) },
        device_id: Id::Missing,
        groups: None,
    };
    let equal: Vec<[(User<'_>, Vec<(&str, Value)>); 2]> = vec![
        [(only_user("a"), vec![("f", on())]), (only_user(" a "), vec![("f", on())])],
        [(one(b"1", "1"), vec![("f", on())]), (only_user("1"), vec![("f", on())])],
        [(U, vec![("f", on()), ("g", on())]), (U, vec![("g", on()), ("f", on())])],
        [(U, vec![("f", on())]), (U, vec![("f", on_with(json!({ "x": 1 })))])],
        [(U, vec![("f", json!({ "value": 1 }))]), (U, vec![("g", json!({ "value": 2 }))])],
        [(user("a", "b c"), vec![("f", on())]), (user("a b", "c"), vec![("f", on())])],
    ];
    for [first, second] in equal {
        assert_eq!(key(&first), key(&second), "{:?}", second.1);
    }
    let (first, second) = ((U, vec![("f", on())]), (U, vec![("f", on()), ("g", on())]));
    assert_ne!(key(&first), key(&second));
}

fn key((user, results): &(User<'_>, Vec<(&str, Value)>)) -> u128 {
    World::new(results).evaluation(*user, NOW).key().unwrap()
}

#[test]
fn a_flag_is_exposed_again_with_every_other_set_of_flags() {
    let sets: [&[&str]; 4] = [&["a"], &["a", "b"], &["a", "b", "c"], &["b", "c"]];
    let mut dedupe = Dedupe::new(65_536);
    let mut sent = 0;
    for flags in sets.iter().chain(&sets) {
        let results: Vec<_> = flags.iter().map(|&flag| (flag, on())).collect();
        if dedupe.is_new(key(&(U, results.clone())), NOW) {
            sent += exposures(U, &results).len();
        }
    }
    assert_eq!(sent, 8);
}

#[test]
fn nothing_is_tracked_of_nothing() {
    let mut world = World::new(&[("f", on())]);
    world.codes = vec![0];
    assert_eq!(world.evaluation(U, NOW).key(), None);
}

#[test]
fn a_result_of_defaults_is_remembered_and_sends_no_exposure() {
    let world = World::new(&[("f", json!({ "key": "off", "metadata": { "default": true } }))]);
    assert!(world.evaluation(U, NOW).key().is_some());
    assert!(world.evaluation(U, NOW).record(Kind::Exposure).unwrap().is_none());
}
