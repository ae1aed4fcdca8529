//! How requests leave the process, without saying by what: reqwest, a caller's own `HttpClient`, a fake.
//!
//! In: a [`Request`]. Out: a [`Response`] whose body is a stream, or a [`TransportError`].
//! The deadline covers everything from the connection to the last byte of the body.

pub mod backoff;
pub mod deadline;
pub mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// One request. Header values may hold keys, so `Debug` leaves them out.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: String,
    /// In the order in which they go out.
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
    /// Total time for connection, headers and body. `None` waits for ever.
    pub deadline: Option<Duration>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A body that is held as a whole may have so many bytes. Cohorts are not: they are read as they arrive.
pub const MAX_BODY_BYTES: usize = 64 << 20;

pub struct Response {
    pub status: u16,
    /// `Retry-After` in whole seconds, when the server sent one that way.
    pub retry_after: Option<Duration>,
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

impl Response {
    /// The whole body, of [`MAX_BODY_BYTES`] at most. The deadline of the request still counts.
    ///
    /// # Errors
    /// Whatever cuts the body short; [`TransportErrorKind::Oversize`].
    pub async fn bytes(self) -> Result<Bytes, TransportError> {
        self.bytes_within(MAX_BODY_BYTES).await
    }

    /// What is counted has been unpacked: a small compressed body cannot become a large one in memory.
    async fn bytes_within(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let Some(first) = self.next_within(limit).await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next_within(limit - first.len()).await? else {
            return Ok(first);
        };
        let mut whole = Vec::from(first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.next_within(limit - whole.len()).await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(whole))
    }

    async fn next_within(&mut self, left: usize) -> Result<Option<Bytes>, TransportError> {
        let chunk = self.body.next().await.transpose()?;
        if chunk.as_ref().is_some_and(|chunk| chunk.len() > left) {
            return Err(TransportError {
                kind: TransportErrorKind::Oversize,
                code: "ERR_BODY_TOO_LARGE",
                message: "response is too large".to_owned(),
            });
        }
        Ok(chunk)
    }
}

/// Why there is no (whole) response. Messages hold neither URLs with keys nor header values.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    pub kind: TransportErrorKind,
    /// Node's code where it has one (`ECONNREFUSED`, `ENOTFOUND`, …), else our own.
    pub code: &'static str,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// The URL, a header or the scheme cannot be sent.
    InvalidRequest,
    /// Refused, reset, unresolved, or TLS said no.
    Connection,
    /// The deadline passed.
    Timeout,
    /// The connection ended inside the body.
    Truncated,
    /// The body is larger than anything that is held in memory.
    Oversize,
    /// The caller's own transport failed or broke its contract.
    Custom,
}

/// Sends requests. One instance is shared by everything that a client sends.
pub trait Transport: Send + Sync + 'static {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>>;

    /// Like [`Transport::send`], for an answer that may be large: where the body arrives piece by piece, the deadline
    /// counts for the head and again for each piece. Whoever downloads sets a limit to the whole.
    fn download(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        self.send(request)
    }
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        (**self).send(request)
    }

    fn download(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        (**self).download(request)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn in_chunks(chunks: &'static [&'static str]) -> Response {
        let body = stream::iter(chunks).map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).boxed();
        Response { status: 200, retry_after: None, body }
    }

    #[tokio::test]
    async fn a_body_is_bounded_however_it_is_cut() {
        for chunks in [&["abcd"][..], &["ab", "cd"], &["a", "b", "", "c", "d"], &[], &[""]] {
            let whole = in_chunks(chunks).bytes_within(4).await.unwrap();
            assert_eq!(whole, chunks.concat());
        }
        for chunks in [&["abcde"][..], &["abcd", "e"], &["ab", "c", "de"], &["", "abcde"]] {
            let error = in_chunks(chunks).bytes_within(4).await.unwrap_err();
            assert_eq!((error.kind, error.code), (TransportErrorKind::Oversize, "ERR_BODY_TOO_LARGE"));
        }
    }

    #[tokio::test]
    async fn what_never_ends_is_not_read_to_the_end() {
        let body = stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 1 << 20]))).boxed();
        let error = Response { status: 200, retry_after: None, body }.bytes().await.unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Oversize);
    }
}
