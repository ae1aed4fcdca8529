//! When events are sent, in which requests, and what a request holds (analytics 2, 3, 5.1 and 7).

use std::time::Duration;

use experiment_node_server::tracking::config::Options;
use experiment_node_server::tracking::{Kind, Level};
use serde_json::json;
use tokio::runtime::Handle;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn the_first_event_starts_the_timer_and_later_ones_do_not_postpone_it() {
    let rig = rig(Options { flush_interval_millis: Some(3000.0), ..options() }, [OK]);
    rig.track("u0");
    pass(2.5).await;
    rig.track("u1");
    pass(0.4).await;
    assert_eq!(rig.endpoint.sizes(), Vec::<usize>::new());
    pass(1.0).await;
    assert_eq!(rig.endpoint.users(), [names(&[0, 1])]);
    assert_eq!(rig.endpoint.times()[0].round(), 3.0);
    assert_eq!(rig.pipeline.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait() {
    let rig = rig(Options { flush_queue_size: Some(5.0), ..options() }, [OK]);
    rig.track_many(0..12);
    pass(0.01).await;
    assert_eq!(rig.endpoint.sizes(), [5, 5]);
    pass(1.0).await;
    assert_eq!(rig.endpoint.sizes(), [5, 5, 2]);
    assert_eq!(rig.endpoint.users().concat(), names(&(0..12).collect::<Vec<_>>()));
}

#[tokio::test(start_paused = true)]
async fn one_request_is_under_way_at_a_time() {
    let slow = Reply::Slow(Duration::from_secs(2));
    let rig = rig(Options { flush_queue_size: Some(5.0), ..options() }, [slow]);
    rig.track_many(0..20);
    rig.pipeline.flush().await;
    assert_eq!((rig.endpoint.most_under_way(), rig.endpoint.sizes()), (1, vec![5, 5, 5, 5]));
    assert_eq!(
        rig.endpoint.times().iter().map(|time| time.round()).collect::<Vec<_>>(),
        [0.0, 2.0, 4.0, 6.0]
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_evaluation_is_sent_once() {
    let rig = rig(options(), [OK]);
    for user in ["a", "b", "a", " a "] {
        rig.track(user);
    }
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.users().concat(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_upstreams_byte_for_byte() {
    let rig = rig(
        Options {
            min_id_length: Some(3.0),
            plan_json: Some(r#"{"branch":"main","source":"srv"}"#.into()),
            ingestion_metadata_json: Some(r#"{"sourceName":"ampli","sourceVersion":"2.0.0"}"#.into()),
            ..options()
        },
        [OK],
    );
    for user in ["u", "v"] {
        rig.track(user);
        rig.pipeline.flush().await;
    }
    let event = |user: &str, hash: &str, id: u32| {
        format!(
            concat!(
                r#"{{"time":1700000000000,"insert_id":"{user} d {hash} 19675","#,
                r#""plan":{{"branch":"main","source":"srv"}},"#,
                r#""ingestion_metadata":{{"source_name":"ampli","source_version":"2.0.0"}},"#,
                r#""event_type":"[Experiment] Exposure","user_id":"{user}","device_id":"d","#,
                r#""event_properties":{{"[Experiment] Flag Key":"flag-1","[Experiment] Variant":"on"}},"#,
                r#""user_properties":{{"$set":{{"[Experiment] flag-1":"on"}},"$unset":{{}}}},"#,
                r#""event_id":{id},"library":"amplitude-node-ts/1.5.73"}}"#
            ),
            user = user,
            hash = hash,
            id = id
        )
    };
    let received = rig.endpoint.received();
    for (at, (user, request)) in ["u", "v"].into_iter().zip(&received).enumerate() {
        let insert_id = request.body["events"][0]["insert_id"].as_str().unwrap();
        let hash = insert_id.split(' ').nth(2).unwrap();
        let uploaded = request.body["client_upload_time"].as_str().unwrap();
        assert!(uploaded.len() == 24 && uploaded.ends_with('Z'), "{uploaded}");
        let metadata =
            if at == 0 { "" } else { r#","request_metadata":{"sdk":{"metrics":{"histogram":{}}}}"# };
        let expected = format!(
            r#"{{"api_key":"{KEY}","events":[{}],"options":{{"min_id_length":3}},"client_upload_time":"{uploaded}"{metadata}}}"#,
            event(user, hash, at as u32)
        );
        assert_eq!(request.text, expected);
        assert_eq!(request.url, "https://api2.amplitude.com/2/httpapi");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_least_id_length_the_options_are_empty() {
    let rig = rig(options(), [OK]);
    rig.track("u");
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.received()[0].body["options"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn assignments_have_a_pipeline_of_their_own() {
    let rig = rig_with(Kind::Assignment, options(), Endpoint::new([OK]), None, &Handle::current());
    rig.track("u");
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.received()[0].body["events"][0]["event_type"], "[Experiment] Assignment");
}

#[tokio::test(start_paused = true)]
async fn a_request_stays_under_a_megabyte() {
    let rig = rig(options(), [OK]);
    // An id is in an event twice: two of these do not fit.
    for user in 0..3 {
        rig.track(&format!("{user}{}", "x".repeat(300_000)));
    }
    rig.track("small");
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.sizes(), [1, 1, 2]);
    assert!(rig.endpoint.received().iter().all(|request| request.text.len() < 1_010_000));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_request_could_hold_is_dropped_alone() {
    let rig = rig(options(), [OK]);
    rig.track("a");
    rig.track(&"x".repeat(2_000_000));
    rig.track("b");
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.users(), [["a", "b"]]);
    assert_eq!(rig.log.of(Level::Error).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_opts_out_is_remembered_but_not_sent() {
    let rig = rig(Options { opt_out: true, ..options() }, [OK]);
    rig.track("u");
    rig.pipeline.flush().await;
    assert_eq!((rig.pipeline.pending(), rig.endpoint.received().len(), rig.log.all().len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn offline_events_wait_in_bounded_memory() {
    let rig = rig(Options { offline: true, max_queued_events: Some(50.0), ..options() }, [OK]);
    rig.track_many(0..80);
    rig.pipeline.flush().await;
    pass(100.0).await;
    assert_eq!((rig.pipeline.pending(), rig.endpoint.received().len()), (50, 0));
    assert_eq!(rig.log.of(Level::Error), ["30 events dropped: 30 × the queue was full (code 0)"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_or_a_url_events_are_dropped_with_one_line() {
    for (given, reason) in [
        (Options { api_key: None, ..options() }, "Event rejected due to missing API key (code 400)"),
        (Options { server_url: Some("nowhere".into()), ..options() }, "Invalid server url (code 0)"),
    ] {
        let rig = rig(given, [OK]);
        rig.track_many(0..3);
        rig.pipeline.flush().await;
        pass(0.1).await;
        assert_eq!(rig.endpoint.received().len(), 0);
        assert_eq!(rig.log.of(Level::Error), [format!("3 events dropped: 3 × {reason}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_endpoint_costs_the_oldest_events_and_no_more_memory() {
    let limit = 100_000;
    let rig = rig(Options { max_queued_bytes: Some(f64::from(limit)), ..options() }, [Reply::Hang]);
    for second in 0..30 {
        rig.track_many(second * 2000..(second + 1) * 2000);
        assert!(rig.pipeline.pending_bytes() <= limit as usize);
        pass(1.0).await;
    }
    let lines = rig.log.of(Level::Error);
    assert!((25..=32).contains(&lines.len()), "one line an interval: {}", lines.len());
    assert!(lines.iter().all(|line| line.contains("the queue was full")), "{lines:?}");
    assert!(rig.pipeline.pending() > 100);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_dropped_events_make_one_line() {
    let refusal = Reply::Status(400, r#"{"code":400,"error":"Invalid API key: api-key-0123456789"}"#);
    let rig = rig(Options { flush_queue_size: Some(100.0), ..options() }, [refusal]);
    rig.track_many(0..1000);
    rig.pipeline.flush().await;
    pass(5.0).await;
    let lines = rig.log.of(Level::Error);
    assert!(lines.len() <= 2, "{lines:?}");
    assert!(rig.log.all().iter().all(|line| !line.contains(KEY)), "{:?}", rig.log.all());
    assert!(lines[0].contains("Invalid API key: *** (code 400)"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_is_dropped_delivers_what_it_has() {
    let rig = rig(options(), [OK]);
    rig.track_many(0..3);
    let endpoint = rig.endpoint.clone();
    drop(rig);
    pass(0.1).await;
    assert_eq!(endpoint.sizes(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pipeline_gives_up_in_the_end() {
    let rig = rig(options(), [Reply::Hang]);
    rig.track("u");
    let (endpoint, log) = (rig.endpoint.clone(), rig.log.clone());
    drop(rig);
    pass(30.0).await;
    assert_eq!(endpoint.sizes(), [1]);
    assert_eq!(log.of(Level::Error), ["1 events dropped: 1 × the client was closed (code 0)"]);
}

#[tokio::test(start_paused = true)]
async fn closing_delivers_and_then_takes_nothing() {
    let rig = rig(options(), [OK]);
    rig.track_many(0..3);
    rig.pipeline.close(Duration::from_secs(5)).await;
    assert_eq!((rig.endpoint.sizes(), rig.pipeline.pending()), (vec![3], 0));
    rig.track("later");
    rig.pipeline.flush().await;
    rig.pipeline.close(Duration::from_secs(5)).await;
    pass(10.0).await;
    assert_eq!(rig.endpoint.sizes(), [3]);
}

#[tokio::test(start_paused = true)]
async fn closing_is_bounded() {
    let rig = rig(options(), [Reply::Hang]);
    rig.track("u");
    let start = tokio::time::Instant::now();
    let flush = rig.pipeline.flush();
    rig.pipeline.close(Duration::from_secs(5)).await;
    flush.await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(rig.pipeline.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_tries_again_within_its_time() {
    let rig = rig(options(), [Reply::Reset, Reply::Reset, Reply::Reset, OK]);
    rig.track("u");
    rig.pipeline.close(Duration::from_secs(5)).await;
    assert_eq!(rig.endpoint.sizes(), [1, 1, 1, 1]);
    assert!(rig.endpoint.times()[3] < 1.0, "{:?}", rig.endpoint.times());
    assert_eq!(rig.log.of(Level::Error), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_what_cannot_come_in_time() {
    let rig = rig(options(), [Reply::Later(503, Duration::from_secs(60))]);
    rig.track("u");
    let start = tokio::time::Instant::now();
    rig.pipeline.close(Duration::from_secs(5)).await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn several_requests_go_at_once_when_there_is_a_hurry() {
    let slow = Reply::Slow(Duration::from_secs(1));
    let rig = rig(Options { flush_queue_size: Some(10.0), ..options() }, [slow]);
    rig.track_many(0..80);
    rig.pipeline.close(Duration::from_secs(5)).await;
    assert_eq!((rig.endpoint.sizes().len(), rig.endpoint.most_under_way()), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn flushes_wait_for_what_was_there_only() {
    let rig = rig(options(), [Reply::Slow(Duration::from_millis(500)), Reply::Hang]);
    rig.track("a");
    let flush = rig.pipeline.flush();
    pass(0.1).await;
    rig.track("b");
    flush.await;
    assert_eq!(rig.endpoint.users(), [["a"]]);
    assert_eq!(rig.pipeline.pending(), 1);
}
