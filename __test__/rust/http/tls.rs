use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use experiment_node_server::http::Environment;
use experiment_node_server::transport::TransportErrorKind;
use futures_util::{FutureExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::server::{Server, Step, answer, text};
use super::{exchange, get, open, transport};

/// A certificate authority of our own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test Authority");
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn chain_for(&self, params: CertificateParams) -> Chain {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Chain { certificates: vec![leaf.der().clone()], key: key.serialize_der() }
    }

    /// The environment of a process whose `NODE_EXTRA_CA_CERTS` names this authority.
    pub(crate) fn environment(&self) -> (Environment, PemFile) {
        let file = PemFile::new(&self.certificate.pem());
        (Environment { extra_ca_certs: Some(file.0.clone()), ..Environment::default() }, file)
    }
}

pub(crate) struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

/// Removed when dropped.
pub(crate) struct PemFile(PathBuf);

impl PemFile {
    fn new(pem: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ens-{}-{}.pem", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, pem).unwrap();
        Self(path)
    }
}

impl Drop for PemFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn localhost() -> CertificateParams {
    CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

fn self_signed(is_ca: IsCa) -> Chain {
    let mut params = localhost();
    params.is_ca = is_ca;
    self_signed_for(params).0
}

/// With the environment of a process whose `NODE_EXTRA_CA_CERTS` names the certificate itself.
fn self_signed_for(params: CertificateParams) -> (Chain, Environment, PemFile) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let chain = Chain { certificates: vec![certificate.der().clone()], key: key.serialize_der() };
    let file = PemFile::new(&certificate.pem());
    (chain, Environment { extra_ca_certs: Some(file.0.clone()), ..Environment::default() }, file)
}

pub(crate) async fn tls_server(
    chain: Chain,
    alpn: &[&str],
    script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static,
) -> Server {
    let acceptor = acceptor(chain, alpn);
    let accept = move |socket| {
        let handshake = acceptor.accept(socket);
        async { handshake.await.ok() }.boxed()
    };
    Server::start_with(accept, script).await
}

fn acceptor(chain: Chain, alpn: &[&str]) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.certificates, PrivateKeyDer::try_from(chain.key).unwrap())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn url(server: &Server) -> String {
    server.url("/sdk/v2/flags").replace("http:", "https:")
}

/// The same refusal for a poll and for a stream, before the server has seen anything of the request.
async fn assert_refused(chain: fn() -> Chain, environment: &Environment, code: &str, message: &str) {
    let server = tls_server(chain(), &[], |_, _| answer(200, "", b"[]")).await;
    let error = exchange(&transport(environment.clone()), get(&url(&server))).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, code));
    assert_eq!(error.message, message);

    let error = open(environment.clone(), get(&url(&server))).await.err().unwrap();
    assert_eq!((error.status, error.code), (None, code));
    assert_eq!(error.message, message);

    assert!(server.requests().is_empty());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_self_signed_server_gets_neither_poll_nor_stream() {
    for chain in [|| self_signed(IsCa::NoCa), || self_signed(IsCa::Ca(BasicConstraints::Unconstrained))] {
        let environment = Environment::default();
        assert_refused(chain, &environment, "DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate").await;
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    assert_refused(
        || Authority::new().chain_for(localhost()),
        &Environment::default(),
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "unable to verify the first certificate",
    )
    .await;
    assert_refused(
        || {
            let authority = Authority::new();
            let mut chain = authority.chain_for(localhost());
            chain.certificates.push(authority.certificate.der().clone());
            chain
        },
        &Environment::default(),
        "SELF_SIGNED_CERT_IN_CHAIN",
        "self-signed certificate in certificate chain",
    )
    .await;
}

#[tokio::test]
async fn a_trusted_authority_does_not_excuse_the_wrong_name_or_date() {
    let authority = Authority::new();
    let (environment, _file) = authority.environment();
    let of_name = CertificateParams::new(["api.example.com".to_owned()]).unwrap();
    let mut expired = localhost();
    expired.not_before = rcgen::date_time_ymd(2001, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let mut future = localhost();
    future.not_before = rcgen::date_time_ymd(4000, 1, 1);
    for (params, code) in [
        (of_name, "ERR_TLS_CERT_ALTNAME_INVALID"),
        (expired, "CERT_HAS_EXPIRED"),
        (future, "CERT_NOT_YET_VALID"),
    ] {
        let server = tls_server(authority.chain_for(params), &[], |_, _| answer(200, "", b"[]")).await;
        let error = exchange(&transport(environment.clone()), get(&url(&server))).await.unwrap_err();
        assert_eq!(error.code, code);
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn the_file_of_extra_certificates_is_trusted() {
    let authority = Authority::new();
    let (environment, _file) = authority.environment();
    let server = tls_server(authority.chain_for(localhost()), &[], |_, _| {
        text("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: 1\n\n")
    })
    .await;
    let by_name = url(&server).replace("127.0.0.1", "localhost");
    for url in [url(&server), by_name] {
        let (status, body) = exchange(&transport(environment.clone()), get(&url)).await.unwrap();
        assert_eq!((status, &body[..]), (200, &b"data: 1\n\n"[..]));
        let mut events = open(environment.clone(), get(&url)).await.unwrap();
        assert_eq!(events.next().await, Some(Ok("1".to_owned())));
    }
}

#[tokio::test]
async fn a_self_signed_server_that_the_file_names_is_trusted_for_its_names_and_its_time() {
    let old = |mut params: CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        params
    };
    let of_another = || CertificateParams::new(["api.example.com".to_owned()]).unwrap();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        for (mut params, expected) in [
            (localhost(), Ok(200)),
            (of_another(), Err("ERR_TLS_CERT_ALTNAME_INVALID")),
            (old(localhost()), Err("CERT_HAS_EXPIRED")),
        ] {
            params.is_ca = is_ca;
            let (chain, environment, _file) = self_signed_for(params);
            let server = tls_server(chain, &[], |_, _| answer(200, "", b"[]")).await;
            let answered = exchange(&transport(environment), get(&url(&server))).await;
            assert_eq!(answered.map(|(status, _)| status).map_err(|error| error.code), expected);
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_changes_nothing() {
    let missing = Environment {
        extra_ca_certs: Some(Path::new("/nonexistent/ca.pem").to_owned()),
        ..Environment::default()
    };
    let no_pem = PemFile::new("no certificate");
    let useless = Environment { extra_ca_certs: Some(no_pem.0.clone()), ..Environment::default() };
    for environment in [missing, useless] {
        let server = Server::start(|_, _| answer(200, "", b"[]")).await;
        let (status, _) = exchange(&transport(environment), get(&server.url("/"))).await.unwrap();
        assert_eq!(status, 200);
    }
}

/// Answers over HTTP/2 with the names of the headers that came; to `/cut` with less than it announces.
async fn http2_server(chain: Chain) -> SocketAddr {
    let acceptor = acceptor(chain, &["h2", "http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // One connection: a second one would find nobody.
        let (socket, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(socket).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut connection = h2::server::handshake(tls).await.unwrap();
        while let Some(Ok((request, mut answer))) = connection.accept().await {
            let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
            let mut head = http::Response::builder().status(200);
            let mut body = names.join(" ");
            if request.uri().path() == "/cut" {
                head = head.header("content-length", "1000000");
                body.truncate(1);
            }
            let mut stream = answer.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data(body.into(), true).unwrap();
        }
    });
    address
}

#[tokio::test]
async fn requests_speak_http2_where_the_server_does() {
    let authority = Authority::new();
    let (environment, _file) = authority.environment();
    let address = http2_server(authority.chain_for(localhost())).await;
    let transport = transport(environment);
    for _ in 0..2 {
        let (status, body) = exchange(&transport, get(&format!("https://{address}/"))).await.unwrap();
        assert_eq!(
            (status, &body[..]),
            (200, &b"authorization x-amp-exp-library accept accept-encoding"[..])
        );
    }
    let error = exchange(&transport, get(&format!("https://{address}/cut"))).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Truncated, "ECONNRESET"));
}

#[tokio::test]
async fn streams_do_not_offer_http2() {
    let authority = Authority::new();
    let (environment, _file) = authority.environment();
    let server = tls_server(authority.chain_for(localhost()), &["h2"], |_, _| vec![]).await;
    let error = open(environment, get(&url(&server))).await.err().unwrap();
    assert_eq!(error.code, "EPROTO");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_server_without_tls_is_a_protocol_error() {
    let server = Server::start_with(
        |mut socket| {
            async move {
                socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
                Some(socket)
            }
            .boxed()
        },
        |_, _| vec![],
    )
    .await;
    let error = exchange(&transport(Environment::default()), get(&url(&server))).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "EPROTO"));
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake() {
    let server = Server::start_with(
        |mut socket| {
            async move {
                // All of the greeting, so that closing is no reset.
                let _ = socket.read(&mut [0; 65_536]).await.unwrap();
                None::<TcpStream>
            }
            .boxed()
        },
        |_, _| vec![],
    )
    .await;
    let error = exchange(&transport(Environment::default()), get(&url(&server))).await.unwrap_err();
    assert_eq!((error.kind, error.code), (TransportErrorKind::Connection, "ECONNRESET"));
    assert_eq!(
        error.message,
        "Client network socket disconnected before secure TLS connection was established"
    );
}
