//! The engine against a second, naive evaluator, on random flags, users and cohorts. The fuzz target `evaluate` does
//! the same with a fuzzer's choice of bytes.

use proptest::prelude::*;
use second_evaluator::cases::case;
use second_evaluator::compare::check;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_engine_answers_as_the_naive_evaluator_does(
        bytes in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        check(&case(&bytes));
    }
}
