//! The requests for flags. In: a server and a deployment key. Out: the stream's request, or the body of one poll.
//! (Contract: wire 3 and 5.)

use std::time::Duration;

use bytes::Bytes;

use super::SyncError;
use crate::config::LIBRARY;
use crate::key::Secret;
use crate::transport::{Method, Request, Transport};

/// From the connection to the last byte of the flags.
const POLL_DEADLINE: Duration = Duration::from_secs(5);

/// Asks a server once for the flags of a deployment: a JSON array, where the server is right. No retry.
///
/// # Errors
/// [`SyncError::Transport`]; [`SyncError::FlagsStatus`] for any status but 200.
pub async fn fetch_flags(
    transport: &dyn Transport,
    server_url: &str,
    deployment_key: &Secret,
) -> Result<Bytes, SyncError> {
    let request = Request {
        method: Method::Get,
        url: format!("{server_url}/sdk/v2/flags"),
        headers: credentials(deployment_key),
        body: None,
        deadline: Some(POLL_DEADLINE),
    };
    let response = transport.send(request).await?;
    match response.status {
        200 => Ok(response.bytes().await?),
        status => Err(SyncError::FlagsStatus(status)),
    }
}

/// What opens the stream of flags.
pub(super) fn stream(server_url: &str, deployment_key: &Secret) -> Request {
    let mut headers =
        vec![("Cache-Control", "no-cache".to_owned()), ("Accept", "text/event-stream".to_owned())];
    headers.extend(credentials(deployment_key));
    Request {
        method: Method::Get,
        url: format!("{server_url}/sdk/stream/v1/flags"),
        headers,
        body: None,
        deadline: None,
    }
}

fn credentials(deployment_key: &Secret) -> Vec<(&'static str, String)> {
    vec![
        ("Authorization", format!("Api-Key {}", deployment_key.expose())),
        ("X-Amp-Exp-Library", LIBRARY.to_owned()),
    ]
}
