//! The JSON of a cohort, cut anywhere: the same as in one piece, and every member is found in it.

#![no_main]

use experiment_node_server::cohort::{Cohort, CohortParseError, CohortParser};
use libfuzzer_sys::fuzz_target;

fn parse<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Cohort, CohortParseError> {
    let mut parser = CohortParser::new();
    for chunk in chunks {
        parser.push(chunk)?;
    }
    parser.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&chunk, text)) = bytes.split_first() else { return };
    let whole = parse([text]);
    let cut = parse(text.chunks(usize::from(chunk) + 1));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            let members: Vec<_> = whole.members().collect();
            assert_eq!(members, cut.members().collect::<Vec<_>>());
            assert_eq!((&whole.id, &whole.group_type), (&cut.id, &cut.group_type));
            assert_eq!(whole.len(), members.len());
            assert!(members.iter().all(|member| whole.contains(member.as_bytes())));
            assert_eq!(whole.contains(text), members.iter().any(|member| member.as_bytes() == text));
        }
        (whole, cut) => assert_eq!(whole.err(), cut.err()),
    }
});
