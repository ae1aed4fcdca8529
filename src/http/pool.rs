//! Connections, kept alive and shared.
//!
//! In: the [`Environment`]. Out: the two reqwest clients, built off the caller's thread at the first request, since
//! reading the certificates blocks.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, NoProxy, Proxy};
use tokio::sync::OnceCell;

use super::environment::Environment;
use super::trust;
use crate::defect::{Defect, point};
use crate::transport::{TransportError, TransportErrorKind};

/// A cheap handle to the connections.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    environment: Environment,
    clients: OnceCell<Result<Clients, TransportError>>,
}

#[derive(Clone)]
pub(super) struct Clients {
    /// HTTP/2 where the server speaks it, gzip.
    pub(super) requests: Client,
    /// HTTP/1.1, one connection each and nothing compressed: what a stream sends must come through at once, and
    /// dropping it must close it.
    pub(super) streams: Client,
}

impl Pool {
    /// Connections of its own. Reads nothing and connects nowhere until the first request.
    pub fn new(environment: Environment) -> Self {
        Self { shared: Arc::new(Shared { environment, clients: OnceCell::new() }) }
    }

    /// The connections that all clients of the process share. The first call reads the environment.
    pub fn of_process() -> Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self::new(Environment::of_process())).clone()
    }

    pub(super) fn has_proxy(&self) -> bool {
        self.shared.environment.has_proxy()
    }

    pub(super) async fn clients(&self) -> Result<Clients, TransportError> {
        // What cannot be made ready now cannot be later, but for a defect.
        let clients = self.shared.clients.get_or_try_init(|| async {
            let environment = self.shared.environment.clone();
            let built = tokio::task::spawn_blocking(move || {
                point("connections are made ready");
                build(&environment)
            });
            built.await.map_err(|_| unusable(Defect::CODE, Defect::last().to_string()))
        });
        clients.await?.clone()
    }
}

/// Shorter than load balancers' usual 60 s: a connection must not be picked up as it is being closed.
const IDLE: Duration = Duration::from_secs(50);
/// As many as Node's agents keep (`maxFreeSockets`): what a burst has opened is not all kept.
const IDLE_PER_HOST: usize = 256;

fn build(environment: &Environment) -> Result<Clients, TransportError> {
    let tls = trust::tls_config(environment.extra_ca_certs.as_deref())
        .map_err(|error| unusable("ERR_TLS_CONFIG", error.to_string()))?;
    let mut with_http2 = tls.clone();
    with_http2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut http1 = tls;
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];

    let proxies = proxies(environment)?;
    let base = || {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .http1_title_case_headers()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            // Only ours: reqwest would read the environment by itself.
            .no_proxy();
        proxies.iter().cloned().fold(builder, ClientBuilder::proxy)
    };
    let requests = base()
        .tls_backend_preconfigured(with_http2)
        // A connection that died without a word fails all requests on it until it is noticed.
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .http2_keep_alive_while_idle(true);
    let streams = base().tls_backend_preconfigured(http1).http1_only().no_gzip();
    Ok(Clients { requests: built(requests)?, streams: built(streams)? })
}

fn built(builder: ClientBuilder) -> Result<Client, TransportError> {
    builder.build().map_err(|error| unusable("ERR_HTTP_CLIENT", error.without_url().to_string()))
}

fn proxies(environment: &Environment) -> Result<Vec<Proxy>, TransportError> {
    type Rule = fn(&str) -> reqwest::Result<Proxy>;
    let rules: [(&Option<String>, Rule, &str); 3] = [
        (&environment.http_proxy, |url| Proxy::http(url), "HTTP_PROXY"),
        (&environment.https_proxy, |url| Proxy::https(url), "HTTPS_PROXY"),
        (&environment.all_proxy, |url| Proxy::all(url), "ALL_PROXY"),
    ];
    let direct = environment.no_proxy.as_deref().and_then(NoProxy::from_string);
    let mut proxies = Vec::new();
    for (url, rule, variable) in rules {
        if let Some(url) = url {
            // Going around a proxy that was asked for could send keys where they must not go.
            let proxy =
                rule(url).map_err(|_| unusable("ERR_INVALID_PROXY", format!("Invalid URL in {variable}")))?;
            proxies.push(proxy.no_proxy(direct.clone()));
        }
    }
    Ok(proxies)
}

fn unusable(code: &'static str, message: String) -> TransportError {
    TransportError { kind: TransportErrorKind::InvalidRequest, code, message }
}
