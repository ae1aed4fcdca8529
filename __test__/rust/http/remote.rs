use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use experiment_node_server::http::Environment;
use experiment_node_server::key::Secret;
use experiment_node_server::remote::{FetchOptions, RemoteClient, RemoteConfig, RemoteEvent};
use experiment_node_server::transport::backoff::Backoff;

use super::server::{Server, answer, text};
use super::{KEY, PATIENCE, transport};

#[tokio::test]
async fn a_fetch_survives_a_cut_body_and_a_page_that_is_no_json() {
    let server = Server::start(|number, _| match number {
        0 => text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"flag\":"),
        1 => answer(200, "", b"<html>"),
        _ => answer(200, "", br#"{"flag":{"key":"on"}}"#),
    })
    .await;
    let config = RemoteConfig {
        api_key: Secret::new(KEY),
        server_url: server.url(""),
        timeout: Some(PATIENCE),
        retries: 8,
        retry_timeout: Some(PATIENCE),
        backoff: Backoff { min: Duration::from_millis(1), max: Duration::from_millis(1), scalar: 1.0 },
    };
    let events = AtomicUsize::new(0);
    let observe = |_: RemoteEvent<'_>| {
        events.fetch_add(1, Ordering::Relaxed);
    };
    let client = RemoteClient::new(Arc::new(transport(Environment::default())), config);
    let body = client.fetch("{}", &FetchOptions::default(), &observe).await.unwrap();
    assert_eq!(body, r#"{"flag":{"key":"on"}}"#);
    assert_eq!(events.into_inner(), 3, "failed, retrying, retry failed");
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[2].starts_with("GET /sdk/v2/vardata?v=0 HTTP/1.1\r\n"), "{}", requests[2]);
    assert!(requests[2].contains("\r\nX-Amp-Exp-User: e30\r\n"), "{}", requests[2]);
}
