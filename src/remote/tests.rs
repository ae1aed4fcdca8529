use super::*;

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::future::{self, BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::transport::Response;
use crate::transport::deadline;

/// What the fake server does with one request.
#[derive(Clone)]
enum Answer {
    Status(u16),
    Body(&'static str),
    Refused,
    Cut,
    Never,
}

/// Gives the answers in turn, the last one for ever, and keeps what it was asked and when.
struct FakeServer {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<(Instant, Request)>>,
}

impl Transport for FakeServer {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let deadline = request.deadline;
        self.requests.lock().unwrap().push((Instant::now(), request));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        deadline::within(deadline, async move {
            match answer {
                Answer::Status(status) => Ok(response(status, vec![Ok(Bytes::from_static(b"{}"))])),
                Answer::Body(text) => Ok(response(200, vec![Ok(Bytes::from_static(text.as_bytes()))])),
                Answer::Refused => Err(failure(TransportErrorKind::Connection, "ECONNREFUSED")),
                Answer::Cut => {
                    let cut = Err(failure(TransportErrorKind::Truncated, "ECONNRESET"));
                    Ok(response(200, vec![Ok(Bytes::from_static(b"{\"a\":")), cut]))
                }
                Answer::Never => future::pending().await,
            }
        })
        .boxed()
    }
}

fn response(status: u16, chunks: Vec<Result<Bytes, TransportError>>) -> Response {
    Response { status, retry_after: None, body: stream::iter(chunks).boxed() }
}

fn failure(kind: TransportErrorKind, code: &'static str) -> TransportError {
    TransportError { kind, code, message: code.to_owned() }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config() -> RemoteConfig {
    RemoteConfig {
        api_key: Secret::new("client-key"),
        server_url: "https://api.lab.amplitude.com".to_owned(),
        timeout: Some(millis(10_000)),
        retries: 8,
        retry_timeout: Some(millis(10_000)),
        backoff: Backoff { min: millis(500), max: millis(10_000), scalar: 1.5 },
    }
}

struct Outcome {
    result: Result<Bytes, FetchError>,
    /// When the requests came, in milliseconds from the start.
    at: Vec<u128>,
    requests: Vec<Request>,
    log: Vec<String>,
    took: u128,
}

async fn fetch(config: RemoteConfig, options: FetchOptions, answers: &[Answer]) -> Outcome {
    let server = Arc::new(FakeServer {
        answers: Mutex::new(answers.iter().cloned().collect()),
        requests: Mutex::default(),
    });
    let log = Mutex::new(Vec::new());
    let observe = |event: RemoteEvent<'_>| {
        log.lock().unwrap().push(match event {
            RemoteEvent::FetchFailed(error) => format!("fetch failed: {error}"),
            RemoteEvent::Retrying => "retrying".to_owned(),
            RemoteEvent::RetryFailed(error) => format!("retry failed: {error}"),
            RemoteEvent::GaveUp(error) => format!("gave up: {error}"),
        });
    };
    let start = Instant::now();
    let client = RemoteClient::new(server.clone(), config);
    let result = client.fetch(r#"{"library":"experiment-node-server/1.13.6"}"#, &options, &observe).await;
    let took = start.elapsed().as_millis();
    let requests = std::mem::take(&mut *server.requests.lock().unwrap());
    Outcome {
        result,
        at: requests.iter().map(|(at, _)| (*at - start).as_millis()).collect(),
        requests: requests.into_iter().map(|(_, request)| request).collect(),
        log: log.into_inner().unwrap(),
        took,
    }
}

async fn fetch_default(answers: &[Answer]) -> Outcome {
    fetch(config(), FetchOptions::default(), answers).await
}

const BACKOFF_AT: [u128; 9] = [0, 500, 1250, 2375, 4062, 6594, 10_391, 16_086, 24_629];

/// Paused time advances in whole milliseconds, each timer rounded up: one apart at most per sleep.
fn assert_timeline(at: &[u128], expected: &[u128]) {
    assert_eq!(at.len(), expected.len(), "{at:?}");
    for (index, (at, expected)) in at.iter().zip(expected).enumerate() {
        assert!(at.abs_diff(*expected) <= index as u128, "{at} instead of {expected} (request {index})");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_is_one_request() {
    let outcome = fetch_default(&[Answer::Body(r#"{"flag":{"key":"on"}}"#)]).await;
    assert_eq!(outcome.result.unwrap(), r#"{"flag":{"key":"on"}}"#);
    assert_eq!(outcome.at, [0]);
    assert!(outcome.log.is_empty());
    let request = &outcome.requests[0];
    assert_eq!(request.method, Method::Get);
    assert_eq!(request.url, "https://api.lab.amplitude.com/sdk/v2/vardata?v=0");
    assert_eq!(request.deadline, Some(millis(10_000)));
    assert!(request.body.is_none());
    assert_eq!(
        request.headers,
        [
            ("Authorization", "Api-Key client-key".to_owned()),
            ("X-Amp-Exp-User", "eyJsaWJyYXJ5IjoiZXhwZXJpbWVudC1ub2RlLXNlcnZlci8xLjEzLjYifQ".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn options_become_headers() {
    let options = FetchOptions {
        flag_keys_json: Some("[]".to_owned()),
        tracks_assignment: Some(true),
        tracks_exposure: Some(false),
    };
    let outcome = fetch(config(), options, &[Answer::Body("{}")]).await;
    assert_eq!(
        outcome.requests[0].headers[2..],
        [
            ("X-Amp-Exp-Flag-Keys", "W10".to_owned()),
            ("X-Amp-Exp-Track", "track".to_owned()),
            ("X-Amp-Exp-Exposure-Track", "no-track".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn header_encoding_is_url_safe_without_padding() {
    let options =
        FetchOptions { flag_keys_json: Some("[\"?>\u{e9}~\"]".to_owned()), ..FetchOptions::default() };
    let outcome = fetch(config(), options, &[Answer::Body("{}")]).await;
    assert_eq!(outcome.requests[0].headers[2].1, "WyI_PsOpfiJd");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_fails_is_asked_nine_times_in_24_6_seconds() {
    let outcome = fetch_default(&[Answer::Status(500)]).await;
    assert_timeline(&outcome.at, &BACKOFF_AT);
    assert!(matches!(outcome.result, Err(FetchError::Status(500))));
    assert!(outcome.took.abs_diff(24_629) < 10, "no sleep after the last failure: {}", outcome.took);
    let mut log = vec!["fetch failed: Fetch error response: status=500", "retrying"];
    log.extend(["retry failed: Fetch error response: status=500"; 8]);
    log.push("gave up: Fetch error response: status=500");
    assert_eq!(outcome.log, log);
}

#[tokio::test(start_paused = true)]
async fn the_first_error_is_the_final_one() {
    let outcome = fetch_default(&[Answer::Refused, Answer::Status(503), Answer::Status(502)]).await;
    assert_eq!(outcome.at.len(), 9);
    assert_eq!(outcome.result.unwrap_err().to_string(), "ECONNREFUSED");
    assert_eq!(outcome.log.last().unwrap(), "gave up: Fetch error response: status=502");
}

#[tokio::test(start_paused = true)]
async fn which_first_failures_are_retried() {
    for status in [201, 204, 302, 429, 500, 503, 599] {
        let outcome = fetch_default(&[Answer::Status(status), Answer::Body("{}")]).await;
        assert!(outcome.result.is_ok(), "{status}");
        assert_eq!(outcome.at, [0, 500], "{status}");
        assert_eq!(outcome.log.len(), 2, "{status}");
    }
    for status in [400, 401, 403, 404, 413, 499] {
        let outcome = fetch_default(&[Answer::Status(status), Answer::Body("{}")]).await;
        assert!(matches!(outcome.result, Err(FetchError::Status(of)) if of == status));
        assert_eq!(outcome.log, [format!("fetch failed: Fetch error response: status={status}")]);
    }
    for answer in [
        Answer::Refused,
        Answer::Cut,
        Answer::Body("<html>"),
        Answer::Body("null"),
        Answer::Body("{\"a\":null}"),
    ] {
        let outcome = fetch_default(&[answer, Answer::Body("{}")]).await;
        assert_eq!(outcome.result.unwrap(), "{}");
        assert_eq!(outcome.at, [0, 500]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_error_ends_the_retries() {
    let outcome = fetch_default(&[Answer::Status(500), Answer::Status(429), Answer::Status(400)]).await;
    assert_eq!(outcome.at, [0, 500, 1250]);
    assert!(matches!(outcome.result, Err(FetchError::Status(500))));
    assert_eq!(outcome.log.last().unwrap(), "gave up: Fetch error response: status=400");
}

#[tokio::test(start_paused = true)]
async fn no_retries_still_gives_up_aloud() {
    let outcome =
        fetch(RemoteConfig { retries: 0, ..config() }, FetchOptions::default(), &[Answer::Refused]).await;
    assert_eq!(outcome.at, [0]);
    assert_eq!(outcome.log, ["fetch failed: ECONNREFUSED", "retrying", "gave up: ECONNREFUSED"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_delay_is_not_clamped_and_the_maximum_holds() {
    let backoff = Backoff { min: millis(100), max: millis(300), scalar: 1.5 };
    let config = RemoteConfig { retries: 5, backoff, ..config() };
    let outcome = fetch(config, FetchOptions::default(), &[Answer::Status(500)]).await;
    assert_timeline(&outcome.at, &[0, 100, 250, 475, 775, 1075]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_of_zero_takes_no_time() {
    let backoff = Backoff { min: Duration::ZERO, max: millis(300), scalar: 1.5 };
    let config = RemoteConfig { retries: 3, backoff, ..config() };
    let outcome = fetch(config, FetchOptions::default(), &[Answer::Status(500)]).await;
    assert_eq!(outcome.at, [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_own_timeout() {
    let config =
        RemoteConfig { timeout: Some(millis(300)), retry_timeout: Some(millis(200)), retries: 2, ..config() };
    let outcome = fetch(config, FetchOptions::default(), &[Answer::Never]).await;
    assert_eq!(outcome.at, [0, 800, 1750]);
    assert_eq!(outcome.took, 1950);
    assert_eq!(outcome.result.unwrap_err().to_string(), "Socket connection timed out");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_sends_nothing() {
    let config =
        RemoteConfig { timeout: Some(Duration::ZERO), retry_timeout: Some(Duration::ZERO), ..config() };
    let outcome = fetch(config, FetchOptions::default(), &[Answer::Body("{}")]).await;
    assert_eq!(outcome.at, [] as [u128; 0]);
    assert_eq!(outcome.result.unwrap_err().to_string(), "Response timed out");
    assert_eq!(outcome.log.len(), 2 + 8 + 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_ends_the_retries() {
    let outcome = tokio::time::timeout(millis(600), fetch_default(&[Answer::Status(500)])).await;
    assert!(outcome.is_err());
    // Nothing was spawned that could go on.
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[test]
fn the_key_is_not_in_debug_output() {
    assert!(!format!("{:?}", config()).contains("client-key"));
}
