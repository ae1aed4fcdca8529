//! Remote evaluation: asks the server for a user's variants, with retries.
//!
//! In: the user as JSON text, and the options of the call. Out: the body of the 200 answer, checked to be JSON that
//! variants can be made of, or the error of the first attempt. Which lines are logged on the way is told to an
//! observer ([`RemoteEvent`]). (Contract: wire 2 and api 5.)
//!
//! To cancel a fetch, drop its future: the request under way is given up and no timer remains.

mod body;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::key::Secret;
use crate::transport::backoff::Backoff;
use crate::transport::{Method, Request, Transport, TransportError, TransportErrorKind};

/// How a client fetches.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    pub api_key: Secret,
    /// As configured; the path is appended to it as it stands.
    pub server_url: String,
    /// Of the first attempt, from connection to last byte. `None` waits for ever; zero fails without a request.
    pub timeout: Option<Duration>,
    /// How often a failed fetch is tried again. Callers turn JavaScript's number into this: undefined, null, negative
    /// and NaN mean none; a fraction counts as the next whole number (1.5 means two).
    pub retries: u32,
    /// Of each retry, like `timeout`.
    pub retry_timeout: Option<Duration>,
    pub backoff: Backoff,
}

/// What one call asks for.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// The flags to evaluate, as JSON text; an empty list is sent as one. `None` asks for all.
    pub flag_keys_json: Option<String>,
    /// Whether the server tracks the assignment. `None` leaves it to the server.
    pub tracks_assignment: Option<bool>,
    /// Whether the server tracks the exposure. `None` leaves it to the server.
    pub tracks_exposure: Option<bool>,
}

/// Why there are no variants.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The server answered with another status than 200.
    #[error("Fetch error response: status={0}")]
    Status(u16),
    /// No (whole) answer came, or none was asked for because the timeout is zero.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The 200 answer is not JSON. `body` is the text, for whoever wants JavaScript's own `SyntaxError` about it.
    #[error("response is not json")]
    NotJson { body: Bytes },
    /// The 200 answer is JSON, but `null`, or with a `null` where a variant should be.
    #[error("response does not hold variants")]
    NotVariants { body: Bytes },
}

impl FetchError {
    /// Without a key that the server has quoted.
    fn without(self, key: &Secret) -> Self {
        match self {
            Self::NotJson { body } => Self::NotJson { body: key.hidden_in(body) },
            Self::NotVariants { body } => Self::NotVariants { body: key.hidden_in(body) },
            other => other,
        }
    }

    /// Whether another attempt could end better: not where the server refused the request itself.
    fn is_retryable(&self) -> bool {
        match self {
            Self::Status(status) => !(400..500).contains(status) || *status == 429,
            Self::Transport(_) | Self::NotJson { .. } | Self::NotVariants { .. } => true,
        }
    }
}

/// What happens during a fetch, one log line each (contract: api 11, `remote`).
#[derive(Clone, Copy, Debug)]
pub enum RemoteEvent<'a> {
    /// The first attempt failed.
    FetchFailed(&'a FetchError),
    /// Retries begin, even if none is configured.
    Retrying,
    RetryFailed(&'a FetchError),
    /// No attempt is left; this was the last error. The caller gets the first.
    GaveUp(&'a FetchError),
}

/// Fetches variants for users of one deployment. Keeps no state between calls.
#[derive(Clone)]
pub struct RemoteClient {
    transport: Arc<dyn Transport>,
    config: RemoteConfig,
}

impl RemoteClient {
    /// No I/O happens until [`RemoteClient::fetch`].
    pub fn new(transport: Arc<dyn Transport>, config: RemoteConfig) -> Self {
        Self { transport, config }
    }

    /// The body of the answer for this user. `user_json` is the whole object to send, `library` included.
    ///
    /// # Errors
    /// The error of the first attempt, once it is not worth another one or none of the retries succeeded.
    pub async fn fetch(
        &self,
        user_json: &str,
        options: &FetchOptions,
        observe: &(dyn Fn(RemoteEvent<'_>) + Send + Sync),
    ) -> Result<Bytes, FetchError> {
        let request = self.request(user_json, options);
        let first = match self.attempt(&request, self.config.timeout).await {
            Ok(body) => return Ok(body),
            Err(error) => error,
        };
        observe(RemoteEvent::FetchFailed(&first));
        if !first.is_retryable() {
            return Err(first);
        }
        match self.retry(&request, observe).await {
            Ok(body) => Ok(body),
            Err(last) => {
                observe(RemoteEvent::GaveUp(last.as_ref().unwrap_or(&first)));
                Err(first)
            }
        }
    }

    /// The body, or the last retry's error (`None`: there was no retry).
    async fn retry(
        &self,
        request: &Request,
        observe: &(dyn Fn(RemoteEvent<'_>) + Send + Sync),
    ) -> Result<Bytes, Option<FetchError>> {
        observe(RemoteEvent::Retrying);
        let mut last = None;
        for (delay, _) in self.config.backoff.delays().zip(0..self.config.retries) {
            // Zero skips the timer: a sleep of zero would still wait for the next millisecond.
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            match self.attempt(request, self.config.retry_timeout).await {
                Ok(body) => return Ok(body),
                Err(error) => {
                    observe(RemoteEvent::RetryFailed(&error));
                    let hopeless = !error.is_retryable();
                    last = Some(error);
                    if hopeless {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    async fn attempt(&self, request: &Request, timeout: Option<Duration>) -> Result<Bytes, FetchError> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(FetchError::Transport(no_time_at_all()));
        }
        let request = Request { deadline: timeout, ..request.clone() };
        let response = self.transport.send(request).await?;
        match response.status {
            200 => {
                body::checked(response.bytes().await?).map_err(|error| error.without(&self.config.api_key))
            }
            status => Err(FetchError::Status(status)),
        }
    }

    fn request(&self, user_json: &str, options: &FetchOptions) -> Request {
        let mut headers = vec![
            ("Authorization", format!("Api-Key {}", self.config.api_key.expose())),
            ("X-Amp-Exp-User", BASE64_URL_SAFE_NO_PAD.encode(user_json)),
        ];
        if let Some(flag_keys) = &options.flag_keys_json {
            headers.push(("X-Amp-Exp-Flag-Keys", BASE64_URL_SAFE_NO_PAD.encode(flag_keys)));
        }
        if let Some(tracks) = options.tracks_assignment {
            headers.push(("X-Amp-Exp-Track", track_option(tracks)));
        }
        if let Some(tracks) = options.tracks_exposure {
            headers.push(("X-Amp-Exp-Exposure-Track", track_option(tracks)));
        }
        Request {
            method: Method::Get,
            url: format!("{}/sdk/v2/vardata?v=0", self.config.server_url),
            headers,
            body: None,
            deadline: None,
        }
    }
}

fn track_option(tracks: bool) -> String {
    if tracks { "track" } else { "no-track" }.to_owned()
}

fn no_time_at_all() -> TransportError {
    TransportError {
        kind: TransportErrorKind::Timeout,
        code: "ETIMEDOUT",
        message: "Response timed out".to_owned(),
    }
}

#[cfg(test)]
mod tests;
