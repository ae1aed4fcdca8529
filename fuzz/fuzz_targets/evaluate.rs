//! A plan and a user to outcomes, as the deliberately simple second evaluator says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use second_evaluator::cases::case;
use second_evaluator::compare::check;

fuzz_target!(|bytes: &[u8]| check(&case(bytes)));
