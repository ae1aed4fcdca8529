//! Text and list forms of values, and what each operator says of them. (Contract: evaluation 5 and 6.)

use std::cmp::Ordering;

use crate::js::{JsString, Value, js, number_to_string, string_to_number, to_lower_case};
use crate::json;

/// A condition holds, does not hold, or has a pattern that is no regular expression: then the flag has no variant.
pub type Verdict = Result<bool, InvalidPattern>;

#[derive(Debug, PartialEq)]
pub struct InvalidPattern;

/// The text form of a value.
pub fn text(value: &Value) -> Option<JsString> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(js(&value.to_string())),
        Value::Number(number) => Some(js(&number_to_string(*number))),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => Some(json::stringify(value)),
    }
}

/// The list form of a value, if it has one.
pub fn list(value: &Value) -> Option<Vec<JsString>> {
    match value {
        Value::Array(items) => Some(items.iter().filter_map(text).filter(|text| !text.is_empty()).collect()),
        Value::String(text) if text.first() == Some(&u16::from(b'[')) => {
            json::parse(text).filter(|value| matches!(value, Value::Array(_))).as_ref().and_then(list)
        }
        _ => None,
    }
}

/// Whether a value (`None` or null: missing) satisfies an operator. The filter values are strings.
pub fn matches(op: &str, value: Option<&Value>, filters: &[JsString]) -> Verdict {
    let Some(value) = value.filter(|value| **value != Value::Null) else {
        return Ok(missing_matches(op, filters));
    };
    let list = list(value);
    if op.starts_with("set ") {
        return Ok(list.is_some_and(|list| list_matches(op, &list, filters)));
    }
    match list {
        Some(list) => {
            for item in list {
                if text_matches(op, &item, filters)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        None => text(value).map_or(Ok(false), |text| text_matches(op, &text, filters)),
    }
}

fn missing_matches(op: &str, filters: &[JsString]) -> bool {
    let names_none = filters.contains(&js("(none)"));
    match op {
        "is" | "contains" | "set is" | "set contains" | "set contains any" => names_none,
        "less" | "less or equal" | "greater" | "greater or equal" => names_none,
        "version less" | "version less or equal" | "version greater" | "version greater or equal" => {
            names_none
        }
        "is not" | "does not contain" | "set does not contain" | "set does not contain any" => !names_none,
        _ => false,
    }
}

fn list_matches(op: &str, list: &[JsString], filters: &[JsString]) -> bool {
    let is_set =
        list.iter().all(|item| filters.contains(item)) && filters.iter().all(|filter| list.contains(filter));
    let contains_all = list.len() >= filters.len() && filters.iter().all(|filter| equals_any(filter, list));
    let contains_any = filters.iter().any(|filter| equals_any(filter, list));
    match op {
        "set is" => is_set,
        "set is not" => !is_set,
        "set contains" => contains_all,
        "set does not contain" => !contains_all,
        "set contains any" => contains_any,
        "set does not contain any" => !contains_any,
        _ => false,
    }
}

fn text_matches(op: &str, text: &[u16], filters: &[JsString]) -> Verdict {
    Ok(match op {
        "is" => equals_any(text, filters),
        "is not" => !equals_any(text, filters),
        "contains" => filters.iter().any(|filter| contains(text, filter)),
        "does not contain" => !filters.iter().any(|filter| contains(text, filter)),
        "less" => compares(text, filters, Ordering::is_lt),
        "less or equal" => compares(text, filters, Ordering::is_le),
        "greater" => compares(text, filters, Ordering::is_gt),
        "greater or equal" => compares(text, filters, Ordering::is_ge),
        "version less" => versions_compare(text, filters, Ordering::is_lt),
        "version less or equal" => versions_compare(text, filters, Ordering::is_le),
        "version greater" => versions_compare(text, filters, Ordering::is_gt),
        "version greater or equal" => versions_compare(text, filters, Ordering::is_ge),
        "regex match" => regex_matches(text, filters)?,
        "regex does not match" => !regex_matches(text, filters)?,
        _ => false,
    })
}

fn equals_any(text: &[u16], filters: &[JsString]) -> bool {
    let boolean =
        |text: &[u16]| [js("true"), js("false")].into_iter().find(|word| *word == to_lower_case(text));
    if boolean(text).is_some() && filters.iter().any(|filter| boolean(filter).is_some()) {
        return filters.iter().any(|filter| boolean(filter) == boolean(text));
    }
    filters.iter().any(|filter| filter == text)
}

fn contains(text: &[u16], filter: &[u16]) -> bool {
    let (text, filter) = (to_lower_case(text), to_lower_case(filter));
    filter.is_empty() || text.windows(filter.len()).any(|window| window == filter)
}

fn compares(text: &[u16], filters: &[JsString], holds: fn(Ordering) -> bool) -> bool {
    let number = string_to_number(text);
    filters.iter().any(|filter| number.partial_cmp(&string_to_number(filter)).is_some_and(holds))
}

fn versions_compare(text: &[u16], filters: &[JsString], holds: fn(Ordering) -> bool) -> bool {
    let versions: Vec<Version> = filters.iter().filter_map(|filter| version(filter)).collect();
    match version(text) {
        Some(version) if !versions.is_empty() => {
            versions.iter().any(|filter| holds(compare_versions(&version, filter)))
        }
        _ => filters.iter().any(|filter| holds(text.cmp(filter.as_slice()))),
    }
}

/// Major, minor, patch, and what stands behind the patch, its dash included.
type Version = ([f64; 3], Option<JsString>);

fn version(text: &[u16]) -> Option<Version> {
    let text = String::from_utf16(text).ok()?;
    let (numbers, suffix) = match text.find('-') {
        Some(dash) => (&text[..dash], Some(&text[dash..])),
        None => (text.as_str(), None),
    };
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    if !parts.iter().all(is_number) || !(2..=3).contains(&parts.len()) {
        return None;
    }
    if let Some(suffix) = suffix {
        if parts.len() != 3 || !is_suffix(&suffix[1..]) {
            return None;
        }
    }
    let number = |index: usize| parts.get(index).map_or(0.0, |part| part.parse().unwrap());
    Some(([number(0), number(1), number(2)], suffix.map(js)))
}

fn is_suffix(suffix: &str) -> bool {
    let is_run = |run: &str| {
        !run.is_empty() && run.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    suffix.is_empty() || suffix.strip_suffix('.').unwrap_or(suffix).split('.').all(is_run)
}

fn compare_versions((numbers, suffix): &Version, (others, other): &Version) -> Ordering {
    numbers.partial_cmp(others).unwrap().then_with(|| match (suffix, other) {
        (Some(suffix), Some(other)) => suffix.cmp(other),
        (None, None) => Ordering::Equal,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    })
}

fn regex_matches(text: &[u16], patterns: &[JsString]) -> Verdict {
    for pattern in patterns {
        let pattern = String::from_utf16(pattern).map_err(|_| InvalidPattern)?;
        let regex = regress::Regex::new(&pattern).map_err(|_| InvalidPattern)?;
        if regex.find_from_ucs2(text, 0).next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
