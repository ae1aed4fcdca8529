//! The evaluation rules a second time, as plainly as they can be written: for tests alone.
//!
//! In: bytes, from a fuzzer or a random generator. Out: whether the engine and this agree. The bytes become a
//! [`Case`](cases::Case) (flags, an evaluation context, cohorts, keys), the engine is given the flags as JSON text,
//! and what it answers is compared with what [`evaluate`](evaluate::evaluate) says.
//!
//! Nothing here is shared with the engine: strings are lists of UTF-16 code units as in JavaScript, flags are
//! walked as they came, nothing is compiled, nothing is kept, and JSON, hashing, numbers and versions are written
//! anew. It is slow, and recursion is all right.

// What fails here fails a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cases;
pub mod compare;
pub mod evaluate;
pub mod js;
pub mod json;
pub mod operators;
