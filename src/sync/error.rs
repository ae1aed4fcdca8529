//! Why flags or a cohort could not be had. In: what requests, streams and parsers say. Out: one error that the
//! binding makes the JavaScript error of which callers know the class and the message.

use bytes::Bytes;

use crate::cohort::CohortParseError;
use crate::defect::Defect;
use crate::error::Coded;
use crate::key::Secret;
use crate::transport::TransportError;

/// Why flags or a cohort could not be had. The messages are those that callers know.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The flags were answered with another status than 200.
    #[error("Flags error response: status={0}")]
    FlagsStatus(u16),
    /// The flags are no JSON: a `SyntaxError`. `body` is the text, for whoever wants JavaScript's own words about it.
    #[error("flags are not valid json")]
    FlagsNotJson { body: Bytes },
    /// The flags are JSON, but no array: a `TypeError`.
    #[error("flagsArray.reduce is not a function")]
    FlagsNotArray,
    /// No (whole) answer came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// `CohortMaxSizeExceededError`: the cohort has more members than asked for at most (printed as JavaScript does).
    #[error("Cohort size > {0}")]
    CohortMaxSizeExceeded(String),
    /// `CohortClientRequestError`: the server refused the request itself.
    #[error("Cohort client error response status {status}, body {body}")]
    CohortClientRequest { status: u16, body: String },
    /// `CohortDownloadError`: any other status that is no success.
    #[error("Cohort error response status {status}, body {body}")]
    CohortDownload { status: u16, body: String },
    /// The body is no cohort.
    #[error(transparent)]
    Cohort(#[from] CohortParseError),
    /// The id is `.` or `..`: no URL can name such a cohort.
    #[error("cohort id cannot be part of a url")]
    CohortId,
    /// Work in the background panicked.
    #[error(transparent)]
    Defect(#[from] Defect),
    /// The runtime is going down.
    #[error("background work was interrupted")]
    Interrupted,
}

impl SyncError {
    /// Whether asking for the cohort again could end better: not where the server refused the request itself.
    pub(super) fn is_retryable(&self) -> bool {
        !matches!(self, Self::CohortMaxSizeExceeded(_) | Self::CohortClientRequest { .. } | Self::CohortId)
    }
}

impl SyncError {
    /// Without a key that the server has quoted.
    pub(super) fn without(self, key: &Secret) -> Self {
        match self {
            Self::FlagsNotJson { body } => Self::FlagsNotJson { body: key.hidden_in(body) },
            other => other,
        }
    }
}

impl Coded for SyncError {
    fn code(&self) -> &'static str {
        match self {
            Self::FlagsStatus(_) => "ERR_EXPERIMENT_FLAGS_STATUS",
            Self::FlagsNotJson { .. } => "ERR_EXPERIMENT_FLAGS_NOT_JSON",
            Self::FlagsNotArray => "ERR_EXPERIMENT_FLAGS_NOT_ARRAY",
            Self::Transport(error) => error.code,
            Self::CohortMaxSizeExceeded(_) => "ERR_EXPERIMENT_COHORT_MAX_SIZE",
            Self::CohortClientRequest { .. } => "ERR_EXPERIMENT_COHORT_REQUEST",
            Self::CohortDownload { .. } => "ERR_EXPERIMENT_COHORT_DOWNLOAD",
            Self::Cohort(_) => "ERR_EXPERIMENT_COHORT_MALFORMED",
            Self::CohortId => "ERR_EXPERIMENT_COHORT_ID",
            Self::Defect(defect) => defect.code(),
            Self::Interrupted => "ERR_EXPERIMENT_INTERRUPTED",
        }
    }
}

impl From<tokio::task::JoinError> for SyncError {
    fn from(error: tokio::task::JoinError) -> Self {
        if error.is_panic() { Self::Defect(Defect::last()) } else { Self::Interrupted }
    }
}
