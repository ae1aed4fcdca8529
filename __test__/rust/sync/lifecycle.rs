//! Starting and stopping at any moment.

use std::time::Duration;

use experiment_node_server::config::LocalConfig;
use experiment_node_server::sync::SyncError;
use futures_util::FutureExt;
use futures_util::future::join;

use super::client::{Client, body, cohort, config, flag, flags, healthy, until, with_cohorts};
use super::server::{Answer, Server, Stream};

fn configs() -> [LocalConfig; 2] {
    let polling = with_cohorts(config());
    [LocalConfig { stream_updates: true, ..polling.clone() }, polling]
}

/// A server whose flags (and the cohort that they name) come after a while, by stream and by poll.
fn slow_server() -> Server {
    let server = Server::new();
    let update = format!("[{}]", flag("a", &["c"]));
    server.flags([body(update.clone()).after(100)]);
    server.streams([healthy(&[update]).after(100)]);
    server.cohort("c", [body(cohort("c", 1)).after(100)]);
    server
}

/// Nothing goes on and nothing has changed for a long time.
async fn assert_silence(client: &Client) {
    let server = &client.server;
    tokio::task::yield_now().await;
    let flags = client.flags();
    server.timeline();
    client.installed();
    client.log();
    until(server, server.millis() + 40 * 60_000).await;
    assert_eq!((server.open_requests(), server.open_streams()), (0, 0));
    assert!(server.timeline().is_empty());
    assert!(client.installed().is_empty() && client.log().is_empty());
    assert_eq!(client.flags(), flags);
}

#[tokio::test(start_paused = true)]
async fn stopping_what_was_not_started_does_nothing() {
    for config in configs() {
        let server = slow_server();
        let streams = config.stream_updates;
        let client = Client::new(&server, config);
        client.sync.stop();
        client.sync.stop();
        assert_silence(&client).await;
        assert_eq!(client.log().len(), 0);
        client.sync.start().await.unwrap();
        assert_eq!(client.flags(), "a");
        client.log();
        client.sync.stop();
        let lines = client.log();
        assert_eq!(lines.len(), 2, "{lines:?}");
        client.sync.stop();
        assert_eq!(client.log().len(), usize::from(streams), "{streams}");
        assert_silence(&client).await;
    }
}

/// Row 14: during the request, during the download of a cohort, and when everything is there.
#[tokio::test(start_paused = true)]
async fn stop_during_start_ends_it_and_nothing_is_installed_or_begun_afterwards() {
    for config in configs() {
        for at in [0, 50, 150] {
            let server = slow_server();
            let client = Client::new(&server, config.clone());
            let start = client.sync.start();
            until(&server, at).await;
            client.sync.stop();
            assert!(matches!(start.now_or_never(), Some(Ok(()))), "it resolves at once");
            assert_silence(&client).await;
            assert_eq!((client.flags().as_str(), client.stored_cohorts().len()), ("", 0), "{at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stop_during_the_fallback_leaves_no_timer() {
    let server = slow_server();
    server.streams([Stream::Refused]);
    let client = Client::new(&server, configs()[0].clone());
    let start = client.sync.start();
    until(&server, 50).await;
    assert_eq!(server.timeline(), ["0 stream", "0 flags"]);
    client.sync.stop();
    start.await.unwrap();
    assert_silence(&client).await;
}

/// Row 21.
#[tokio::test(start_paused = true)]
async fn a_poll_under_way_is_not_installed_after_stop() {
    let server = Server::new();
    server.flags([body(flags(&["1"])), body(flags(&["2"])).after(100)]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    until(&server, 30_050).await;
    assert_eq!(server.open_requests(), 1);
    client.sync.stop();
    assert_silence(&client).await;
    assert_eq!(client.flags(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_cohort_poll_under_way_is_not_stored_after_stop() {
    let server = slow_server();
    server.cohort("c", [body(cohort("c", 1)), body(cohort("c", 2)).after(100)]);
    let client = Client::new(&server, configs()[1].clone());
    client.sync.start().await.unwrap();
    until(&server, 60_150).await;
    assert_eq!(server.open_requests(), 1);
    client.sync.stop();
    assert_silence(&client).await;
    assert_eq!(client.world.cohort(b"c").unwrap().last_modified, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_everything_at_any_moment() {
    for config in configs() {
        for at in [0, 50, 150, 250, 60_250] {
            let server = slow_server();
            let client = Client::new(&server, config.clone());
            let start = client.sync.start();
            until(&server, at).await;
            let world = client.world.clone();
            drop(client);
            let epoch = world.epoch();
            assert!(start.now_or_never().is_some(), "whoever waits is let go");
            tokio::task::yield_now().await;
            server.timeline();
            until(&server, 5_000_000).await;
            assert!(server.timeline().is_empty());
            assert_eq!((server.open_requests(), server.open_streams()), (0, 0));
            assert_eq!(world.epoch(), epoch);
        }
    }
}

/// Row 13.
#[tokio::test(start_paused = true)]
async fn concurrent_starts_share_one_end() {
    for config in configs() {
        let server = slow_server();
        let client = Client::new(&server, config);
        let first = client.sync.start();
        until(&server, 150).await;
        let second = client.sync.start();
        assert!(client.sync.start().now_or_never().is_none(), "there are no flags yet");
        let (first, second) = join(first, second).await;
        assert!(first.is_ok() && second.is_ok());
        assert_eq!((client.flags().as_str(), server.millis()), ("a", 200));
        let requests = server.timeline().len();
        client.sync.start().await.unwrap();
        assert_eq!((server.millis(), requests), (200, 2), "a third has nothing to wait for");
        assert!(server.timeline().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_starts_fail_together() {
    let server = Server::new();
    server.flags([Answer::Status(503, "")]);
    let client = Client::polling(&server);
    let (first, second) = join(client.sync.start(), client.sync.start()).await;
    for result in [first, second] {
        assert!(matches!(result, Err(SyncError::FlagsStatus(503))));
    }
    assert_eq!(server.timeline().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_start_need_not_be_polled() {
    let server = slow_server();
    let client = Client::new(&server, configs()[0].clone());
    drop(client.sync.start());
    until(&server, 300).await;
    assert_eq!(client.flags(), "a");
}

/// Row 15: the first attempt's timers have no say over the second's stream.
#[tokio::test(start_paused = true)]
async fn start_stop_start_ends_in_one_healthy_stream() {
    let server = slow_server();
    let client = Client::new(&server, configs()[0].clone());
    let first = client.sync.start();
    until(&server, 50).await;
    client.sync.stop();
    let second = client.sync.start();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(client.flags(), "a");
    until(&server, 59_000).await;
    assert_eq!(server.times("stream"), [0, 50]);
    assert!(server.times("flags").is_empty());
    assert_eq!(server.open_streams(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_starts_and_stops_leave_one_session() {
    for config in configs() {
        let server = slow_server();
        let client = Client::new(&server, config);
        for _ in 0..50 {
            drop(client.sync.start());
            client.sync.stop();
        }
        client.sync.start().await.unwrap();
        assert_eq!((client.flags().as_str(), server.timeline().len()), ("a", 2));
        until(&server, 29_000).await;
        assert!(server.timeline().is_empty());
        client.sync.stop();
        assert_silence(&client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_client_starts_again_from_scratch() {
    for config in configs() {
        let server = slow_server();
        let client = Client::new(&server, config);
        client.sync.start().await.unwrap();
        until(&server, 5000).await;
        client.sync.stop();
        assert_silence(&client).await;
        assert_eq!((client.flags().as_str(), client.stored_cohorts().len()), ("a", 1), "flags stay");
        client.sync.start().await.unwrap();
        assert_eq!(server.timeline().len(), 1, "asked at once; the cohort is still there");
        let since = server.millis();
        until(&server, since + 61_000).await;
        assert!(!client.server.times("cohort c?maxCohortSize=2147483647&lastModified=1").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_recovery_of_a_failed_start() {
    for config in configs() {
        let server = Server::new();
        server.flags([Answer::Refused]);
        server.streams([Stream::Refused]);
        let client = Client::new(&server, config);
        client.sync.start().await.unwrap_err();
        until(&server, 20_000).await;
        client.sync.stop();
        assert_silence(&client).await;
    }
}

/// On real threads: whatever the moment, an update is installed before `stop` returns or never.
#[test]
fn nothing_is_installed_once_stop_has_returned() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let server = Server::new();
    server.flags((0..5000).map(|n: u32| body(flags(&[&n.to_string()]))));
    let config = LocalConfig { polling_interval: Duration::from_millis(1), ..config() };
    let client = Client::new(&server, config);
    for round in 0..100 {
        runtime.block_on(client.sync.start()).unwrap();
        for _ in 0..round * 100 {
            std::hint::spin_loop();
        }
        client.sync.stop();
        let epoch = client.world.epoch();
        for _ in 0..20 {
            std::thread::yield_now();
            assert_eq!(client.world.epoch(), epoch);
        }
    }
}
