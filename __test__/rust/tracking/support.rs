//! A pipeline whose endpoint answers by a script, and what the endpoint was sent.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use experiment_node_server::ecma::Text;
use experiment_node_server::key::Secret;
use experiment_node_server::tracking::config::{Options, Zone};
use experiment_node_server::tracking::endpoint::{Answer, Upload};
use experiment_node_server::tracking::{
    Config, Evaluation, EventLog, EventStore, EventTransport, Id, Kind, Layout, Level, Parts, Pipeline,
    Points, Prepared, User,
};
use experiment_node_server::transport::{TransportError, TransportErrorKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// What the endpoint does with a request.
#[derive(Clone)]
pub enum Reply {
    Status(u16, &'static str),
    /// With `Retry-After`.
    Later(u16, Duration),
    Reset,
    /// Answers after a time.
    Slow(Duration),
    Hang,
    /// 413 for more events than this, else 200.
    AtMost(usize),
}

pub const OK: Reply = Reply::Status(200, r#"{"code":200}"#);

/// One request as it came.
#[derive(Clone)]
pub struct Received {
    /// Since the pipeline was made.
    pub at: Duration,
    pub body: Value,
    pub text: String,
    pub url: String,
}

impl Received {
    pub fn users(&self) -> Vec<String> {
        let events = self.body["events"].as_array().unwrap().iter();
        events.map(|event| event["user_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// An endpoint that answers by a script; once that is at its end, always with the last reply.
pub struct Endpoint {
    start: Instant,
    script: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    is_foreign: bool,
}

impl Endpoint {
    pub fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            start: Instant::now(),
            script: Mutex::new(script.into_iter().collect()),
            received: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            is_foreign: false,
        }
    }

    /// Stands for a transport of JavaScript's.
    pub fn foreign(self) -> Self {
        Self { is_foreign: true, ..self }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many events each request had.
    pub fn sizes(&self) -> Vec<usize> {
        self.received().iter().map(|request| request.users().len()).collect()
    }

    /// When each request came, in seconds.
    pub fn times(&self) -> Vec<f64> {
        self.received().iter().map(|request| request.at.as_secs_f64()).collect()
    }

    /// Whom each request was about.
    pub fn users(&self) -> Vec<Vec<String>> {
        self.received().iter().map(Received::users).collect()
    }

    pub fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::Relaxed)
    }

    fn next_reply(&self) -> Reply {
        let mut script = self.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
    }
}

/// A request that is being answered, until it is dropped.
struct UnderWay(Arc<Endpoint>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Wire(Arc<Endpoint>);

impl EventTransport for Wire {
    fn send(&self, upload: Upload) -> BoxFuture<'static, Result<Answer, TransportError>> {
        let endpoint = Arc::clone(&self.0);
        let text = String::from_utf8(upload.payload.to_vec()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        let events = body["events"].as_array().unwrap().len();
        endpoint.received.lock().unwrap().push(Received {
            at: endpoint.start.elapsed(),
            body,
            text,
            url: upload.endpoint.url,
        });
        let count = endpoint.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        endpoint.most_under_way.fetch_max(count, Ordering::Relaxed);
        let guard = UnderWay(Arc::clone(&endpoint));
        let reply = endpoint.next_reply();
        async move {
            let _guard = guard;
            let answer = |status, body: &'static str, retry_after| {
                Ok(Answer { status, retry_after, body: Bytes::from_static(body.as_bytes()) })
            };
            match reply {
                Reply::Status(status, body) => answer(status, body, None),
                Reply::Later(status, delay) => answer(status, "", Some(delay)),
                Reply::Reset => Err(TransportError {
                    kind: TransportErrorKind::Connection,
                    code: "ECONNRESET",
                    message: "read ECONNRESET".into(),
                }),
                Reply::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    answer(200, "", None)
                }
                Reply::Hang => std::future::pending().await,
                Reply::AtMost(most) if events > most => {
                    answer(413, r#"{"code":413,"error":"too much"}"#, None)
                }
                Reply::AtMost(_) => answer(200, "", None),
            }
        }
        .boxed()
    }

    fn works_while_blocked(&self) -> bool {
        !self.0.is_foreign
    }
}

#[derive(Default)]
pub struct Lines(Mutex<Vec<(Level, String)>>);

impl EventLog for Lines {
    fn log(&self, level: Level, message: &str) {
        self.0.lock().unwrap().push((level, message.to_owned()));
    }
}

impl Lines {
    pub fn of(&self, level: Level) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|(of, _)| *of == level).map(|(_, line)| line.clone()).collect()
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

pub struct Rig {
    pub pipeline: Pipeline,
    pub endpoint: Arc<Endpoint>,
    pub log: Arc<Lines>,
}

pub const KEY: &str = "api-key-0123456789";

pub fn options() -> Options {
    Options { api_key: Some(Secret::new(KEY)), flush_interval_millis: Some(1000.0), ..Options::default() }
}

pub fn rig(options: Options, script: impl IntoIterator<Item = Reply>) -> Rig {
    rig_with(Kind::Exposure, options, Endpoint::new(script), None, &Handle::current())
}

pub fn rig_with(
    kind: Kind,
    options: Options,
    endpoint: Endpoint,
    store: Option<Arc<dyn EventStore>>,
    handle: &Handle,
) -> Rig {
    let endpoint = Arc::new(endpoint);
    let log = Arc::new(Lines::default());
    let config = Config::new(options, Zone::Us).0;
    let transport = Arc::new(Wire(Arc::clone(&endpoint)));
    let parts = Parts { transport, log: log.clone(), store };
    Rig { pipeline: Pipeline::new(kind, config, parts, handle), endpoint, log }
}

/// An evaluation of one flag, which makes one event.
pub fn track_at(pipeline: &Pipeline, user_id: &str, device_id: &str, now: i64) {
    let keys = [Text::default(), Text::from("flag-1")];
    let prepared =
        Prepared::new(Points::from_random([7, 9]), keys.iter().map(|key| (key, &br#"{"key":"on"}"#[..])));
    let layout = Layout::new([&b"flag-1"[..]]);
    let user = User {
        user_id: Id::Text(user_id.as_bytes()),
        device_id: Id::Text(device_id.as_bytes()),
        groups: None,
    };
    pipeline.record(&Evaluation { prepared: &prepared, layout: &layout, codes: &[1], user, now });
}

pub const NOW: i64 = 1_700_000_000_000;

impl Rig {
    pub fn track(&self, user_id: &str) {
        track_at(&self.pipeline, user_id, "d", NOW);
    }

    /// Tracks `u0`, `u1`, …
    pub fn track_many(&self, users: std::ops::Range<usize>) {
        users.for_each(|user| self.track(&format!("u{user}")));
    }
}

/// Lets time pass.
pub async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Names of users.
pub fn names(users: &[usize]) -> Vec<String> {
    users.iter().map(|user| format!("u{user}")).collect()
}

/// A directory that is removed when the test is over.
pub struct Temporary(pub PathBuf);

impl Temporary {
    pub fn new() -> Self {
        let name = format!("experiment-tracking-{}-{:016x}", std::process::id(), fastrand::u64(..));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
