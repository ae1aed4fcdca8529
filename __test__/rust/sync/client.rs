//! One client under test with everything around it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use experiment_node_server::config::{CohortConfig, LocalConfig};
use experiment_node_server::key::Secret;
use experiment_node_server::plan::Plan;
use experiment_node_server::snapshot::{RawFlags, Snapshot, World};
use experiment_node_server::sync::{Detail, FlagSync, Level, LogLine, Parts, SyncObserver};
use tokio::time::{Instant, sleep};

use super::server::{Answer, Server, Stream};

/// Loses a stream.
pub const LOST: (u64, Option<String>) = (0, None);

pub struct Client {
    pub sync: FlagSync,
    pub server: Server,
    pub world: Arc<World>,
    pub observer: Arc<Observer>,
}

pub struct Observer {
    since: Instant,
    lines: Mutex<Vec<String>>,
    installed: Mutex<Vec<(u64, String)>>,
    /// Plans that were announced before they were installed.
    prepared: Mutex<Vec<Arc<Plan>>>,
}

impl SyncObserver for Observer {
    fn log(&self, line: LogLine) {
        let level = match line.level {
            Level::Error => 'E',
            Level::Debug => 'D',
        };
        let detail = match line.detail {
            Some(Detail::Error(error)) => format!(" [{error}]"),
            Some(Detail::Text(text)) => format!(" [{}]", text.to_string_lossy()),
            None => String::new(),
        };
        let line = format!("{level} {}{detail}", line.message);
        assert!(!line.contains("-key"), "a key in the log: {line}");
        self.lines.lock().unwrap().push(line);
    }

    fn preparing(&self, plan: &Arc<Plan>) {
        self.prepared.lock().unwrap().push(Arc::clone(plan));
    }

    fn installed(&self, snapshot: &Arc<Snapshot>) {
        let is_prepared = self.prepared.lock().unwrap().iter().any(|plan| Arc::ptr_eq(plan, &snapshot.plan));
        assert!(is_prepared, "flags in effect that were not announced");
        let at = self.since.elapsed().as_millis() as u64;
        self.installed.lock().unwrap().push((at, keys_of(snapshot)));
    }
}

impl Client {
    /// Polls every 30 seconds; no stream, no cohorts.
    pub fn polling(server: &Server) -> Self {
        Self::new(server, config())
    }

    /// Streams, polling every 30 seconds meanwhile.
    pub fn streaming(server: &Server) -> Self {
        Self::new(server, LocalConfig { stream_updates: true, ..config() })
    }

    pub fn new(server: &Server, config: LocalConfig) -> Self {
        let world = Arc::new(World::new());
        let observer = Arc::new(Observer::new());
        let parts = Parts { world: world.clone(), observer: observer.clone(), ..parts(server) };
        Self { sync: FlagSync::new(config, parts), server: server.clone(), world, observer }
    }

    /// The keys of the flags in effect.
    pub fn flags(&self) -> String {
        keys_of(&self.world.load())
    }

    pub fn stored_cohorts(&self) -> Vec<String> {
        self.world.cohort_ids().iter().map(|id| id.to_string_lossy().into_owned()).collect()
    }

    /// Log lines since the last call.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.observer.lines.lock().unwrap())
    }

    /// Lines of this level since the last `log`.
    pub fn errors(&self) -> Vec<String> {
        let lines = self.observer.lines.lock().unwrap();
        lines.iter().filter_map(|line| line.strip_prefix("E ")).map(str::to_owned).collect()
    }

    /// What was installed since the last call, each as `{milliseconds} {flag keys}`.
    pub fn installed(&self) -> Vec<String> {
        let installed = std::mem::take(&mut *self.observer.installed.lock().unwrap());
        installed.into_iter().map(|(at, flags)| format!("{at} {flags}")).collect()
    }
}

impl Observer {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            lines: Mutex::default(),
            installed: Mutex::default(),
            prepared: Mutex::default(),
        }
    }
}

/// What a client needs to speak to this server.
pub fn parts(server: &Server) -> Parts {
    Parts {
        transport: Arc::new(server.clone()),
        events: Arc::new(server.clone()),
        world: Arc::new(World::new()),
        observer: Arc::new(Observer::new()),
        handle: tokio::runtime::Handle::current(),
        random: fastrand::Rng::with_seed(7),
    }
}

/// The keys of all flags, as they came.
fn keys_of(snapshot: &Snapshot) -> String {
    let (RawFlags::Array(json) | RawFlags::Map(json)) = &snapshot.raw;
    let flags: serde_json::Value = serde_json::from_slice(json).unwrap();
    let keys = flags.as_array().into_iter().flatten().filter_map(|flag| flag["key"].as_str());
    keys.collect::<Vec<_>>().join(" ")
}

pub fn config() -> LocalConfig {
    LocalConfig {
        deployment_key: Secret::new("server-key"),
        server_url: "https://api.test".to_owned(),
        stream_server_url: "https://stream.test".to_owned(),
        polling_interval: LocalConfig::POLLING_INTERVAL,
        stream_updates: false,
        stream_connect_timeout: LocalConfig::STREAM_CONNECT_TIMEOUT,
        cohorts: None,
    }
}

pub fn with_cohorts(config: LocalConfig) -> LocalConfig {
    let cohorts = CohortConfig {
        api_key: Secret::new("api-key"),
        secret_key: Secret::new("secret-key"),
        server_url: "https://cohorts.test".to_owned(),
        max_cohort_size: CohortConfig::MAX_COHORT_SIZE,
        polling_interval: CohortConfig::POLLING_INTERVAL_MIN,
    };
    LocalConfig { cohorts: Some(cohorts), ..config }
}

/// Flags without conditions, of these keys.
pub fn flags(keys: &[&str]) -> String {
    let flags: Vec<_> = keys.iter().map(|key| flag(key, &[])).collect();
    format!("[{}]", flags.join(","))
}

/// A flag that targets cohorts.
pub fn flag(key: &str, cohorts: &[&str]) -> String {
    let condition = serde_json::json!({
        "selector": ["context", "user", "cohort_ids"], "op": "set contains any", "values": cohorts,
    });
    let conditions = if cohorts.is_empty() { vec![] } else { vec![condition] };
    serde_json::json!({
        "key": key,
        "variants": { "on": { "key": "on" } },
        "segments": [{ "conditions": [conditions], "variant": "on" }],
    })
    .to_string()
}

/// A cohort's body.
pub fn cohort(id: &str, last_modified: u64) -> String {
    serde_json::json!({
        "cohortId": id, "groupType": "User", "groupTypeId": 0, "lastComputed": 1,
        "lastModified": last_modified, "size": 1, "memberIds": ["member"],
    })
    .to_string()
}

pub fn body(text: impl Into<String>) -> Answer {
    Answer::Body(text.into())
}

/// A stream that opens and brings each of these at once; it sends keep-alives every 15 seconds for ever.
pub fn healthy(updates: &[String]) -> Stream {
    Stream::Lasting(updates.iter().map(|update| (0, Some(update.clone()))).collect(), 15_000, " ")
}

/// Virtual time passes until then, counted from the server's beginning.
pub async fn until(server: &Server, millis: u64) {
    let now = server.millis();
    assert!(now <= millis, "{now} is past {millis} already");
    sleep(Duration::from_millis(millis - now)).await;
}
