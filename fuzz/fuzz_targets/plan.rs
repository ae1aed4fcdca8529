//! Flags as JSON to a plan: any bytes become a plan or an error; what becomes one can be asked, twice with one answer.

#![no_main]

use experiment_node_server::ecma::Text;
use experiment_node_server::evaluation::{CohortSource, Scratch, SlotBuffer, Slots, evaluate};
use experiment_node_server::snapshot::{Update, World};
use libfuzzer_sys::fuzz_target;

/// A user who has the same text everywhere.
struct Everywhere<'a>(&'a [u8]);

impl Slots for Everywhere<'_> {
    fn read(&mut self, _: u32, into: &mut SlotBuffer) {
        into.bytes().extend_from_slice(self.0);
        into.set_string();
    }
}

fuzz_target!(|bytes: &[u8]| {
    let updates = [Update::from_array(bytes.to_vec().into()), Update::from_map(bytes.to_vec().into())];
    for update in updates.into_iter().flatten() {
        let world = World::new();
        world.replace_flags(update);
        let snapshot = world.load();
        let plan = &snapshot.plan;
        for keys in [None, plan.flags().first().map(|flag| vec![flag.key.clone(), Text::from("none")])] {
            let selection = plan.select(keys.as_deref());
            let mut scratch = Scratch::default();
            let mut ask = |text: &str| {
                let mut codes = vec![u32::MAX; selection.flags.len()];
                let mut user = Everywhere(text.as_bytes());
                let source = CohortSource::Stored;
                evaluate(plan, &snapshot.cohorts, &selection, source, &mut user, &mut scratch, &mut codes);
                codes
            };
            for text in ["", "1.2.3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "[\"a\"]"] {
                let codes = ask(text);
                assert_eq!(codes, ask(text));
                assert!(codes.iter().all(|code| (*code as usize) < plan.outcomes().len()));
            }
        }
    }
});
