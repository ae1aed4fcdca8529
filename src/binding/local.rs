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
use crate::config::{CohortConfig, LocalConfig, duration_from_millis};
use crate::ecma::Text;
use crate::error::Coded;
use crate::flag::Problem;
use crate::key::Secret;
use crate::snapshot::{RawFlags, Snapshot, Update, World};
use crate::sync::{Detail, FlagSync, LogLine, Parts, SyncError, SyncObserver};
use crate::transport::Transport;
use crate::transport::stream::EventSource;

/// One client's flags and cohorts.
#[napi]
pub struct LocalClient {
    world: Arc<World>,
    waiting: Waiting,
    sync: FlagSync,
}

/// Where a client's flags and cohorts come from. Times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct LocalSettings {
    pub api_key: String,
    pub server_url: String,
    pub polling_interval_millis: f64,
    pub stream_updates: bool,
    pub stream_server_url: String,
    pub stream_connect_timeout_millis: f64,
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
    /// `receive` gets log lines and the ends of promises; `send` and `open_stream`, where given, make the requests
    /// and open the streams.
    #[napi(constructor)]
    pub fn new(
        settings: LocalSettings,
        receive: Function<'_, FnArgs<(Message,)>, ()>,
        send: Option<Function<'_, FnArgs<(Order,)>, ()>>,
        open_stream: Option<Function<'_, FnArgs<(Order,)>, ()>>,
    ) -> Result<Self> {
        let transport: Arc<dyn Transport> = match send {
            Some(send) => Arc::new(Desk::new(send)?),
            None => runtime::transport(),
        };
        let events: Arc<dyn EventSource> = match open_stream {
            Some(open) => Arc::new(Desk::new(open)?),
            None => runtime::event_source(),
        };
        let world = Arc::new(World::new());
        let waiting = Mailbox::open(receive)?;
        let mailbox = waiting.mailbox().clone();
        let observer = Arc::new(Observer { mailbox, reports_flags: settings.reports_flags });
        let parts = Parts {
            transport,
            events,
            world: Arc::clone(&world),
            observer,
            handle: runtime::handle()?.clone(),
            random: fastrand::Rng::new(),
        };
        Ok(Self { world, waiting, sync: FlagSync::new(core_config(settings), parts) })
    }

    /// Begins synchronisation. Its first success or failure is posted under the number returned.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    #[napi]
    pub fn start(&self, env: &Env) -> Result<u32> {
        let handle = runtime::handle()?;
        let id = self.waiting.begin(env);
        let mailbox = self.waiting.mailbox().clone();
        let started = self.sync.start();
        handle.spawn(async move {
            mailbox.end(id, started.await.map(|()| None).map_err(|error| describe(&error)));
        });
        Ok(id)
    }

    /// After the end of a start: lets the process go.
    #[napi]
    pub fn rest(&self, env: &Env) {
        self.waiting.rest(env);
    }

    /// Ends synchronisation. Nothing is installed afterwards.
    #[napi]
    pub fn stop(&self) {
        self.sync.stop();
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

fn core_config(settings: LocalSettings) -> LocalConfig {
    // Intervals that are no time at all are a millisecond: upstream's timers do the same.
    let interval = |millis| duration_from_millis(millis).unwrap_or(Duration::from_millis(1));
    LocalConfig {
        deployment_key: Secret::new(settings.api_key),
        server_url: settings.server_url,
        stream_server_url: settings.stream_server_url,
        polling_interval: interval(settings.polling_interval_millis),
        stream_updates: settings.stream_updates,
        stream_connect_timeout: interval(settings.stream_connect_timeout_millis),
        cohorts: settings.cohorts.map(|cohorts| CohortConfig {
            api_key: Secret::new(cohorts.api_key),
            secret_key: Secret::new(cohorts.secret_key),
            server_url: cohorts.server_url,
            max_cohort_size: cohorts.max_cohort_size,
            polling_interval: interval(cohorts.polling_interval_millis),
        }),
    }
}

/// Takes what synchronisation says to JavaScript.
struct Observer {
    mailbox: Mailbox,
    reports_flags: bool,
}

impl SyncObserver for Observer {
    fn log(&self, line: LogLine) {
        let (error, text) = match line.detail {
            None => (None, None),
            Some(Detail::Error(error)) => (Some(describe(&error)), None),
            Some(Detail::Text(text)) => (None, Some(JsText(text))),
        };
        self.mailbox.post(Message {
            kind: "log".to_owned(),
            level: Some(line.level as u32),
            message: Some(line.message),
            error,
            text,
            ..Message::default()
        });
    }

    fn installed(&self, snapshot: &Arc<Snapshot>) {
        if self.reports_flags {
            let (RawFlags::Array(json) | RawFlags::Map(json)) = &snapshot.raw;
            let text = Some(JsText(Text::from_wtf8(&**json)));
            self.mailbox.post(Message { kind: "installed".to_owned(), text, ..Message::default() });
        }
    }
}

fn sentence(problem: &Problem) -> String {
    format!("{}: {}", problem.flag, problem.message)
}

fn describe(error: &SyncError) -> ErrorDescription {
    let (kind, status, body) = match error {
        SyncError::Transport(error) => return describe_transport(error),
        SyncError::FlagsStatus(status) => ("flagsStatus", Some(*status), None),
        SyncError::FlagsNotJson { body } => ("notJson", None, Some(text(body))),
        SyncError::FlagsNotArray => ("notArray", None, None),
        SyncError::CohortClientRequest { status, .. } | SyncError::CohortDownload { status, .. } => {
            ("cohortStatus", Some(*status), None)
        }
        _ => ("other", None, None),
    };
    ErrorDescription {
        kind: kind.to_owned(),
        code: error.code().to_owned(),
        message: error.to_string(),
        status: status.map(u32::from),
        body,
    }
}
