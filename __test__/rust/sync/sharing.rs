//! Clients that share a core: whose start and stop counts, who is told, when the core goes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use experiment_node_server::client::{Audience, Client, Listener, Parts, Pipelines, Registry};
use experiment_node_server::config::LocalConfig;
use experiment_node_server::snapshot::{RawFlags, Snapshot, World};
use experiment_node_server::sync::{self, FlagSync, LogLine};
use experiment_node_server::tracking::{self, Kind};
use tokio::time::sleep;

use super::client::{body, config, flags, healthy, parts, until};
use super::server::{Answer, Server};

/// Keeps what a client is told.
#[derive(Default)]
struct Ear {
    lines: Mutex<Vec<String>>,
    installed: Mutex<Vec<usize>>,
}

impl Listener for Ear {
    fn log(&self, line: LogLine) {
        self.lines.lock().unwrap().push(line.message);
    }

    fn installed(&self, snapshot: &Arc<Snapshot>) {
        let (RawFlags::Array(json) | RawFlags::Map(json)) = &snapshot.raw;
        self.installed.lock().unwrap().push(json.len());
    }

    fn tracking_log(&self, _: Kind, _: tracking::Level, message: &str) {
        self.lines.lock().unwrap().push(message.to_owned());
    }
}

impl Ear {
    fn heard(&self, line: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|heard| heard.contains(line))
    }

    /// How often flags were installed since the last call.
    fn installed(&self) -> usize {
        std::mem::take(&mut *self.installed.lock().unwrap()).len()
    }
}

fn make<'a>(
    server: &'a Server,
    config: LocalConfig,
) -> impl FnOnce(&Arc<Audience>) -> Result<Parts, &'static str> + 'a {
    move |audience| {
        let world = Arc::new(World::new());
        let observer = Arc::clone(audience) as Arc<dyn sync::SyncObserver>;
        let sync_parts = sync::Parts { world: world.clone(), observer, ..parts(server) };
        Ok(Parts { world, sync: FlagSync::new(config, sync_parts), pipelines: Pipelines::new(None, None) })
    }
}

fn join(registry: &Registry, name: &str, server: &Server) -> (Client, Arc<Ear>) {
    let ear = Arc::<Ear>::default();
    (registry.join(name, ear.clone(), make(server, config())).unwrap(), ear)
}

#[tokio::test(start_paused = true)]
async fn clients_of_a_name_ask_once_for_all() {
    let (registry, server) = (Registry::new(), Server::new());
    server.flags([body(flags(&["a"]))]);
    let (one, _) = join(&registry, "x", &server);
    let (two, _) = join(&registry, "x", &server);
    let (other, _) = join(&registry, "y", &server);
    assert_eq!(registry.count(), 2);
    assert!(Arc::ptr_eq(one.world(), two.world()) && !Arc::ptr_eq(one.world(), other.world()));
    let (first, second) = tokio::join!(one.start(), two.start());
    assert!(first.is_ok() && second.is_ok());
    until(&server, 30_001).await;
    assert_eq!(server.timeline(), ["0 flags", "30000 flags"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_stop_ends_it_whoever_started_first() {
    let (registry, server) = (Registry::new(), Server::new());
    server.flags([body(flags(&["a"]))]);
    let (one, _) = join(&registry, "x", &server);
    let (two, _) = join(&registry, "x", &server);
    let (idle, _) = join(&registry, "x", &server);
    one.start().await.unwrap();
    two.start().await.unwrap();
    // Of one that has not started it takes nothing away.
    idle.stop();
    one.stop();
    one.stop();
    until(&server, 30_001).await;
    two.stop();
    until(&server, 90_000).await;
    assert_eq!(server.timeline(), ["0 flags", "30000 flags"]);
    one.start().await.unwrap();
    assert_eq!(server.timeline(), ["90000 flags"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_is_a_stop_and_the_last_one_takes_the_core_along() {
    let (registry, server) = (Registry::new(), Server::new());
    server.streams([healthy(&[flags(&["a"])])]);
    let streams = LocalConfig { stream_updates: true, ..config() };
    let new = || registry.join("x", Arc::<Ear>::default(), make(&server, streams.clone())).unwrap();
    let (one, two) = (new(), new());
    one.start().await.unwrap();
    two.start().await.unwrap();
    let world = Arc::downgrade(one.world());
    drop(one);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((server.open_streams(), registry.count()), (1, 1));
    let third = new();
    drop(two);
    sleep(Duration::from_secs(1)).await;
    // The third has not started.
    assert_eq!((server.open_streams(), registry.count()), (0, 1));
    assert_eq!(third.world().load().plan.flags().len(), 1);
    drop(third);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(registry.count(), 0);
    assert!(world.upgrade().is_none(), "flags and cohorts are kept by something");
}

#[tokio::test(start_paused = true)]
async fn a_start_ends_with_its_own_clients_stop_or_end() {
    let (registry, server) = (Registry::new(), Server::new());
    server.flags([body(flags(&["a"])).after(3_000)]);
    let (stopped, _) = join(&registry, "x", &server);
    let (dropped, _) = join(&registry, "x", &server);
    let (patient, _) = join(&registry, "x", &server);
    let starts = [stopped.start(), dropped.start(), patient.start()];
    sleep(Duration::from_secs(1)).await;
    stopped.stop();
    drop(dropped);
    let [first, second, third] = starts;
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(server.millis(), 1_000);
    third.await.unwrap();
    assert_eq!(server.millis(), 3_000);
}

#[tokio::test(start_paused = true)]
async fn each_client_hears_of_what_happens_from_its_start_to_its_stop() {
    let (registry, server) = (Registry::new(), Server::new());
    server.flags([body(flags(&["a"]))]);
    let (one, first) = join(&registry, "x", &server);
    let (two, second) = join(&registry, "x", &server);
    one.start().await.unwrap();
    assert_eq!((first.installed(), second.installed()), (1, 0));
    until(&server, 10_000).await;
    // It is told of the flags that are there.
    two.start().await.unwrap();
    assert_eq!((first.installed(), second.installed()), (0, 1));
    assert!(first.heard("poller - start") && !second.heard("poller - start"));
    until(&server, 30_001).await;
    assert_eq!((first.installed(), second.installed()), (1, 1));
    one.stop();
    until(&server, 60_001).await;
    assert_eq!((first.installed(), second.installed()), (0, 1));
    // What it missed it is told of when it starts again.
    one.start().await.unwrap();
    assert_eq!(first.installed(), 1);
    drop(one);
    two.stop();
    assert!(second.heard("poller - stop") && !first.heard("poller - stop"));
}

#[tokio::test(start_paused = true)]
async fn a_core_that_fails_to_be_made_is_not_kept() {
    let (registry, server) = (Registry::new(), Server::new());
    let failed = registry.join("x", Arc::<Ear>::default(), |_| Err("no threads"));
    assert_eq!(failed.err(), Some("no threads"));
    assert_eq!(registry.count(), 0);
    server.flags([Answer::Status(500, "down"), body(flags(&["a"]))]);
    let (client, _) = join(&registry, "x", &server);
    client.start().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_core_whose_clients_are_all_closed_takes_no_more() {
    let (registry, server) = (Registry::new(), Server::new());
    let (one, _) = join(&registry, "x", &server);
    let (two, _) = join(&registry, "x", &server);
    one.close(Duration::from_secs(1)).await;
    let (three, _) = join(&registry, "x", &server);
    assert!(Arc::ptr_eq(one.world(), three.world()));
    drop(three);
    two.close(Duration::from_secs(1)).await;
    let (fresh, _) = join(&registry, "x", &server);
    assert!(!Arc::ptr_eq(one.world(), fresh.world()));
}
