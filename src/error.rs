//! What all errors that can reach JavaScript have in common: a code that does not change with the wording.
//!
//! In: an error of any module. Out: its code, which the binding sets as the `code` of the JavaScript error.

/// An error with a stable code, in the manner of Node's (`ERR_…`).
pub trait Coded: std::error::Error {
    /// Upper-case words joined by underscores. Part of the public interface.
    fn code(&self) -> &'static str;
}
