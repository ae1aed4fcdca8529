//! The engine without JavaScript: the worked examples as far as JSON can say them, and properties that hold for
//! whatever flags and users come.

// A test helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use experiment_node_server::cohort::{Cohort, Members};
use experiment_node_server::ecma::Text;
use experiment_node_server::evaluation::{CohortSource, Scratch, SlotBuffer, Slots, evaluate};
use experiment_node_server::plan::Slot;
use experiment_node_server::snapshot::{Update, World};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A user given as JSON.
struct JsonUser<'a> {
    context: &'a Value,
    slots: &'a [Slot],
}

impl Slots for JsonUser<'_> {
    fn read(&mut self, slot: u32, into: &mut SlotBuffer) {
        let value = match &self.slots[slot as usize] {
            Slot::Value { path, .. } => {
                path.iter().try_fold(self.context, |value, name| value.get(name.as_str()?))
            }
            Slot::Identity(None) => self.context.pointer("/user/user_id"),
            Slot::Identity(Some(group)) => self.context.pointer(&format!("/groups/{group}/group_name")),
        };
        match value {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                into.bytes().extend_from_slice(text.as_bytes());
                into.set_string();
            }
            Some(Value::Array(items)) => {
                for item in items.iter().filter(|item| !item.is_null()) {
                    into.bytes().extend_from_slice(text(item).as_bytes());
                    into.push_item();
                }
                into.bytes().extend_from_slice(value.unwrap().to_string().as_bytes());
                into.set_list();
            }
            Some(value) => {
                into.bytes().extend_from_slice(text(value).as_bytes());
                into.set_text();
            }
        }
    }
}

/// A user with some value in every slot.
struct OtherUser {
    turn: u32,
}

impl Slots for OtherUser {
    fn read(&mut self, slot: u32, into: &mut SlotBuffer) {
        match (slot + self.turn) % 4 {
            0 => {
                into.bytes().extend_from_slice(b"another user's value, longer than most");
                into.set_string();
            }
            1 => {
                for item in ["1.2.3", "x", "true"] {
                    into.bytes().extend_from_slice(item.as_bytes());
                    into.push_item();
                }
                into.set_list();
            }
            2 => {
                into.bytes().extend_from_slice(b"[\"x\",\"y\",1]");
                into.set_string();
            }
            _ => into.set_present(),
        }
    }
}

/// JavaScript's text of a JSON value; numbers as ECMAScript prints them.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => ryu_js::Buffer::new().format(number.as_f64().unwrap()).to_owned(),
        value => value.to_string(),
    }
}

/// The codes that come out, and for each whether it is one of the plan's.
fn codes(flags: &Value, context: &Value, world: &World) -> Vec<(Text, u32)> {
    world.replace_flags(Update::from_map(flags.to_string().into()).unwrap());
    let snapshot = world.load();
    let plan = &snapshot.plan;
    let selection = plan.select(None);
    let run = |slots: &mut dyn Slots, scratch: &mut Scratch| {
        let mut codes = vec![u32::MAX; selection.flags.len()];
        evaluate(plan, &snapshot.cohorts, &selection, CohortSource::Stored, slots, scratch, &mut codes);
        codes
    };
    let mut user = JsonUser { context, slots: plan.slots() };
    let codes = run(&mut user, &mut Scratch::default());
    // What other users leave in the working memory does not count.
    let mut scratch = Scratch::default();
    for turn in 0..4 {
        run(&mut OtherUser { turn }, &mut scratch);
        assert_eq!(run(&mut user, &mut scratch), codes);
    }
    assert!(codes.iter().all(|&code| (code as usize) < plan.outcomes().len().max(1)));
    selection.flags.iter().map(|&flag| plan.flags()[flag as usize].key.clone()).zip(codes).collect()
}

fn one_condition(op: &Value, values: &Value, selector: &Value) -> Value {
    json!({"f": {
        "key": "f",
        "variants": {"on": {"key": "on"}},
        "segments": [{"variant": "on", "conditions": [[{"selector": selector, "op": op, "values": values}]]}],
    }})
}

#[test]
fn the_worked_examples_hold() {
    let examples: Vec<Value> = serde_json::from_str(include_str!("../worked-examples.json")).unwrap();
    let selector = json!(["context", "user", "user_properties", "p"]);
    let mut run = 0;
    for example in &examples {
        // Values that only JavaScript has (Dates, BigInts, …) are read by the JavaScript face, and tested there.
        let Some(property) = example.get("property") else { continue };
        let context = json!({"user": {"user_properties": {"p": property}}});
        let flags = one_condition(&example["op"], &example["values"], &selector);
        let matched = codes(&flags, &context, &World::new())[0].1 != 0;
        assert_eq!(matched, example["result"] == true, "{example}");
        run += 1;
    }
    assert_eq!((examples.len(), run), (114, 105));
}

#[test]
fn cohorts_are_looked_up_for_who_has_an_identity() {
    let world = World::new();
    let members: Members = ["u1", "u2"].into_iter().collect();
    world.put_cohort(Arc::new(Cohort::new(Text::from("c1"), Text::from("User"), members)));
    let flags =
        one_condition(&json!("set contains any"), &json!(["c1"]), &json!(["context", "user", "cohort_ids"]));
    let is_on = |user: Value| codes(&flags, &json!({ "user": user }), &world)[0].1 != 0;
    assert!(is_on(json!({"user_id": "u1"})));
    assert!(!is_on(json!({"user_id": "u3"})));
    // What is looked up replaces what the caller says; without an identity the caller's word counts.
    assert!(!is_on(json!({"user_id": "u3", "cohort_ids": ["c1"]})));
    assert!(is_on(json!({"cohort_ids": ["c1"]})));
}

/// Any JSON, of a size that a test can bear.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[a-z(\\[\\\\0-9.]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            Just("key"),
            Just("variants"),
            Just("segments"),
            Just("conditions"),
            Just("selector"),
            Just("op"),
            Just("values"),
            Just("bucket"),
            Just("allocations"),
            Just("range"),
            Just("distributions"),
            Just("variant"),
            Just("dependencies"),
            Just("metadata"),
            Just("on"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|entries| {
                Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// A mutation somewhere in a sound flag never panics, and never costs another flag.
    #[test]
    fn a_broken_flag_costs_itself_alone(junk in any_json(), place in 0usize..9, user in any_json()) {
        let mut broken = json!({
            "key": "broken",
            "variants": {"on": {"key": "on"}},
            "dependencies": [],
            "segments": [{
                "variant": "on",
                "conditions": [[{"selector": ["context", "user", "op"], "op": "is", "values": ["x"]}]],
                "bucket": {"selector": ["context", "user", "key"], "salt": "s", "allocations": [
                    {"range": [0, 100], "distributions": [{"variant": "on", "range": [0, 42949673]}]},
                ]},
            }],
        });
        let pointer = [
            "/key", "/variants", "/segments", "/segments/0", "/segments/0/conditions",
            "/segments/0/conditions/0/0", "/segments/0/bucket", "/segments/0/bucket/allocations/0", "/dependencies",
        ][place];
        *broken.pointer_mut(pointer).unwrap() = junk;
        let flags = json!({
            "broken": broken,
            "sound": {"key": "sound", "variants": {"on": {}}, "segments": [{"variant": "on"}]},
        });
        let codes = codes(&flags, &json!({ "user": user }), &World::new());
        let sound = codes.iter().find(|(key, _)| key.as_str() == Some("sound")).unwrap();
        prop_assert!(sound.1 != 0);
    }

    #[test]
    fn whatever_text_is_no_flags_is_refused_without_a_panic(text in ".{0,40}") {
        let _ = Update::from_array(text.clone().into());
        let _ = Update::from_map(text.into());
    }
}
