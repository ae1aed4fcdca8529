//! What becomes of events by what the server answers (analytics 5.2, 5.3 and 7).

use std::time::Duration;

use experiment_node_server::tracking::Level;
use experiment_node_server::tracking::config::Options;

use crate::support::*;

/// Sends `events` events and waits until nothing is left of them.
async fn run(options: Options, events: usize, script: impl IntoIterator<Item = Reply>) -> Rig {
    let rig = rig(options, script);
    rig.track_many(0..events);
    rig.pipeline.flush().await;
    pass(2.0).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn what_the_server_takes_is_sent_once() {
    for reply in [
        Reply::Status(200, ""),
        Reply::Status(200, "<html>"),
        Reply::Status(204, "null"),
        Reply::Status(200, r#"{"code":200,"events_ingested":3}"#),
        Reply::Status(500, r#"{"code":200}"#),
        // Upstream sends these again, or drops them: the status says that they have arrived.
        Reply::Status(200, "{}"),
        Reply::Status(200, "[]"),
        Reply::Status(200, "\"success\""),
    ] {
        let rig = run(options(), 3, [reply]).await;
        assert_eq!((rig.endpoint.sizes(), rig.log.of(Level::Error)), (vec![3], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_may_pass_is_tried_again() {
    for failure in [
        Reply::Reset,
        Reply::Status(500, ""),
        Reply::Status(503, "<html>"),
        Reply::Status(200, r#"{"code":500}"#),
        Reply::Status(408, ""),
        Reply::Status(302, ""),
        Reply::Status(429, ""),
        Reply::Status(429, r#"{"error":"slow down"}"#),
        Reply::Status(401, "no"),
        Reply::Status(404, r#"{"error":"no such path"}"#),
        Reply::Status(500, "123"),
    ] {
        let rig = run(options(), 3, [failure, OK]).await;
        assert_eq!(rig.endpoint.users(), [names(&[0, 1, 2]), names(&[0, 1, 2])]);
        assert_eq!(rig.log.of(Level::Error), Vec::<String>::new());
        assert_eq!(rig.log.of(Level::Warn).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_ends_at_its_deadline() {
    let rig = run(Options { request_timeout_millis: Some(1000.0), ..options() }, 1, [Reply::Hang, OK]).await;
    let times = rig.endpoint.times();
    assert_eq!(times.len(), 2);
    assert!((1.5..=2.1).contains(&times[1]), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn delays_grow_and_spread_and_end_at_the_last_retry() {
    let rig = run(options(), 1, [Reply::Status(500, "")]).await;
    let times = rig.endpoint.times();
    assert_eq!(times.len(), 12);
    for (attempt, pair) in times.windows(2).enumerate() {
        let whole = 2f64.powi(attempt as i32).min(30.0);
        let gap = pair[1] - pair[0];
        assert!(gap > whole / 2.0 - 0.01 && gap < whole + 0.01, "{attempt}: {gap}");
    }
    assert_eq!(
        rig.log.of(Level::Error),
        ["1 events dropped: 1 × Event rejected due to exceeded retry count (code 500)"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_number_of_sends_is_the_callers() {
    let rig = run(Options { flush_max_retries: Some(3.0), ..options() }, 2, [Reply::Reset]).await;
    assert_eq!(rig.endpoint.sizes(), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed() {
    for status in [429, 503] {
        let rig = run(options(), 2, [Reply::Later(status, Duration::from_secs(20)), OK]).await;
        assert_eq!(rig.endpoint.times().iter().map(|time| time.round()).collect::<Vec<_>>(), [0.0, 20.0]);
    }
}

#[tokio::test(start_paused = true)]
async fn new_events_wait_while_the_server_is_down() {
    let rig = rig(
        Options { flush_queue_size: Some(5.0), ..options() },
        [Reply::Later(503, Duration::from_secs(20)), OK],
    );
    rig.track_many(0..5);
    pass(1.0).await;
    rig.track_many(5..15);
    pass(10.0).await;
    assert_eq!(rig.endpoint.sizes(), [5]);
    pass(10.0).await;
    assert_eq!(rig.endpoint.sizes(), [5, 5, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn one_batch_that_always_fails_does_not_stop_the_others() {
    // Every second answer, beginning with the first, is a failure.
    let script = (0..8).flat_map(|_| [Reply::Status(500, ""), OK]);
    let rig = rig(Options { flush_queue_size: Some(5.0), flush_max_retries: Some(3.0), ..options() }, script);
    rig.track_many(0..20);
    rig.pipeline.flush().await;
    let delivered = rig.endpoint.users().iter().skip(1).step_by(2).flatten().count();
    assert_eq!(delivered, 20);
}

#[tokio::test(start_paused = true)]
async fn after_a_success_delays_begin_anew() {
    let script = [Reply::Reset, Reply::Reset, Reply::Reset, OK, Reply::Reset, OK];
    let rig = rig(options(), script);
    rig.track("a");
    rig.pipeline.flush().await;
    rig.track("b");
    rig.pipeline.flush().await;
    let times = rig.endpoint.times();
    assert_eq!(times.len(), 6);
    assert!(times[5] - times[4] <= 1.01, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_key_drops_the_batch_at_once() {
    for body in [
        r#"{"code":400,"error":"Invalid API key: x"}"#,
        r#"{"code":400,"error":"Request missing required field","missing_field":"api_key"}"#,
    ] {
        let rig = run(options(), 3, [Reply::Status(400, body)]).await;
        assert_eq!(rig.endpoint.sizes(), [3]);
        assert!(rig.log.of(Level::Error)[0].starts_with("3 events dropped: 3 × "), "{:?}", rig.log.all());
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_events_at_fault_are_dropped() {
    let body = r#"{"code":400,"error":"bad events","events_with_invalid_fields":{"time":[1,3]},
        "events_with_missing_fields":{"x":[4]},"events_with_invalid_id_lengths":{},"silenced_events":[5]}"#;
    let rig = run(options(), 7, [Reply::Status(400, body), OK]).await;
    assert_eq!(rig.endpoint.users()[1], names(&[0, 2, 6]));
    assert_eq!(rig.log.of(Level::Error), ["4 events dropped: 4 × bad events (code 400)"]);
    let times = rig.endpoint.times();
    assert!(times[1] - times[0] < 0.1, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_too_large_is_dropped_alone() {
    let rig = run(options(), 1, [Reply::Status(413, r#"{"code":413,"error":"too much"}"#)]).await;
    assert_eq!(rig.endpoint.sizes(), [1]);
    assert_eq!(rig.log.of(Level::Error), ["1 events dropped: 1 × too much (code 413)"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_is_split_and_later_ones_are_not() {
    let rig = rig(Options { flush_queue_size: Some(16.0), ..options() }, [Reply::AtMost(4)]);
    rig.track_many(0..16);
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.sizes(), [16, 8, 4, 4, 8, 4, 4]);
    rig.track_many(16..32);
    rig.pipeline.flush().await;
    assert_eq!(rig.endpoint.sizes()[7], 16);
    assert_eq!(rig.log.of(Level::Error), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn splitting_ends_with_single_events() {
    let rig = run(Options { flush_queue_size: Some(16.0), ..options() }, 16, [Reply::AtMost(0)]).await;
    assert_eq!(rig.endpoint.sizes().iter().filter(|&&size| size == 1).count(), 16);
    // The first is told of at once, the others together.
    assert_eq!(
        rig.log.of(Level::Error),
        ["1 events dropped: 1 × too much (code 413)", "15 events dropped: 15 × too much (code 413)"]
    );
}

#[tokio::test(start_paused = true)]
async fn quotas_drop_and_throttling_delays_the_events_concerned() {
    let rig = rig(
        options(),
        [
            Reply::Status(
                429,
                r#"{"code":429,"error":"quota","exceeded_daily_quota_users":{"u1":1},
                    "exceeded_daily_quota_devices":{"d4":1},"throttled_events":[2,3]}"#,
            ),
            OK,
        ],
    );
    for user in 0..6 {
        track_at(&rig.pipeline, &format!("u{user}"), &format!("d{user}"), NOW);
    }
    let flush = rig.pipeline.flush();
    pass(5.0).await;
    assert_eq!(rig.endpoint.users()[1..], [names(&[0, 5])]);
    // Nobody else is delayed.
    rig.track("u6");
    pass(2.0).await;
    assert_eq!(rig.endpoint.users()[2..], [names(&[6])]);
    flush.await;
    assert_eq!(rig.endpoint.users()[3..], [names(&[2, 3])]);
    assert_eq!(rig.endpoint.times()[3].round(), 30.0);
    assert_eq!(rig.log.of(Level::Error), ["2 events dropped: 2 × quota (code 429)"]);
}
