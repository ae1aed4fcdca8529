//! How batches reach the event endpoint, without saying by what: the addon's own HTTP, or a transport that the
//! caller of the JavaScript package brings (`transportProvider`).
//!
//! In: an [`Upload`]. Out: an [`Answer`], or a [`TransportError`]. (Contract: analytics 1 and 2.)

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::config::Endpoint;
use crate::transport::{Method, Request, Transport, TransportError};

/// One request.
#[derive(Clone)]
pub struct Upload {
    pub endpoint: Endpoint,
    /// A JSON object.
    pub payload: Bytes,
    /// From the connection to the last byte of the answer.
    pub deadline: Duration,
}

/// What the endpoint said.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The first [`MAX_ANSWER_BYTES`] at most.
    pub body: Bytes,
}

/// More of an answer is not read.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Takes batches to the endpoint.
pub trait EventTransport: Send + Sync + 'static {
    fn send(&self, upload: Upload) -> BoxFuture<'static, Result<Answer, TransportError>>;

    /// Whether it works while JavaScript's thread is blocked, as it is in a drain at process exit.
    fn works_while_blocked(&self) -> bool {
        true
    }
}

/// Sends through a [`Transport`].
pub struct HttpEventTransport {
    transport: Arc<dyn Transport>,
}

impl HttpEventTransport {
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }
}

impl EventTransport for HttpEventTransport {
    fn send(&self, upload: Upload) -> BoxFuture<'static, Result<Answer, TransportError>> {
        let request = Request {
            method: Method::Post,
            url: upload.endpoint.url,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: Some(upload.payload),
            deadline: Some(upload.deadline),
        };
        let response = self.transport.send(request);
        async move {
            let mut response = response.await?;
            let mut body = Vec::new();
            while body.len() < MAX_ANSWER_BYTES
                && let Some(chunk) = response.body.next().await.transpose()?
            {
                body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - body.len())]);
            }
            Ok(Answer { status: response.status, retry_after: response.retry_after, body: body.into() })
        }
        .boxed()
    }
}
