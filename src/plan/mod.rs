//! Flags compiled for evaluation.

pub mod regex;
