//! A server out of thin air: answers as a test says, on virtual time, and keeps what it was asked and when.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use experiment_node_server::transport::stream::{EventSource, Events, StreamError};
use experiment_node_server::transport::{
    Request, Response, Transport, TransportError, TransportErrorKind, deadline,
};
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

/// What becomes of one request.
#[derive(Clone)]
pub enum Answer {
    Body(String),
    Status(u16, &'static str),
    Refused,
    /// The connection ends inside the body.
    Cut,
    Never,
    /// So many pieces of the body, with this pause before each.
    Drip(Duration, Vec<String>),
    After(u64, Box<Answer>),
}

impl Answer {
    pub fn after(self, millis: u64) -> Self {
        Self::After(millis, Box::new(self))
    }
}

/// What becomes of one attempt to stream.
#[derive(Clone)]
pub enum Stream {
    Refused,
    Status(u16),
    Never,
    /// Opens at once. Then, each so many milliseconds after the one before: `Some` data, or `None`: the connection is
    /// lost. After the last it stays open and silent.
    Open(Vec<(u64, Option<String>)>),
    /// As `Open`, and from then on this data at this interval in milliseconds, for ever.
    Lasting(Vec<(u64, Option<String>)>, u64, &'static str),
    /// As `Open`, and after so many milliseconds this status, as a caller's own event source may report one.
    Failing(Vec<(u64, Option<String>)>, u64, u16),
    After(u64, Box<Stream>),
}

impl Stream {
    pub fn after(self, millis: u64) -> Self {
        Self::After(millis, Box::new(self))
    }
}

#[derive(Clone)]
pub struct Asked {
    /// Milliseconds since the server was made.
    pub at: u64,
    /// `flags`, `stream` or `cohort `, followed by the id and what comes after it in the URL.
    pub what: String,
    pub request: Request,
}

#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    since: Instant,
    asked: Mutex<Vec<Asked>>,
    flags: Mutex<VecDeque<Answer>>,
    cohorts: Mutex<HashMap<String, VecDeque<Answer>>>,
    streams: Mutex<VecDeque<Stream>>,
    open_requests: Counter,
    open_streams: Counter,
}

/// How many of something there are, and how many at most there have been.
#[derive(Clone, Default)]
struct Counter(Arc<(AtomicUsize, AtomicUsize)>);

/// One of them.
struct Counted(Counter);

impl Counter {
    fn count(&self) -> Counted {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            since: Instant::now(),
            asked: Mutex::default(),
            flags: Mutex::default(),
            cohorts: Mutex::default(),
            streams: Mutex::default(),
            open_requests: Counter::default(),
            open_streams: Counter::default(),
        }))
    }

    /// What polls get from now on, in turn, the last for ever.
    pub fn flags(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.0.flags.lock().unwrap() = answers.into_iter().collect();
    }

    /// As [`Server::flags`], for one cohort. Cohorts without answers are 404.
    pub fn cohort(&self, id: &str, answers: impl IntoIterator<Item = Answer>) {
        self.0.cohorts.lock().unwrap().insert(id.to_owned(), answers.into_iter().collect());
    }

    /// As [`Server::flags`], for attempts to stream.
    pub fn streams(&self, streams: impl IntoIterator<Item = Stream>) {
        *self.0.streams.lock().unwrap() = streams.into_iter().collect();
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.0.asked.lock().unwrap().clone()
    }

    /// Everything asked since the last call, each as `{milliseconds} {what}`.
    pub fn timeline(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.0.asked.lock().unwrap());
        asked.into_iter().map(|asked| format!("{} {}", asked.at, asked.what)).collect()
    }

    /// When this was asked since the last `timeline`, in milliseconds.
    pub fn times(&self, what: &str) -> Vec<u64> {
        self.asked().into_iter().filter(|asked| asked.what == what).map(|asked| asked.at).collect()
    }

    pub fn open_requests(&self) -> usize {
        self.0.open_requests.0.0.load(Ordering::SeqCst)
    }

    pub fn max_open_requests(&self) -> usize {
        self.0.open_requests.0.1.load(Ordering::SeqCst)
    }

    pub fn open_streams(&self) -> usize {
        self.0.open_streams.0.0.load(Ordering::SeqCst)
    }

    pub fn millis(&self) -> u64 {
        self.0.since.elapsed().as_millis() as u64
    }

    fn note(&self, request: &Request) -> String {
        let url = &request.url;
        let what = if url.ends_with("/sdk/v2/flags") {
            "flags".to_owned()
        } else if url.ends_with("/sdk/stream/v1/flags") {
            "stream".to_owned()
        } else {
            let (_, rest) = url.split_once("/sdk/v1/cohort/").expect("a known path");
            format!("cohort {rest}")
        };
        let asked = Asked { at: self.millis(), what: what.clone(), request: request.clone() };
        self.0.asked.lock().unwrap().push(asked);
        what
    }

    fn answer(&self, what: &str) -> Answer {
        match what.strip_prefix("cohort ").and_then(|rest| rest.split('?').next()) {
            Some(id) => {
                let mut cohorts = self.0.cohorts.lock().unwrap();
                cohorts.get_mut(id).map_or(Answer::Status(404, "none"), next)
            }
            None => next(&mut self.0.flags.lock().unwrap()),
        }
    }

    fn exchange(&self, request: Request, is_download: bool) -> BoxFuture<'static, Sent> {
        let server = self.clone();
        // As with a real connection nothing happens until somebody waits.
        async move {
            let deadline = request.deadline;
            let answer = answered(server.answer(&server.note(&request)));
            let open = server.0.open_requests.count();
            let response = if is_download {
                deadline::renewed(deadline, answer).await?
            } else {
                deadline::within(deadline, answer).await?
            };
            let body = response.body.inspect(move |_| {
                let _ = &open;
            });
            Ok(Response { body: body.boxed(), ..response })
        }
        .boxed()
    }
}

type Sent = Result<Response, TransportError>;

impl Transport for Server {
    fn send(&self, request: Request) -> BoxFuture<'static, Sent> {
        self.exchange(request, false)
    }

    fn download(&self, request: Request) -> BoxFuture<'static, Sent> {
        self.exchange(request, true)
    }
}

impl EventSource for Server {
    fn open(&self, request: Request) -> BoxFuture<'static, Result<Events, StreamError>> {
        let server = self.clone();
        async move {
            server.note(&request);
            let mut stream = next(&mut server.0.streams.lock().unwrap());
            let open = server.0.open_streams.count();
            while let Stream::After(millis, then) = stream {
                pause(millis).await;
                stream = *then;
            }
            let (items, then): (_, Events) = match stream {
                Stream::Open(items) => (items, stream::pending().boxed()),
                Stream::Lasting(items, every, data) => (items, ever(every, data)),
                Stream::Failing(items, millis, status) => (items, failure(millis, status)),
                Stream::Status(status) => return Err(stream_error(Some(status), "status")),
                Stream::Never => future::pending().await,
                Stream::Refused | Stream::After(..) => return Err(stream_error(None, "refused")),
            };
            let items = stream::iter(items).then(|(millis, data)| async move {
                pause(millis).await;
                data.ok_or_else(|| stream_error(None, "lost"))
            });
            let items = items.chain(then).inspect(move |_| {
                let _ = &open;
            });
            Ok(items.boxed())
        }
        .boxed()
    }
}

fn ever(every: u64, data: &'static str) -> Events {
    let items = stream::repeat(data).then(move |data| async move {
        pause(every).await;
        Ok(data.to_owned())
    });
    items.boxed()
}

fn failure(millis: u64, status: u16) -> Events {
    let item = async move {
        pause(millis).await;
        Err(stream_error(Some(status), "gone"))
    };
    stream::once(item).boxed()
}

async fn answered(mut answer: Answer) -> Sent {
    while let Answer::After(millis, then) = answer {
        pause(millis).await;
        answer = *then;
    }
    match answer {
        Answer::Body(text) => Ok(response(200, stream::iter([Ok(Bytes::from(text))]))),
        Answer::Status(status, text) => {
            Ok(response(status, stream::iter([Ok(Bytes::from_static(text.as_bytes()))])))
        }
        Answer::Cut => {
            let cut = error(TransportErrorKind::Truncated, "ECONNRESET", "aborted");
            Ok(response(200, stream::iter([Ok(Bytes::from_static(b"[")), Err(cut)])))
        }
        Answer::Drip(every, pieces) => {
            let pieces = stream::iter(pieces).then(move |piece| async move {
                sleep(every).await;
                Ok(Bytes::from(piece))
            });
            Ok(response(200, pieces))
        }
        Answer::Never => future::pending().await,
        Answer::Refused | Answer::After(..) => {
            Err(error(TransportErrorKind::Connection, "ECONNREFUSED", "connect ECONNREFUSED"))
        }
    }
}

fn response(
    status: u16,
    body: impl futures_util::Stream<Item = Result<Bytes, TransportError>> + Send + 'static,
) -> Response {
    Response { status, retry_after: None, body: body.boxed() }
}

fn error(kind: TransportErrorKind, code: &'static str, message: &str) -> TransportError {
    TransportError { kind, code, message: message.to_owned() }
}

fn stream_error(status: Option<u16>, message: &str) -> StreamError {
    StreamError { status, code: "ERR_TEST", message: message.to_owned() }
}

/// No pause is no timer: what follows happens in the same millisecond and at the same turn.
async fn pause(millis: u64) {
    if millis > 0 {
        sleep(Duration::from_millis(millis)).await;
    }
}

fn next<T: Clone>(answers: &mut VecDeque<T>) -> T {
    if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().expect("an answer").clone() }
}
