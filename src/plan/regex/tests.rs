use super::*;
use serde::Deserialize;

/// What V8 says: made by `__test__/rust/regex_cases.mjs`.
const CASES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/__test__/rust/regex_cases.json"));

/// A pattern, haystacks it matches, haystacks it does not; the pattern alone where it is invalid.
#[derive(Deserialize)]
struct Case(Text, #[serde(default)] Option<Vec<Text>>, #[serde(default)] Vec<Text>);

/// The answers of the tiers, each asked on its own where it has one.
fn answers(pattern: &Pattern, haystack: &[u8]) -> Vec<MatchOutcome> {
    let linear = pattern.linear.as_ref().and_then(|linear| linear.is_match(haystack));
    let linear = linear.map(|matched| if matched { MatchOutcome::Match } else { MatchOutcome::NoMatch });
    linear.into_iter().chain(pattern.program.as_ref().map(|program| program.run(haystack).outcome)).collect()
}

#[test]
fn v8_agrees() {
    let cases = match std::env::var("REGEX_CASES") { Ok(p) => std::fs::read_to_string(p).unwrap(), Err(_) => CASES.to_string() };
    let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
    let mut bad = 0;
    let mut n = [0; 4];
    for Case(pattern, matching, others) in &cases {
        let compiled = Pattern::compile(pattern);
        if compiled.is_ok() != matching.is_some() {
            bad += 1;
            println!("validity {pattern:?} {:?}", compiled.err());
            continue;
        }
        let Ok(compiled) = compiled else { continue };
        for (inputs, want) in [(matching.as_ref().unwrap(), MatchOutcome::Match), (others, MatchOutcome::NoMatch)] {
            for input in inputs {
                let got = answers(&compiled, input.as_bytes());
                n[got.len()] += 1;
                for got in got {
                    if got != want {
                        bad += 1;
                        println!("{pattern:?} {input:?} want {want:?} {:?}", answers(&compiled, input.as_bytes()));
                    }
                }
            }
        }
    }
    println!("{n:?}");
    assert_eq!(bad, 0);
}
