//! Flags, segments, buckets, cohorts. (Contract: evaluation 2, 3, 4, 7 and 8.)

use crate::js::{JsString, Value, js, to_wtf8};
use crate::operators::{self, Verdict};

/// A stored cohort.
#[derive(Clone, Debug)]
pub struct Cohort {
    pub id: JsString,
    pub group_type: JsString,
    pub members: Vec<JsString>,
}

/// The variants that come out, by flag key. `flags` is a map of flags, `keys` the flags asked for (none: all).
pub fn evaluate(flags: &Value, context: &Value, cohorts: &[Cohort], keys: &[JsString]) -> Value {
    let context = enriched(flags, context, cohorts);
    let flags = without_cycles(flags);
    let mut results = Value::Object(Vec::new());
    for flag in in_order(&flags, keys) {
        let target = Value::Object(vec![(js("context"), context.clone()), (js("result"), results.clone())]);
        if let Ok(Some(variant)) = variant(&flag, &target) {
            results.set(flag.get(&js("key")).unwrap().as_string().unwrap(), variant);
        }
    }
    results
}

fn dependencies(flag: &Value) -> Vec<JsString> {
    flag.truthy("dependencies").iter().flat_map(Value::items).filter_map(Value::as_string).collect()
}

/// Without the flags that depend on themselves.
fn without_cycles(flags: &Value) -> Value {
    let reaches_itself = |key: &JsString| {
        let mut seen: Vec<JsString> = Vec::new();
        let mut next = dependencies(&flags.get(key).unwrap());
        while let Some(other) = next.pop() {
            if other == *key {
                return true;
            }
            if let (false, Some(flag)) = (seen.contains(&other), flags.get(&other)) {
                next.extend(dependencies(&flag));
                seen.push(other);
            }
        }
        false
    };
    Value::Object(flags.properties().iter().filter(|(key, _)| !reaches_itself(key)).cloned().collect())
}

/// The flags asked for with all they depend on, which come first.
fn in_order(flags: &Value, keys: &[JsString]) -> Vec<Value> {
    let all: Vec<JsString> = flags.properties().iter().map(|(key, _)| key.clone()).collect();
    let mut available = flags.clone();
    let mut ordered = Vec::new();
    for key in if keys.is_empty() { &all } else { keys } {
        visit(key, &mut available, &mut ordered);
    }
    ordered
}

fn visit(key: &JsString, available: &mut Value, ordered: &mut Vec<Value>) {
    let Some(flag) = available.get(key) else { return };
    for parent in dependencies(&flag) {
        visit(&parent, available, ordered);
    }
    let Value::Object(properties) = available else { return };
    let own = flag.get(&js("key")).unwrap().as_string().unwrap();
    // Upstream takes away the own key alone, so that a flag held under another one comes again by every way that
    // leads to it: on purpose it comes once here and in the engine.
    properties.retain(|(held_under, _)| *held_under != own && held_under != key);
    ordered.push(flag);
}

/// The variant of a flag with its metadata merged.
fn variant(flag: &Value, target: &Value) -> Result<Option<Value>, operators::InvalidPattern> {
    for segment in flag.get(&js("segments")).unwrap().items() {
        if !segment_matches(segment, target)? {
            continue;
        }
        let Some(key) = bucket(segment, target) else { continue };
        let Some(mut variant) = flag.get(&js("variants")).unwrap().get(&key).filter(Value::is_truthy) else {
            continue;
        };
        let mut metadata = Value::Object(Vec::new());
        for layer in [flag, segment, &variant] {
            for (name, value) in layer.get(&js("metadata")).iter().flat_map(Value::properties) {
                metadata.set(name.clone(), value.clone());
            }
        }
        variant.set(js("metadata"), metadata);
        return Ok(Some(variant));
    }
    Ok(None)
}

fn segment_matches(segment: &Value, target: &Value) -> Verdict {
    let Some(conditions) = segment.truthy("conditions") else { return Ok(true) };
    'any: for all in conditions.items() {
        for condition in all.items() {
            if !condition_matches(condition, target)? {
                continue 'any;
            }
        }
        return Ok(true);
    }
    Ok(false)
}

fn condition_matches(condition: &Value, target: &Value) -> Verdict {
    let op = condition.get(&js("op")).and_then(|op| op.as_string()).unwrap_or_default();
    let values = condition.get(&js("values")).unwrap();
    let values: Vec<JsString> = values.items().iter().filter_map(Value::as_string).collect();
    let value = select(condition.get(&js("selector")), target);
    operators::matches(&String::from_utf16(&op).unwrap_or_default(), value.as_ref(), &values)
}

fn select(selector: Option<Value>, target: &Value) -> Option<Value> {
    let selector = selector.filter(Value::is_truthy)?;
    if selector.items().is_empty() {
        return None;
    }
    selector
        .items()
        .iter()
        .try_fold(target.clone(), |value, name| value.get(&name.as_string().filter(|n| !n.is_empty())?))
}

/// The key of the variant that a segment gives.
fn bucket(segment: &Value, target: &Value) -> Option<JsString> {
    let default = segment.get(&js("variant")).and_then(|variant| property_key(&variant));
    let Some(bucket) = segment.truthy("bucket") else { return default };
    let value = select(bucket.get(&js("selector")), target).as_ref().and_then(operators::text);
    let Some(value) = value.filter(|value| !value.is_empty()) else { return default };
    let salt = bucket.get(&js("salt")).and_then(|salt| salt.as_string()).unwrap_or(js("undefined"));
    let hash = murmur3(&to_wtf8(&[salt, js("/"), value].concat()));
    for allocation in bucket.get(&js("allocations")).unwrap().items() {
        if !in_range(allocation, hash % 100) {
            continue;
        }
        for distribution in allocation.get(&js("distributions")).unwrap().items() {
            if in_range(distribution, hash / 100) {
                return distribution.get(&js("variant")).and_then(|variant| property_key(&variant));
            }
        }
    }
    default
}

/// `null` is the key `"null"`.
fn property_key(value: &Value) -> Option<JsString> {
    Some(operators::text(value).unwrap_or(js("null")))
}

fn in_range(holder: &Value, number: u32) -> bool {
    match holder.get(&js("range")).unwrap().items() {
        [Value::Number(start), Value::Number(end)] => *start <= f64::from(number) && f64::from(number) < *end,
        _ => panic!("a range has two ends"),
    }
}

/// MurmurHash3, x86, 32 bits, seed 0.
pub fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let little_endian = |bytes: &[u8]| bytes.iter().rev().fold(0, |k, &byte| k << 8 | u32::from(byte));
    let mut h = 0;
    for chunk in bytes.chunks(4) {
        h ^= mix(little_endian(chunk));
        if chunk.len() == 4 {
            h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        }
    }
    h ^= bytes.len() as u32;
    h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
    h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
    h ^ h >> 16
}

/// The context with the cohorts of the user and its groups looked up, for those who have an identity.
pub fn enriched(flags: &Value, context: &Value, cohorts: &[Cohort]) -> Value {
    let named = cohorts_named(flags);
    let ids_of = |group_type: &JsString, member: &JsString| -> Option<Vec<Value>> {
        let (_, ids) = named.iter().find(|(name, ids)| name == group_type && !ids.is_empty())?;
        let is_in = |id: &&JsString| {
            let cohort = cohorts.iter().find(|cohort| cohort.id == **id);
            cohort.is_some_and(|cohort| cohort.group_type == *group_type && cohort.members.contains(member))
        };
        Some(ids.iter().filter(is_in).cloned().map(Value::String).collect())
    };
    let mut context = context.clone();
    if let Some(mut user) = context.get(&js("user")) {
        if let Some(Value::String(id)) = user.truthy("user_id") {
            if let Some(ids) = ids_of(&js("User"), &id) {
                user.set(js("cohort_ids"), Value::Array(ids));
                context.set(js("user"), user);
            }
        }
    }
    if let Some(mut groups) = context.get(&js("groups")) {
        for (group_type, mut group) in groups.properties().to_vec() {
            let Some(Value::String(name)) = group.get(&js("group_name")) else { continue };
            match ids_of(&group_type, &name) {
                None => continue,
                Some(ids) if ids.is_empty() => group.remove("cohort_ids"),
                Some(ids) => group.set(js("cohort_ids"), Value::Array(ids)),
            }
            groups.set(group_type, group);
        }
        context.set(js("groups"), groups);
    }
    context
}

/// By group type, in order of appearance: the cohorts that conditions name.
fn cohorts_named(flags: &Value) -> Vec<(JsString, Vec<JsString>)> {
    let mut named: Vec<(JsString, Vec<JsString>)> = Vec::new();
    for (_, flag) in flags.properties() {
        for segment in flag.get(&js("segments")).unwrap().items() {
            let conditions = segment.truthy("conditions");
            for condition in conditions.iter().flat_map(Value::items).flat_map(Value::items) {
                let Some(group_type) = cohort_group(condition) else { continue };
                if !named.iter().any(|(name, _)| *name == group_type) {
                    named.push((group_type.clone(), Vec::new()));
                }
                let (_, ids) = named.iter_mut().find(|(name, _)| *name == group_type).unwrap();
                for id in condition.get(&js("values")).unwrap().items().iter().filter_map(Value::as_string) {
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
            }
        }
    }
    named
}

fn cohort_group(condition: &Value) -> Option<JsString> {
    let op = condition.get(&js("op"))?.as_string()?;
    if op != js("set contains any") && op != js("set does not contain any") {
        return None;
    }
    let selector = condition.get(&js("selector"))?;
    let selector = selector.items();
    if selector.len() <= 2 || *selector.last()? != Value::from("cohort_ids") {
        return None;
    }
    if selector[1] == Value::from("user") {
        return Some(js("User"));
    }
    selector.contains(&Value::from("groups")).then(|| selector[2].as_string())?
}
