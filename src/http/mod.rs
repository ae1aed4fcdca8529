//! HTTP by reqwest: the only module that knows it.
//!
//! In: requests and streams to open (`transport`), and what the process's environment says about proxies and
//! certificates ([`Environment`]). Out: the two seams of `transport`, [`ReqwestTransport`] and
//! [`ReqwestEventSource`], over one [`Pool`] of connections, with errors that read as Node's do.
//!
//! TLS is always verified, against Mozilla's roots, the system's and `NODE_EXTRA_CA_CERTS`. Everything here must be
//! polled on one tokio runtime that outlives it, since connections live on the runtime that opened them: that is
//! [`runtime::handle`] in the addon.

mod environment;
mod error;
mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
mod lines;
mod outgoing;
mod pool;
pub mod runtime;
mod send;
mod trust;

pub use environment::Environment;
pub use events::{ReqwestEventSource, events_of};
pub use pool::Pool;
pub use send::ReqwestTransport;
