//! A segment of the spool: torn or overwritten, it is read to the last whole record, and can be written on from there.

#![no_main]

use experiment_node_server::tracking::fuzzing::{read, segment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // As it is: a file that something else has written to.
    let (events, length) = read(bytes);
    assert!(length <= bytes.len());
    assert_eq!(read(&bytes[..length]), (events, length));

    // A proper one with one byte overwritten, or cut.
    let Some((&[at, value, cut], text)) = bytes.split_first_chunk() else { return };
    let mut events: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    events.truncate(16);
    let proper = segment(&events, &[u32::from(value)]);
    let (read_back, whole) = read(&proper);
    assert_eq!(whole, proper.len());
    let expected = events.iter().enumerate().filter(|(number, _)| *number != usize::from(value));
    let expected: Vec<(u32, Box<[u8]>)> =
        expected.map(|(number, event)| (number as u32, Box::from(*event))).collect();
    assert_eq!(read_back, expected);

    let mut torn = proper.clone();
    torn.truncate(proper.len().saturating_sub(usize::from(cut)));
    let place = usize::from(at) * torn.len() / 256;
    if let Some(byte) = torn.get_mut(place) {
        *byte = value;
    }
    let (_, length) = read(&torn);
    let mut repaired = torn[..length].to_vec();
    repaired.extend(segment(&[b"{}"], &[]));
    let (after, length) = read(&repaired);
    assert_eq!(length, repaired.len());
    assert_eq!(after.last().map(|(_, event)| &**event), Some(&b"{}"[..]));
});
