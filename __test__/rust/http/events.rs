use experiment_node_server::http::{Environment, Pool, ReqwestEventSource};
use experiment_node_server::transport::Request;
use experiment_node_server::transport::stream::{EventSource, Events, StreamError};
use futures_util::StreamExt;

use super::server::{Server, Step, answer, text};
use super::{KEY, get};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";

async fn open(request: Request) -> Result<Events, StreamError> {
    super::open(Environment::default(), request).await
}

fn stream_request(url: &str) -> Request {
    let mut request = get(url);
    let mut headers =
        vec![("Cache-Control", "no-cache".to_owned()), ("Accept", "text/event-stream".to_owned())];
    headers.append(&mut request.headers);
    Request { headers, ..request }
}

#[tokio::test]
async fn messages_arrive_as_they_are_sent_until_the_end_which_is_an_error() {
    let server = Server::start(|_, _| {
        text(&format!(
            "{OK}\u{feff}data: [1]\r\n\r\n: ping\n\nevent: x\ndata: no\n\ndata:  \n\ndata: unfinished"
        ))
    })
    .await;
    let items: Vec<_> =
        open(stream_request(&server.url("/sdk/stream/v1/flags"))).await.unwrap().collect().await;
    let (last, messages) = items.split_last().unwrap();
    assert_eq!(messages, [Ok("[1]".to_owned()), Ok(" ".to_owned())]);
    assert_eq!(last.as_ref().unwrap_err().code, "ERR_STREAM_ENDED");
    let expected = format!(
        "GET /sdk/stream/v1/flags HTTP/1.1\r\n\
         Cache-Control: no-cache\r\n\
         Accept: text/event-stream\r\n\
         Authorization: Api-Key {KEY}\r\n\
         X-Amp-Exp-Library: experiment-node-server/1.13.6\r\n\
         Host: {}\r\n\r\n",
        server.address
    );
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn an_event_comes_before_the_connection_ends_and_dropping_the_stream_closes_it() {
    let mut server = Server::start(|_, _| {
        let mut steps = text(&format!("{OK}data: 1\r\r"));
        steps.push(Step::Hold);
        steps
    })
    .await;
    let mut events = open(stream_request(&server.url("/"))).await.unwrap();
    assert_eq!(events.next().await, Some(Ok("1".to_owned())));
    drop(events);
    server.closed_by_client().await;
}

#[tokio::test]
async fn dropping_the_attempt_closes_the_connection() {
    let mut server = Server::start(|_, _| vec![Step::Hold]).await;
    let attempt = tokio::spawn(open(stream_request(&server.url("/"))));
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    attempt.abort();
    server.closed_by_client().await;
}

#[tokio::test]
async fn a_cut_stream_says_so() {
    let server = Server::start(|_, _| {
        text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n5\r\nda")
    })
    .await;
    let items: Vec<_> = open(stream_request(&server.url("/"))).await.unwrap().collect().await;
    assert_eq!(items[0], Ok("1".to_owned()));
    assert_eq!(items[1].as_ref().unwrap_err().code, "ECONNRESET");
    assert_eq!(items.len(), 2);
}

#[tokio::test]
async fn any_status_but_200_is_an_error_with_that_status() {
    for (status, message) in [
        (204, "No Content"),
        (303, "See Other"),
        (401, "Unauthorized"),
        (429, "Too Many Requests"),
        (501, "Not Implemented"),
    ] {
        let server = Server::start(move |_, _| answer(status, "Location: /elsewhere\r\n", b"")).await;
        let error = open(stream_request(&server.url("/"))).await.err().unwrap();
        assert_eq!((error.status, error.code), (Some(status), "ERR_STREAM_STATUS"));
        assert_eq!(error.message, message);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn nobody_listening_is_an_error_without_status() {
    let error = open(stream_request("http://127.0.0.1:1/")).await.err().unwrap();
    assert_eq!((error.status, error.code), (None, "ECONNREFUSED"));
    assert_eq!(error.message, "connect ECONNREFUSED 127.0.0.1:1");
}

#[tokio::test]
async fn redirects_are_followed_relative_ones_too() {
    for status in [301, 302, 307, 308] {
        let server = Server::start(move |number, _| match number {
            0 => answer(status, "Location: ../v2/flags?x=1\r\n", b""),
            _ => text(&format!("{OK}data: 1\n\n")),
        })
        .await;
        let mut events = open(stream_request(&server.url("/sdk/v1/flags"))).await.unwrap();
        assert_eq!(events.next().await, Some(Ok("1".to_owned())), "{status}");
        let requests = server.requests();
        assert!(requests[1].starts_with("GET /sdk/v2/flags?x=1 HTTP/1.1\r\n"), "{}", requests[1]);
        assert!(requests[1].contains(KEY), "same origin keeps the key");
    }
}

#[tokio::test]
async fn a_redirect_to_another_origin_loses_the_key_for_good() {
    let first = Server::start(|_, head| match head.starts_with("GET /back") {
        true => text(&format!("{OK}data: back\n\n")),
        false => panic!("unexpected {head}"),
    })
    .await;
    let back = format!("Location: {}\r\n", first.url("/back"));
    let second = Server::start(move |_, _| answer(302, &back, b"")).await;
    let to_second = format!("Location: {}\r\n", second.url("/other"));
    let start = Server::start(move |_, _| answer(302, &to_second, b"")).await;

    let mut events = open(stream_request(&start.url("/"))).await.unwrap();
    assert_eq!(events.next().await, Some(Ok("back".to_owned())));
    assert!(start.requests()[0].contains(KEY));
    for request in [&second.requests()[0], &first.requests()[0]] {
        assert!(!request.contains("Authorization"), "{request}");
        assert!(request.contains("X-Amp-Exp-Library"), "{request}");
    }
}

#[tokio::test]
async fn redirects_are_capped() {
    let server = Server::start(|_, _| answer(302, "Location: /again\r\n", b"")).await;
    let error = open(stream_request(&server.url("/again"))).await.err().unwrap();
    assert_eq!((error.status, error.code), (None, "ERR_TOO_MANY_REDIRECTS"));
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn redirects_to_nowhere_are_errors() {
    for (location, code) in [
        ("", "ERR_STREAM_STATUS"),
        ("Location: http://[\r\n", "ERR_STREAM_STATUS"),
        ("Location: file:///etc/passwd\r\n", "ERR_INVALID_PROTOCOL"),
    ] {
        let server = Server::start(move |_, _| answer(302, location, b"")).await;
        assert_eq!(open(stream_request(&server.url("/"))).await.err().unwrap().code, code, "{location}");
    }
}

#[tokio::test]
async fn an_oversize_event_ends_the_stream_and_the_connection() {
    let mut server = Server::start(|_, _| {
        let mut steps = text(&format!("{OK}data: 1\n\ndata: "));
        steps.extend(std::iter::repeat_n(Step::Send(vec![b'x'; 1000]), 20));
        steps.push(Step::Hold);
        steps
    })
    .await;
    let source = ReqwestEventSource::new(Pool::new(Environment::default()), 10_000);
    let mut events = source.open(stream_request(&server.url("/"))).await.unwrap();
    assert_eq!(events.next().await, Some(Ok("1".to_owned())));
    assert_eq!(events.next().await.unwrap().unwrap_err().code, "ERR_STREAM_EVENT_TOO_LARGE");
    assert_eq!(events.next().await, None);
    server.closed_by_client().await;
}

#[tokio::test]
async fn a_large_event_in_many_pieces_arrives_whole() {
    let server = Server::start(|_, _| {
        let mut steps = text(&format!("{OK}data: "));
        steps.extend(std::iter::repeat_n(Step::Send(vec![b'x'; 1000]), 900));
        steps.push(Step::Send(b"\n\n".to_vec()));
        steps
    })
    .await;
    let mut events = open(stream_request(&server.url("/"))).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().len(), 900_000);
}

#[tokio::test]
async fn two_streams_have_a_connection_each() {
    let server = Server::start(|_, _| {
        let mut steps = text(&format!("{OK}data: 1\n\n"));
        steps.push(Step::Hold);
        steps
    })
    .await;
    let source = ReqwestEventSource::new(Pool::new(Environment::default()), 10_000);
    let mut one = source.open(stream_request(&server.url("/"))).await.unwrap();
    let mut two = source.open(stream_request(&server.url("/"))).await.unwrap();
    assert_eq!(one.next().await, two.next().await);
    assert_eq!(server.connections(), 2);
}
