//! A server that does what a script says, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What to do with a request, in turn; after the last step the connection is closed.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// One byte every 20 ms until the client has gone.
    Drip,
    /// Waits for the client to close.
    Hold,
    /// Reads the next request on the same connection.
    Next,
    /// Ends the connection by RST.
    Reset,
}

pub(crate) fn text(text: &str) -> Vec<Step> {
    vec![Step::Send(text.as_bytes().to_vec())]
}

/// A whole answer, after which the connection stays open for the next request.
pub(crate) fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<Step> {
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes), Step::Next]
}

pub(crate) type Script = dyn Fn(usize, &str) -> Vec<Step> + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    closed: mpsc::UnboundedReceiver<()>,
}

struct Seen {
    connections: Mutex<usize>,
    /// Heads as they came; header values are Latin-1.
    requests: Mutex<Vec<String>>,
    closed: mpsc::UnboundedSender<()>,
}

impl Server {
    /// `script` gets the number of the request, from 0, and its head.
    pub(crate) async fn start(script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_with(|stream| async { Some(stream) }.boxed(), script).await
    }

    /// `accept` makes a connection of a socket (TLS), or none.
    pub(crate) async fn start_with<S: Connection>(
        accept: impl Fn(TcpStream) -> BoxFuture<'static, Option<S>> + Send + 'static,
        script: impl Fn(usize, &str) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, closed) = mpsc::unbounded_channel();
        let seen = Arc::new(Seen { connections: Mutex::new(0), requests: Mutex::default(), closed: sender });
        let script: Arc<Script> = Arc::new(script);
        let of_task = seen.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                *of_task.connections.lock().unwrap() += 1;
                let (accepted, script, seen) = (accept(socket), script.clone(), of_task.clone());
                tokio::spawn(async move {
                    if let Some(stream) = accepted.await {
                        serve(stream, script, seen).await;
                    }
                });
            }
        });
        Self { address, seen, closed }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        *self.seen.connections.lock().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until the client has closed a connection that a script held.
    pub(crate) async fn closed_by_client(&mut self) {
        let closed = tokio::time::timeout(Duration::from_secs(20), self.closed.recv()).await;
        closed.expect("the client closes the connection");
    }
}

pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    fn reset(self);
}

impl Connection for TcpStream {
    fn reset(self) {
        self.set_zero_linger().unwrap();
    }
}

impl Connection for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(self) {
        self.into_inner().0.reset();
    }
}

async fn serve<S: Connection>(mut stream: S, script: Arc<Script>, seen: Arc<Seen>) {
    'requests: while let Some(head) = read_head(&mut stream).await {
        let number = {
            let mut requests = seen.requests.lock().unwrap();
            requests.push(head.clone());
            requests.len() - 1
        };
        for step in script(number, &head) {
            let goes_on = match step {
                Step::Send(bytes) => stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok(),
                Step::Drip => {
                    while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    let _ = seen.closed.send(());
                    false
                }
                Step::Hold => {
                    while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
                    let _ = seen.closed.send(());
                    false
                }
                Step::Next => continue 'requests,
                Step::Reset => {
                    stream.reset();
                    return;
                }
            };
            if !goes_on {
                return;
            }
        }
        let _ = stream.shutdown().await;
        return;
    }
}

async fn read_head<S: Connection>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return None,
        }
    }
    Some(head.into_iter().map(char::from).collect())
}
