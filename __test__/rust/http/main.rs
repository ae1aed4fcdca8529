//! The HTTP layer against real sockets on 127.0.0.1.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking, its helpers too

mod events;
mod proxy;
mod remote;
mod requests;
mod server;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use experiment_node_server::http::{Environment, Pool, ReqwestEventSource, ReqwestTransport};
use experiment_node_server::transport::stream::{EventSource, Events, StreamError};
use experiment_node_server::transport::{Method, Request, Transport, TransportError};

const KEY: &str = "server-secret-key";

/// Long enough never to pass where it is not meant to.
const PATIENCE: Duration = Duration::from_secs(20);

fn get(url: &str) -> Request {
    Request {
        method: Method::Get,
        url: url.to_owned(),
        headers: vec![
            ("Authorization", format!("Api-Key {KEY}")),
            ("X-Amp-Exp-Library", "experiment-node-server/1.13.6".to_owned()),
        ],
        body: None,
        deadline: Some(PATIENCE),
    }
}

fn transport(environment: Environment) -> ReqwestTransport {
    ReqwestTransport::new(Pool::new(environment))
}

/// Status and whole body.
async fn exchange(transport: &ReqwestTransport, request: Request) -> Result<(u16, Bytes), TransportError> {
    let url = request.url.clone();
    let answer = async {
        let response = transport.send(request).await?;
        Ok((response.status, response.bytes().await?))
    };
    let result: Result<_, TransportError> = in_time(answer).await;
    if let Err(error) = &result {
        assert_discreet(&error.message, &url);
    }
    result
}

async fn send(request: Request) -> Result<(u16, Bytes), TransportError> {
    exchange(&transport(Environment::default()), request).await
}

async fn open(environment: Environment, request: Request) -> Result<Events, StreamError> {
    let url = request.url.clone();
    let source = ReqwestEventSource::new(Pool::new(environment), 1 << 20);
    let result = in_time(source.open(request)).await;
    if let Err(error) = &result {
        assert_discreet(&error.message, &url);
    }
    result
}

/// A deadline that does not work fails its test instead of hanging it.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE * 2, future).await.expect("an end in time")
}

fn assert_discreet(message: &str, url: &str) {
    assert!(!message.contains(KEY), "{message}");
    assert!(url.is_empty() || !message.contains(url), "{message}");
    assert!(!message.contains("/sdk/"), "{message}");
}
