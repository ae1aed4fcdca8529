use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use experiment_node_server::http::Environment;
use experiment_node_server::transport::TransportErrorKind;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Server, answer, text};
use super::tls::{Authority, localhost, tls_server};
use super::{KEY, exchange, get, open, transport};

/// A proxy that tunnels wherever it is asked to, and keeps what it was asked.
struct Tunnel {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let of_task = heads.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    head.push(char::from(client.read_u8().await.unwrap()));
                }
                let target = head.split(' ').nth(1).unwrap().to_owned();
                of_task.lock().unwrap().push(head);
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self { address, heads }
    }
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_stays_verified_end_to_end() {
    let authority = Authority::new();
    let (trusting, _file) = authority.environment();
    let server = tls_server(authority.chain_for(localhost()), &[], |_, _| {
        text("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: 1\n\n")
    })
    .await;
    let tunnel = Tunnel::start().await;
    let proxied =
        Environment { https_proxy: Some(format!("http://user:pass@{}", tunnel.address)), ..trusting };
    let url = server.url("/sdk/v2/flags").replace("http://127.0.0.1", "https://localhost");

    assert_eq!(exchange(&transport(proxied.clone()), get(&url)).await.unwrap().0, 200);
    let mut events = open(proxied.clone(), get(&url)).await.unwrap();
    assert_eq!(events.next().await, Some(Ok("1".to_owned())));

    let heads = tunnel.heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 2);
    for head in heads {
        let connect = format!("CONNECT localhost:{} HTTP/1.1\r\n", server.address.port());
        assert!(head.starts_with(&connect), "{head}");
        assert!(head.to_lowercase().contains("\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n"), "{head}");
        assert!(!head.contains(KEY), "the key is for the server alone");
    }
    for request in server.requests() {
        assert!(request.contains(KEY));
        assert!(!request.to_lowercase().contains("proxy-authorization"), "{request}");
    }

    let untrusting = Environment { extra_ca_certs: None, ..proxied };
    let error = exchange(&transport(untrusting), get(&url)).await.unwrap_err();
    assert_eq!(error.code, "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
}

#[tokio::test]
async fn http_is_forwarded_unless_no_proxy_names_the_host() {
    let proxy = Server::start(|_, _| answer(200, "", b"from the proxy")).await;
    let server = Server::start(|_, _| answer(200, "", b"from the server")).await;
    let proxied = Environment { http_proxy: Some(proxy.address.to_string()), ..Environment::default() };
    let direct = Environment { no_proxy: Some("example.com, 127.0.0.0/8".to_owned()), ..proxied.clone() };
    let url = server.url("/sdk/v2/flags");

    assert_eq!(exchange(&transport(proxied), get(&url)).await.unwrap().1, "from the proxy");
    assert!(proxy.requests()[0].starts_with(&format!("GET {url} HTTP/1.1\r\n")), "{:?}", proxy.requests());
    assert_eq!(exchange(&transport(direct), get(&url)).await.unwrap().1, "from the server");
    assert_eq!((proxy.requests().len(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn all_proxy_covers_what_the_others_leave_open() {
    let proxy = Server::start(|_, _| answer(200, "", b"from the proxy")).await;
    let environment = Environment { all_proxy: Some(proxy.url("")), ..Environment::default() };
    let body = exchange(&transport(environment), get("http://unresolvable.invalid/")).await.unwrap().1;
    assert_eq!(body, "from the proxy");
}

#[tokio::test]
async fn a_socks_proxy_gets_the_name_unresolved() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let environment = Environment {
        all_proxy: Some(format!("socks5h://{}", listener.local_addr().unwrap())),
        ..Environment::default()
    };
    let proxy = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut greeting = vec![0; 2];
        client.read_exact(&mut greeting).await.unwrap();
        client.read_exact(&mut vec![0; usize::from(greeting[1])]).await.unwrap();
        client.write_all(&[5, 0]).await.unwrap();
        let mut target = [0; 5 + 20 + 2];
        client.read_exact(&mut target).await.unwrap();
        client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).await.unwrap();
        // From here on the proxy plays the server.
        assert!(client.read(&mut [0; 4096]).await.unwrap() > 0);
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").await.unwrap();
        target
    });
    let answer = exchange(&transport(environment), get("http://unresolvable.invalid/")).await.unwrap();
    assert_eq!(answer, (200, "[]".into()));
    assert_eq!(proxy.await.unwrap(), *b"\x05\x01\x00\x03\x14unresolvable.invalid\x00\x50");
}

#[tokio::test]
async fn a_proxy_that_is_down_or_refuses_is_an_error_never_a_way_around() {
    let server = Server::start(|_, _| answer(200, "", b"")).await;
    let down = Environment { http_proxy: Some("127.0.0.1:1".to_owned()), ..Environment::default() };
    let error = exchange(&transport(down), get(&server.url("/"))).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), ("ECONNREFUSED", "connect ECONNREFUSED"));

    let refusing = Server::start(|_, _| text("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).await;
    let environment = Environment { https_proxy: Some(refusing.url("")), ..Environment::default() };
    let error = exchange(&transport(environment), get("https://unresolvable.invalid/")).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ERR_REQUEST_FAILED"));

    let wrong = Environment { http_proxy: Some("http://user:pass@[".to_owned()), ..Environment::default() };
    let error = exchange(&transport(wrong), get(&server.url("/"))).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), ("ERR_INVALID_PROXY", "Invalid URL in HTTP_PROXY"));
    assert_eq!(server.connections(), 0);
}
