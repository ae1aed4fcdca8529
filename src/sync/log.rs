//! What synchronisation has to say: log lines, and that flags were installed. In: events of the synchronisation.
//! Out: calls of a [`SyncObserver`], which the binding takes to the caller's logger. (Contract: api 11; the wording is
//! part of it.)

use std::sync::Arc;

use super::SyncError;
use crate::ecma::Text;
use crate::flag::Problem;
use crate::plan::Plan;
use crate::snapshot::Snapshot;
use crate::transport::stream::StreamError;

/// Told what happens, one call after another, on threads of the runtime and on those that call
/// [`FlagSync`](super::FlagSync). It must not block.
pub trait SyncObserver: Send + Sync + 'static {
    fn log(&self, line: LogLine);

    /// Flags of the server are in effect: this snapshot's. In the order in which they were installed, each after its
    /// installation, also where an answer brought nothing new.
    fn installed(&self, snapshot: &Arc<Snapshot>);

    /// These flags may be installed soon: time to work out what is asked of them later. Called where that may take
    /// long.
    fn preparing(&self, _plan: &Arc<Plan>) {}
}

#[derive(Clone, Debug)]
pub struct LogLine {
    pub level: Level,
    pub message: String,
    /// The second argument of the logger's method.
    pub detail: Option<Detail>,
}

/// The levels that are used, by their number in `LogLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    Error = 1,
    Debug = 4,
}

#[derive(Clone, Debug)]
pub enum Detail {
    Error(SyncError),
    Text(Text),
}

impl LogLine {
    pub(super) fn debug(message: impl Into<String>) -> Self {
        Self { level: Level::Debug, message: message.into(), detail: None }
    }

    pub(super) fn error(message: impl Into<String>) -> Self {
        Self { level: Level::Error, message: message.into(), detail: None }
    }

    pub(super) fn with(self, detail: Detail) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// Where work in the background has panicked, which may be tried again: nobody need see the error otherwise.
    pub(super) fn defect(error: &SyncError) -> Option<Self> {
        let line = || Self::error("[Experiment] an update failed").with(Detail::Error(error.clone()));
        matches!(error, SyncError::Defect(_)).then(line)
    }

    /// `event`, because of which flags are polled now. The error event of a stream has always printed as an object.
    pub(super) fn fallback(event: &str, error: &StreamError) -> Self {
        let status = error.status.map_or_else(|| "undefined".to_owned(), |status| status.to_string());
        let message = &error.message;
        Self::debug(format!(
            "[Experiment] streamer - {event}, fallback to poller, err status: {status}, err message: {message}, \
             err [object Object]"
        ))
    }

    /// One line for all that is wrong with an update.
    pub fn malformed(problems: &[Problem]) -> Self {
        let problems: Vec<_> = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.flag.to_string_lossy(), problem.message))
            .collect();
        Self::error(format!("[Experiment] malformed flags: {}", problems.join("; ")))
    }
}
