//! The local evaluation client: flags and cohorts of one client, as JavaScript reads and writes them, and their
//! synchronisation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use napi::bindgen_prelude::{FnArgs, Function, ObjectFinalize};
use napi::{Env, Result};
use napi_derive::napi;

use super::contain::{contained, contained_finally};
use super::custom::{AgentStreams, Desk, Order};
use super::mailbox::{ErrorDescription, Mailbox, Message, Waiting};
use super::remote::{describe_transport, text};
use super::runtime;
use super::text::JsText;
use super::tracking::{TrackingOptions, open_pipelines};
use super::view::View;
use crate::client::{Audience, Client, Listener, Parts, Pipelines, Registry};
use crate::config::{CohortConfig, LocalConfig, duration_from_millis};
use crate::ecma::Text;
use crate::error::Coded;
use crate::flag::Problem;
use crate::key::Secret;
use crate::snapshot::{RawFlags, Snapshot, Update, World};
use crate::sync::{self, Detail, FlagSync, LogLine, SyncError, SyncObserver};
use crate::tracking::{self, Kind};
use crate::transport::Transport;
use crate::transport::stream::EventSource;

/// One client's flags and cohorts.
#[napi(custom_finalize)]
pub struct LocalClient {
    client: Client,
    waiting: Waiting,
}

/// What the garbage collector is told that a client weighs, in bytes: about what one with a small plan takes while it is
/// kept up to date. A client that was dropped works on until it is collected, which would else be put off for long, its
/// JavaScript part being so light.
const WEIGHT: i64 = 65_536;

impl ObjectFinalize for LocalClient {
    fn finalize(self, env: Env) -> Result<()> {
        contained_finally("LocalClient.finalize", || drop(self));
        env.adjust_external_memory(-WEIGHT)?;
        Ok(())
    }
}

/// The cores that clients share, of all environments of the process.
static CORES: Registry = Registry::new();

/// Where a client's flags and cohorts come from. Times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct LocalSettings {
    pub api_key: String,
    pub server_url: String,
    pub polling_interval_millis: f64,
    pub stream_updates: bool,
    pub stream_server_url: String,
    pub stream_connect_timeout_millis: f64,
    /// Whether the flags are to be posted with the word that they are installed.
    pub reports_flags: bool,
    /// Whether streams are opened with an agent of the caller's, and not by its event sources.
    pub streams_through_agent: bool,
    pub cohorts: Option<LocalCohortSettings>,
    pub is_eu: bool,
    pub exposure: Option<TrackingOptions>,
    pub assignment: Option<TrackingOptions>,
    pub sharing: Option<Sharing>,
}

/// Clients of the process that give the same name have one core.
#[napi(object, object_to_js = false)]
pub struct Sharing {
    /// Says all that the clients must have in common. Not shown to anyone.
    pub name: String,
    /// The flags that the core begins with: a map, as JSON text.
    #[napi(ts_type = "string")]
    pub bootstrap: JsText,
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
        self.client.world()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a future whose end is posted under the number returned.
    pub(super) fn promise(
        &self,
        env: &Env,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<u32> {
        self.waiting.promise(env, name, async move {
            future.await;
            Ok(None)
        })
    }
}

#[napi]
impl LocalClient {
    /// `receive` gets log lines and the ends of promises; `send` and `open_stream`, where given, make the requests
    /// and open the streams; `provide` sends and keeps events, where the caller does.
    #[napi(constructor)]
    pub fn new(
        env: &Env,
        mut settings: LocalSettings,
        receive: Function<'_, FnArgs<(Message,)>, ()>,
        send: Option<Function<'_, FnArgs<(Order,)>, ()>>,
        open_stream: Option<Function<'_, FnArgs<(Order,)>, ()>>,
        provide: Option<Function<'_, FnArgs<(Order,)>, ()>>,
    ) -> Result<Self> {
        contained(env, "LocalClient.new", || {
            let transport: Arc<dyn Transport> = match send {
                Some(send) => Arc::new(Desk::new(send)?),
                None => runtime::transport(),
            };
            let events: Arc<dyn EventSource> = match open_stream {
                Some(open) if settings.streams_through_agent => Arc::new(AgentStreams(Desk::new(open)?)),
                Some(open) => Arc::new(Desk::new(open)?),
                None => runtime::event_source(),
            };
            let providers = provide.map(Desk::new).transpose()?;
            let waiting = Mailbox::open(receive)?;
            let listener =
                Arc::new(Ear { mailbox: waiting.mailbox().clone(), reports_flags: settings.reports_flags });
            let sharing = settings.sharing.take();
            let (name, bootstrap) = match sharing {
                Some(Sharing { name, bootstrap }) => (Some(name), Some(bootstrap)),
                None => (None, None),
            };
            let make = |audience: &Arc<Audience>| {
                let pipelines = open_pipelines(
                    settings.exposure.take(),
                    settings.assignment.take(),
                    settings.is_eu,
                    audience,
                    providers.as_ref(),
                )?;
                core_parts(settings, bootstrap, transport, events, audience, pipelines)
            };
            let client = match name {
                Some(name) => CORES.join(&name, listener, make)?,
                None => Client::new(listener, make)?,
            };
            env.adjust_external_memory(WEIGHT)?;
            Ok(Self { client, waiting })
        })?
    }

    /// Begins synchronisation. Its first success or failure is posted under the number returned.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    #[napi]
    pub fn start(&self, env: &Env) -> Result<u32> {
        contained(env, "LocalClient.start", || {
            let started = self.client.start();
            self.waiting.promise(env, "start", async move {
                started.await.map(|()| None).map_err(|error| describe(&error))
            })
        })?
    }

    /// After the end of a start: lets the process go.
    #[napi]
    pub fn rest(&self, env: &Env) -> Result<()> {
        contained(env, "LocalClient.rest", || {
            self.waiting.rest(env);
        })
    }

    /// Ends synchronisation, unless another client shares it. Nothing is installed after the last one's stop.
    #[napi]
    pub fn stop(&self, env: &Env) -> Result<()> {
        contained(env, "LocalClient.stop", || {
            self.client.stop();
        })
    }

    /// A view of the current flags for evaluation.
    #[napi]
    pub fn view(&self, env: &Env) -> Result<View> {
        contained(env, "LocalClient.view", || {
            View::new(Arc::clone(self.client.world()), self.client.tracker().clone())
        })
    }

    /// Changes whenever the flags do.
    #[napi(getter)]
    pub fn flags_version(&self, env: &Env) -> Result<f64> {
        contained(env, "LocalClient.flags_version", || self.world().load().flags_epoch as f64)
    }

    /// The current flags as they came: the server's list, or a map.
    #[napi(ts_return_type = "string")]
    pub fn flags(&self, env: &Env) -> Result<JsText> {
        contained(env, "LocalClient.flags", || {
            let (RawFlags::Array(json) | RawFlags::Map(json)) = &self.world().load().raw;
            JsText(Text::from_wtf8(&**json))
        })
    }

    /// Replaces the flags of a version by a map of flags (JSON text), keeping the cohorts. Nothing is done, and nothing
    /// returned, where others have come since.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    #[napi]
    pub fn set_flags(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string")] flags: JsText,
        version: f64,
    ) -> Result<Option<WrittenFlags>> {
        contained(env, "LocalClient.set_flags", || {
            let update = update_of(&flags)?;
            let problems = update.problems.iter().map(sentence).collect();
            let written = self.world().replace_flags_of(version as u64, update);
            Ok(written.map(|snapshot| WrittenFlags { version: snapshot.flags_epoch as f64, problems }))
        })?
    }

    /// Flags have been written, and come by `set_flags` when they are evaluated, unless an update comes before.
    #[napi]
    pub fn write_ahead(&self, env: &Env) -> Result<()> {
        contained(env, "LocalClient.write_ahead", || self.world().write_ahead())
    }
}

/// Flags that have been written.
#[napi(object)]
pub struct WrittenFlags {
    /// The version that they are.
    pub version: f64,
    /// One sentence for every flag that is left out or broken in part.
    pub problems: Vec<String>,
}

/// What a core is made of.
fn core_parts(
    settings: LocalSettings,
    bootstrap: Option<JsText>,
    transport: Arc<dyn Transport>,
    events: Arc<dyn EventSource>,
    audience: &Arc<Audience>,
    pipelines: Pipelines,
) -> Result<Parts> {
    let world = Arc::new(World::new());
    if let Some(bootstrap) = bootstrap {
        let update = update_of(&bootstrap)?;
        if !update.problems.is_empty() {
            audience.log(LogLine::malformed(&update.problems));
        }
        world.replace_flags(update);
    }
    let sync_parts = sync::Parts {
        transport,
        events,
        world: Arc::clone(&world),
        observer: Arc::clone(audience) as Arc<dyn SyncObserver>,
        handle: runtime::handle()?.clone(),
        random: fastrand::Rng::new(),
    };
    let sync = FlagSync::new(core_config(settings), sync_parts);
    Ok(Parts { world, sync, pipelines })
}

/// Replaces the flags by a map of flags (JSON text), keeping the cohorts.
fn update_of(flags: &JsText) -> Result<Update> {
    Update::from_map(Bytes::copy_from_slice(flags.0.as_bytes()))
        .map_err(|error| napi::Error::from_reason(format!("{}: {error}", error.code())))
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

/// Takes what is said to a client to JavaScript.
struct Ear {
    mailbox: Mailbox,
    reports_flags: bool,
}

impl Listener for Ear {
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
        let text = self.reports_flags.then(|| {
            let (RawFlags::Array(json) | RawFlags::Map(json)) = &snapshot.raw;
            JsText(Text::from_wtf8(&**json))
        });
        self.mailbox.post(Message { kind: "installed".to_owned(), text, ..Message::default() });
    }

    fn tracking_log(&self, kind: Kind, level: tracking::Level, message: &str) {
        let kind = match kind {
            Kind::Exposure => "exposureLog",
            Kind::Assignment => "assignmentLog",
        };
        let level = match level {
            tracking::Level::Error => 1,
            tracking::Level::Warn => 2,
            tracking::Level::Verbose => 3,
            tracking::Level::Debug => 4,
        };
        let message = Some(message.to_owned());
        self.mailbox.post(Message {
            kind: kind.to_owned(),
            level: Some(level),
            message,
            ..Message::default()
        });
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
