//! What ECMAScript says of strings, numbers and JSON, for code that must answer as JavaScript would.
//!
//! Strings are [`Text`]: WTF-8, that is UTF-8 in which a lone surrogate keeps its own three-byte form.

pub mod case;
pub mod json;
pub mod number;
pub mod text;

pub use text::Text;
