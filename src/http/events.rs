//! Server-sent events: the stream of flags.
//!
//! In: a [`Request`]. Out: the data of each `message` event, until the connection ends, which is an error. (Contract:
//! wire 5, "Client" and "Parsing"; wire 8, rows 1, 9 and 10: TLS is verified, redirects are capped and may be
//! relative.)

use eventsource_stream::{EventStream, EventStreamError};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use reqwest::header::{AUTHORIZATION, LOCATION};
use reqwest::{StatusCode, Url};

use super::error::{self, Peer};
use super::lines::{Lines, Oversize};
use super::outgoing::{self, Outgoing};
use super::pool::Pool;
use crate::transport::Request;
use crate::transport::stream::{EventSource, Events, StreamError};

/// How many redirects one connection follows.
const MAX_REDIRECTS: usize = 5;

/// Opens event streams, each over a connection of its own.
#[derive(Clone)]
pub struct ReqwestEventSource {
    pool: Pool,
    max_event_bytes: usize,
}

impl ReqwestEventSource {
    /// The default bound of one event.
    pub const MAX_EVENT_BYTES: usize = 64 << 20;

    /// `max_event_bytes` bounds a line, and all lines of an event together: more than that ends the stream with the
    /// error `ERR_STREAM_EVENT_TOO_LARGE`.
    pub fn new(pool: Pool, max_event_bytes: usize) -> Self {
        Self { pool, max_event_bytes }
    }
}

impl EventSource for ReqwestEventSource {
    fn open(&self, request: Request) -> BoxFuture<'static, Result<Events, StreamError>> {
        let Self { pool, max_event_bytes } = self.clone();
        async move {
            let response = connect(&pool, Outgoing::new(request)?).await?;
            let body = response.bytes_stream().map_err(|error| error::while_reading(error).into());
            Ok(events_of(body, max_event_bytes))
        }
        .boxed()
    }
}

/// The answer with status 200, after redirects.
async fn connect(pool: &Pool, mut outgoing: Outgoing) -> Result<reqwest::Response, StreamError> {
    let client = pool.clients().await?.streams;
    for _ in 0..=MAX_REDIRECTS {
        let mut request = reqwest::Request::new(outgoing.method.clone(), outgoing.url.clone());
        *request.headers_mut() = outgoing.headers.clone();
        let peer = Peer::of(&outgoing.url, pool.has_proxy());
        let response = client.execute(request).await.map_err(|error| error::while_sending(error, &peer))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let next = redirect(&outgoing.url, &response)?;
        if next.origin() != outgoing.url.origin() {
            outgoing.headers.remove(AUTHORIZATION);
        }
        outgoing.url = next;
    }
    Err(StreamError {
        status: None,
        code: "ERR_TOO_MANY_REDIRECTS",
        message: format!("more than {MAX_REDIRECTS} redirects"),
    })
}

/// Where to go instead.
///
/// # Errors
/// The answer is no redirect, or one to nowhere we can go.
fn redirect(from: &Url, response: &reqwest::Response) -> Result<Url, StreamError> {
    let status = response.status();
    let location = match status.as_u16() {
        301 | 302 | 307 | 308 => response.headers().get(LOCATION),
        _ => None,
    };
    let location = location.and_then(|location| std::str::from_utf8(location.as_bytes()).ok());
    match location.and_then(|location| from.join(location).ok()) {
        Some(next) => Ok(outgoing::sendable(next)?),
        None => Err(StreamError {
            status: Some(status.as_u16()),
            code: "ERR_STREAM_STATUS",
            message: status.canonical_reason().unwrap_or("Unknown Status").to_owned(),
        }),
    }
}

/// The events in the body of an answer, each of at most so many bytes: see [`ReqwestEventSource::new`].
pub fn events_of<B: AsRef<[u8]> + Send + 'static>(
    body: impl Stream<Item = Result<B, StreamError>> + Send + 'static,
    max_event_bytes: usize,
) -> Events {
    messages(body, max_event_bytes).boxed()
}

/// The data of the events that are named `message` or not at all. The last item is an error.
pub(super) fn messages<B: AsRef<[u8]> + Send + 'static>(
    body: impl Stream<Item = Result<B, StreamError>> + Send + 'static,
    max_event_bytes: usize,
) -> impl Stream<Item = Result<String, StreamError>> + Send {
    let mut lines = Lines::new(max_event_bytes);
    let whole_lines = body
        .map(move |chunk| {
            let whole = lines.push(chunk?.as_ref()).map_err(oversize)?;
            Ok::<_, StreamError>(stream::iter(whole.into_iter().map(Ok)))
        })
        .try_flatten();
    let events = Box::pin(EventStream::new(whole_lines));
    stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        loop {
            match events.next().await {
                Some(Ok(event)) if event.event == "message" => return Some((Ok(event.data), Some(events))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some((Err(broken(error)), None)),
                None => return Some((Err(ended()), None)),
            }
        }
    })
}

fn oversize(_: Oversize) -> StreamError {
    StreamError { status: None, code: "ERR_STREAM_EVENT_TOO_LARGE", message: "event is too large".to_owned() }
}

fn broken(error: EventStreamError<StreamError>) -> StreamError {
    match error {
        EventStreamError::Transport(error) => error,
        EventStreamError::Utf8(_) | EventStreamError::Parser(_) => StreamError {
            status: None,
            code: "ERR_STREAM_INVALID",
            message: "event stream is malformed".to_owned(),
        },
    }
}

fn ended() -> StreamError {
    StreamError { status: None, code: "ERR_STREAM_ENDED", message: "stream ended".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of a stream that arrives in chunks of this size.
    async fn data(text: &'static [u8], chunk: usize) -> Vec<String> {
        let body = stream::iter(text.chunks(chunk).map(Ok));
        let mut items: Vec<_> = messages(body, 1000).collect().await;
        assert_eq!(items.pop(), Some(Err(ended())));
        items.into_iter().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn events_are_parsed_as_the_contract_says() {
        let cases: [(&[u8], &[&str]); 14] = [
            (b"data: 1\n\n", &["1"]),
            (b"data: 1\r\rdata: 2\r\r", &["1", "2"]),
            (b"data: 1\r\n\r\ndata: 2\r\n\r\n", &["1", "2"]),
            (b"\xef\xbb\xbfdata: 1\n\n", &["1"]),
            (b"\xef\xbb\xbf\xef\xbb\xbfdata: \xc3\xa9\n\ndata: 2\n\n", &["2"]),
            (b": ping\n\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", &["2"]),
            (b"data:  \n\n", &[" "]),
            (b"data:[\ndata: 1\ndata:  ]\n\n", &["[\n1\n ]"]),
            (b"data:\n\n", &[""]),
            (b": ping\n\n:\n\ndata:1\n: in between\ndata:2\n\n", &["1\n2"]),
            (b"event: message\ndata: 1\n\nevent: other\ndata: 2\n\nevent:\ndata: 3\n\n", &["1", "3"]),
            (b"id: 7\nretry: 1\nunknown: x\nno colon\ndata: 1\n\n\n\nid: 8\n\n", &["1"]),
            (b"data: 1\n\ndata: unfinished\n", &["1"]),
            (b"data: a: b\n\n", &["a: b"]),
        ];
        for (text, expected) in cases {
            for chunk in [1, 2, 3, 1000] {
                assert_eq!(data(text, chunk).await, expected, "{}", String::from_utf8_lossy(text));
            }
        }
    }

    #[tokio::test]
    async fn an_oversize_event_ends_the_stream() {
        let body =
            stream::iter([&b"data: 1\n\n"[..], &[b'x'; 600], &[b'x'; 600], b"\n\ndata: 2\n\n"].map(Ok));
        let items: Vec<_> = messages(body, 1000).collect().await;
        assert_eq!(items, [Ok("1".to_owned()), Err(oversize(Oversize))]);
    }

    #[tokio::test]
    async fn a_cut_is_the_last_item() {
        let cut = StreamError { status: None, code: "ECONNRESET", message: "aborted".to_owned() };
        let body = stream::iter([Ok(&b"data: 1\n\ndata: 2\n"[..]), Err(cut.clone()), Ok(b"\n")]);
        let items: Vec<_> = messages(body, 1000).collect().await;
        assert_eq!(items, [Ok("1".to_owned()), Err(cut)]);
    }
}
