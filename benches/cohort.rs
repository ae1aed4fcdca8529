//! What a cohort costs: reading its download, the memory it keeps, a lookup.
//!
//! `cargo bench --no-default-features --bench cohort` measures a million members of each kind. After `--` there
//! may be another number, then kinds: `-- 20000000 UUID`. Memory as Linux sees it (RSS) is only true for the first
//! kind measured in a process. A V8 Set keeps 53 bytes for a member of 15 characters, 77 for a UUID.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and may stop")]

use std::fmt::Write;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use experiment_node_server::cohort::{Cohort, CohortParser};

const CHUNK_BYTES: usize = 64 * 1024;
const LOOKUPS: u64 = 1_000_000;

type Id = fn(u64, &mut String);

fn main() {
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut count = 1_000_000;
    if let Some(given) = arguments.first().and_then(|argument| argument.parse().ok()) {
        count = given;
        arguments.remove(0);
    }
    let kinds: [(&str, Id); 5] = [
        ("15 digits", |index, id| write!(id, "{:015}", mix(index) % 1_000_000_000_000_000).unwrap()),
        ("15 letters and digits", letters_and_digits),
        ("user-0000000000", |index, id| write!(id, "user-{index:010}").unwrap()),
        ("UUID", uuid),
        ("mail address", |index, id| {
            let number = mix(index);
            write!(
                id,
                "{}{}.{:x}@example.com",
                "anna".repeat(number as usize % 4),
                number % 97,
                number >> 20
            )
            .unwrap();
        }),
    ];
    println!("{count} members of each kind\n");
    println!(
        "kind                    | scan MB/s | pack ms | bytes/member kept | RSS kept | RSS peak | hit ns | miss ns"
    );
    for (name, id) in kinds {
        if arguments.is_empty() || arguments.iter().any(|kind| kind == name) {
            measure(name, count, id);
        }
    }
}

fn measure(name: &str, count: u64, id: Id) {
    // From here on glibc keeps large freed blocks, as it does in a process that has been at work for a while.
    drop(black_box(vec![1u8; 30_000_000]));
    reset_peak();
    let before = resident("VmRSS:");
    // On a thread of its own, as in the addon.
    let (cohort, bytes, scanning, packing) = thread::spawn(move || {
        let mut parser = CohortParser::new();
        let (bytes, scanning) = scan(&mut parser, count, id);
        let begin = Instant::now();
        let cohort = parser.finish().unwrap();
        (cohort, bytes, scanning, begin.elapsed())
    })
    .join()
    .unwrap();
    let per_member = |bytes: usize| bytes as f64 / cohort.len() as f64;
    println!(
        "{name:<23} | {:>9.0} | {:>7.0} | {:>17.2} | {:>8.1} | {:>8.1} | {:>6.0} | {:>7.0}",
        bytes as f64 / 1e6 / scanning.as_secs_f64(),
        packing.as_secs_f64() * 1e3,
        per_member(cohort.heap_bytes()),
        per_member(resident("VmRSS:").saturating_sub(before)),
        per_member(resident("VmHWM:").saturating_sub(before)),
        lookup(&cohort, id, |lookup| mix(!lookup) % count, true),
        lookup(&cohort, id, |lookup| count + lookup, false),
    );
}

/// Feeds the parser; the time is the parser's alone.
fn scan(parser: &mut CohortParser, count: u64, id: Id) -> (usize, Duration) {
    let mut chunk = String::from(r#"{"cohortId":"c","groupType":"User","memberIds":[""#);
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for index in 0..count {
        id(index, &mut chunk);
        chunk.push_str(if index + 1 < count { r#"",""# } else { r#""]}"# });
        if chunk.len() >= CHUNK_BYTES || index + 1 == count {
            let begin = Instant::now();
            parser.push(chunk.as_bytes()).unwrap();
            time += begin.elapsed();
            bytes += chunk.len();
            chunk.clear();
        }
    }
    (bytes, time)
}

/// Nanoseconds for one lookup, making the ids not counted.
fn lookup(cohort: &Cohort, id: Id, index: impl Fn(u64) -> u64, expected: bool) -> f64 {
    let mut ids = String::new();
    let ends: Vec<usize> = (0..LOOKUPS)
        .map(|lookup| {
            id(index(lookup), &mut ids);
            ids.len()
        })
        .collect();
    let mut begin = 0;
    let mut found = 0;
    let start = Instant::now();
    for end in ends {
        found += u64::from(cohort.contains(black_box(&ids.as_bytes()[begin..end])));
        begin = end;
    }
    let elapsed = start.elapsed();
    // Ids made of random numbers may repeat.
    assert!(if expected { found == LOOKUPS } else { found < LOOKUPS / 100 });
    elapsed.as_secs_f64() * 1e9 / LOOKUPS as f64
}

fn letters_and_digits(index: u64, id: &mut String) {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for part in 0..3 {
        let mut number = mix(index * 3 + part);
        for _ in 0..5 {
            id.push(char::from(ALPHABET[(number % 62) as usize]));
            number /= 62;
        }
    }
}

fn uuid(index: u64, id: &mut String) {
    let (high, low) = (mix(2 * index), mix(2 * index + 1));
    let variant = 0x8000 | (low >> 48) & 0x3FFF;
    let version = 0x4000 | high & 0xFFF;
    let tail = low & 0xFFFF_FFFF_FFFF;
    write!(id, "{:08x}-{:04x}-{version:04x}-{variant:04x}-{tail:012x}", high >> 32, (high >> 16) & 0xFFFF)
        .unwrap();
}

/// A random number for each index (splitmix64).
fn mix(index: u64) -> u64 {
    let mut mixed = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What Linux says of this process's memory, in bytes; 0 elsewhere.
fn resident(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Lets `VmHWM` begin anew, where the system can.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
