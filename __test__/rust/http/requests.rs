use std::time::Duration;

use experiment_node_server::http::Environment;
use experiment_node_server::transport::{Method, Request, Transport, TransportError, TransportErrorKind};
use tokio::net::TcpListener;

use super::server::{Server, Step, answer, text};
use super::{exchange, get, send, transport};

async fn failure(script: fn() -> Vec<Step>) -> TransportError {
    let server = Server::start(move |_, _| script()).await;
    send(get(&server.url("/sdk/v2/flags"))).await.unwrap_err()
}

#[tokio::test]
async fn the_head_of_a_request_as_it_goes_out() {
    let server = Server::start(|_, _| answer(200, "", b"[]")).await;
    let mut request = get(&server.url("//sdk/v2/flags?a b=é#part"));
    request.headers[0].1 = "Api-Key é".to_owned();
    assert_eq!(send(request).await.unwrap(), (200, "[]".into()));
    let expected = format!(
        "GET //sdk/v2/flags?a%20b=%C3%A9 HTTP/1.1\r\n\
         Authorization: Api-Key \u{e9}\r\n\
         X-Amp-Exp-Library: experiment-node-server/1.13.6\r\n\
         Accept: */*\r\n\
         Accept-Encoding: gzip\r\n\
         Host: {}\r\n\r\n",
        server.address
    );
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn a_post_carries_its_body() {
    let server = Server::start(|_, head| {
        assert!(head.starts_with("POST /2/httpapi HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 2\r\n"), "{head}");
        text("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let request = Request { method: Method::Post, body: Some("{}".into()), ..get(&server.url("/2/httpapi")) };
    assert_eq!(send(request).await.unwrap().0, 200);
}

#[tokio::test]
async fn one_connection_serves_requests_in_turn_for_every_clone() {
    let server = Server::start(|_, _| answer(200, "", b"[]")).await;
    let transport = transport(Environment::default());
    for _ in 0..3 {
        exchange(&transport.clone(), get(&server.url("/"))).await.unwrap();
    }
    assert_eq!((server.requests().len(), server.connections()), (3, 1));
}

#[tokio::test]
async fn any_status_is_an_answer_and_redirects_are_not_followed() {
    for status in [201, 204, 301, 302, 304, 307, 400, 404, 413, 429, 500, 503] {
        let server = Server::start(move |_, _| answer(status, "Location: /elsewhere\r\n", b"")).await;
        assert_eq!(send(get(&server.url("/"))).await.unwrap().0, status);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_whole_seconds() {
    for (header, expected) in [
        ("Retry-After: 7\r\n", Some(Duration::from_secs(7))),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", None),
        ("Retry-After: -1\r\n", None),
        ("", None),
    ] {
        let server = Server::start(move |_, _| answer(429, header, b"")).await;
        let response = transport(Environment::default()).send(get(&server.url("/"))).await.unwrap();
        assert_eq!(response.retry_after, expected, "{header}");
    }
}

/// `[{"key":"a"}]`
const GZIP: [u8; 33] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 139, 174, 86, 202, 78, 173, 84, 178, 82, 74, 84, 170, 141, 5, 0, 107,
    52, 41, 151, 13, 0, 0, 0,
];

#[tokio::test]
async fn gzip_is_decoded() {
    let server = Server::start(|_, _| answer(200, "Content-Encoding: gzip\r\n", &GZIP)).await;
    assert_eq!(send(get(&server.url("/"))).await.unwrap().1, r#"[{"key":"a"}]"#);
}

#[tokio::test]
async fn broken_gzip_is_no_body() {
    for body in [&GZIP[..20], b"not gzip at all"] {
        let server = Server::start(move |_, _| answer(200, "Content-Encoding: gzip\r\n", body)).await;
        let error = send(get(&server.url("/"))).await.unwrap_err();
        assert_eq!((error.kind, error.code), (TransportErrorKind::Truncated, "Z_DATA_ERROR"));
    }
}

#[tokio::test]
async fn a_body_cut_midway_is_truncated() {
    let scripts: [fn() -> Vec<Step>; 4] = [
        || text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"key\""),
        || text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{\"ke\r\n"),
        || {
            let mut steps = text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"key\"");
            steps.push(Step::Reset);
            steps
        },
        || text("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\u{1f}"),
    ];
    for script in scripts {
        let error = failure(script).await;
        assert_eq!((error.kind, error.code), (TransportErrorKind::Truncated, "ECONNRESET"));
        assert_eq!(error.message, "aborted");
    }
}

#[tokio::test]
async fn bytes_beyond_the_content_length_are_not_part_of_the_body() {
    let server = Server::start(|_, _| text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]garbage")).await;
    let transport = transport(Environment::default());
    for _ in 0..2 {
        assert_eq!(exchange(&transport, get(&server.url("/"))).await.unwrap(), (200, "[]".into()));
    }
}

#[tokio::test]
async fn a_dripping_body_ends_at_the_deadline() {
    let mut server = Server::start(|_, _| {
        let mut steps = text("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        steps.push(Step::Drip);
        steps
    })
    .await;
    let request = Request { deadline: Some(Duration::from_millis(300)), ..get(&server.url("/")) };
    let error = send(request).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Timeout, "ETIMEDOUT"));
    assert_eq!(error.message, "Socket connection timed out");
    server.closed_by_client().await;
}

#[tokio::test]
async fn no_answer_ends_at_the_deadline() {
    let mut server = Server::start(|_, _| vec![Step::Hold]).await;
    let request = Request { deadline: Some(Duration::from_millis(300)), ..get(&server.url("/")) };
    let error = send(request).await.unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Timeout);
    server.closed_by_client().await;
}

#[tokio::test]
async fn dropping_a_request_closes_its_connection() {
    let mut server = Server::start(|_, _| vec![Step::Hold]).await;
    let request = tokio::spawn(send(get(&server.url("/"))));
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    request.abort();
    server.closed_by_client().await;
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(get(&format!("http://{address}/sdk/v2/flags"))).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ECONNREFUSED"));
    assert_eq!(error.message, format!("connect ECONNREFUSED {address}"));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer() {
    let error = failure(Vec::new).await;
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ECONNRESET"));
    assert_eq!(error.message, "socket hang up");

    let error = failure(|| vec![Step::Reset]).await;
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ECONNRESET"));
    assert_eq!(error.message, "read ECONNRESET");

    let error = failure(|| text("HTTP/1.1 200 OK\r\nContent-Le")).await;
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ECONNRESET"));
}

#[tokio::test]
async fn an_answer_that_is_no_http() {
    for script in [
        || text("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        || text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]"),
    ] {
        let error = failure(script).await;
        assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ERR_HTTP_INVALID_RESPONSE"));
        assert!(error.message.starts_with("Parse Error: "), "{}", error.message);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_any_connection() {
    let server = Server::start(|_, _| answer(200, "", b"")).await;
    let mut request = get(&server.url("/"));
    request.headers[0].1.push('\u{100}');
    let error = send(request).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::InvalidRequest, "ERR_INVALID_CHAR"));
    assert_eq!(send(get("")).await.unwrap_err().code, "ERR_INVALID_URL");
    assert_eq!(server.connections(), 0);
}
