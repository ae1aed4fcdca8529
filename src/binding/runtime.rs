//! What all clients of the process share: the runtime and the connection pool.

use std::sync::Arc;

use napi::{Error, Result};
use tokio::runtime::Handle;

use crate::http::{Pool, ReqwestTransport, runtime};
use crate::transport::Transport;

/// # Errors
/// If the operating system gives no threads.
pub(super) fn handle() -> Result<&'static Handle> {
    runtime::handle().map_err(|error| Error::from_reason(format!("no threads for requests: {error}")))
}

pub(super) fn transport() -> Arc<dyn Transport> {
    Arc::new(ReqwestTransport::new(Pool::of_process()))
}
