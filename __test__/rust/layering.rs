//! The house rules, by a scan of the text: which module may use which, and who may know what.

// A test helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first; modules of one row do not use one another.
const RANKS: &[&[&str]] = &[
    &["error", "key", "ecma"],
    &["defect", "config", "flag", "cohort"],
    &["plan"],
    &["evaluation"],
    &["snapshot", "cookie", "transport"],
    &["tracking"],
    &["sync", "remote", "http"],
    &["client"],
    &["binding"],
];

/// Modules without clock, environment, randomness and I/O.
const PURE: &[&str] =
    &["error", "key", "ecma", "config", "flag", "cohort", "plan", "evaluation", "snapshot", "cookie"];

/// Whether a module may know something foreign.
type Allowed = fn(&str) -> bool;

fn rank(module: &str) -> usize {
    RANKS.iter().position(|row| row.contains(&module)).unwrap_or_else(|| panic!("{module} has no rank"))
}

/// Every source file with the module at the root of the crate that it belongs to.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "tests.rs") {
                // Tests may look at the clock.
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
                let module = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push((module, path, text));
            }
        }
    }
    assert!(found.len() > 20, "the scan has found too little");
    found
}

/// The code of a file, without its comments and its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The modules that a line names by `crate::…`.
fn used(line: &str) -> Vec<String> {
    line.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut broken = Vec::new();
    for (module, path, text) in sources() {
        if module == "lib" {
            continue;
        }
        for (number, line) in code(&text) {
            for name in used(line) {
                if name != module && rank(&name) >= rank(&module) {
                    broken.push(format!("{}:{number}: {module} uses {name}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_rank_is_that_of_a_module_and_stands_in_the_documents() {
    let sources = sources();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    for (index, row) in RANKS.iter().enumerate() {
        for name in *row {
            assert!(sources.iter().any(|(module, ..)| module == name), "there is no module {name}");
        }
        let names: Vec<String> = row.iter().map(|name| format!("`{name}`")).collect();
        let line = format!("| {} | {} |", index + 1, names.join(", "));
        assert!(document.contains(&line), "docs/architecture.md lacks: {line}");
    }
    let (_, _, tour) = sources.iter().find(|(module, ..)| module == "lib").unwrap();
    let ranks: Vec<String> = RANKS.iter().map(|row| row.join(", ")).collect();
    let words = tour.replace("\n//! ", " ");
    assert!(words.contains(&ranks.join(" < ")), "src/lib.rs lacks: {}", ranks.join(" < "));
}

#[test]
fn what_is_foreign_is_known_in_one_place() {
    let allowed: [(&str, Allowed); 4] = [
        ("napi", |module| module == "binding"),
        ("reqwest", |module| module == "http"),
        ("eventsource_stream", |module| module == "http"),
        ("tokio", |module| rank(module) >= rank("transport")),
    ];
    let mut broken = Vec::new();
    for (module, path, text) in sources() {
        if module == "lib" {
            continue;
        }
        for (number, line) in code(&text) {
            for (name, may) in allowed {
                let is_used = line.contains(&format!("{name}::")) || line.contains(&format!("use {name}"));
                if is_used && !may(&module) {
                    broken.push(format!("{}:{number}: {module} uses {name}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn pure_modules_have_no_clock_environment_randomness_or_statics_that_change() {
    const FOREIGN: &[&str] = &[
        "SystemTime::",
        "Instant::",
        "std::env",
        "env::var",
        "fastrand",
        "static mut",
        "std::fs",
        "std::net",
        "thread_local!",
    ];
    let mut broken = Vec::new();
    for (module, path, text) in sources() {
        if !PURE.contains(&module.as_str()) {
            continue;
        }
        for (number, line) in code(&text) {
            for word in FOREIGN {
                if line.contains(word) {
                    broken.push(format!("{}:{number}: {word}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn unsafe_is_in_the_binding_alone_and_each_block_says_why_it_is_sound() {
    let mut broken = Vec::new();
    for (module, path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in code(&text) {
            let is_block = line.contains("unsafe {") || line.contains("unsafe impl");
            if !is_block {
                continue;
            }
            let before = lines[number.saturating_sub(9)..number].iter();
            if module != "binding" || !before.into_iter().any(|line| line.contains("// SAFETY:")) {
                broken.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
