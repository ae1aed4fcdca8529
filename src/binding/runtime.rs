//! What all clients of the process share: the runtime and the connection pool.

use std::sync::Arc;

use napi::{Error, Result};
use tokio::runtime::Handle;

use super::contain::contained_finally;
use crate::http::{Pool, ReqwestEventSource, ReqwestTransport, runtime};
use crate::transport::Transport;
use crate::transport::stream::EventSource;

/// # Errors
/// If the operating system gives no threads.
pub(super) fn handle() -> Result<&'static Handle> {
    runtime::handle().map_err(|error| Error::from_reason(format!("no threads for requests: {error}")))
}

/// Drops what may take long to drop, on a thread where that disturbs nobody.
pub(super) fn discard(burden: impl Send + 'static) {
    if let Ok(handle) = handle() {
        handle.spawn_blocking(move || contained_finally("discard", || drop(burden)));
    }
}

pub(super) fn transport() -> Arc<dyn Transport> {
    Arc::new(ReqwestTransport::new(Pool::of_process()))
}

pub(super) fn event_source() -> Arc<dyn EventSource> {
    Arc::new(ReqwestEventSource::new(Pool::of_process(), ReqwestEventSource::MAX_EVENT_BYTES))
}
