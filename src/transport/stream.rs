//! A server-sent event stream as the rest of the crate sees it: reqwest, a caller's own event source, a fake.
//!
//! In: a [`Request`], whose `deadline` does not count here: how long to wait for the connection, the first payload
//! and the next keep-alive is decided by whoever reads the stream. Out: the data of each `message` event.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::Request;

/// The data of one event after another. It never ends without an error: the end of the connection is one too.
/// Dropping it closes the connection.
pub type Events = BoxStream<'static, Result<String, StreamError>>;

/// Opens streams.
pub trait EventSource: Send + Sync + 'static {
    /// Resolves when the server has answered 200; anything else is an error. Dropping the future gives the attempt
    /// up.
    fn open(&self, request: Request) -> BoxFuture<'static, Result<Events, StreamError>>;
}

impl<T: EventSource + ?Sized> EventSource for Arc<T> {
    fn open(&self, request: Request) -> BoxFuture<'static, Result<Events, StreamError>> {
        (**self).open(request)
    }
}

/// Why there is no stream, or none any more. Messages hold neither URLs nor header values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StreamError {
    /// The status, where the server answered with another one than 200.
    pub status: Option<u16>,
    /// Node's code where it has one (`ECONNREFUSED`, `ECONNRESET`, …), else our own.
    pub code: &'static str,
    pub message: String,
}

impl From<super::TransportError> for StreamError {
    fn from(error: super::TransportError) -> Self {
        Self { status: None, code: error.code, message: error.message }
    }
}
