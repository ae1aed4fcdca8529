//! What the fuzz targets need of the inside. In: the bytes of a segment of the spool, or events for one. Out: the other.

use super::spool::segment;

/// The events to deliver, with their numbers, and where the last whole record ends.
pub fn read(bytes: &[u8]) -> (Vec<(u32, Box<[u8]>)>, usize) {
    let contents = segment::read(bytes);
    (contents.events, contents.length as usize)
}

/// A segment with these events, of which some are done.
pub fn segment(events: &[&[u8]], done: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        segment::push_event(event, &mut bytes);
    }
    segment::push_done(done, &mut bytes);
    bytes
}
