//! Downloads of cohorts. In: ids, with what is known of them. Out: cohorts, parsed as they arrive.
//! (Contract: wire 4.)
//!
//! At most four downloads run at once, first come first served; one that is being retried counts. Whoever asks for what
//! is being downloaded already gets the same download. A download that nobody waits for any more is given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::SyncError;
use super::log::{Detail, LogLine, SyncObserver};
use crate::cohort::{Cohort, CohortParser};
use crate::config::{CohortConfig, LIBRARY};
use crate::defect::point;
use crate::ecma::text::utf8_runs;
use crate::ecma::{Text, number};
use crate::key::Secret;
use crate::transport::deadline::timed_out;
use crate::transport::{Method, Request, Response, Transport, TransportError};

const DOWNLOADS_AT_ONCE: usize = 4;
const ATTEMPTS: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// For the head of an answer, and again for each piece of its body: a large cohort on a slow line is no failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// For the whole of an answer, so that a server that drips bytes does not hold one of the few places for ever.
const DEADLINE: Duration = Duration::from_secs(600);

/// So much of a body is parsed in one go, on a thread where that disturbs nobody.
const BATCH_BYTES: usize = 256 << 10;
/// So much of an error's body gets into its message.
const MESSAGE_BYTES: usize = 64 << 10;

/// A download that several may wait for. `None`: the cohort has not changed.
pub(super) type Download = Shared<BoxFuture<'static, Result<Option<Arc<Cohort>>, SyncError>>>;

type WeakDownload = WeakShared<BoxFuture<'static, Result<Option<Arc<Cohort>>, SyncError>>>;

/// Downloads cohorts for one client.
pub(super) struct Downloads {
    source: Arc<Source>,
    places: Arc<Semaphore>,
    /// By id and bits of `lastModified`.
    under_way: Mutex<HashMap<(Text, Option<u64>), WeakDownload>>,
}

impl Downloads {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        config: CohortConfig,
        observer: Arc<dyn SyncObserver>,
    ) -> Self {
        Self {
            source: Arc::new(Source { transport, config, observer }),
            places: Arc::new(Semaphore::new(DOWNLOADS_AT_ONCE)),
            under_way: Mutex::default(),
        }
    }

    /// The cohort, unless it is still the one that was `last_modified` then. The future does nothing until polled.
    pub(super) fn fetch(&self, id: &Text, last_modified: Option<f64>) -> Download {
        // Zero and NaN are what JavaScript does not take for a value.
        let last_modified = last_modified.filter(|number| *number != 0.0 && !number.is_nan());
        let key = (id.clone(), last_modified.map(f64::to_bits));
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, download| is_under_way(download).is_some());
        if let Some(download) = under_way.get(&key).and_then(is_under_way) {
            return download;
        }
        let (source, places, id) = (Arc::clone(&self.source), Arc::clone(&self.places), id.clone());
        let download = async move {
            let _place = places.acquire().await.map_err(|_| SyncError::Interrupted)?;
            source.download(&id, last_modified).await
        };
        let download = download.boxed().shared();
        if let Some(weak) = download.downgrade() {
            under_way.insert(key, weak);
        }
        download
    }
}

fn is_under_way(download: &WeakDownload) -> Option<Download> {
    download.upgrade().filter(|download| download.peek().is_none())
}

/// Where cohorts come from.
struct Source {
    transport: Arc<dyn Transport>,
    config: CohortConfig,
    observer: Arc<dyn SyncObserver>,
}

impl Source {
    async fn download(
        &self,
        id: &Text,
        last_modified: Option<f64>,
    ) -> Result<Option<Arc<Cohort>>, SyncError> {
        let id_detail = || Detail::Text(id.clone());
        self.observer.log(LogLine::debug("Start downloading").with(id_detail()));
        let mut attempt = 1;
        loop {
            let outcome = timeout(DEADLINE, self.attempt(id, last_modified)).await;
            match outcome.unwrap_or_else(|_| Err(timed_out().into())) {
                Ok(cohort) => {
                    self.observer.log(LogLine::debug("Stop downloading").with(id_detail()));
                    return Ok(cohort.map(Arc::new));
                }
                Err(error) if attempt == ATTEMPTS || !error.is_retryable() => return Err(error),
                Err(error) => {
                    LogLine::defect(&error).into_iter().for_each(|line| self.observer.log(line));
                    sleep(RETRY_PAUSE).await;
                }
            }
            attempt += 1;
        }
    }

    async fn attempt(&self, id: &Text, last_modified: Option<f64>) -> Result<Option<Cohort>, SyncError> {
        let response = self.transport.download(self.request(id, last_modified)?).await?;
        match response.status {
            200 => parse(response).await.map(Some),
            204 => Ok(None),
            413 => Err(SyncError::CohortMaxSizeExceeded(printed(self.config.max_cohort_size))),
            status @ (400..=428 | 430..=499) => {
                Err(SyncError::CohortClientRequest { status, body: self.message(response).await? })
            }
            status => Err(SyncError::CohortDownload { status, body: self.message(response).await? }),
        }
    }

    /// What the server says of a failure. It may quote what it was sent.
    async fn message(&self, response: Response) -> Result<String, TransportError> {
        let credentials = self.credentials();
        let secrets = [&credentials, &self.config.secret_key, &self.config.api_key];
        let text = message(response).await?;
        let text = secrets.into_iter().fold(Bytes::from(text), |text, secret| secret.hidden_in(text));
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Of the Basic authentication.
    fn credentials(&self) -> Secret {
        let CohortConfig { api_key, secret_key, .. } = &self.config;
        Secret::new(BASE64_STANDARD.encode(format!("{}:{}", api_key.expose(), secret_key.expose())))
    }

    fn request(&self, id: &Text, last_modified: Option<f64>) -> Result<Request, SyncError> {
        let CohortConfig { server_url, max_cohort_size, .. } = &self.config;
        let id = path_segment(id).ok_or(SyncError::CohortId)?;
        let mut url = format!("{server_url}/sdk/v1/cohort/{id}?maxCohortSize={}", printed(*max_cohort_size));
        if let Some(last_modified) = last_modified {
            url += "&lastModified=";
            url += &printed(last_modified);
        }
        Ok(Request {
            method: Method::Get,
            url,
            headers: vec![
                ("Authorization", format!("Basic {}", self.credentials().expose())),
                ("X-Amp-Exp-Library", LIBRARY.to_owned()),
            ],
            body: None,
            deadline: Some(PATIENCE),
        })
    }
}

/// The body of an answer as a cohort: read as it arrives, never held as a whole, parsed away from the threads that all
/// clients' requests share.
async fn parse(response: Response) -> Result<Cohort, SyncError> {
    let mut body = response.body;
    let mut parser = Box::new(CohortParser::new());
    loop {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut is_last = true;
        while let Some(chunk) = body.next().await.transpose()? {
            bytes += chunk.len();
            batch.push(chunk);
            if bytes >= BATCH_BYTES {
                is_last = false;
                break;
            }
        }
        let parsed = tokio::task::spawn_blocking(move || {
            point("a cohort is parsed");
            batch.iter().try_for_each(|chunk: &Bytes| parser.push(chunk))?;
            if is_last { parser.finish().map(Parsed::Whole) } else { Ok(Parsed::Part(parser)) }
        });
        match parsed.await?? {
            Parsed::Whole(cohort) => return Ok(cohort),
            Parsed::Part(rest) => parser = rest,
        }
    }
}

enum Parsed {
    Part(Box<CohortParser>),
    Whole(Cohort),
}

/// The body of an answer as text, as much of it as a message should hold.
async fn message(response: Response) -> Result<String, TransportError> {
    let mut body = response.body;
    let mut text = Vec::new();
    while text.len() < MESSAGE_BYTES
        && let Some(chunk) = body.next().await.transpose()?
    {
        text.extend_from_slice(&chunk);
    }
    text.truncate(MESSAGE_BYTES);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The number as JavaScript prints it.
fn printed(value: f64) -> String {
    let mut text = Vec::new();
    number::push(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The id as exactly one segment of a path. `None` for `.` and `..`, which are none however they are written.
fn path_segment(id: &Text) -> Option<String> {
    if matches!(id.as_bytes(), b"." | b"..") {
        return None;
    }
    let mut segment = String::with_capacity(id.as_bytes().len());
    for (run, lone_surrogate) in utf8_runs(id.as_bytes()) {
        for byte in run.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => segment.push(char::from(byte)),
                _ if b"-._~!$&'()*+,;=:@".contains(&byte) => segment.push(char::from(byte)),
                _ => segment += &format!("%{byte:02X}"),
            }
        }
        if lone_surrogate.is_some() {
            segment += "%EF%BF%BD";
        }
    }
    Some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment() {
        for (id, segment) in [
            ("hahahaha", "hahahaha"),
            ("a b", "a%20b"),
            ("x/y", "x%2Fy"),
            ("q?z", "q%3Fz"),
            ("h#1", "h%231"),
            ("../up", "..%2Fup"),
            ("100%", "100%25"),
            ("é\\&+", "%C3%A9%5C&+"),
        ] {
            assert_eq!(path_segment(&Text::from(id)).as_deref(), Some(segment));
        }
        assert_eq!(path_segment(&Text::from_utf16(&[0xD800])).as_deref(), Some("%EF%BF%BD"));
        assert_eq!(path_segment(&Text::from("..")), None);
        assert_eq!(path_segment(&Text::from(".")), None);
    }

    #[test]
    fn numbers_are_printed_as_javascript_prints_them() {
        assert_eq!(printed(2_147_483_647.0), "2147483647");
        assert_eq!(printed(1_722_000_000_123.5), "1722000000123.5");
        assert_eq!(printed(f64::NAN), "NaN");
    }
}
