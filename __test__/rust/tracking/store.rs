//! A storage provider of the caller's (analytics 5.6).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use experiment_node_server::tracking::config::Options;
use experiment_node_server::tracking::{EventStore, Kind, Level, StoreError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::support::*;

#[derive(Default)]
struct Memory {
    stored: Mutex<Option<Value>>,
    saves: Mutex<Vec<(String, usize)>>,
    load_takes: Duration,
    fails: bool,
}

impl Memory {
    fn holding(events: Value) -> Self {
        Self { stored: Mutex::new(Some(events)), ..Self::default() }
    }

    fn stored(&self) -> Value {
        self.stored.lock().unwrap().clone().unwrap_or_default()
    }

    fn saves(&self) -> Vec<usize> {
        self.saves.lock().unwrap().iter().map(|(_, events)| *events).collect()
    }
}

impl EventStore for Memory {
    fn load(&self, _key: &str) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        let stored = self.stored.lock().unwrap().as_ref().map(|events| Bytes::from(events.to_string()));
        let (takes, fails) = (self.load_takes, self.fails);
        async move {
            tokio::time::sleep(takes).await;
            if fails { Err(StoreError("get threw".into())) } else { Ok(stored) }
        }
        .boxed()
    }

    fn save(&self, key: &str, events: Bytes) -> BoxFuture<'static, Result<(), StoreError>> {
        let events: Value = serde_json::from_slice(&events).unwrap();
        self.saves.lock().unwrap().push((key.to_owned(), events.as_array().unwrap().len()));
        *self.stored.lock().unwrap() = Some(events);
        let fails = self.fails;
        async move { if fails { Err(StoreError("set threw".into())) } else { Ok(()) } }.boxed()
    }
}

fn with(store: &Arc<Memory>, kind: Kind, options: Options, reply: Reply) -> Rig {
    rig_with(kind, options, Endpoint::new([reply]), Some(store.clone()), &Handle::current())
}

#[tokio::test(start_paused = true)]
async fn undelivered_events_are_stored_and_come_back_unchanged() {
    let store = Arc::new(Memory::default());
    let rig = with(&store, Kind::Exposure, options(), Reply::Reset);
    rig.track_many(0..3);
    rig.pipeline.close(Duration::from_secs(1)).await;
    assert_eq!(rig.log.of(Level::Error), Vec::<String>::new());
    let stored = store.stored();
    assert_eq!(stored.as_array().unwrap().len(), 3);

    let next = with(&store, Kind::Exposure, options(), OK);
    pass(2.0).await;
    assert_eq!(next.endpoint.received()[0].body["events"], stored);
    assert_eq!(store.stored(), json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_events_do_not_make_a_thousand_calls() {
    let store = Arc::new(Memory::default());
    let rig = with(&store, Kind::Exposure, options(), OK);
    for user in 0..1000 {
        rig.track_many(user..user + 1);
        pass(0.001).await;
    }
    rig.pipeline.close(Duration::from_secs(5)).await;
    assert!(store.saves().len() < 10, "{:?}", store.saves());
    assert_eq!(store.stored(), json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_loses_nothing() {
    let load_takes = Duration::from_millis(400);
    let store = Arc::new(Memory { load_takes, ..Memory::holding(json!([{ "user_id": "stored" }])) });
    let rig = with(&store, Kind::Exposure, options(), OK);
    rig.track("tracked");
    rig.pipeline.close(Duration::from_secs(5)).await;
    let mut users = rig.endpoint.users().concat();
    users.sort();
    assert_eq!(users, ["stored", "tracked"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_before_its_store_is_read_leaves_its_events_there() {
    let load_takes = Duration::from_millis(400);
    let store = Arc::new(Memory { load_takes, ..Memory::holding(json!([{ "user_id": "stored" }])) });
    let rig = with(&store, Kind::Exposure, options(), Reply::Reset);
    rig.track("tracked");
    rig.pipeline.close(Duration::from_millis(100)).await;
    let stored = store.stored();
    let users: Vec<_> = stored.as_array().unwrap().iter().map(|event| event["user_id"].clone()).collect();
    assert_eq!(users, ["stored", "tracked"]);
    assert_eq!(rig.log.of(Level::Error), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_store_could_not_take_is_told_of_in_the_end() {
    let store = Arc::new(Memory { fails: true, ..Memory::default() });
    let rig = with(&store, Kind::Exposure, options(), Reply::Reset);
    rig.track("u");
    rig.pipeline.close(Duration::from_millis(100)).await;
    let errors = rig.log.of(Level::Error);
    assert_eq!(errors[1..], ["1 events dropped: 1 × the client was closed (code 0)"], "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn exposures_and_assignments_do_not_overwrite_each_other() {
    let store = Arc::new(Memory::default());
    for kind in [Kind::Exposure, Kind::Assignment] {
        let rig = with(&store, kind, Options { offline: true, ..options() }, OK);
        rig.track("u");
        pass(2.0).await;
    }
    let keys: Vec<String> = store.saves.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys[0], "AMP_unsent_api-key-01");
    assert!(keys[1..].iter().any(|key| key != &keys[0]), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_told_of_once_and_tolerated() {
    let store = Arc::new(Memory { fails: true, ..Memory::default() });
    let rig = with(&store, Kind::Exposure, options(), OK);
    for user in 0..5 {
        rig.track_many(user..user + 1);
        pass(2.0).await;
    }
    assert_eq!(rig.endpoint.sizes().iter().sum::<usize>(), 5);
    assert_eq!(rig.log.of(Level::Error), ["The storage provider failed: get threw"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_of_events_is_passed_over() {
    let store = Arc::new(Memory::holding(json!({ "not": "a list" })));
    let rig = with(&store, Kind::Exposure, options(), OK);
    rig.track("u");
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.users(), [["u"]]);
    assert_eq!(rig.log.of(Level::Error).len(), 1);
    let store = Arc::new(Memory::holding(json!([7, "x", null, { "user_id": "stored" }])));
    let rig = with(&store, Kind::Exposure, options(), OK);
    pass(2.0).await;
    assert_eq!(rig.endpoint.users(), [["stored"]]);
}
