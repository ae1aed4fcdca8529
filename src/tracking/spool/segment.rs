//! The format of a segment: a file to which records are appended, and which is deleted once nothing in it is left
//! to be delivered.
//!
//! ```text
//!  record = length of the payload (u32) │ checksum of the payload (u64) │ payload      numbers little-endian
//!  payload = 'E' │ an event as JSON      or   'D' │ the numbers (u32) of events that need no delivery any more
//! ```
//!
//! Events are numbered from 0 as they stand in the file. Reading stops at the first record that is cut short or does
//! not match its checksum: a process that is killed can leave one at the end.

use std::collections::BTreeSet;

const HEADER: usize = 12;
const EVENT: u8 = b'E';
const DONE: u8 = b'D';

/// Appends a record with an event.
pub(in crate::tracking) fn push_event(json: &[u8], bytes: &mut Vec<u8>) {
    push_record(EVENT, json, bytes);
}

/// Appends a record that says that these events need no delivery.
pub(in crate::tracking) fn push_done(numbers: &[u32], bytes: &mut Vec<u8>) {
    let body: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    push_record(DONE, &body, bytes);
}

fn push_record(kind: u8, body: &[u8], bytes: &mut Vec<u8>) {
    let checksum = fnv(fnv(FNV_START, &[kind]), body);
    bytes.extend_from_slice(&(body.len() as u32 + 1).to_le_bytes());
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(body);
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq)]
pub(in crate::tracking) struct Contents {
    /// The events to deliver, with their numbers.
    pub events: Vec<(u32, Box<[u8]>)>,
    /// Where the last whole record ends.
    pub length: u64,
}

/// Reads a segment, as far as it is whole.
pub(in crate::tracking) fn read(bytes: &[u8]) -> Contents {
    let mut events = Vec::new();
    let mut done = BTreeSet::new();
    let mut rest = bytes;
    while let Some((kind, body, after)) = split_record(rest) {
        match kind {
            EVENT => events.push((events.len() as u32, body)),
            _ => {
                let numbers = body.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number));
                // Of what comes later nothing can have been said.
                done.extend(numbers.filter(|number| (*number as usize) < events.len()));
            }
        }
        rest = after;
    }
    let is_left = |(number, json): (u32, &[u8])| (!done.contains(&number)).then(|| (number, json.into()));
    Contents {
        events: events.into_iter().filter_map(is_left).collect(),
        length: (bytes.len() - rest.len()) as u64,
    }
}

fn split_record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let length = u32::from_le_bytes(*header.first_chunk()?);
    let checksum = u64::from_le_bytes(*header.last_chunk()?);
    let (payload, rest) = rest.split_at_checked(length as usize)?;
    let (&kind, body) = payload.split_first()?;
    (fnv(FNV_START, payload) == checksum && matches!(kind, EVENT | DONE)).then_some((kind, body, rest))
}

/// Where [`fnv`] begins.
pub(super) const FNV_START: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a. Tells a torn record from a whole one; no defence against forgery.
pub(super) fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        for json in ["{\"a\":1}", "{}", "{\"b\":2}"] {
            push_event(json.as_bytes(), &mut bytes);
        }
        push_done(&[1], &mut bytes);
        push_event(b"{\"c\":3}", &mut bytes);
        bytes
    }

    fn numbers(bytes: &[u8]) -> Vec<u32> {
        read(bytes).events.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn what_is_done_is_not_read_again() {
        let contents = read(&sample());
        let events: Vec<(u32, &[u8])> =
            contents.events.iter().map(|(number, json)| (*number, &**json)).collect();
        assert_eq!(events, [(0, &b"{\"a\":1}"[..]), (2, b"{\"b\":2}"), (3, b"{\"c\":3}")]);
        assert_eq!(contents.length, sample().len() as u64);
    }

    /// Found by fuzzing.
    #[test]
    fn an_event_is_not_done_before_it_is_there() {
        let mut bytes = Vec::new();
        push_done(&[0, 1], &mut bytes);
        push_event(b"{}", &mut bytes);
        push_done(&[1], &mut bytes);
        push_event(b"{}", &mut bytes);
        assert_eq!(numbers(&bytes), [0, 1]);
    }

    #[test]
    fn a_torn_record_hides_nothing_before_it() {
        let whole = sample();
        let last = whole.len() - HEADER - 1 - "{\"c\":3}".len();
        for cut in last..whole.len() {
            assert_eq!(numbers(&whole[..cut]), [0, 2], "{cut}");
            assert_eq!(read(&whole[..cut]).length, last as u64);
        }
        let mut flipped = whole;
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(numbers(&flipped), [0, 2]);
    }

    proptest! {
        #[test]
        fn garbage_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let contents = read(&bytes);
            prop_assert!(contents.length <= bytes.len() as u64);
        }
    }
}
