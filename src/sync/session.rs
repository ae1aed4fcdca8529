//! Does what the machine decides: requests, streams, timers, downloads, installations. In: actions. Out: what
//! happened, back to the machine. One session works for one run; dropping it gives up everything under way.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{self, BoxFuture, FutureExt};
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};

use super::cohorts::Downloads;
use super::log::{Detail, LogLine, SyncObserver};
use super::machine::{Action, Machine, Sequence};
use super::updates::{self, Known};
use super::{Hub, RunId, SyncError, requests};
use crate::cohort::Cohort;
use crate::defect::{Defect, contain_future, point};
use crate::snapshot::Update;
use crate::transport::stream::{Events, StreamError};

/// Updates that may wait for their cohorts at once.
const MAX_WAITING: usize = 4;
/// Updates of a stream that may be parsed at once; while there are so many the stream is not read.
const MAX_PARSING: usize = 4;

/// Works for a run until it is over.
pub(super) async fn run(hub: Arc<Hub>, id: RunId, wake: Arc<Notify>) {
    // So that the session before has said all it had to say.
    let _turn = Arc::clone(&hub.turn).lock_owned().await;
    let downloads = hub.config.cohorts.clone().map(|config| {
        let (transport, observer) = (Arc::clone(&hub.parts.transport), Arc::clone(&hub.parts.observer));
        Arc::new(Downloads::new(transport, config, observer))
    });
    loop {
        let session = Session {
            hub: Arc::clone(&hub),
            id,
            wake: Arc::clone(&wake),
            downloads: downloads.clone(),
            stream: None,
            jobs: Vec::new(),
            known: None,
        };
        let Err(defect) = contain_future(session.work()).await else { return };
        recover(&hub, id, defect).await;
    }
}

/// After a panic: whoever waits for the start is told, and so is the log; everything begins anew when the next poll would.
async fn recover(hub: &Hub, id: RunId, defect: Defect) {
    let error = SyncError::from(defect);
    hub.parts.observer.log(
        LogLine::error("[Experiment] synchronisation failed, it starts anew")
            .with(Detail::Error(error.clone())),
    );
    hub.started(id, Err(error));
    sleep(hub.config.polling_interval).await;
    hub.renew(id);
}

struct Session {
    hub: Arc<Hub>,
    id: RunId,
    wake: Arc<Notify>,
    /// `None`: not configured.
    downloads: Option<Arc<Downloads>>,
    stream: Option<(Sequence, Incoming)>,
    jobs: Vec<Job>,
    known: Option<Known>,
}

enum Incoming {
    Opening(BoxFuture<'static, Result<Events, StreamError>>),
    Open(Events),
}

/// Something under way.
struct Job {
    sequence: Sequence,
    kind: Kind,
    future: BoxFuture<'static, Done>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A poll, the answer's parsing included.
    Poll,
    /// An update of this stream is parsed.
    Parse {
        stream: Sequence,
    },
    /// An update that came by a poll or not waits for its cohorts.
    Wait {
        by_poll: bool,
    },
    CohortPoll,
}

enum Done {
    Parsed(Result<Update, SyncError>),
    Complete(Update, Vec<Arc<Cohort>>),
    CohortsPolled,
}

/// What the session wakes up for.
enum Event {
    /// A timer has run out, or the machine was asked something.
    Due,
    Job(Sequence, Kind, Done),
    Opened(Sequence),
    Data(Sequence, String),
    Disconnected(Sequence, StreamError),
}

/// The run is over.
struct Over;

impl Session {
    async fn work(mut self) {
        while self.turn().await.is_ok() {}
    }

    async fn turn(&mut self) -> Result<(), Over> {
        point("synchronisation");
        let actions = self.decide(|machine, _| machine.take_actions())?;
        for action in actions {
            self.perform(action);
        }
        let deadline = self.decide(|machine, _| machine.deadline())?;
        let event = self.next_event(deadline).await;
        self.handle(event)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Connect(id) => {
                let config = &self.hub.config;
                let request = requests::stream(&config.stream_server_url, &config.deployment_key);
                self.stream = Some((id, Incoming::Opening(self.hub.parts.events.open(request))));
            }
            Action::Disconnect => self.stream = None,
            Action::Poll(sequence) => {
                let poll = poll(Arc::clone(&self.hub), self.known.clone());
                self.begin(sequence, Kind::Poll, poll.map(Done::Parsed));
            }
            Action::CancelPolls => {
                self.jobs.retain(|job| !matches!(job.kind, Kind::Poll | Kind::Wait { by_poll: true }));
            }
            Action::PollCohorts(sequence) => {
                if let Some(downloads) = self.downloads.clone() {
                    let poll = poll_cohorts(Arc::clone(&self.hub), self.id, downloads);
                    self.begin(sequence, Kind::CohortPoll, poll.map(|()| Done::CohortsPolled));
                }
            }
            Action::Started(result) => self.hub.started(self.id, result),
            Action::Log(line) => self.log(line),
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Over> {
        match event {
            Event::Due => self.decide(Machine::advance),
            Event::Opened(id) => self.decide(|machine, now| machine.opened(now, id)),
            Event::Disconnected(id, error) => {
                self.decide(|machine, now| machine.disconnected(now, id, &error))
            }
            Event::Data(id, data) => {
                if let Some(sequence) = self.decide(|machine, now| machine.message(now, id, &data))? {
                    let parse = updates::parse(Bytes::from(data), self.known.clone(), self.observer());
                    self.begin(sequence, Kind::Parse { stream: id }, parse.map(Done::Parsed));
                }
                Ok(())
            }
            Event::Job(sequence, Kind::Parse { stream }, Done::Parsed(result)) => {
                self.decide(|machine, now| machine.parsed(now, stream, sequence, result.is_ok()))?;
                self.complete(sequence, false, result)
            }
            Event::Job(sequence, _, Done::Parsed(result)) => {
                let outcome = result.as_ref().map(drop);
                self.decide(|machine, now| machine.polled(now, sequence, outcome))?;
                self.complete(sequence, true, result)
            }
            Event::Job(sequence, _, Done::Complete(update, cohorts)) => {
                self.install(sequence, update, cohorts)
            }
            Event::Job(_, _, Done::CohortsPolled) => Ok(()),
        }
    }

    /// Gets the cohorts that an update lacks, unless a newer update has been installed meanwhile.
    fn complete(
        &mut self,
        sequence: Sequence,
        by_poll: bool,
        update: Result<Update, SyncError>,
    ) -> Result<(), Over> {
        let update = match update {
            Ok(update) => update,
            Err(error) => {
                LogLine::defect(&error).into_iter().for_each(|line| self.log(line));
                return Ok(());
            }
        };
        if !self.decide(|machine, _| machine.is_newer(sequence))? {
            return Ok(());
        }
        // The oldest is the next to be complete and the newest the one to end with: those between are of least use.
        let is_waiting = |job: &Job| matches!(job.kind, Kind::Wait { .. });
        if self.jobs.iter().filter(|job| is_waiting(job)).count() >= MAX_WAITING {
            let waiting = self.jobs.iter().filter(|job| is_waiting(job)).map(|job| job.sequence);
            let oldest = waiting.clone().min();
            let second = waiting.filter(|sequence| Some(*sequence) != oldest).min();
            self.jobs.retain(|job| !is_waiting(job) || Some(job.sequence) != second);
        }
        let (hub, downloads) = (Arc::clone(&self.hub), self.downloads.clone());
        self.begin(sequence, Kind::Wait { by_poll }, async move {
            let parts = &hub.parts;
            let cohorts =
                updates::cohorts(&update, &parts.world, downloads.as_deref(), &*parts.observer).await;
            Done::Complete(update, cohorts)
        });
        Ok(())
    }

    fn install(&mut self, sequence: Sequence, update: Update, cohorts: Vec<Arc<Cohort>>) -> Result<(), Over> {
        let known = Known::of(&update);
        let problems = update.problems.clone();
        let Some(snapshot) = self.hub.install(self.id, sequence, update, cohorts) else {
            return self.decide(|_, _| ());
        };
        self.known = known;
        self.jobs.retain(|job| !matches!(job.kind, Kind::Wait { .. }) || job.sequence > sequence);
        if !problems.is_empty() {
            self.log(LogLine::malformed(&problems));
        }
        self.hub.parts.observer.installed(&snapshot);
        self.decide(Machine::settled)
    }

    fn decide<T>(&self, decide: impl FnOnce(&mut Machine, Duration) -> T) -> Result<T, Over> {
        self.hub.with(self.id, decide).ok_or(Over)
    }

    fn observer(&self) -> Arc<dyn SyncObserver> {
        Arc::clone(&self.hub.parts.observer)
    }

    fn log(&self, line: LogLine) {
        self.hub.parts.observer.log(line);
    }

    fn begin(&mut self, sequence: Sequence, kind: Kind, future: impl Future<Output = Done> + Send + 'static) {
        self.jobs.push(Job { sequence, kind, future: future.boxed() });
    }

    async fn next_event(&mut self, deadline: Option<Duration>) -> Event {
        let parsing = self.jobs.iter().filter(|job| matches!(job.kind, Kind::Parse { .. })).count();
        let epoch = self.hub.epoch;
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(epoch + deadline).await,
                None => future::pending().await,
            }
        };
        // In this order: a stream that never pauses must not keep anything else from its turn.
        tokio::select! {
            biased;
            () = self.wake.notified() => Event::Due,
            () = due => Event::Due,
            event = next_done(&mut self.jobs) => event,
            event = next_of_stream(&mut self.stream), if parsing < MAX_PARSING => event,
        }
    }
}

/// The next job that is done, which is no job any more.
async fn next_done(jobs: &mut Vec<Job>) -> Event {
    poll_fn(|context| {
        for index in 0..jobs.len() {
            if let Poll::Ready(done) = jobs[index].future.poll_unpin(context) {
                let job = jobs.swap_remove(index);
                return Poll::Ready(Event::Job(job.sequence, job.kind, done));
            }
        }
        Poll::Pending
    })
    .await
}

/// What the stream has to say next. Waits for ever where there is none.
async fn next_of_stream(stream: &mut Option<(Sequence, Incoming)>) -> Event {
    let Some((id, incoming)) = stream else { return future::pending().await };
    let id = *id;
    match incoming {
        Incoming::Opening(opening) => match opening.await {
            Ok(events) => {
                *incoming = Incoming::Open(events);
                Event::Opened(id)
            }
            Err(error) => {
                *stream = None;
                Event::Disconnected(id, error)
            }
        },
        Incoming::Open(events) => match events.next().await {
            Some(Ok(data)) => Event::Data(id, data),
            Some(Err(error)) => {
                *stream = None;
                Event::Disconnected(id, error)
            }
            None => {
                *stream = None;
                let message = "stream ended".to_owned();
                Event::Disconnected(id, StreamError { status: None, code: "ERR_STREAM_ENDED", message })
            }
        },
    }
}

async fn poll(hub: Arc<Hub>, known: Option<Known>) -> Result<Update, SyncError> {
    let config = &hub.config;
    let flags =
        requests::fetch_flags(&*hub.parts.transport, &config.server_url, &config.deployment_key).await?;
    let update = updates::parse(flags, known, Arc::clone(&hub.parts.observer)).await;
    update.map_err(|error| error.without(&config.deployment_key))
}

async fn poll_cohorts(hub: Arc<Hub>, id: RunId, downloads: Arc<Downloads>) {
    let parts = &hub.parts;
    let store = |cohort| hub.store(id, cohort);
    updates::poll_cohorts(&parts.world, &downloads, &*parts.observer, store).await;
}
