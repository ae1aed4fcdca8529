//! Cookies of both formats: any text is read, and what is written is read back.

#![no_main]

use experiment_node_server::cookie;
use experiment_node_server::ecma::Text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let units: Vec<u16> = bytes.chunks(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte))).collect();
    let latin = String::from_utf8_lossy(bytes);
    for text in [Text::from_utf16(&units), Text::from(latin.as_ref())] {
        let _ = cookie::cookie_name(&text, false);
        let _ = cookie::cookie_name(&text, true);
        let _ = cookie::decode_new(&text);
        let identity = cookie::parse(&text);
        if !text.as_bytes().contains(&b'.') {
            assert_eq!(identity.device_id, text);
            assert_eq!(cookie::parse(&cookie::generate(&text)).device_id, text);
        }
    }
    let written = cookie::generate_new(&latin);
    assert_eq!(cookie::decode_new(&Text::from(written.as_str())).ok().as_deref(), Some(latin.as_ref()));
});
