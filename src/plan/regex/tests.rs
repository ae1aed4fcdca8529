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
    let cases = match std::env::var("REGEX_CASES") {
        Ok(p) => std::fs::read_to_string(p).unwrap(),
        Err(_) => CASES.to_string(),
    };
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
        for (inputs, want) in
            [(matching.as_ref().unwrap(), MatchOutcome::Match), (others, MatchOutcome::NoMatch)]
        {
            for input in inputs {
                let got = answers(&compiled, input.as_bytes());
                n[got.len()] += 1;
                for got in got {
                    if got != want {
                        bad += 1;
                        println!(
                            "{pattern:?} {input:?} want {want:?} {:?}",
                            answers(&compiled, input.as_bytes())
                        );
                    }
                }
            }
        }
    }
    println!("{n:?}");
    assert_eq!(bad, 0);
}
#[test]
fn tmp_one() {
    for p in [
        "(a{1,})?(((?=a{1,}ab)(?=.aa)(?<!\\k<b>\u{feff}{0}ba)|(b{0}.{0,2}|[^\0-\u{7f}\\u{2}\\ud83d\\ude00]b*){2,}?(\\1){2,}?){1,}(?:b(c|a.*\\377)){2,3}?){2,}?\u{1f}b*|",
        "(a+)?((.{0,2}){2,}?(\\1){2,}?){1,}c|",
        "(a+)?(.{0,2}){2,}?c|",
    ] {
        for n in 1..8 {
            let p = Pattern::compile(&Text::from(p)).unwrap();
            let o = p.program.unwrap().run(&"aa}bab\u{2028}\u{ffff}".as_bytes()[..n]);
            println!("{n} {:?} {}", o.outcome, o.steps);
        }
    }
}
#[test]
fn tmp_regress() {
    let Ok(p) = std::env::var("REGEX_CASES") else { return };
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(p).unwrap()).unwrap();
    let mut v = 0;
    let mut m = 0;
    let mut total = 0;
    for Case(pattern, matching, others) in &cases {
        let units = pattern.to_utf16();
        let r = std::panic::catch_unwind(|| {
            regress::Regex::from_unicode(units.iter().map(|&u| u32::from(u)), "")
        });
        let Ok(r) = r else {
            println!("PANIC {pattern:?}");
            continue;
        };
        if r.is_ok() != matching.is_some() {
            v += 1;
            if v < 20 {
                println!("validity regress {:?} for {pattern:?}", r.is_ok());
            }
            continue;
        }
        let Ok(r) = r else { continue };
        for (inputs, want) in [(matching.as_ref().unwrap(), true), (others, false)] {
            for input in inputs {
                total += 1;
                let units = input.to_utf16();
                let got = std::panic::catch_unwind(|| r.find_from_ucs2(&units, 0).next().is_some());
                if got.as_ref().ok() != Some(&want) {
                    m += 1;
                    if m < 30 {
                        println!("regress {got:?} {pattern:?} {input:?}");
                    }
                }
            }
        }
    }
    println!("regress: validity {v} of {}, match {m} of {total}", cases.len());
}
#[test]
fn tmp_ids() {
    let ids: Vec<Vec<(u32, u32)>> =
        serde_json::from_str(&std::fs::read_to_string("/tmp/ids.json").unwrap()).unwrap();
    for (ranges, prefix) in ids.iter().zip(["", "a"]) {
        for c in '\0'..=char::MAX {
            let ok = Pattern::compile(&Text::from(format!("(?<{prefix}{c}>)"))).is_ok();
            let want = ranges.iter().any(|&(a, b)| (a..=b).contains(&u32::from(c)));
            if ok != want && (u32::from(c) < 0x20 || c != '>') {
                println!("ID {prefix} {c:?} {:x} node {want}", u32::from(c));
            }
        }
    }
}
