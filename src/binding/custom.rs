//! A transport and an event source that the caller brings: an `HttpClient`, an `https.Agent`, an event source
//! factory. JavaScript does the I/O; this gives it requests through a line and takes the answers
//! by number.
//!
//! In: requests from any thread. Out: what JavaScript says through [`settle_request`], [`stream_opened`],
//! [`stream_data`], [`stream_bytes`] and [`stream_failed`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt};
use napi::Env;
use napi::bindgen_prelude::{FnArgs, Function, Uint8Array};
use napi_derive::napi;
use tokio::sync::{mpsc, oneshot};

use super::contain::{contained, report};
use super::line::{Line, Parcel};
use crate::defect::Defect;
use crate::error::Coded;
use crate::http::{ReqwestEventSource, events_of};
use crate::transport::deadline::within;
use crate::transport::stream::{EventSource, Events, StreamError};
use crate::transport::{Method, Request, Response, Transport, TransportError, TransportErrorKind};

/// What JavaScript is asked to do.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Order {
    /// By this number the answer finds its way back.
    pub id: u32,
    /// `request`, `open` (a stream), `close` (a request or stream nobody waits for any more), or what `providers` order.
    pub kind: String,
    /// Whose events it is about: `exposure` or `assignment`.
    pub pipeline: Option<String>,
    /// Of a store.
    pub key: Option<String>,
    /// Whether a body may be compressed.
    pub compress: Option<bool>,
    pub method: Option<String>,
    pub url: Option<String>,
    /// Names and values in turn.
    pub headers: Option<Vec<String>>,
    pub body: Option<Uint8Array>,
    /// Total time, where there is a limit.
    pub timeout_millis: Option<f64>,
}

/// Whoever waits for the answer to an order that is lost hears of it.
impl Parcel for Order {
    const NAME: &'static str = "order";

    fn receipt(&self) -> Option<u32> {
        Some(self.id)
    }

    fn replacement(receipt: Option<u32>, defect: &Defect) -> Option<Self> {
        let error = TransportError {
            kind: TransportErrorKind::Custom,
            code: defect.code(),
            message: defect.to_string(),
        };
        let id = receipt?;
        if let Some(sender) = lock(&REQUESTS).remove(&id) {
            // A receiver that has gone does not want the answer.
            let _ = sender.send(Err(error));
        } else if let Some(opened) = lock(&STREAMS).remove(&id).and_then(|stream| stream.opened) {
            let _ = opened.send(Err(error.into()));
        } else {
            report(defect);
        }
        None
    }
}

/// Hands orders to JavaScript. Does not keep the process alive: whoever awaits the answer does.
#[derive(Clone)]
pub struct Desk(Line<Order>);

impl Desk {
    /// # Errors
    /// If Node-API cannot make the threadsafe function.
    pub fn new(take: Function<'_, FnArgs<(Order,)>, ()>) -> napi::Result<Self> {
        Ok(Self(Line::open(&take)?))
    }

    fn place(&self, order: Order) {
        self.0.post(order);
    }

    fn open(&self, order: Order) -> Slip {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let slip = Slip { id, desk: self.clone() };
        self.place(Order { id, ..order });
        slip
    }
}

impl Order {
    fn of(kind: &str, request: Request) -> Self {
        Self {
            kind: kind.to_owned(),
            method: Some(
                match request.method {
                    Method::Get => "GET",
                    Method::Post => "POST",
                }
                .to_owned(),
            ),
            url: Some(request.url),
            headers: Some(
                request.headers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
            ),
            body: request.body.map(|body| Uint8Array::from(body.to_vec())),
            timeout_millis: request.deadline.map(|deadline| deadline.as_secs_f64() * 1e3),
            ..Self::default()
        }
    }
}

static NEXT: AtomicU32 = AtomicU32::new(1);

/// The claim on one answer. Dropping it tells JavaScript that nobody waits any more.
struct Slip {
    id: u32,
    desk: Desk,
}

impl Drop for Slip {
    fn drop(&mut self) {
        let waited = lock(&REQUESTS).remove(&self.id).is_some() | lock(&STREAMS).remove(&self.id).is_some();
        if waited {
            self.desk.place(Order { id: self.id, kind: "close".to_owned(), ..Order::default() });
        }
    }
}

/// A status, how long to wait before asking again, and a body.
pub(super) type Answer = Result<(u16, Option<Duration>, Bytes), TransportError>;

/// Answers that are waited for, of all clients and threads: the numbers are unique in the process.
static REQUESTS: LazyLock<Mutex<HashMap<u32, oneshot::Sender<Answer>>>> = LazyLock::new(Mutex::default);
static STREAMS: LazyLock<Mutex<HashMap<u32, OpenStream>>> = LazyLock::new(Mutex::default);

struct OpenStream {
    opened: Option<oneshot::Sender<Result<(), StreamError>>>,
    data: mpsc::UnboundedSender<Result<Bytes, StreamError>>,
    /// Bytes that have not been read yet.
    queued: Arc<AtomicUsize>,
}

/// More bytes than this may not wait: a server that sends faster than flags can be read is hung up on.
const MAX_QUEUED_BYTES: usize = 2 * ReqwestEventSource::MAX_EVENT_BYTES;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transport for Desk {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let deadline = request.deadline;
        let answer = self.clone().ask(Order::of("request", request));
        async move {
            let response = async {
                let (status, retry_after, body) = answer.await?;
                let body = stream::once(async { Ok(body) }).boxed();
                Ok(Response { status, retry_after, body })
            };
            within(deadline, response).await
        }
        .boxed()
    }
}

impl Desk {
    /// Places an order, once it is waited for, that is answered by [`settle_request`].
    pub(super) async fn ask(self, order: Order) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let _slip = self.open_request(order, sender);
        receiver.await.map_err(|_| gone())?
    }

    fn open_request(&self, order: Order, sender: oneshot::Sender<Answer>) -> Slip {
        // The lock is held while the order is placed, so that the answer cannot come before the claim.
        let mut requests = lock(&REQUESTS);
        let slip = self.open(order);
        requests.insert(slip.id, sender);
        slip
    }

    fn open_stream(&self, request: Request, stream: OpenStream) -> Slip {
        let mut streams = lock(&STREAMS);
        let slip = self.open(Order::of("open", request));
        streams.insert(slip.id, stream);
        slip
    }
}

impl Desk {
    /// What comes of a stream, piece by piece, once it is open.
    async fn pieces(
        self,
        request: Request,
    ) -> Result<impl Stream<Item = Result<Bytes, StreamError>> + Send, StreamError> {
        let (opened, is_open) = oneshot::channel();
        let (data, received) = mpsc::unbounded_channel();
        let queued = Arc::<AtomicUsize>::default();
        let stream = OpenStream { opened: Some(opened), data, queued: Arc::clone(&queued) };
        let slip = self.open_stream(request, stream);
        is_open.await.map_err(|_| StreamError::from(gone()))??;
        Ok(stream::unfold((received, queued, slip), |(mut received, queued, slip)| async move {
            let piece = received.recv().await?;
            queued.fetch_sub(piece.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
            Some((piece, (received, queued, slip)))
        }))
    }
}

/// A caller's event source: it tells what the events say.
impl EventSource for Desk {
    fn open(&self, request: Request) -> BoxFuture<'static, Result<Events, StreamError>> {
        let pieces = self.clone().pieces(request);
        async move {
            let text = |data: Bytes| String::from_utf8_lossy(&data).into_owned();
            Ok(pieces.await?.map(move |piece| piece.map(text)).boxed())
        }
        .boxed()
    }
}

/// Streams through a caller's agent: what comes is the body of an answer.
pub struct AgentStreams(pub Desk);

impl EventSource for AgentStreams {
    fn open(&self, request: Request) -> BoxFuture<'static, Result<Events, StreamError>> {
        let pieces = self.0.clone().pieces(request);
        async move { Ok(events_of(pieces.await?, ReqwestEventSource::MAX_EVENT_BYTES)) }.boxed()
    }
}

fn gone() -> TransportError {
    TransportError {
        kind: TransportErrorKind::Custom,
        code: "ERR_EXPERIMENT_TRANSPORT",
        message: "the transport gave no answer".to_owned(),
    }
}

/// Answers a request: with a status and a body, or with an error.
#[napi]
pub fn settle_request(
    env: &Env,
    id: u32,
    status: Option<u32>,
    body: Option<Uint8Array>,
    retry_after_millis: Option<f64>,
    error: Option<String>,
    code: Option<String>,
) -> napi::Result<()> {
    contained(env, "settle_request", || {
        let Some(sender) = lock(&REQUESTS).remove(&id) else { return };
        let answer = match (status, error) {
            (Some(status), None) => Ok((
                u16::try_from(status).unwrap_or_default(),
                retry_after_millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1e3).ok()),
                body.map(|body| Bytes::from(body.to_vec())).unwrap_or_default(),
            )),
            (_, error) => Err(TransportError {
                kind: TransportErrorKind::Custom,
                code: known_code(code.as_deref()),
                message: error.unwrap_or_default(),
            }),
        };
        // A receiver that has gone does not want the answer.
        let _ = sender.send(answer);
    })
}

/// The stream's server has answered 200.
#[napi]
pub fn stream_opened(env: &Env, id: u32) -> napi::Result<()> {
    contained(env, "stream_opened", || {
        let opened = lock(&STREAMS).get_mut(&id).and_then(|stream| stream.opened.take());
        if let Some(opened) = opened {
            let _ = opened.send(Ok(()));
        }
    })
}

/// The data of one event.
#[napi]
pub fn stream_data(env: &Env, id: u32, data: String) -> napi::Result<()> {
    contained(env, "stream_data", || {
        queue(id, Bytes::from(data));
    })
}

/// Some of the body of a stream's answer.
#[napi]
pub fn stream_bytes(env: &Env, id: u32, bytes: Uint8Array) -> napi::Result<()> {
    contained(env, "stream_bytes", || {
        queue(id, Bytes::copy_from_slice(&bytes));
    })
}

fn queue(id: u32, piece: Bytes) {
    let mut streams = lock(&STREAMS);
    let Some(stream) = streams.get(&id) else { return };
    let waiting = stream.queued.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
    if waiting <= MAX_QUEUED_BYTES {
        // A receiver that has gone does not want it.
        let _ = stream.data.send(Ok(piece));
    } else if let Some(stream) = streams.remove(&id) {
        let message = "events come faster than they can be read".to_owned();
        let _ = stream.data.send(Err(StreamError { status: None, code: "ERR_STREAM_TOO_FAST", message }));
    }
}

/// The stream could not be opened, or has ended.
#[napi]
pub fn stream_failed(
    env: &Env,
    id: u32,
    status: Option<u32>,
    message: String,
    code: Option<String>,
) -> napi::Result<()> {
    contained(env, "stream_failed", || {
        let Some(stream) = lock(&STREAMS).remove(&id) else { return };
        let error = StreamError {
            status: status.and_then(|status| u16::try_from(status).ok()),
            code: known_code(code.as_deref()),
            message,
        };
        match stream.opened {
            Some(opened) => drop(opened.send(Err(error))),
            None => drop(stream.data.send(Err(error))),
        }
    })
}

/// Codes that Node's own network errors carry.
const CODES: [&str; 16] = [
    "ECONNREFUSED",
    "ECONNRESET",
    "ECONNABORTED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "EPIPE",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EPROTO",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "CERT_HAS_EXPIRED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "ERR_INVALID_ARG_TYPE",
];

fn known_code(code: Option<&str>) -> &'static str {
    CODES.into_iter().find(|known| Some(*known) == code).unwrap_or("ERR_EXPERIMENT_TRANSPORT")
}
