//! The remote evaluation client.

use std::sync::Arc;

use napi::bindgen_prelude::{FnArgs, Function, ObjectFinalize};
use napi::{Env, Result};
use napi_derive::napi;

use super::contain::{contained, contained_finally};
use super::custom::{Desk, Order};
use super::duration;
use super::mailbox::{ErrorDescription, Mailbox, Message, Waiting};
use super::runtime;
use super::text::JsText;
use crate::ecma::Text;
use crate::ecma::text::decoded;
use crate::key::Secret;
use crate::remote::{self, FetchError, FetchOptions, RemoteConfig, RemoteEvent};
use crate::transport::backoff::Backoff;
use crate::transport::{Transport, TransportError};

#[napi(custom_finalize)]
pub struct RemoteClient {
    waiting: Waiting,
    transport: Arc<dyn Transport>,
}

impl ObjectFinalize for RemoteClient {
    fn finalize(self, _: Env) -> Result<()> {
        contained_finally("RemoteClient.finalize", || drop(self));
        Ok(())
    }
}

/// One call of `fetchV2`. Times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct FetchRequest {
    pub api_key: String,
    pub server_url: String,
    /// The user with its library, as JSON text.
    pub user: String,
    /// As JSON text.
    pub flag_keys: Option<String>,
    pub tracks_assignment: Option<bool>,
    pub tracks_exposure: Option<bool>,
    /// None waits for ever.
    pub timeout_millis: Option<f64>,
    pub retries: f64,
    pub retry_timeout_millis: Option<f64>,
    pub backoff_min_millis: f64,
    pub backoff_max_millis: f64,
    pub backoff_scalar: f64,
}

#[napi]
impl RemoteClient {
    /// `receive` gets the log lines and the ends of fetches; `send`, where given, makes the requests.
    #[napi(constructor)]
    pub fn new(
        env: &Env,
        receive: Function<'_, FnArgs<(Message,)>, ()>,
        send: Option<Function<'_, FnArgs<(Order,)>, ()>>,
    ) -> Result<Self> {
        contained(env, "RemoteClient.new", || {
            let transport: Arc<dyn Transport> = match send {
                Some(send) => Arc::new(Desk::new(send)?),
                None => runtime::transport(),
            };
            Ok(Self { waiting: Mailbox::open(receive)?, transport })
        })?
    }

    /// Begins a fetch. Its end, the variants' JSON text or an error, is posted under the number returned.
    #[napi]
    pub fn fetch(&self, env: &Env, request: FetchRequest) -> Result<u32> {
        contained(env, "RemoteClient.fetch", || {
            let config = RemoteConfig {
                api_key: Secret::new(request.api_key),
                server_url: request.server_url,
                timeout: request.timeout_millis.map(duration),
                // A loop of `for (i = 0; i < retries; i++)`: a fraction counts as the next whole number.
                retries: request.retries.ceil() as u32,
                retry_timeout: request.retry_timeout_millis.map(duration),
                backoff: Backoff {
                    min: duration(request.backoff_min_millis),
                    max: duration(request.backoff_max_millis),
                    scalar: request.backoff_scalar,
                },
            };
            let options = FetchOptions {
                flag_keys_json: request.flag_keys,
                tracks_assignment: request.tracks_assignment,
                tracks_exposure: request.tracks_exposure,
            };
            let client = remote::RemoteClient::new(Arc::clone(&self.transport), config);
            let mailbox = self.waiting.mailbox().clone();
            self.waiting.promise(env, "fetch", async move {
                let observe = move |event: RemoteEvent<'_>| mailbox.post(message(event));
                let result = client.fetch(&request.user, &options, &observe).await;
                result.map(|body| Some(text(&body))).map_err(|error| describe(&error))
            })
        })?
    }

    /// After the end of a fetch: lets the process go if no other is under way.
    #[napi]
    pub fn rest(&self, env: &Env) -> Result<()> {
        contained(env, "RemoteClient.rest", || {
            self.waiting.rest(env);
        })
    }
}

fn message(event: RemoteEvent<'_>) -> Message {
    let (kind, error) = match event {
        RemoteEvent::FetchFailed(error) => ("failed", Some(error)),
        RemoteEvent::Retrying => ("retrying", None),
        RemoteEvent::RetryFailed(error) => ("retryFailed", Some(error)),
        RemoteEvent::GaveUp(error) => ("gaveUp", Some(error)),
    };
    Message { kind: kind.to_owned(), error: error.map(describe), ..Message::default() }
}

fn describe(error: &FetchError) -> ErrorDescription {
    let message = error.to_string();
    match error {
        FetchError::Status(status) => ErrorDescription {
            kind: "fetchStatus".to_owned(),
            code: "ERR_EXPERIMENT_FETCH_STATUS".to_owned(),
            message,
            status: Some(u32::from(*status)),
            body: None,
        },
        FetchError::Transport(error) => describe_transport(error),
        FetchError::NotJson { body } => ErrorDescription {
            kind: "notJson".to_owned(),
            code: "ERR_EXPERIMENT_NOT_JSON".to_owned(),
            message,
            status: None,
            body: Some(text(body)),
        },
        FetchError::NotVariants { body } => ErrorDescription {
            kind: "notVariants".to_owned(),
            code: "ERR_EXPERIMENT_NOT_VARIANTS".to_owned(),
            message,
            status: None,
            body: Some(text(body)),
        },
    }
}

pub(super) fn describe_transport(error: &TransportError) -> ErrorDescription {
    ErrorDescription {
        kind: "transport".to_owned(),
        code: error.code.to_owned(),
        message: error.message.clone(),
        status: None,
        body: None,
    }
}

/// A body as JavaScript reads it: broken UTF-8 becomes U+FFFD.
pub(super) fn text(body: &[u8]) -> JsText {
    JsText(Text::from(&*decoded(body)))
}
