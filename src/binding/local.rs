//! The local evaluation client: flags and cohorts of one client, as JavaScript reads and writes them, and their
//! synchronisation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::{Env, Result};
use napi_derive::napi;

use super::custom::{Desk, Order};
use super::mailbox::{ErrorDescription, Mailbox, Message, Waiting};
use super::remote::{describe_transport, text};
use super::runtime;
use super::text::JsText;
use super::view::View;
use crate::ecma::Text;
use crate::error::Coded;
use crate::flag::{FlagsError, Problem};
use crate::key::Secret;
use crate::polling::{CohortError, CohortSettings, Observer, Polling, Settings, SyncError, SyncEvent};
use crate::snapshot::{RawFlags, Update, World};
use crate::transport::Transport;

/// `LogLevel` of the face.
const ERROR: u32 = 1;
const DEBUG: u32 = 4;

/// One client's flags and cohorts.
#[napi]
pub struct LocalClient {
    world: Arc<World>,
    waiting: Waiting,
    polling: Arc<Polling>,
}

/// Where a client's flags and cohorts come from. Times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct LocalSettings {
    pub api_key: String,
    pub server_url: String,
    pub polling_interval_millis: f64,
    /// Whether every update's flags are to be posted.
    pub reports_flags: bool,
    pub cohorts: Option<LocalCohortSettings>,
}

#[napi(object, object_to_js = false)]
pub struct LocalCohortSettings {
    pub api_key: String,
    pub secret_key: String,
    pub server_url: String,
    pub max_cohort_size: f64,
    pub polling_interval_millis: f64,
}

impl LocalClient {
    pub(super) fn world(&self) -> &World {
        &self.world
    }
}

#[napi]
impl LocalClient {
    /// `receive` gets log lines and the ends of promises; `send`, where given, makes the requests.
    #[napi(constructor)]
    pub fn new(
        settings: LocalSettings,
        receive: Function<'_, FnArgs<(Message,)>, ()>,
        send: Option<Function<'_, FnArgs<(Order,)>, ()>>,
    ) -> Result<Self> {
        let transport: Arc<dyn Transport> = match send {
            Some(send) => Arc::new(Desk::new(send)?),
            None => runtime::transport(),
        };
        let world = Arc::new(World::new());
        let waiting = Mailbox::open(receive)?;
        let observer = observer(waiting.mailbox().clone(), settings.reports_flags);
        let handle = runtime::handle()?.clone();
        let polling = Polling::new(core_settings(settings), transport, Arc::clone(&world), observer, handle);
        Ok(Self { world, waiting, polling: Arc::new(polling) })
    }

    /// Begins synchronisation. Its first success or failure is posted under the number returned.
    #[napi]
    pub fn start(&self, env: &Env) -> u32 {
        let id = self.waiting.begin(env);
        let mailbox = self.waiting.mailbox().clone();
        self.polling.start(move |result| match result {
            Ok(()) | Err(SyncError::Stopped) => mailbox.end(id, Ok(None)),
            Err(error) => mailbox.end(id, Err(describe(&error))),
        });
        id
    }

    /// After the end of a start: lets the process go.
    #[napi]
    pub fn rest(&self, env: &Env) {
        self.waiting.rest(env);
    }

    /// Ends synchronisation. Nothing is installed afterwards.
    #[napi]
    pub fn stop(&self) {
        self.polling.stop();
    }

    /// A view of the current flags for evaluation.
    #[napi]
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.world))
    }

    /// Changes whenever the flags do.
    #[napi(getter)]
    pub fn flags_version(&self) -> f64 {
        self.world.load().flags_epoch as f64
    }

    /// The current flags as they came: the server's list, or a map.
    #[napi(ts_return_type = "string")]
    pub fn flags(&self) -> JsText {
        let (RawFlags::Array(json) | RawFlags::Map(json)) = &self.world.load().raw;
        JsText(Text::from_wtf8(&**json))
    }

    /// Replaces the flags by a map of flags (JSON text), keeping the cohorts.
    /// Returns one sentence for every flag that is left out or broken in part.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    #[napi]
    pub fn set_flags(&self, #[napi(ts_arg_type = "string")] flags: JsText) -> Result<Vec<String>> {
        let update = Update::from_map(Bytes::copy_from_slice(flags.0.as_bytes()))
            .map_err(|error| napi::Error::from_reason(format!("{}: {error}", error.code())))?;
        let problems = update.problems.iter().map(sentence).collect();
        self.world.replace_flags(update);
        Ok(problems)
    }
}

fn core_settings(settings: LocalSettings) -> Settings {
    Settings {
        api_key: Secret::new(settings.api_key),
        server_url: settings.server_url,
        interval: millis(settings.polling_interval_millis),
        cohorts: settings.cohorts.map(|cohorts| CohortSettings {
            api_key: Secret::new(cohorts.api_key),
            secret_key: Secret::new(cohorts.secret_key),
            server_url: cohorts.server_url,
            max_size: cohorts.max_cohort_size,
            interval: millis(cohorts.polling_interval_millis),
        }),
    }
}

/// Intervals shorter than this, and those that are no number, would be a flood of requests.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default().max(SHORTEST_INTERVAL)
}

fn observer(mailbox: Mailbox, reports_flags: bool) -> Observer {
    Arc::new(move |event| {
        let log = |level, message: &str, error| {
            let message = Some(message.to_owned());
            mailbox.post(Message {
                kind: "log".to_owned(),
                level: Some(level),
                message,
                error,
                ..Message::default()
            });
        };
        match event {
            SyncEvent::Debug(message) => log(DEBUG, message, None),
            SyncEvent::UpdateFailed(error) => {
                log(DEBUG, "[Experiment] flag config update failed", Some(describe(error)));
            }
            SyncEvent::StartFailed(error) => {
                log(ERROR, "[Experiment] flag config initial poll failed, stopping", Some(describe(error)));
            }
            SyncEvent::Malformed(problems) => {
                let sentences: Vec<_> = problems.iter().map(sentence).collect();
                log(ERROR, &format!("[Experiment] malformed flags: {}", sentences.join("; ")), None);
            }
            SyncEvent::CohortsNotConfigured => {
                log(ERROR, "Cohorts found in flag configs but no cohort download configured", None);
            }
            SyncEvent::CohortFailed(id, error) => {
                log(
                    ERROR,
                    &format!("[Experiment] Cohort download failed {id}"),
                    Some(describe_cohort(error)),
                );
            }
            SyncEvent::CohortPollFailed(error) => {
                log(ERROR, "[Experiment] cohort poll failed", Some(describe_cohort(error)));
            }
            SyncEvent::Installed(snapshot) => {
                if reports_flags {
                    let (RawFlags::Array(json) | RawFlags::Map(json)) = &snapshot.raw;
                    let text = Some(JsText(Text::from_wtf8(&**json)));
                    mailbox.post(Message { kind: "installed".to_owned(), text, ..Message::default() });
                }
            }
        }
    })
}

fn sentence(problem: &Problem) -> String {
    format!("{}: {}", problem.flag, problem.message)
}

fn describe(error: &SyncError) -> ErrorDescription {
    match error {
        SyncError::Transport(error) => describe_transport(error),
        SyncError::Flags { error: FlagsError::NotJson, body } => ErrorDescription {
            body: Some(text(body)),
            ..described("notJson", "ERR_EXPERIMENT_NOT_JSON", error)
        },
        SyncError::Flags { .. } => described("notArray", "ERR_EXPERIMENT_NOT_ARRAY", error),
        SyncError::Status(status) => ErrorDescription {
            status: Some(u32::from(*status)),
            ..described("flagsStatus", "ERR_EXPERIMENT_FLAGS_STATUS", error)
        },
        SyncError::Stopped => described("stopped", "ERR_EXPERIMENT_STOPPED", error),
    }
}

fn describe_cohort(error: &CohortError) -> ErrorDescription {
    match error {
        CohortError::Transport(error) => describe_transport(error),
        CohortError::TooLarge(_) => described("cohortTooLarge", "ERR_EXPERIMENT_COHORT_TOO_LARGE", error),
        CohortError::Client { status, .. } | CohortError::Server { status, .. } => ErrorDescription {
            status: Some(u32::from(*status)),
            ..described("cohortStatus", "ERR_EXPERIMENT_COHORT_STATUS", error)
        },
        CohortError::Parse(_) => described("cohortMalformed", "ERR_EXPERIMENT_COHORT_MALFORMED", error),
    }
}

fn described(kind: &str, code: &str, error: &dyn std::error::Error) -> ErrorDescription {
    ErrorDescription {
        kind: kind.to_owned(),
        code: code.to_owned(),
        message: error.to_string(),
        ..ErrorDescription::default()
    }
}
