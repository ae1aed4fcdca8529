//! Ordinary requests: polls, cohorts, remote evaluation, events.
//!
//! In: [`Request`]. Out: [`Response`] with any status (redirects are not followed), the body as it arrives, all within
//! the request's deadline.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{StreamExt, TryStreamExt};

use super::error::{self, Peer};
use super::outgoing::Outgoing;
use super::pool::Pool;
use crate::transport::{Request, Response, Transport, TransportError, deadline};

/// Sends requests over a [`Pool`]'s connections.
#[derive(Clone)]
pub struct ReqwestTransport {
    pool: Pool,
}

impl ReqwestTransport {
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        deadline::within(request.deadline, exchange(self.pool.clone(), request)).boxed()
    }

    fn download(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        deadline::renewed(request.deadline, exchange(self.pool.clone(), request)).boxed()
    }
}

async fn exchange(pool: Pool, request: Request) -> Result<Response, TransportError> {
    let outgoing = Outgoing::new(request)?;
    let peer = Peer::of(&outgoing.url, pool.has_proxy());
    let client = pool.clients().await?.requests;
    let response =
        client.execute(outgoing.into_reqwest()).await.map_err(|error| error::while_sending(error, &peer))?;
    Ok(Response {
        status: response.status().as_u16(),
        retry_after: retry_after(&response),
        body: response.bytes_stream().map_err(error::while_reading).boxed(),
    })
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}
