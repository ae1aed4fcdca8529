//! Decides when to connect, poll, reconnect, fall back and give up: the protocol of wire 3 to 6 without I/O or clock.
//!
//! In: what happened and when (`now` is the time since any fixed moment). Out: [`Action`]s for the driver, and the
//! moment at which to be woken ([`Machine::deadline`]). Stream and polls feed it alike: what they bring carries a
//! [`Sequence`] made when it was asked for or arrived, and an update is only admitted after those that are older.
//!
//! One machine lives from a `start()` to the next `stop()`.

mod connection;
mod poller;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::connection::{Connection, Due, Purpose};
use self::poller::{FirstPolls, Poller};
use super::SyncError;
use super::log::{Detail, LogLine};
use crate::config::{CohortConfig, LocalConfig};
use crate::transport::backoff::{Backoff, JitteredDelays};
use crate::transport::stream::StreamError;

/// A stream that lasted this long was healthy: its loss is no sign of trouble, and it is opened again at once. Shorter
/// than the keep-alive, whose expiry is answered at once too.
const HEALTHY: Duration = Duration::from_secs(15);

/// Between streams that open and are lost again. Below the polling interval: flags get no staler than by polling.
const RECONNECT: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(15), scalar: 2.0 };

/// From one attempt to return from polling to streaming to the next, drawn once for a client.
pub(super) fn draw_retry_interval(random: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(15_000 + random.u64(..2_000))
}

/// Puts in order what was asked for and what arrived; of all updates, the one with the highest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sequence(u64);

/// What the driver has to do.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Opens a stream, which is known by this number from then on.
    Connect(Sequence),
    /// Closes the stream or gives the attempt to open it up.
    Disconnect,
    /// Asks once for the flags.
    Poll(Sequence),
    /// Gives up all polls and the updates that came by them.
    CancelPolls,
    /// Asks once for all cohorts.
    PollCohorts(Sequence),
    /// Ends the `start()` that waits.
    Started(Result<(), SyncError>),
    Log(LogLine),
}

/// What of the configuration concerns decisions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub streams: bool,
    pub connect_timeout: Duration,
    pub polling_interval: Duration,
    /// `None`: cohorts are not polled.
    pub cohort_polling_interval: Option<Duration>,
    pub retry_interval: Duration,
}

impl Settings {
    pub(super) fn new(config: &LocalConfig, retry_interval: Duration) -> Self {
        let cohorts = config.cohorts.as_ref();
        Self {
            streams: config.stream_updates,
            connect_timeout: config.stream_connect_timeout,
            polling_interval: config.polling_interval.max(Duration::from_millis(1)),
            cohort_polling_interval: cohorts
                .map(|cohorts| cohorts.polling_interval.max(CohortConfig::POLLING_INTERVAL_MIN)),
            retry_interval,
        }
    }
}

pub(super) struct Machine {
    settings: Settings,
    random: fastrand::Rng,
    actions: Vec<Action>,
    last: Sequence,
    /// The newest update that was installed.
    installed: Sequence,
    /// Whether any update has been installed: from then on a `start()` has nothing to wait for.
    ready: bool,
    /// Whether a `start()` waits for [`Action::Started`].
    starting: bool,
    stream: Stream,
    poller: Option<Poller>,
    /// When to try streaming again while polling.
    retry_at: Option<Duration>,
    cohort_poll_at: Option<Duration>,
    /// The first update of a stream that was lost before it was known whether it can be parsed.
    doubtful: Option<Sequence>,
    /// How long to wait after the next loss of a stream; `None`: not at all, the last one was healthy.
    reconnect_delays: Option<JitteredDelays>,
}

enum Stream {
    Off,
    Waiting { until: Duration, purpose: Purpose },
    On(Connection),
}

impl Machine {
    pub(super) fn new(settings: Settings, random: fastrand::Rng) -> Self {
        Self {
            settings,
            random,
            actions: Vec::new(),
            last: Sequence(0),
            installed: Sequence(0),
            ready: false,
            starting: false,
            stream: Stream::Off,
            poller: None,
            retry_at: None,
            cohort_poll_at: None,
            doubtful: None,
            reconnect_delays: None,
        }
    }

    /// What is to be done since the last call, in order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`Machine::advance`] has something to do next.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let stream = match &self.stream {
            Stream::Off => None,
            Stream::Waiting { until, .. } => Some(*until),
            Stream::On(connection) => connection.deadline(),
        };
        let poller = self.poller.as_ref().and_then(Poller::deadline);
        [stream, poller, self.retry_at, self.cohort_poll_at].into_iter().flatten().min()
    }

    /// A `start()` wants to know when the flags are there: [`Action::Started`] tells. Not to be called again before.
    pub(super) fn start(&mut self, now: Duration) {
        self.starting = true;
        match (&self.stream, self.settings.streams) {
            // Polling a stream that is down: this is a reason to look whether it still is.
            (Stream::Off, true) => {
                self.retry_at = None;
                self.connect(now, Purpose::Start);
            }
            _ if self.ready => self.started(Ok(())),
            (_, true) => {}
            (_, false) => self.poll_from_scratch(now),
        }
    }

    /// Everything ends. The lines that say so.
    pub(super) fn stop(mut self) -> Vec<LogLine> {
        self.actions.clear();
        if self.settings.streams {
            self.log(LogLine::debug("[Experiment] streamer - stop"));
        }
        self.stop_poller();
        if self.cohort_poll_at.is_some() {
            self.log(LogLine::debug("[Experiment] cohort poller - stop"));
        }
        let lines = self.actions.into_iter();
        lines.filter_map(|action| if let Action::Log(line) = action { Some(line) } else { None }).collect()
    }

    /// Does what was to be done until `now`.
    pub(super) fn advance(&mut self, now: Duration) {
        self.advance_stream(now);
        if let Some(poller) = &mut self.poller {
            if poller.is_retry_due(now) {
                let sequence = next(&mut self.last);
                poller.first_poll_again(sequence);
                self.actions.push(Action::Poll(sequence));
            }
            if poller.is_tick_due(now) && poller.has_room() {
                self.actions.push(Action::Log(LogLine::debug("[Experiment] updating flag configs")));
                let sequence = next(&mut self.last);
                poller.tick(sequence);
                self.actions.push(Action::Poll(sequence));
            }
        }
        if is_due(&mut self.retry_at, Some(self.settings.retry_interval), now) {
            // An attempt that is still under way is none that succeeded.
            if matches!(self.stream, Stream::Off) {
                self.log(LogLine::debug("[Experiment] streamer - retry stream"));
                self.connect(now, Purpose::Retry);
            }
        }
        if is_due(&mut self.cohort_poll_at, self.settings.cohort_polling_interval, now) {
            let sequence = next(&mut self.last);
            self.actions.push(Action::PollCohorts(sequence));
        }
    }

    fn advance_stream(&mut self, now: Duration) {
        let due = match &self.stream {
            Stream::Off => return,
            Stream::Waiting { until, purpose } => {
                let purpose = *purpose;
                if *until <= now {
                    self.connect(now, purpose);
                }
                return;
            }
            Stream::On(connection) => connection.due(now),
        };
        match due {
            Some(Due::Timeout) => self.lose(now, &stream_error("ETIMEDOUT", "timeout")),
            Some(Due::KeepAlive) => self.lose(now, &stream_error("ETIMEDOUT", "keep alive fail")),
            Some(Due::Replacement) => {
                self.disconnect();
                self.reconnect_delays = None;
                self.connect(now, Purpose::Replace);
            }
            None => {}
        }
    }

    /// The stream's server answered.
    pub(super) fn opened(&mut self, now: Duration, id: Sequence) {
        let random = &mut self.random;
        if let Some(connection) = connection(&mut self.stream, id) {
            connection.opened(now, random);
        }
    }

    /// An event arrived. `Some`: it is an update, to be parsed under this number.
    pub(super) fn message(&mut self, now: Duration, id: Sequence, data: &str) -> Option<Sequence> {
        let connection = connection(&mut self.stream, id)?;
        if data.is_empty() {
            return None;
        }
        connection.heard(now);
        if data == connection::KEEP_ALIVE_DATA {
            return None;
        }
        let sequence = next(&mut self.last);
        connection.brought(sequence);
        Some(sequence)
    }

    /// The stream could not be opened, or ended.
    pub(super) fn disconnected(&mut self, now: Duration, id: Sequence, error: &StreamError) {
        if connection(&mut self.stream, id).is_some() {
            self.lose(now, error);
        }
    }

    /// An update of the stream was parsed, or could not be.
    pub(super) fn parsed(&mut self, now: Duration, id: Sequence, sequence: Sequence, is_valid: bool) {
        if is_valid {
            self.log(LogLine::debug("[Experiment] streamer - receives updates"));
            return;
        }
        let unparsable = stream_error("ERR_STREAM_INVALID", "stream data parse error");
        match connection(&mut self.stream, id) {
            Some(connection) if connection.awaits(sequence) => self.fail(now, &unparsable),
            Some(_) => self.lose(now, &unparsable),
            // It has been lost in the meantime, and opened anew as if what it had brought were flags.
            None if self.doubtful.take_if(|doubtful| *doubtful == sequence).is_some() => match self.stream {
                Stream::On(ref next) if !next.has_heard() => self.fail(now, &unparsable),
                Stream::Waiting { purpose, .. } => {
                    self.stream = Stream::Off;
                    self.give_up(now, purpose, &unparsable);
                }
                _ => {}
            },
            None => {}
        }
    }

    /// A poll brought an update, or failed.
    pub(super) fn polled(&mut self, now: Duration, sequence: Sequence, result: Result<(), &SyncError>) {
        let Some(poller) = &mut self.poller else { return };
        match (poller.polled(now, sequence, result.is_ok()), result) {
            (FirstPolls::GoOn, _) | (_, Ok(())) => {}
            (FirstPolls::NoneLeft, Err(error)) => {
                let line = LogLine::error("[Experiment] flag config initial poll failed, stopping")
                    .with_error(error);
                self.log(line);
                self.started(Err(error.clone()));
            }
            (FirstPolls::Over, Err(error)) => {
                self.log(LogLine::debug("[Experiment] flag config update failed").with_error(error));
            }
        }
    }

    /// Whether this update may be installed now. If so it counts as installed.
    pub(super) fn admit(&mut self, sequence: Sequence) -> bool {
        let is_newer = self.is_newer(sequence);
        if is_newer {
            self.installed = sequence;
        }
        is_newer
    }

    /// Whether this update is newer than the one installed.
    pub(super) fn is_newer(&self, sequence: Sequence) -> bool {
        sequence > self.installed
    }

    /// An update is in effect, and all older ones have had their chance.
    pub(super) fn settled(&mut self, now: Duration) {
        let installed = self.installed;
        let is_first = !std::mem::replace(&mut self.ready, true);
        let confirmed = match &mut self.stream {
            Stream::On(connection) => connection.settled(installed),
            _ => None,
        };
        if let Some(purpose) = confirmed {
            self.take_over(purpose);
        }
        if let Some(poller) = &mut self.poller {
            poller.succeeded();
        }
        if is_first || confirmed.is_some() {
            self.started(Ok(()));
        }
        if is_first && let Some(interval) = self.settings.cohort_polling_interval {
            self.log(LogLine::debug("[Experiment] cohort poller - start"));
            self.cohort_poll_at = Some(now + interval);
        }
    }

    /// The stream delivers: no more polls.
    fn take_over(&mut self, purpose: Purpose) {
        self.log(LogLine::debug("[Experiment] streamer - start flags stream success"));
        if purpose == Purpose::Retry {
            self.log(LogLine::debug("[Experiment] streamer - retry stream success"));
        }
        self.retry_at = None;
        self.stop_poller();
    }

    /// The connection is of no use before it has brought any flags, or for good.
    fn fail(&mut self, now: Duration, error: &StreamError) {
        let Some(connection) = self.disconnect() else { return };
        self.give_up(now, connection.purpose, error);
    }

    /// There is no stream, and none is to be opened at once.
    fn give_up(&mut self, now: Duration, purpose: Purpose, error: &StreamError) {
        match purpose {
            // Polling goes on, and so do the retries.
            Purpose::Retry if !self.starting => {}
            Purpose::Retry => self.fall_back(now),
            Purpose::Start => {
                self.log(LogLine::fallback("start stream failed", error));
                self.fall_back(now);
            }
            Purpose::Reconnect | Purpose::Replace => {
                self.log(LogLine::fallback("onError", error));
                self.fall_back(now);
            }
        }
    }

    /// The connection is gone. One that has brought flags is opened again.
    fn lose(&mut self, now: Duration, error: &StreamError) {
        let Stream::On(connection) = &self.stream else { return };
        // 501: the server does not stream.
        if !connection.has_heard() || error.status == Some(501) {
            return self.fail(now, error);
        }
        if connection.lasted(now).is_some_and(|lasted| lasted >= HEALTHY) {
            self.reconnect_delays = None;
        }
        let purpose = connection.purpose_of_next();
        self.doubtful = connection.arrived();
        self.disconnect();
        let delay = match &mut self.reconnect_delays {
            Some(delays) => delays.next().unwrap_or(RECONNECT.max),
            None => {
                self.reconnect_delays = Some(RECONNECT.jittered(self.random.fork()));
                return self.connect(now, purpose);
            }
        };
        self.stream = Stream::Waiting { until: now + delay, purpose };
    }

    fn fall_back(&mut self, now: Duration) {
        self.retry_at = Some(now + self.settings.retry_interval);
        match self.poller {
            Some(_) if self.ready => self.started(Ok(())),
            Some(_) if !self.starting => {}
            _ => self.poll_from_scratch(now),
        }
    }

    /// Polls at once, several times if need be, and then by and by.
    fn poll_from_scratch(&mut self, now: Duration) {
        self.log(LogLine::debug("[Experiment] poller - start"));
        let sequence = next(&mut self.last);
        let poller = self.poller.get_or_insert_with(|| Poller::new(now, self.settings.polling_interval));
        poller.first_poll(sequence);
        self.actions.push(Action::Poll(sequence));
    }

    fn stop_poller(&mut self) {
        if self.poller.take().is_some() {
            self.log(LogLine::debug("[Experiment] poller - stop"));
            self.actions.push(Action::CancelPolls);
        }
    }

    fn connect(&mut self, now: Duration, purpose: Purpose) {
        let id = next(&mut self.last);
        self.stream = Stream::On(Connection::new(id, purpose, now + self.settings.connect_timeout));
        self.actions.push(Action::Connect(id));
    }

    fn disconnect(&mut self) -> Option<Connection> {
        let Stream::On(connection) = std::mem::replace(&mut self.stream, Stream::Off) else { return None };
        self.actions.push(Action::Disconnect);
        Some(connection)
    }

    fn started(&mut self, result: Result<(), SyncError>) {
        if std::mem::take(&mut self.starting) {
            self.actions.push(Action::Started(result));
        }
    }

    fn log(&mut self, line: LogLine) {
        self.actions.push(Action::Log(line));
    }
}

fn next(last: &mut Sequence) -> Sequence {
    last.0 += 1;
    *last
}

/// The connection of this number, if it is still the current one.
fn connection(stream: &mut Stream, id: Sequence) -> Option<&mut Connection> {
    match stream {
        Stream::On(connection) if connection.id == id => Some(connection),
        _ => None,
    }
}

/// Whether a timer has run out; if so it is set again. After a pause of the whole process one turn stands for all that
/// were missed.
fn is_due(at: &mut Option<Duration>, interval: Option<Duration>, now: Duration) -> bool {
    let due = at.filter(|at| *at <= now);
    if let Some(due) = due {
        *at = interval.map(|interval| Some(due + interval).filter(|at| *at > now).unwrap_or(now + interval));
    }
    due.is_some()
}

fn stream_error(code: &'static str, message: &str) -> StreamError {
    StreamError { status: None, code, message: message.to_owned() }
}

impl LogLine {
    fn with_error(self, error: &SyncError) -> Self {
        self.with(Detail::Error(error.clone()))
    }
}
