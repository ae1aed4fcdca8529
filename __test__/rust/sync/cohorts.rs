//! Downloads of cohorts, with the updates that need them and once a minute.

use std::time::Duration;

use base64::Engine;
use experiment_node_server::cohort::{Cohort, Members};
use experiment_node_server::config::{CohortConfig, LocalConfig};
use experiment_node_server::ecma::Text;
use experiment_node_server::snapshot::Update;

use super::client::{Client, body, cohort, config, flag, flags, until, with_cohorts};
use super::server::{Answer, Server};

const SIZE: &str = "maxCohortSize=2147483647";

/// The server's flags name these cohorts.
fn naming(server: &Server, cohorts: &[&str]) {
    server.flags([body(format!("[{}]", flag("a", cohorts)))]);
}

/// Polls its flags so seldom that only cohorts are seen.
fn client(server: &Server) -> Client {
    Client::new(
        server,
        LocalConfig { polling_interval: Duration::from_secs(86_400), ..with_cohorts(config()) },
    )
}

async fn started(server: &Server) -> Client {
    let client = client(server);
    client.sync.start().await.unwrap();
    client
}

/// What was asked for except flags, without the size.
fn downloads(server: &Server) -> Vec<String> {
    let asked = server.timeline().into_iter().filter(|line| line.contains("cohort"));
    asked.map(|line| line.replace(&format!("?{SIZE}"), "")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_download_is_the_request_of_the_contract() {
    let server = Server::new();
    naming(&server, &["c1"]);
    server.cohort("c1", [body(cohort("c1", 1_722_000_000_123))]);
    let client = started(&server).await;
    until(&server, 60_001).await;
    let asked: Vec<_> = server.asked().into_iter().filter(|asked| asked.what != "flags").collect();
    let urls: Vec<_> = asked.iter().map(|asked| asked.request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://cohorts.test/sdk/v1/cohort/c1?maxCohortSize=2147483647",
            "https://cohorts.test/sdk/v1/cohort/c1?maxCohortSize=2147483647&lastModified=1722000000123",
        ]
    );
    for asked in &asked {
        let credentials = base64::prelude::BASE64_STANDARD.encode("api-key:secret-key");
        assert_eq!(
            asked.request.headers,
            [
                ("Authorization", format!("Basic {credentials}")),
                ("X-Amp-Exp-Library", "experiment-node-server/1.13.6".to_owned()),
            ]
        );
        assert_eq!(asked.request.deadline, Some(Duration::from_secs(20)));
    }
    let stored = client.world.cohort(b"c1").unwrap();
    assert!(stored.contains(b"member") && !stored.contains(b"other"));
    assert_eq!(client.world.load().cohorts.iter().flatten().count(), 1);
    let log = client.log();
    assert_eq!(
        log[1..],
        [
            "D Start downloading [c1]",
            "D Stop downloading [c1]",
            "D [Experiment] cohort poller - start",
            "D [Experiment] updating cohort c1",
            "D Start downloading [c1]",
            "D Stop downloading [c1]",
            "D [Experiment] cohort polled, changed: true",
        ]
    );
    client.sync.stop();
    assert_eq!(client.log(), ["D [Experiment] poller - stop", "D [Experiment] cohort poller - stop"]);
}

/// Row 22.
#[tokio::test(start_paused = true)]
async fn ids_are_one_segment_of_the_path() {
    let server = Server::new();
    naming(&server, &["x/y", "q?z", "h#1", "../up", "a b", ".."]);
    let client = started(&server).await;
    let mut asked = downloads(&server);
    asked.sort();
    assert_eq!(
        asked,
        ["0 cohort ..%2Fup", "0 cohort a%20b", "0 cohort h%231", "0 cohort q%3Fz", "0 cohort x%2Fy"]
    );
    assert!(
        client.errors().contains(
            &"[Experiment] Cohort download failed .. [cohort id cannot be part of a url]".to_owned()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_worth_another_attempt_gets_three_100_ms_apart() {
    let cases: [(Answer, &str); 8] = [
        (Answer::Status(500, "oops"), "Cohort error response status 500, body oops"),
        (Answer::Status(429, ""), "Cohort error response status 429, body "),
        (Answer::Status(201, "x"), "Cohort error response status 201, body x"),
        (Answer::Status(302, "x"), "Cohort error response status 302, body x"),
        (Answer::Refused, "connect ECONNREFUSED"),
        (Answer::Cut, "aborted"),
        (body("null"), "cohort is not a JSON object"),
        (body("<html>"), "cohort is not valid JSON at byte 0"),
    ];
    for (answer, message) in cases {
        let server = Server::new();
        naming(&server, &["c"]);
        server.cohort("c", [answer]);
        let client = started(&server).await;
        assert_eq!(client.flags(), "a", "flags do not wait for what cannot be had");
        assert_eq!(downloads(&server), ["0 cohort c", "100 cohort c", "200 cohort c"], "{message}");
        assert_eq!(server.millis(), 200);
        assert_eq!(client.errors(), [format!("[Experiment] Cohort download failed c [{message}]")]);
        assert!(!client.log().contains(&"D Stop downloading [c]".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_not_asked_again() {
    let cases = [
        (Answer::Status(413, ""), "Cohort size > 10.5"),
        (Answer::Status(400, "bad"), "Cohort client error response status 400, body bad"),
        (Answer::Status(404, "none"), "Cohort client error response status 404, body none"),
    ];
    for (answer, message) in cases {
        let server = Server::new();
        naming(&server, &["c"]);
        server.cohort("c", [answer]);
        let mut config = with_cohorts(config());
        config.cohorts.as_mut().unwrap().max_cohort_size = 10.5;
        let client = Client::new(&server, config);
        client.sync.start().await.unwrap();
        assert_eq!(server.timeline(), ["0 flags", "0 cohort c?maxCohortSize=10.5"]);
        assert_eq!(client.errors(), [format!("[Experiment] Cohort download failed c [{message}]")]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_after_a_failure_may_succeed() {
    let server = Server::new();
    naming(&server, &["c"]);
    server.cohort("c", [Answer::Status(500, ""), Answer::Refused, body(cohort("c", 1))]);
    let client = started(&server).await;
    assert_eq!(client.stored_cohorts(), ["c"]);
    assert!(client.errors().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_for_an_unchanged_cohort() {
    let server = Server::new();
    naming(&server, &["c"]);
    server.cohort("c", [Answer::Status(204, "")]);
    let client = started(&server).await;
    assert_eq!((client.stored_cohorts().len(), downloads(&server).len()), (0, 1));
    assert!(client.errors().is_empty());
}

#[tokio::test(start_paused = true)]
async fn four_downloads_at_a_time_in_order_and_a_retry_keeps_its_place() {
    let server = Server::new();
    let ids = ["c0", "c1", "c2", "c3", "c4", "c5"];
    naming(&server, &ids);
    for id in ids {
        server.cohort(id, [body(cohort(id, 1)).after(1000)]);
    }
    server.cohort("c0", [Answer::Status(500, ""), body(cohort("c0", 1)).after(1000)]);
    let client = started(&server).await;
    assert_eq!(server.max_open_requests(), 4);
    assert_eq!(
        downloads(&server),
        [
            "0 cohort c0",
            "0 cohort c1",
            "0 cohort c2",
            "0 cohort c3",
            "100 cohort c0",
            "1000 cohort c4",
            "1000 cohort c5",
        ]
    );
    assert_eq!((client.stored_cohorts().len(), server.millis()), (6, 2000));
}

/// Row 4: a download that is cut or never ends does not keep its place, and the cohort is asked for again.
#[tokio::test(start_paused = true)]
async fn downloads_that_never_end_do_not_stop_the_others() {
    let server = Server::new();
    let ids = ["c0", "c1", "c2", "c3", "c4"];
    naming(&server, &ids);
    for id in &ids[..4] {
        server.cohort(id, [Answer::Never, Answer::Cut, Answer::Never, body(cohort(id, 1))]);
    }
    server.cohort("c4", [body(cohort("c4", 1))]);
    let client = started(&server).await;
    assert_eq!((client.flags().as_str(), client.stored_cohorts()), ("a", vec!["c4".to_owned()]));
    assert_eq!(server.millis(), 20_000 + 100 + 100 + 20_000, "patience of 20 s for each attempt");
    assert_eq!(client.errors().len(), 4);
    until(&server, 101_000).await;
    assert_eq!(client.stored_cohorts().len(), 5, "the next poll of the cohorts gets them");
}

#[tokio::test(start_paused = true)]
async fn a_large_cohort_on_a_slow_line_takes_its_time_but_not_for_ever() {
    let text = cohort("c", 1);
    let pieces: Vec<_> = text.chars().map(String::from).collect();
    let server = Server::new();
    naming(&server, &["c"]);
    let long = u64::try_from(pieces.len()).unwrap() * 3;
    assert!((300..600).contains(&long), "{long}");
    server.cohort("c", [Answer::Drip(Duration::from_secs(3), pieces)]);
    let client = started(&server).await;
    assert_eq!((client.stored_cohorts().len(), server.millis()), (1, long * 1000));

    let server = Server::new();
    naming(&server, &["c"]);
    server.cohort("c", [Answer::Drip(Duration::from_secs(19), vec![" ".to_owned(); 100])]);
    let client = started(&server).await;
    assert_eq!((client.stored_cohorts().len(), server.millis()), (0, 3 * 600_000 + 200));
    assert_eq!(server.open_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cohort_is_downloaded_once_for_all_that_wait_for_it() {
    let server = Server::new();
    let update = |key| body(format!("[{}]", flag(key, &["c"])));
    server.flags([update("1"), update("2"), update("3"), update("4")]);
    server.cohort("c", [body(cohort("c", 1)).after(250)]);
    let config = LocalConfig { polling_interval: Duration::from_millis(100), ..with_cohorts(config()) };
    let client = Client::new(&server, config);
    client.sync.start().await.unwrap();
    until(&server, 251).await;
    let installed = client.installed();
    assert_eq!((installed[0].as_str(), client.flags().as_str()), ("250 1", "3"), "all at the same time");
    assert_eq!(downloads(&server).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn updates_that_wait_do_not_pile_up() {
    let server = Server::new();
    let update = |n: u32| body(format!("[{}]", flag(&n.to_string(), &["c"])));
    server.flags((1..=2000).map(update));
    server.cohort("c", [body(cohort("c", 1)).after(15_000)]);
    let config = LocalConfig { polling_interval: Duration::from_millis(100), ..with_cohorts(config()) };
    let client = Client::new(&server, config);
    client.sync.start().await.unwrap();
    until(&server, 15_001).await;
    let installed = client.installed();
    assert_eq!(installed[0], "15000 1", "the oldest is still the first");
    assert!(installed.len() <= 5, "{installed:?}");
    assert_eq!(client.flags(), "151");
}

#[tokio::test(start_paused = true)]
async fn cohorts_are_polled_every_minute_with_what_is_known() {
    let server = Server::new();
    naming(&server, &["c1", "c2", "c3"]);
    server.cohort("c1", [body(cohort("c1", 5)), body(cohort("c1", 6)), Answer::Status(204, "")]);
    server.cohort("c2", [body(cohort("c2", 0)), Answer::Status(204, "")]);
    server.cohort("c3", [Answer::Status(413, "")]);
    let client = started(&server).await;
    assert_eq!(downloads(&server).len(), 3);
    until(&server, 125_000).await;
    assert_eq!(
        downloads(&server),
        [
            "60000 cohort c1&lastModified=5",
            "60000 cohort c2",
            "60000 cohort c3",
            "120000 cohort c1&lastModified=6",
            "120000 cohort c2",
            "120000 cohort c3",
        ],
        "zero is no time; what could not be had is asked for again"
    );
    assert_eq!(client.world.cohort(b"c1").unwrap().last_modified, Some(6.0));
    assert_eq!(client.stored_cohorts(), ["c1", "c2"]);
    let log = client.log();
    let polled: Vec<_> = log.iter().filter(|line| line.contains("polled, changed")).collect();
    assert_eq!(
        polled,
        ["D [Experiment] cohort polled, changed: true", "D [Experiment] cohort polled, changed: false"]
    );
    assert!(log.contains(&"E [Experiment] cohort poll failed [Cohort size > 2147483647]".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_cohort_poll_that_fails_keeps_the_cohort() {
    let server = Server::new();
    naming(&server, &["c"]);
    server.cohort("c", [body(cohort("c", 5)), Answer::Status(500, "")]);
    let client = started(&server).await;
    until(&server, 65_000).await;
    assert_eq!(client.world.cohort(b"c").unwrap().last_modified, Some(5.0));
    assert_eq!(
        client.errors(),
        ["[Experiment] cohort poll failed [Cohort error response status 500, body ]"]
    );
}

#[tokio::test(start_paused = true)]
async fn cohorts_are_never_polled_more_often_than_every_minute() {
    for (interval, seconds) in [(0, 60), (59, 60), (61, 61)] {
        let server = Server::new();
        naming(&server, &["c"]);
        server.cohort("c", [body(cohort("c", 1)), Answer::Status(204, "")]);
        let mut config = with_cohorts(config());
        config.polling_interval = Duration::from_secs(86_400);
        config.cohorts.as_mut().unwrap().polling_interval = Duration::from_secs(interval);
        let client = Client::new(&server, config);
        client.sync.start().await.unwrap();
        until(&server, 200_000).await;
        let times: Vec<_> = server.asked()[2..].iter().map(|asked| asked.at / 1000).collect();
        assert_eq!(times, [seconds, 2 * seconds, 3 * seconds]);
    }
    assert_eq!(CohortConfig::POLLING_INTERVAL_MIN.as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn slow_cohort_polls_share_their_downloads() {
    let server = Server::new();
    naming(&server, &["c"]);
    let pieces = vec![" ".to_owned(); 8].into_iter().chain([cohort("c", 2)]).collect();
    server.cohort(
        "c",
        [body(cohort("c", 1)), Answer::Drip(Duration::from_secs(10), pieces), Answer::Status(204, "")],
    );
    let client = started(&server).await;
    server.timeline();
    until(&server, 181_000).await;
    assert_eq!(downloads(&server), ["60000 cohort c&lastModified=1", "180000 cohort c&lastModified=2"]);
    let polled = client.log().iter().filter(|line| line.ends_with("polled, changed: true")).count();
    assert_eq!(polled, 2, "the poll at two minutes joined the first");
}

#[tokio::test(start_paused = true)]
async fn only_new_cohorts_are_downloaded_and_unused_ones_dropped() {
    let server = Server::new();
    let update = |cohorts: &[&str]| body(format!("[{}]", flag("a", cohorts)));
    server.flags([update(&["c1", "c2"]), update(&["c2", "c3"]), body(flags(&["a"]))]);
    for id in ["c1", "c2", "c3"] {
        server.cohort(id, [body(cohort(id, 9))]);
    }
    let config = LocalConfig { polling_interval: Duration::from_secs(10), ..with_cohorts(config()) };
    let client = Client::new(&server, config);
    client.sync.start().await.unwrap();
    let kept = client.world.cohort(b"c2").unwrap();
    until(&server, 11_000).await;
    assert_eq!(client.stored_cohorts(), ["c2", "c3"]);
    assert!(std::sync::Arc::ptr_eq(&kept, &client.world.cohort(b"c2").unwrap()));
    assert_eq!(downloads(&server), ["0 cohort c1", "0 cohort c2", "10000 cohort c3"]);
    until(&server, 21_000).await;
    assert!(client.stored_cohorts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cohort_of_another_id_is_not_kept_with_an_update() {
    let server = Server::new();
    naming(&server, &["c"]);
    server.cohort("c", [body(cohort("other", 1))]);
    assert!(started(&server).await.stored_cohorts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_application_stores_is_dropped_when_no_flag_names_it() {
    let server = Server::new();
    server.flags([body(flags(&["a"]))]);
    let config = LocalConfig { polling_interval: Duration::from_secs(10), ..with_cohorts(config()) };
    let client = Client::new(&server, config);
    client.sync.start().await.unwrap();
    let members = Members::default();
    client.world.put_cohort(std::sync::Arc::new(Cohort::new(
        Text::from("mine"),
        Text::from("User"),
        members,
    )));
    assert_eq!(client.stored_cohorts(), ["mine"]);
    until(&server, 11_000).await;
    assert!(client.stored_cohorts().is_empty(), "even by an update that changes nothing else");
}

#[tokio::test(start_paused = true)]
async fn cohorts_that_an_older_update_dropped_meanwhile_are_there_with_the_newer_one() {
    let server = Server::new();
    let (first, second, third) = (flag("1", &["c"]), flag("2", &["slow2"]), flag("3", &["c", "slow3"]));
    server.flags([first, second, third].map(|flag| body(format!("[{flag}]"))));
    server.cohort("c", [body(cohort("c", 1))]);
    server.cohort("slow2", [body(cohort("slow2", 1)).after(1500)]);
    server.cohort("slow3", [body(cohort("slow3", 1)).after(1500)]);
    let config = LocalConfig { polling_interval: Duration::from_secs(1), ..with_cohorts(config()) };
    let client = Client::new(&server, config);
    client.sync.start().await.unwrap();
    until(&server, 2600).await;
    assert_eq!((client.flags().as_str(), client.stored_cohorts()), ("2", vec!["slow2".to_owned()]));
    until(&server, 3600).await;
    assert_eq!(client.stored_cohorts(), ["c", "slow3"]);
    assert_eq!(client.flags(), "3");
}

#[tokio::test(start_paused = true)]
async fn without_configuration_flags_are_installed_and_an_error_is_logged_for_each_update() {
    let server = Server::new();
    naming(&server, &["c"]);
    let client = Client::polling(&server);
    client.sync.start().await.unwrap();
    until(&server, 31_000).await;
    assert_eq!(client.flags(), "a");
    assert!(downloads(&server).is_empty());
    assert_eq!(client.errors(), ["Cohorts found in flag configs but no cohort download configured"; 2]);
}

#[tokio::test(start_paused = true)]
async fn cohorts_of_bootstrap_flags_come_with_the_first_update_that_names_them() {
    let server = Server::new();
    naming(&server, &["c"]);
    server.cohort("c", [body(cohort("c", 1))]);
    let client = client(&server);
    let bootstrap = format!(r#"{{"a":{}}}"#, flag("a", &["c"]));
    client.world.replace_flags(Update::from_map(bootstrap.into()).unwrap());
    until(&server, 100_000).await;
    assert!(server.timeline().is_empty(), "nothing happens before start");
    client.sync.start().await.unwrap();
    assert_eq!(client.stored_cohorts(), ["c"]);
}

/// A body of many pieces, cut in the middle of members.
#[tokio::test(start_paused = true)]
async fn large_cohorts_are_parsed_as_they_arrive() {
    let server = Server::new();
    naming(&server, &["c"]);
    let members: Vec<_> = (0..100_000).map(|n| format!("\"member{n}\"")).collect();
    let text = format!(r#"{{"cohortId":"c","groupType":"User","memberIds":[{}]}}"#, members.join(","));
    assert!(text.len() > 1 << 20);
    let pieces = text.as_bytes().chunks(10_007).map(|piece| String::from_utf8(piece.to_vec()).unwrap());
    server.cohort("c", [Answer::Drip(Duration::from_millis(1), pieces.collect())]);
    let client = started(&server).await;
    let stored = client.world.cohort(b"c").unwrap();
    assert_eq!(stored.len(), 100_000);
    assert!(
        stored.contains(b"member0") && stored.contains(b"member99999") && !stored.contains(b"member100000")
    );
}
