//! Flags by streaming, and by polling while the stream is down.

use std::time::Duration;

use experiment_node_server::config::LocalConfig;

use super::client::{Client, LOST, body, cohort, config, flag, flags, healthy, until, with_cohorts};
use super::server::{Answer, Server, Stream};

/// Data right after what came before.
fn data(text: impl Into<String>) -> (u64, Option<String>) {
    (0, Some(text.into()))
}

fn after(millis: u64, item: (u64, Option<String>)) -> (u64, Option<String>) {
    (millis, item.1)
}

fn streaming_every(millis: u64) -> LocalConfig {
    LocalConfig { stream_updates: true, polling_interval: Duration::from_millis(millis), ..config() }
}

/// A client that streams flags `s`; its polls bring `p`.
async fn streaming(server: &Server, streams: impl IntoIterator<Item = Stream>) -> Client {
    server.flags([body(flags(&["p"]))]);
    server.streams(streams);
    let client = Client::streaming(server);
    client.sync.start().await.unwrap();
    client
}

#[tokio::test(start_paused = true)]
async fn the_stream_brings_all_flags_each_time_and_nothing_is_polled() {
    let server = Server::new();
    let client = streaming(
        &server,
        [Stream::Lasting(
            vec![data(flags(&["a", "b"])), after(1000, data(flags(&["c"]))), data("")],
            15_000,
            " ",
        )],
    )
    .await;
    assert_eq!((client.flags().as_str(), server.millis()), ("a b", 0));
    until(&server, 600_000).await;
    assert_eq!(client.installed(), ["0 a b", "1000 c"]);
    assert_eq!(server.timeline(), ["0 stream"]);
    assert_eq!(server.open_streams(), 1);
    client.sync.stop();
    until(&server, 600_001).await;
    assert_eq!(server.open_streams(), 0);
    assert_eq!(
        client.log(),
        [
            "D [Experiment] streamer - init",
            "D [Experiment] streamer - receives updates",
            "D [Experiment] streamer - start flags stream success",
            "D [Experiment] streamer - receives updates",
            "D [Experiment] streamer - stop",
        ]
    );
}

/// Row 18 too: the library header goes with every attempt.
#[tokio::test(start_paused = true)]
async fn every_stream_is_the_request_of_the_contract() {
    let server = Server::new();
    let lost = Stream::Open(vec![data(flags(&["a"])), after(16_000, LOST)]);
    // First, reconnect, retry, and the replacement after 12 to 18 minutes.
    let client = streaming(&server, [lost, Stream::Refused, healthy(&[flags(&["a"])])]).await;
    until(&server, 20 * 60_000).await;
    let asked: Vec<_> = server.asked().into_iter().filter(|asked| asked.what == "stream").collect();
    assert_eq!(asked.len(), 4);
    for asked in asked {
        let request = asked.request;
        assert_eq!(request.url, "https://stream.test/sdk/stream/v1/flags");
        assert_eq!((request.body, request.deadline), (None, None));
        assert_eq!(
            request.headers,
            [
                ("Cache-Control", "no-cache".to_owned()),
                ("Accept", "text/event-stream".to_owned()),
                ("Authorization", "Api-Key server-key".to_owned()),
                ("X-Amp-Exp-Library", "experiment-node-server/1.13.6".to_owned()),
            ]
        );
    }
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_fails_in_any_way_falls_back_to_polling() {
    // Row 11 is the second: a factory that throws is an attempt that fails.
    let cases: [(Stream, &str, u64); 9] = [
        (Stream::Status(503), "err status: 503, err message: status", 0),
        (Stream::Refused, "err status: undefined, err message: refused", 0),
        (Stream::Status(404), "err status: 404, err message: status", 0),
        (Stream::Status(501), "err status: 501, err message: status", 0),
        (Stream::Never, "err status: undefined, err message: timeout", 1500),
        (Stream::Open(vec![]), "err status: undefined, err message: timeout", 1500),
        (Stream::Open(vec![data(" "), data("")]), "err status: undefined, err message: timeout", 1500),
        (Stream::Open(vec![data("no")]), "err status: undefined, err message: stream data parse error", 0),
        (Stream::Open(vec![after(7, LOST)]), "err status: undefined, err message: lost", 7),
    ];
    for (stream, tail, at) in cases {
        let server = Server::new();
        let client = streaming(&server, [stream]).await;
        assert_eq!((client.flags().as_str(), server.millis()), ("p", at), "{tail}");
        assert_eq!(server.timeline(), ["0 stream".to_owned(), format!("{at} flags")], "{tail}");
        assert_eq!(server.open_streams(), 0);
        assert_eq!(
            client.log()[1..],
            [
                format!(
                    "D [Experiment] streamer - start stream failed, fallback to poller, {tail}, err [object Object]"
                ),
                "D [Experiment] poller - start".to_owned(),
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_no_array_is_no_first_payload() {
    let server = Server::new();
    let client = streaming(&server, [Stream::Open(vec![data("{}")])]).await;
    assert_eq!(client.flags(), "p");
}

#[tokio::test(start_paused = true)]
async fn while_polling_the_stream_is_tried_every_15_to_17_seconds_at_one_period() {
    let server = Server::new();
    let client = streaming(&server, [Stream::Status(503)]).await;
    until(&server, 120_000).await;
    let times = server.times("stream");
    let period = times[1];
    assert!((15_000..17_000).contains(&period), "{period}");
    assert_eq!(times, (0..=120_000 / period).map(|n| n * period).collect::<Vec<_>>());
    assert_eq!(server.times("flags"), [0, 30_000, 60_000, 90_000, 120_000][..server.times("flags").len()]);
    client.log();

    server.streams([healthy(&[flags(&["s"])])]);
    until(&server, 120_000 + period).await;
    assert_eq!(client.flags(), "s");
    let log = client.log();
    assert_eq!(
        log[log.len() - 5..],
        [
            "D [Experiment] streamer - retry stream",
            "D [Experiment] streamer - receives updates",
            "D [Experiment] streamer - start flags stream success",
            "D [Experiment] streamer - retry stream success",
            "D [Experiment] poller - stop",
        ]
    );
    server.timeline();
    until(&server, 700_000).await;
    assert!(server.timeline().is_empty(), "neither polls nor retries");
}

#[tokio::test(start_paused = true)]
async fn the_period_of_retries_differs_from_client_to_client() {
    let server = Server::new();
    server.flags([body("[]")]);
    server.streams([Stream::Refused]);
    let mut periods = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let mut parts = super::client::parts(&server);
        parts.random = fastrand::Rng::with_seed(seed);
        let sync = experiment_node_server::sync::FlagSync::new(streaming_every(30_000), parts);
        sync.start().await.unwrap();
        let since = server.millis();
        server.timeline();
        until(&server, since + 17_000).await;
        periods.insert(server.times("stream")[0] - since);
    }
    assert!(periods.len() > 5 && periods.iter().all(|period| (15_000..17_000).contains(period)));
}

/// The timeline of a stream-only outage, with the retry period at its true length.
#[tokio::test(start_paused = true)]
async fn a_lost_stream_is_opened_again_at_once_and_then_flags_are_polled() {
    let server = Server::new();
    server.flags([body(flags(&["p"])).after(2)]);
    server.streams([
        Stream::Open(vec![data(flags(&["s1"])), after(200, LOST)]),
        Stream::Status(503).after(4),
        Stream::Status(503),
        healthy(&[flags(&["s2"])]),
    ]);
    let client = Client::new(&server, streaming_every(4000));
    client.sync.start().await.unwrap();
    until(&server, 16_000 - 1).await;
    let times = server.timeline();
    assert_eq!(
        times[..6],
        ["0 stream", "200 stream", "204 flags", "4204 flags", "8204 flags", "12204 flags"]
    );
    until(&server, 40_000).await;
    assert_eq!(client.flags(), "s2");
    assert_eq!(server.open_streams(), 1);
    let log = client.log();
    let fallback = "D [Experiment] streamer - onError, fallback to poller, err status: 503, err message: status, \
                    err [object Object]";
    assert!(log.iter().any(|line| line == fallback), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_and_comes_back_at_once_means_no_polls() {
    // Lost, unparsable, and an error with a status: all the same.
    let ends = [LOST, data("no"), data(r#"{"a":1}"#)];
    for end in ends {
        let server = Server::new();
        let first = Stream::Open(vec![data(flags(&["a"])), after(1000, end)]);
        let client = streaming(&server, [first, healthy(&[flags(&["b"])])]).await;
        until(&server, 60_000).await;
        assert_eq!(server.timeline(), ["0 stream", "1000 stream"]);
        assert_eq!((client.flags().as_str(), server.open_streams()), ("b", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_turns_out_not_to_be_there_is_not_opened_again_at_once() {
    let server = Server::new();
    let gone = Stream::Failing(vec![data(flags(&["a"]))], 1000, 501);
    let client = streaming(&server, [gone, healthy(&[flags(&["b"])])]).await;
    until(&server, 14_000).await;
    assert_eq!(server.timeline(), ["0 stream", "1000 flags"]);
    until(&server, 18_100).await;
    assert_eq!(client.flags(), "b");
}

#[tokio::test(start_paused = true)]
async fn silence_of_17_seconds_ends_a_stream() {
    let server = Server::new();
    let silent = Stream::Open(vec![data(flags(&["a"])), after(15_000, data(" "))]);
    let client = streaming(&server, [silent, healthy(&[flags(&["b"])])]).await;
    until(&server, 31_999).await;
    assert_eq!(server.timeline(), ["0 stream"], "the keep-alive at 15 s puts it off");
    until(&server, 60_000).await;
    assert_eq!(server.timeline(), ["32000 stream"]);
    assert_eq!((client.flags().as_str(), server.open_streams()), ("b", 1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_replaced_after_12_to_18_minutes() {
    let server = Server::new();
    let client = streaming(&server, [healthy(&[flags(&["a"])]), healthy(&[flags(&["b"])])]).await;
    until(&server, 80 * 60_000).await;
    let times = server.times("stream");
    let lifetimes: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(lifetimes.len() >= 4, "{lifetimes:?}");
    assert!(lifetimes.iter().all(|millis| (720_000..1_080_000).contains(millis)), "{lifetimes:?}");
    assert!(lifetimes.windows(2).any(|pair| pair[0] != pair[1]));
    assert!(server.times("flags").is_empty());
    assert_eq!((client.flags().as_str(), server.open_streams()), ("b", 1));
    assert!(client.log().iter().all(|line| !line.contains("fallback")));
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_fails_is_a_stream_that_was_lost() {
    for failure in [Stream::Refused, Stream::Never] {
        let server = Server::new();
        let update = healthy(&[flags(&["a"])]);
        let client = streaming(&server, [update, failure, healthy(&[flags(&["b"])])]).await;
        until(&server, 20 * 60_000).await;
        assert_eq!(server.times("stream").len(), 3);
        assert!(server.times("flags").is_empty());
        assert_eq!(client.flags(), "b");
    }
}

/// Row 8: 2,276 connections in a second.
#[tokio::test(start_paused = true)]
async fn streams_that_open_and_are_lost_are_opened_less_and_less_often() {
    let server = Server::new();
    let client = streaming(&server, [Stream::Open(vec![data(flags(&["a"])), LOST])]).await;
    until(&server, 300_000).await;
    let times = server.times("stream");
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps[0], 0, "the first loss is no reason to wait");
    for (gap, most) in
        gaps[1..].iter().zip([1000, 2000, 4000, 8000].into_iter().chain(std::iter::repeat(15_000)))
    {
        assert!((most / 2..=most + 1).contains(gap), "{gap} of {most}: {gaps:?}");
    }
    assert!(times.len() < 45, "{}", times.len());
    assert!(server.times("flags").is_empty(), "each brings all flags");

    server.streams([Stream::Open(vec![data(flags(&["b"])), after(16_000, LOST)])]);
    until(&server, 400_000).await;
    let gaps: Vec<_> = server.times("stream").windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps[gaps.len() - 3..], [16_000; 3], "one that lasted is opened again at once");
    drop(client);
}

/// Rows 2 and 3: both down, then only the API back, then both.
#[tokio::test(start_paused = true)]
async fn everything_down_is_survived_and_polling_comes_back_by_itself() {
    let server = Server::new();
    let lost = Stream::Open(vec![data(flags(&["s"])), after(16_000, LOST)]);
    let client = streaming(&server, [lost, Stream::Refused]).await;
    server.flags([Answer::Refused]);
    until(&server, 70_000).await;
    assert_eq!(client.flags(), "s", "flags are kept");
    assert_eq!(
        server.times("flags"),
        [16_000, 16_001, 16_002, 16_003, 16_004, 46_000],
        "the poller goes on after its first polls failed"
    );
    assert_eq!(
        client.errors(),
        ["[Experiment] flag config initial poll failed, stopping [connect ECONNREFUSED]"]
    );
    server.flags([body(flags(&["p"]))]);
    until(&server, 77_000).await;
    assert_eq!(client.flags(), "p");
    server.streams([healthy(&[flags(&["s2"])])]);
    until(&server, 100_000).await;
    assert_eq!((client.flags().as_str(), server.open_streams()), ("s2", 1));
}

/// Row 17: start rejects, and still everything comes back.
#[tokio::test(start_paused = true)]
async fn a_start_that_failed_recovers_by_stream_or_by_poll() {
    for stream_first in [true, false] {
        let server = Server::new();
        server.flags([Answer::Refused]);
        server.streams([Stream::Refused]);
        let client = Client::new(&server, with_cohorts(streaming_every(30_000)));
        let error = client.sync.start().await.unwrap_err();
        assert_eq!(error.to_string(), "connect ECONNREFUSED");
        assert_eq!(server.timeline(), ["0 stream", "0 flags", "1 flags", "2 flags", "3 flags", "4 flags"]);
        if stream_first {
            server.streams([healthy(&[flags(&["s"])])]);
        } else {
            server.flags([body(flags(&["p"]))]);
        }
        until(&server, 31_000).await;
        assert_eq!(client.flags(), if stream_first { "s" } else { "p" });
        assert!(client.log().contains(&"D [Experiment] cohort poller - start".to_owned()));
    }
}

/// Row 6: old, NEW, and then not old again.
#[tokio::test(start_paused = true)]
async fn a_poll_under_way_when_the_stream_takes_over_is_given_up() {
    let server = Server::new();
    let client = streaming(&server, [Stream::Refused]).await;
    until(&server, 16_999).await;
    let takes_over_at = 2 * server.times("stream")[1];
    assert!((30_001..34_000).contains(&takes_over_at), "the poll at 30 s is under way: {takes_over_at}");
    server.flags([body(flags(&["old"])).after(4500)]);
    server.streams([healthy(&[flags(&["new"])])]);
    until(&server, takes_over_at - 1).await;
    assert_eq!((client.flags().as_str(), server.open_requests()), ("p", 1));
    until(&server, takes_over_at + 1).await;
    assert_eq!((client.flags().as_str(), server.open_requests()), ("new", 0));
    until(&server, 120_000).await;
    assert_eq!(client.installed(), ["0 p".to_owned(), format!("{takes_over_at} new")]);
}

/// Row 7: the server sent 1, 2, 3.
#[tokio::test(start_paused = true)]
async fn a_message_that_needs_a_slow_cohort_does_not_overwrite_the_next_one() {
    let server = Server::new();
    server.cohort("slow", [body(cohort("slow", 1)).after(500)]);
    let second = format!("[{}]", flag("2", &["slow"]));
    server.streams([Stream::Lasting(
        vec![data(flags(&["1"])), after(100, data(second)), after(100, data(flags(&["3"])))],
        15_000,
        " ",
    )]);
    server.flags([body("[]")]);
    let client = Client::new(&server, with_cohorts(streaming_every(30_000)));
    client.sync.start().await.unwrap();
    until(&server, 10_000).await;
    assert_eq!(client.installed(), ["0 1", "200 3"]);
    assert!(client.stored_cohorts().is_empty());
    assert_eq!(server.open_requests(), 0, "a download that nobody needs any more is given up");
}

/// Row 16: the connection timeout is longer than the retry period here.
#[tokio::test(start_paused = true)]
async fn an_attempt_under_way_is_no_success() {
    let server = Server::new();
    server.flags([body(flags(&["p"]))]);
    server.streams([Stream::Refused, Stream::Never]);
    let config = LocalConfig { stream_connect_timeout: Duration::from_secs(40), ..streaming_every(30_000) };
    let client = Client::new(&server, config);
    client.sync.start().await.unwrap();
    until(&server, 200_000).await;
    assert_eq!(server.times("flags").len(), 7, "polling goes on");
    let streams = server.times("stream");
    assert!(streams.len() >= 4, "{streams:?}");
    assert!(streams[1..].windows(2).all(|pair| pair[1] - pair[0] > 40_000), "one at a time: {streams:?}");
    server.streams([healthy(&[flags(&["s"])])]);
    until(&server, 300_000).await;
    assert_eq!(client.flags(), "s");
}

#[tokio::test(start_paused = true)]
async fn cohorts_of_the_first_payload_do_not_count_against_its_timeout() {
    let server = Server::new();
    server.flags([body("[]")]);
    server.cohort("c", [body(cohort("c", 1)).after(2500)]);
    server.streams([healthy(&[format!("[{}]", flag("a", &["c"]))])]);
    let client = Client::new(&server, with_cohorts(streaming_every(30_000)));
    client.sync.start().await.unwrap();
    assert_eq!((client.flags().as_str(), server.millis()), ("a", 2500));
    assert_eq!(server.timeline(), ["0 stream", "0 cohort c?maxCohortSize=2147483647"]);
}

#[tokio::test(start_paused = true)]
async fn cohorts_that_fail_are_no_reason_to_fall_back() {
    let server = Server::new();
    server.flags([body("[]")]);
    server.streams([healthy(&[format!("[{}]", flag("a", &["no1"])), format!("[{}]", flag("b", &["no2"]))])]);
    let client = Client::new(&server, with_cohorts(streaming_every(30_000)));
    client.sync.start().await.unwrap();
    until(&server, 10_000).await;
    assert_eq!(client.flags(), "b");
    assert_eq!((server.times("stream"), server.times("flags").len()), (vec![0], 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_lost_while_its_first_flags_wait_is_opened_again() {
    let server = Server::new();
    server.flags([body("[]")]);
    server.cohort("c", [body(cohort("c", 1)).after(1000)]);
    let update = format!("[{}]", flag("a", &["c"]));
    server.streams([Stream::Open(vec![data(update.clone()), after(500, LOST)]), healthy(&[update])]);
    let client = Client::new(&server, with_cohorts(streaming_every(30_000)));
    client.sync.start().await.unwrap();
    assert_eq!((client.flags().as_str(), server.millis()), ("a", 1000));
    until(&server, 60_000).await;
    assert_eq!(server.times("stream"), [0, 500]);
    assert_eq!(server.timeline().len(), 3, "one download, no polls");
}

#[tokio::test(start_paused = true)]
async fn start_while_polling_tries_the_stream_at_once() {
    let server = Server::new();
    let client = streaming(&server, [Stream::Refused, Stream::Refused, healthy(&[flags(&["s"])])]).await;
    until(&server, 5000).await;
    client.sync.start().await.unwrap();
    assert_eq!((client.flags().as_str(), server.millis()), ("p", 5000));
    until(&server, 6000).await;
    client.sync.start().await.unwrap();
    assert_eq!((client.flags().as_str(), server.millis()), ("s", 6000));
    assert_eq!(server.timeline(), ["0 stream", "0 flags", "5000 stream", "6000 stream"]);
    until(&server, 90_000).await;
    assert!(server.timeline().is_empty());
}

#[tokio::test(start_paused = true)]
async fn start_during_a_retry_is_told_how_it_ends() {
    let server = Server::new();
    server.flags([Answer::Refused]);
    server.streams([Stream::Refused, Stream::Never]);
    let client = Client::new(&server, streaming_every(60_000));
    client.sync.start().await.unwrap_err();
    until(&server, 17_000).await;
    assert_eq!(server.times("stream").len(), 2, "a retry is under way");
    server.timeline();
    client.sync.start().await.unwrap_err();
    assert_eq!(server.times("flags").len(), 5, "the retry failed, and so did the polls");
}
