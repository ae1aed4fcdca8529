//! What the fuzz targets need of the inside. In: chunks of an event stream. Out: its messages.

use futures_util::future::FutureExt;
use futures_util::stream::{self, StreamExt};

/// The messages of a stream that comes in these chunks, and the code of the error that it ends with.
pub fn messages(chunks: &[&[u8]], max_event_bytes: usize) -> (Vec<String>, &'static str) {
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(chunk.to_vec())).collect();
    let events = super::events::messages(stream::iter(chunks), max_event_bytes);
    let items: Vec<_> = events.collect().now_or_never().unwrap_or_default();
    let mut messages = Vec::new();
    let mut end = "it did not end";
    for item in items {
        match item {
            Ok(message) => messages.push(message),
            Err(error) => end = error.code,
        }
    }
    (messages, end)
}
