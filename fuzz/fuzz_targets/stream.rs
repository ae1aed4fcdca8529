//! The bytes of an event stream: the messages do not depend on where the chunks are cut, and are bounded.

#![no_main]

use experiment_node_server::http::fuzzing::messages;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    let Some((&chunk, text)) = bytes.split_first() else { return };
    let (whole, whole_end) = messages(&[text], LIMIT);
    let chunks: Vec<&[u8]> = text.chunks(usize::from(chunk) + 1).collect();
    let (cut, cut_end) = messages(&chunks, LIMIT);
    assert!(whole.iter().chain(&cut).all(|message| message.len() <= 3 * LIMIT));
    // An event too large ends the stream with its chunk: what came before it in that chunk is not told.
    if whole_end == "ERR_STREAM_ENDED" {
        assert_eq!((whole, whole_end), (cut, cut_end));
    } else {
        assert_eq!(whole_end, cut_end);
    }
});
