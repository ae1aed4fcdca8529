//! The engine and the naive evaluator, asked the same.

use std::sync::Arc;

use experiment_node_server::cohort::{Cohort as StoredCohort, Members};
use experiment_node_server::ecma::Text;
use experiment_node_server::evaluation::{CohortSource, Scratch, SlotBuffer, Slots, evaluate as run};
use experiment_node_server::plan::Slot;
use experiment_node_server::snapshot::{Update, World};

use crate::cases::Case;
use crate::evaluate::{Cohort, enriched, evaluate};
use crate::js::{JsString, Value, js, to_wtf8};
use crate::{json, operators};

/// Asks both.
///
/// # Panics
/// If they do not agree, with the case as JSON.
pub fn check(case: &Case) {
    let expected = evaluate(&case.flags, &case.context, &case.cohorts, &case.keys);
    let actual = answer(case);
    let [expected, actual] = [expected, actual].map(|value| json::stringify_utf8(&value));
    assert!(expected == actual, "naive:  {expected}\nengine: {actual}\n{}", describe(case));
}

fn describe(Case { flags, context, cohorts, keys }: &Case) -> String {
    let [flags, context] = [flags, context].map(json::stringify_utf8);
    let keys = json::stringify_utf8(&Value::Array(keys.iter().cloned().map(Value::String).collect()));
    format!("flags: {flags}\ncontext: {context}\nkeys: {keys}\ncohorts: {cohorts:?}")
}

fn text(string: &[u16]) -> Text {
    Text::from_utf16(string)
}

/// The variants that the engine gives.
fn answer(case: &Case) -> Value {
    let world = World::new();
    let update = Update::from_map(json::stringify_utf8(&case.flags).into()).expect("flags are a map");
    world.replace_flags(update);
    for Cohort { id, group_type, members } in &case.cohorts {
        let bytes: Vec<Vec<u8>> = members.iter().map(|member| to_wtf8(member)).collect();
        let members: Members = bytes.iter().collect();
        world.put_cohort(Arc::new(StoredCohort::new(text(id), text(group_type), members)));
    }
    let snapshot = world.load();
    let plan = &snapshot.plan;
    let keys: Vec<Text> = case.keys.iter().map(|key| text(key)).collect();
    let selection = plan.select((!keys.is_empty()).then_some(&keys));
    // As the JavaScript face does: where cohort ids are read as part of something larger, it looks them up itself.
    let (source, context) = if selection.reads_enriched_user {
        (CohortSource::Caller, enriched(&case.flags, &case.context, &case.cohorts))
    } else {
        (CohortSource::Stored, case.context.clone())
    };
    let mut codes = vec![u32::MAX; selection.flags.len()];
    let mut scratch = Scratch::default();
    let mut first = Vec::new();
    for _ in 0..2 {
        let mut user = User { context: &context, slots: plan.slots() };
        run(plan, &snapshot.cohorts, &selection, source, &mut user, &mut scratch, &mut codes);
        if first.is_empty() {
            first.clone_from(&codes);
        }
        assert_eq!(first, codes, "what an evaluation leaves behind changes the next one");
    }
    let mut answer = Value::Object(Vec::new());
    for (&flag, &code) in selection.flags.iter().zip(&codes) {
        if code != 0 {
            let variant = std::str::from_utf8(&plan.outcomes()[code as usize].json).expect("JSON is UTF-8");
            let variant = json::parse(&js(variant)).expect("an outcome is JSON");
            answer.set(plan.flags()[flag as usize].key.to_utf16(), variant);
        }
    }
    answer
}

struct User<'a> {
    context: &'a Value,
    slots: &'a [Slot],
}

impl Slots for User<'_> {
    fn read(&mut self, slot: u32, into: &mut SlotBuffer) {
        let Some(value) = self.value(&self.slots[slot as usize]).filter(|value| *value != Value::Null) else {
            return;
        };
        let own = operators::text(&value).unwrap_or_default();
        match &value {
            Value::Array(items) => {
                for item in items.iter().filter_map(operators::text) {
                    into.bytes().extend(to_wtf8(&item));
                    into.push_item();
                }
                into.bytes().extend(to_wtf8(&own));
                into.set_list();
            }
            Value::String(_) => {
                into.bytes().extend(to_wtf8(&own));
                into.set_string();
            }
            _ => {
                into.bytes().extend(to_wtf8(&own));
                into.set_text();
            }
        }
    }
}

impl User<'_> {
    fn value(&self, slot: &Slot) -> Option<Value> {
        let at =
            |path: &[JsString]| path.iter().try_fold(self.context.clone(), |value, name| value.get(name));
        match slot {
            Slot::Value { path, .. } => at(&path.iter().map(Text::to_utf16).collect::<Vec<_>>()),
            Slot::Identity(None) => at(&[js("user"), js("user_id")]).filter(Value::is_truthy),
            Slot::Identity(Some(group_type)) => at(&[js("groups"), group_type.to_utf16(), js("group_name")]),
        }
    }
}
