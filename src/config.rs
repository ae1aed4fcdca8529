//! What a local evaluation client is configured with, every value settled.
//!
//! In: the settings that the JavaScript face has completed with the defaults and URLs of the zone (contract: api 3).
//! Out: types that synchronisation reads. The defaults and bounds that are durations live here, with their units.

use std::time::Duration;

use crate::key::Secret;

/// What requests say they come from: servers must see no difference to the package we stand in for.
pub const LIBRARY: &str = "experiment-node-server/1.13.6";

/// How flags and cohorts of one deployment are kept up to date.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    pub deployment_key: Secret,
    /// Where flags are polled. As configured; paths are appended to it as it stands.
    pub server_url: String,
    /// Where flags are streamed. As `server_url`.
    pub stream_server_url: String,
    /// From one poll of the flags to the next; less than a millisecond counts as one.
    pub polling_interval: Duration,
    /// Whether flags are streamed, and polled only while the stream is down.
    pub stream_updates: bool,
    /// How long a stream may take from the attempt to connect to its first flags.
    pub stream_connect_timeout: Duration,
    /// `None`: cohorts are not downloaded.
    pub cohorts: Option<CohortConfig>,
}

impl LocalConfig {
    pub const POLLING_INTERVAL: Duration = Duration::from_secs(30);
    pub const STREAM_CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
}

/// How cohorts are downloaded.
#[derive(Clone, Debug)]
pub struct CohortConfig {
    pub api_key: Secret,
    pub secret_key: Secret,
    /// As [`LocalConfig::server_url`].
    pub server_url: String,
    /// The server refuses cohorts with more members. A JavaScript number, sent as it is.
    pub max_cohort_size: f64,
    /// From one poll of the cohorts to the next; less than [`CohortConfig::POLLING_INTERVAL_MIN`] counts as that.
    pub polling_interval: Duration,
}

impl CohortConfig {
    pub const MAX_COHORT_SIZE: f64 = 2_147_483_647.0;
    pub const POLLING_INTERVAL_MIN: Duration = Duration::from_secs(60);
}

/// The duration that a JavaScript number of milliseconds means. `None` for what is none: zero, less, NaN, infinity.
pub fn duration_from_millis(millis: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(millis / 1e3).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_duration_are_told_apart() {
        assert_eq!(duration_from_millis(1500.0), Some(LocalConfig::STREAM_CONNECT_TIMEOUT));
        assert_eq!(duration_from_millis(0.5), Some(Duration::from_micros(500)));
        for millis in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            assert_eq!(duration_from_millis(millis), None, "{millis}");
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let config = LocalConfig {
            deployment_key: Secret::new("server-key"),
            server_url: String::new(),
            stream_server_url: String::new(),
            polling_interval: LocalConfig::POLLING_INTERVAL,
            stream_updates: false,
            stream_connect_timeout: LocalConfig::STREAM_CONNECT_TIMEOUT,
            cohorts: Some(CohortConfig {
                api_key: Secret::new("api-key"),
                secret_key: Secret::new("secret-key"),
                server_url: String::new(),
                max_cohort_size: CohortConfig::MAX_COHORT_SIZE,
                polling_interval: CohortConfig::POLLING_INTERVAL_MIN,
            }),
        };
        let printed = format!("{config:?}");
        assert!(!printed.contains("-key"), "{printed}");
    }
}
