//! Flags by polling: the timelines of the contract, and what goes better than in the package we stand in for.

use std::time::Duration;

use experiment_node_server::config::LocalConfig;
use experiment_node_server::error::Coded;
use experiment_node_server::key::Secret;
use experiment_node_server::sync::{SyncError, fetch_flags};
use experiment_node_server::transport::{Method, TransportErrorKind};

use super::client::{Client, body, cohort, config, flag, flags, until, with_cohorts};
use super::server::{Answer, Server};

fn every(millis: u64) -> LocalConfig {
    LocalConfig { polling_interval: Duration::from_millis(millis), ..config() }
}

#[tokio::test(start_paused = true)]
async fn flags_are_there_when_start_resolves_and_are_polled_every_30_seconds() {
    let server = Server::new();
    server.flags([body(flags(&["a"])).after(5), body(flags(&["a", "b"]))]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    assert_eq!((client.flags().as_str(), server.millis()), ("a", 5));
    until(&server, 95_000).await;
    assert_eq!(server.timeline(), ["0 flags", "30000 flags", "60000 flags", "90000 flags"]);
    assert_eq!(client.installed(), ["5 a", "30000 a b", "60000 a b", "90000 a b"]);
    client.sync.stop();
    assert_eq!(
        client.log(),
        [
            "D [Experiment] poller - start",
            "D [Experiment] updating flag configs",
            "D [Experiment] updating flag configs",
            "D [Experiment] updating flag configs",
            "D [Experiment] poller - stop",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_the_request_of_the_contract() {
    let server = Server::new();
    server.flags([body("[]")]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    let request = &server.asked()[0].request;
    assert_eq!((request.method, request.url.as_str()), (Method::Get, "https://api.test/sdk/v2/flags"));
    assert_eq!(
        request.headers,
        [
            ("Authorization", "Api-Key server-key".to_owned()),
            ("X-Amp-Exp-Library", "experiment-node-server/1.13.6".to_owned()),
        ]
    );
    assert_eq!((request.body.clone(), request.deadline), (None, Some(Duration::from_secs(5))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_the_same_changes_nothing_but_is_told() {
    let server = Server::new();
    server.flags([body(flags(&["a"]))]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    let epoch = client.world.epoch();
    until(&server, 65_000).await;
    assert_eq!(client.world.epoch(), epoch);
    assert_eq!(client.installed(), ["0 a", "30000 a", "60000 a"]);

    // What the application wrote is replaced by every update, as it always was.
    let written = bytes::Bytes::from(format!(r#"{{"x":{}}}"#, flag("x", &[])));
    client.world.replace_flags(experiment_node_server::snapshot::Update::from_map(written).unwrap());
    until(&server, 95_000).await;
    assert_eq!(client.flags(), "a");
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_is_made_five_times_before_start_rejects() {
    let server = Server::new();
    server.flags([Answer::Status(500, ""), Answer::Status(404, ""), Answer::Status(503, "")]);
    let client = Client::polling(&server);
    let error = client.sync.start().await.unwrap_err();
    assert_eq!(error.to_string(), "Flags error response: status=503");
    assert_eq!(server.timeline(), ["0 flags", "1 flags", "2 flags", "3 flags", "4 flags"]);
    assert_eq!(
        client.log(),
        [
            "D [Experiment] poller - start",
            "E [Experiment] flag config initial poll failed, stopping [Flags error response: status=503]",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn any_failure_of_the_first_poll_is_tried_again() {
    let failures = [
        Answer::Refused,
        Answer::Cut,
        Answer::Status(204, ""),
        Answer::Body("<html>".to_owned()),
        Answer::Body("{}".to_owned()),
    ];
    for failure in failures {
        let server = Server::new();
        server.flags([failure, body(flags(&["a"]))]);
        let client = Client::polling(&server);
        client.sync.start().await.unwrap();
        assert_eq!((client.flags().as_str(), server.timeline().len()), ("a", 2));
    }
}

#[tokio::test(start_paused = true)]
async fn errors_tell_their_class() {
    let error = async |answer: Answer| {
        let server = Server::new();
        server.flags([answer]);
        Client::polling(&server).sync.start().await.unwrap_err()
    };
    let not_json = error(body("<html>")).await;
    assert!(matches!(&not_json, SyncError::FlagsNotJson { body } if &**body == b"<html>"));
    assert_eq!(not_json.code(), "ERR_EXPERIMENT_FLAGS_NOT_JSON");
    for text in ["{}", "null", "5"] {
        let not_array = error(body(text)).await;
        assert!(matches!(not_array, SyncError::FlagsNotArray));
        assert_eq!(not_array.to_string(), "flagsArray.reduce is not a function");
    }
    let refused = error(Answer::Refused).await;
    assert_eq!((refused.code(), refused.to_string().as_str()), ("ECONNREFUSED", "connect ECONNREFUSED"));
}

/// Row 4: a cut answer is a failure, not a request without end.
#[tokio::test(start_paused = true)]
async fn a_cut_answer_is_a_failed_poll() {
    let server = Server::new();
    server.flags([Answer::Cut]);
    let client = Client::polling(&server);
    let error = client.sync.start().await.unwrap_err();
    assert!(matches!(&error, SyncError::Transport(error) if error.kind == TransportErrorKind::Truncated));
    assert_eq!(server.open_requests(), 0);
    server.flags([body(flags(&["a"]))]);
    until(&server, 31_000).await;
    assert_eq!(client.flags(), "a");
}

/// Row 19: a server that drips bytes does not hold a poll beyond its deadline.
#[tokio::test(start_paused = true)]
async fn a_dripping_answer_ends_at_the_deadline() {
    let server = Server::new();
    server.flags([Answer::Drip(Duration::from_millis(400), vec![" ".to_owned(); 1000])]);
    let client = Client::polling(&server);
    let error = client.sync.start().await.unwrap_err();
    assert_eq!(error.code(), "ETIMEDOUT");
    assert_eq!(server.times("flags"), [0, 5001, 10_002, 15_003, 20_004]);
    assert_eq!(server.millis(), 25_004);
}

#[tokio::test(start_paused = true)]
async fn a_failed_poll_keeps_the_flags() {
    let server = Server::new();
    server.flags([body(flags(&["a"])), Answer::Status(500, ""), body("no"), body(flags(&["b"]))]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    until(&server, 85_000).await;
    assert_eq!(client.flags(), "a");
    let failures: Vec<_> = client.log().into_iter().filter(|line| line.contains("failed")).collect();
    assert_eq!(
        failures,
        [
            "D [Experiment] flag config update failed [Flags error response: status=500]",
            "D [Experiment] flag config update failed [flags are not valid json]",
        ]
    );
    until(&server, 95_000).await;
    assert_eq!(client.flags(), "b");
}

/// Row 5: versions 1, 3, 4, and then never 2.
#[tokio::test(start_paused = true)]
async fn a_slow_answer_does_not_overwrite_a_newer_one() {
    let server = Server::new();
    let slow = body(flags(&["v2"])).after(250);
    server.flags([
        body(flags(&["v1"])),
        slow,
        body(flags(&["v3"])),
        body(flags(&["v4"])),
        body(flags(&["v5"])),
    ]);
    let client = Client::new(&server, every(100));
    client.sync.start().await.unwrap();
    until(&server, 450).await;
    assert_eq!(server.times("flags"), [0, 100, 200, 300, 400]);
    assert_eq!(client.installed(), ["0 v1", "200 v3", "300 v4", "400 v5"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_flooded() {
    let server = Server::new();
    server.flags([body(flags(&["a"])), Answer::Never]);
    let client = Client::new(&server, every(100));
    client.sync.start().await.unwrap();
    until(&server, 10_050).await;
    assert_eq!(server.max_open_requests(), 4);
    assert_eq!(server.times("flags")[..6], [0, 100, 200, 300, 400, 5200]);
    server.flags([body(flags(&["b"]))]);
    until(&server, 15_500).await;
    assert_eq!(client.flags(), "b");
}

/// The first reference timeline of the contract.
#[tokio::test(start_paused = true)]
async fn an_update_waits_for_its_cohorts_while_polls_go_on() {
    let server = Server::new();
    let b = format!("[{}]", flag("b", &["c1"]));
    server.flags([body(flags(&["a"])).after(5), body(b)]);
    server.cohort("c1", [body(cohort("c1", 77)).after(200), Answer::Status(204, "")]);
    let client = Client::new(&server, with_cohorts(every(100)));
    client.sync.start().await.unwrap();
    assert_eq!(client.flags(), "a");
    until(&server, 299).await;
    assert_eq!((client.flags().as_str(), client.stored_cohorts().len()), ("a", 0));
    until(&server, 301).await;
    assert_eq!((client.flags().as_str(), client.stored_cohorts()), ("b", vec!["c1".to_owned()]));
    assert_eq!(
        server.timeline(),
        ["0 flags", "100 flags", "100 cohort c1?maxCohortSize=2147483647", "200 flags", "300 flags"]
    );
    until(&server, 60_050).await;
    let cohorts: Vec<_> = server.timeline().into_iter().filter(|line| line.contains("cohort")).collect();
    assert_eq!(cohorts, ["60005 cohort c1?maxCohortSize=2147483647&lastModified=77"]);
}

/// Rows 3 and 17: no failure is final, the first included.
#[tokio::test(start_paused = true)]
async fn a_failed_start_recovers_in_the_background() {
    let server = Server::new();
    server.flags([Answer::Refused]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap_err();
    until(&server, 45_000).await;
    assert_eq!(server.times("flags"), [0, 1, 2, 3, 4, 30_000]);
    server.flags([body(flags(&["a"]))]);
    until(&server, 61_000).await;
    assert_eq!(client.flags(), "a");
    client.sync.start().await.unwrap();
    assert_eq!(server.times("flags").len(), 7, "there is nothing to wait for");
    client.sync.stop();
    until(&server, 200_000).await;
    assert_eq!(server.times("flags").len(), 7);
}

#[tokio::test(start_paused = true)]
async fn start_may_be_tried_again_after_it_failed() {
    let server = Server::new();
    server.flags([Answer::Refused]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap_err();
    until(&server, 10_000).await;
    client.sync.start().await.unwrap_err();
    assert_eq!(server.times("flags").len(), 10);
    server.flags([body(flags(&["a"]))]);
    client.sync.start().await.unwrap();
    assert_eq!(client.flags(), "a");
}

/// Row 24: one malformed flag is left out, and said so once for the update.
#[tokio::test(start_paused = true)]
async fn malformed_flags_are_left_out_and_logged_once() {
    let server = Server::new();
    let good = flag("good", &[]);
    server.flags([body(format!(
        r#"[{{"key":"x"}},{good},5,{{"key":"y","variants":{{}},"segments":[{{"conditions":7}}]}}]"#
    ))]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    let names: Vec<_> = client
        .world
        .load()
        .plan
        .flags()
        .iter()
        .map(|flag| flag.map_key.to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["good"]);
    let errors = client.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("[Experiment] malformed flags: #2: it has no key; x: "), "{errors:?}");
    assert!(errors[0].contains("; y: conditions are not a list"), "{errors:?}");
    until(&server, 31_000).await;
    assert_eq!(client.errors().len(), 2, "once for each update");
}

/// Row 12: readers see the old flags or the new ones, and the cohorts that belong to them.
#[tokio::test(start_paused = true)]
async fn flags_and_cohorts_change_in_one_step() {
    let server = Server::new();
    let versions = [format!("[{}]", flag("a", &["c1"])), format!("[{}]", flag("b", &["c2"]))];
    server.flags([body(&versions[0]), body(&versions[1])]);
    server.cohort("c1", [body(cohort("c1", 1))]);
    server.cohort("c2", [body(cohort("c2", 1)).after(50)]);
    let client = Client::new(&server, with_cohorts(every(1000)));
    client.sync.start().await.unwrap();
    let before = client.world.load();
    assert_eq!(before.epoch, 1);
    until(&server, 1100).await;
    let after = client.world.load();
    assert_eq!(after.epoch, 2, "one step");
    for snapshot in [before, after] {
        assert!(snapshot.cohorts.len() == 1 && snapshot.cohorts[0].is_some() && snapshot.store.len() == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn fetching_once_is_one_request() {
    let server = Server::new();
    server.flags([body("[1]"), Answer::Status(500, "")]);
    let key = Secret::new("server-key");
    assert_eq!(fetch_flags(&server, "https://other.test/base/", &key).await.unwrap(), "[1]");
    let error = fetch_flags(&server, "https://api.test", &key).await.unwrap_err();
    assert_eq!(error.to_string(), "Flags error response: status=500");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].request.url, "https://other.test/base//sdk/v2/flags");
}
