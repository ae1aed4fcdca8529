//! Cohort downloads: at most four at a time, each tried three times. (Contract: wire 4.)

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use super::{LIBRARY, Shared, SyncEvent, lock};
use crate::cohort::{Cohort, CohortParseError, CohortParser};
use crate::ecma::Text;
use crate::key::Secret;
use crate::snapshot::Update;
use crate::transport::{Method, Request, TransportError};

const AT_ONCE: usize = 4;
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);
/// From the connection to the last byte: a cohort of millions on a slow line needs its time.
const DEADLINE: Duration = Duration::from_secs(120);

/// Where cohorts come from.
#[derive(Clone, Debug)]
pub struct CohortSettings {
    pub api_key: Secret,
    pub secret_key: Secret,
    pub server_url: String,
    /// Larger cohorts are refused by the server.
    pub max_size: f64,
    pub interval: Duration,
}

/// Why a cohort is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CohortError {
    #[error("Cohort size > {0}")]
    TooLarge(f64),
    #[error("Cohort client error response status {status}, body {body}")]
    Client { status: u16, body: String },
    #[error("Cohort error response status {status}, body {body}")]
    Server { status: u16, body: String },
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Parse(#[from] CohortParseError),
}

impl CohortError {
    fn is_final(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Client { .. })
    }
}

/// Downloads the cohorts that an update names and that are not stored. What fails is logged, and tried again with
/// the next update or poll.
pub(super) async fn missing(shared: &Arc<Shared>, update: &Update) -> Vec<Arc<Cohort>> {
    if update.cohort_ids().is_empty() {
        return Vec::new();
    }
    let Some(settings) = &shared.settings.cohorts else {
        (shared.observe)(SyncEvent::CohortsNotConfigured);
        return Vec::new();
    };
    let wanted: Vec<_> = update
        .cohort_ids()
        .iter()
        .filter(|id| shared.world.cohort(id.as_bytes()).is_none())
        .cloned()
        .collect();
    stream::iter(wanted)
        .map(|id| async move {
            match download(shared, settings, &id, None).await {
                Ok(cohort) => cohort,
                Err(error) => {
                    (shared.observe)(SyncEvent::CohortFailed(&id.to_string_lossy(), &error));
                    None
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Asks for news of all cohorts that the current flags name, once an interval.
pub(super) async fn poll(shared: &Arc<Shared>, run: u64) {
    let Some(settings) = &shared.settings.cohorts else { return };
    let Some(start) = tokio::time::Instant::now().checked_add(settings.interval) else { return };
    (shared.observe)(SyncEvent::Debug("[Experiment] cohort poller - start"));
    let mut ticks = interval_at(start, settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let ids = shared.world.load().plan.cohort_ids().to_vec();
        stream::iter(ids)
            .for_each_concurrent(AT_ONCE, |id| async move {
                let stored = shared.world.cohort(id.as_bytes());
                let modified = stored.and_then(|cohort| cohort.last_modified);
                match download(shared, settings, &id, modified).await {
                    Ok(Some(cohort)) => {
                        let current = lock(&shared.run);
                        if current.number == run {
                            shared.world.put_cohort(cohort);
                        }
                    }
                    Ok(None) => {}
                    Err(error) => (shared.observe)(SyncEvent::CohortPollFailed(&error)),
                }
            })
            .await;
    }
}

/// `None`: nothing newer than `modified`.
async fn download(
    shared: &Shared,
    settings: &CohortSettings,
    id: &Text,
    modified: Option<f64>,
) -> Result<Option<Arc<Cohort>>, CohortError> {
    let mut attempt = 1;
    loop {
        match attempt_download(shared, settings, id, modified).await {
            Err(error) if attempt < ATTEMPTS && !error.is_final() => attempt += 1,
            result => return result,
        }
        sleep(PAUSE).await;
    }
}

async fn attempt_download(
    shared: &Shared,
    settings: &CohortSettings,
    id: &Text,
    modified: Option<f64>,
) -> Result<Option<Arc<Cohort>>, CohortError> {
    let response = shared.transport.send(request(settings, id, modified)).await?;
    match response.status {
        200 => {}
        204 => return Ok(None),
        413 => return Err(CohortError::TooLarge(settings.max_size)),
        status => {
            let body = String::from_utf8_lossy(&response.bytes().await?).into_owned();
            return Err(if (400..500).contains(&status) && status != 429 {
                CohortError::Client { status, body }
            } else {
                CohortError::Server { status, body }
            });
        }
    }
    let mut parser = CohortParser::new();
    let mut body = response.body;
    while let Some(chunk) = body.next().await.transpose()? {
        parser.push(&chunk)?;
    }
    let packed = tokio::task::spawn_blocking(move || parser.finish());
    match packed.await {
        Ok(cohort) => Ok(Some(Arc::new(cohort?))),
        Err(_) => Err(CohortError::Parse(CohortParseError::Truncated)),
    }
}

fn request(settings: &CohortSettings, id: &Text, modified: Option<f64>) -> Request {
    let mut url = format!("{}/sdk/v1/cohort/", settings.server_url);
    push_segment(id, &mut url);
    url.push_str(&format!("?maxCohortSize={}", settings.max_size));
    if let Some(modified) = modified.filter(|modified| *modified != 0.0) {
        url.push_str(&format!("&lastModified={modified}"));
    }
    let credentials = format!("{}:{}", settings.api_key.expose(), settings.secret_key.expose());
    Request {
        method: Method::Get,
        url,
        headers: vec![
            ("Authorization", format!("Basic {}", BASE64_STANDARD.encode(credentials))),
            ("X-Amp-Exp-Library", LIBRARY.to_owned()),
        ],
        body: None,
        deadline: Some(DEADLINE),
    }
}

/// Appends one path segment, whatever the id holds.
fn push_segment(id: &Text, url: &mut String) {
    let text = id.to_string_lossy();
    if matches!(&*text, "." | "..") {
        // A segment of dots alone would be taken out of the path.
        url.push_str(&text.replace('.', "%2E"));
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => url.push(byte as char),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_segment_whatever_they_hold() {
        for (id, segment) in
            [("a b", "a%20b"), ("x/y", "x%2Fy"), ("q?z#1", "q%3Fz%231"), ("..", "%2E%2E"), ("é", "%C3%A9")]
        {
            let mut url = String::new();
            push_segment(&Text::from(id), &mut url);
            assert_eq!(url, segment);
        }
    }
}
