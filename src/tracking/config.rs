//! How a pipeline tracks and delivers.
//!
//! In: [`Options`], as a caller of the JavaScript package writes them. Out: a [`Config`] in which every value is
//! one that works, and a warning for each that had to be put right. (Contract: analytics 1 and 7.12.)

use std::path::PathBuf;
use std::time::Duration;

use crate::ecma::json::Json;
use crate::key::Secret;

/// `exposureConfig` or `assignmentConfig`. `None` means not given, or null; but a null `cacheCapacity` is a nought.
#[derive(Clone, Default)]
pub struct Options {
    pub api_key: Option<Secret>,
    /// Evaluations that the dedupe filter remembers. Default 65,536; at least 1.
    pub cache_capacity: Option<f64>,
    /// Default 10,000.
    pub flush_interval_millis: Option<f64>,
    /// Events in a request, and how many of them wait before one is sent early. Default 200.
    pub flush_queue_size: Option<f64>,
    /// How often an event is sent before it is given up. Default 12.
    pub flush_max_retries: Option<f64>,
    /// Of one request, from the connection to the last byte. Default 10,000.
    pub request_timeout_millis: Option<f64>,
    /// The endpoint, whole. Default: by zone and `use_batch`.
    pub server_url: Option<String>,
    /// `US` or `EU`. Default: that of the client.
    pub server_zone: Option<String>,
    pub use_batch: bool,
    pub min_id_length: Option<f64>,
    pub opt_out: bool,
    pub offline: bool,
    /// `JSON.stringify(plan)`.
    pub plan_json: Option<String>,
    /// `JSON.stringify(ingestionMetadata)`.
    pub ingestion_metadata_json: Option<String>,
    /// Memory for events that wait. Default 64 MiB.
    pub max_queued_bytes: Option<f64>,
    /// Default 1,000,000.
    pub max_queued_events: Option<f64>,
    /// Where events are kept on disk until they are delivered. Default: nowhere.
    pub spool_directory: Option<PathBuf>,
    /// Disk space of one pipeline of one process. Default 64 MiB.
    pub spool_max_bytes: Option<f64>,
    /// The caller sends events itself, to whatever the endpoint says.
    pub has_transport: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    #[default]
    Us,
    Eu,
}

/// A pipeline's settings, all of them usable.
#[derive(Clone, Debug)]
pub struct Config {
    /// `None`: every event is dropped, as the endpoint would.
    pub api_key: Option<Secret>,
    /// `None`: the one given cannot be sent to, and every event is dropped rather than sent elsewhere.
    pub endpoint: Option<Endpoint>,
    pub cache_capacity: usize,
    pub flush_interval: Duration,
    pub flush_queue_size: usize,
    pub flush_max_retries: u32,
    pub request_timeout: Duration,
    /// The `options` of every request, a JSON object.
    pub request_options: String,
    /// What every event has besides its own: JSON members, each with a comma before it.
    pub event_constant: String,
    pub opt_out: bool,
    pub offline: bool,
    pub max_queued_bytes: usize,
    pub max_queued_events: usize,
    pub spool: Option<SpoolConfig>,
}

/// Where events go.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub url: String,
    /// It is one of Amplitude's own, of which a caller's transport is told that it takes compressed bodies.
    pub is_default: bool,
}

impl std::fmt::Debug for Endpoint {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("is_default", &self.is_default).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    pub directory: PathBuf,
    pub max_bytes: u64,
}

const MEBIBYTE: f64 = 1_048_576.0;
/// The longest that a JavaScript timer waits.
const MAX_TIMER_MILLIS: f64 = 2_147_483_647.0;

impl Config {
    /// The settings that these options mean for a client of this zone, and what is wrong with the options.
    pub fn new(options: Options, client_zone: Zone) -> (Self, Vec<String>) {
        let mut checker = Checker { warnings: Vec::new() };
        let endpoint = checker.endpoint(&options, client_zone);
        let config = Self {
            endpoint,
            cache_capacity: checker
                .count("cacheCapacity", options.cache_capacity, 65_536.0, |n| n.ceil().max(1.0)),
            flush_interval: checker.millis("flushIntervalMillis", options.flush_interval_millis, 10_000.0),
            flush_queue_size: checker.count(
                "flushQueueSize",
                options.flush_queue_size,
                200.0,
                or_default(200.0),
            ),
            flush_max_retries: checker.count(
                "flushMaxRetries",
                options.flush_max_retries,
                12.0,
                or_default(12.0),
            ) as u32,
            request_timeout: checker.timeout(options.request_timeout_millis),
            request_options: options.min_id_length.map_or_else(
                || "{}".to_owned(),
                |length| format!(r#"{{"min_id_length":{}}}"#, stringified(&Json::Number(length))),
            ),
            event_constant: checker.plan(options.plan_json.as_deref())
                + &checker.ingestion_metadata(options.ingestion_metadata_json.as_deref()),
            opt_out: options.opt_out,
            offline: options.offline,
            max_queued_bytes: checker.count(
                "maxQueuedBytes",
                options.max_queued_bytes,
                64.0 * MEBIBYTE,
                |n| n,
            ),
            max_queued_events: checker
                .count("maxQueuedEvents", options.max_queued_events, 1e6, |n| n.max(1.0)),
            spool: options.spool_directory.map(|directory| SpoolConfig {
                directory,
                max_bytes: checker.count("spoolMaxBytes", options.spool_max_bytes, 64.0 * MEBIBYTE, |n| n)
                    as u64,
            }),
            api_key: options.api_key.filter(|key| !key.is_empty()),
        };
        if config.api_key.is_none() && !config.opt_out {
            checker.warn("apiKey is missing: events are dropped");
        }
        (config, checker.warnings)
    }
}

/// Nought means the default, and less than that one.
fn or_default(default: f64) -> impl Fn(f64) -> f64 {
    move |number| if number == 0.0 { default } else { number.floor().max(1.0) }
}

struct Checker {
    warnings: Vec<String>,
}

impl Checker {
    fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    fn count(&mut self, name: &str, given: Option<f64>, default: f64, right: impl Fn(f64) -> f64) -> usize {
        // Saturates: what is beyond counting is without a limit.
        right(self.number(name, given, default)) as usize
    }

    fn number(&mut self, name: &str, given: Option<f64>, default: f64) -> f64 {
        match given {
            Some(number) if number.is_nan() => {
                self.warn(format!("{name} is not a number: {default} is used"));
                default
            }
            Some(number) => number,
            None => default,
        }
    }

    fn millis(&mut self, name: &str, given: Option<f64>, default: f64) -> Duration {
        let millis = self.number(name, given, default);
        if !(0.0..=MAX_TIMER_MILLIS).contains(&millis) {
            let nearest = millis.clamp(0.0, MAX_TIMER_MILLIS);
            self.warn(format!("{name} is {millis}: {nearest} is used"));
        }
        Duration::from_secs_f64(millis.clamp(0.0, MAX_TIMER_MILLIS) / 1e3)
    }

    fn timeout(&mut self, given: Option<f64>) -> Duration {
        match given {
            Some(millis) if millis <= 0.0 => {
                self.warn(format!("requestTimeoutMillis is {millis}: 10000 is used"));
                Duration::from_secs(10)
            }
            given => self.millis("requestTimeoutMillis", given, 10_000.0),
        }
    }

    fn endpoint(&mut self, options: &Options, client_zone: Zone) -> Option<Endpoint> {
        let Some(url) = options.server_url.as_deref().filter(|url| !url.is_empty()) else {
            let zone = self.zone(options.server_zone.as_deref(), client_zone);
            return Some(Endpoint { url: default_url(zone, options.use_batch), is_default: true });
        };
        if !is_http(url) && !options.has_transport {
            self.warn("serverUrl does not begin with http:// or https://: events are dropped");
            return None;
        }
        Some(Endpoint { url: url.to_owned(), is_default: is_default_url(url) })
    }

    fn zone(&mut self, given: Option<&str>, client_zone: Zone) -> Zone {
        match given {
            None | Some("") => client_zone,
            Some("US") => Zone::Us,
            Some("EU") => Zone::Eu,
            Some(other) => {
                let zone = match other.to_ascii_uppercase().as_str() {
                    "EU" => Zone::Eu,
                    "US" => Zone::Us,
                    _ => client_zone,
                };
                let name = if zone == Zone::Eu { "EU" } else { "US" };
                self.warn(format!("serverZone {other:?} is neither \"US\" nor \"EU\": {name} is used"));
                zone
            }
        }
    }

    fn plan(&mut self, json: Option<&str>) -> String {
        self.object("plan", json)
            .map_or_else(String::new, |plan| format!(r#","plan":{}"#, stringified(&plan)))
    }

    fn ingestion_metadata(&mut self, json: Option<&str>) -> String {
        let Some(given) = self.object("ingestionMetadata", json) else { return String::new() };
        let names = [("sourceName", "source_name"), ("sourceVersion", "source_version")];
        let renamed = names.iter().filter_map(|(name, renamed)| {
            Some(((*renamed).into(), given.property(name.as_bytes())?.into_owned()))
        });
        format!(r#","ingestion_metadata":{}"#, stringified(&Json::Object(renamed.collect())))
    }

    /// An option that is sent along, unless JavaScript takes it for false.
    fn object(&mut self, name: &str, json: Option<&str>) -> Option<Json> {
        let parsed = Json::parse(json?.as_bytes());
        if parsed.is_none() {
            self.warn(format!("{name} cannot be sent and is left out"));
        }
        parsed.filter(Json::is_truthy)
    }
}

fn stringified(json: &Json) -> String {
    let mut text = Vec::new();
    json.stringify(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn default_url(zone: Zone, use_batch: bool) -> String {
    let host = match zone {
        Zone::Us => "api2.amplitude.com",
        Zone::Eu => "api.eu.amplitude.com",
    };
    format!("https://{host}{}", if use_batch { "/batch" } else { "/2/httpapi" })
}

fn is_default_url(url: &str) -> bool {
    [Zone::Us, Zone::Eu]
        .iter()
        .any(|&zone| [false, true].iter().any(|&batch| default_url(zone, batch) == url))
}

fn is_http(url: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let head = url.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
    });
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { api_key: Some(Secret::new("KEY")), ..Options::default() }
    }

    fn config(options: Options) -> (Config, Vec<String>) {
        Config::new(options, Zone::Us)
    }

    fn url(options: Options, zone: Zone) -> String {
        Config::new(options, zone).0.endpoint.unwrap().url
    }

    #[test]
    fn the_defaults_are_upstreams() {
        let (config, warnings) = config(options());
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.cache_capacity, 65_536);
        assert_eq!(config.flush_interval, Duration::from_secs(10));
        assert_eq!(config.flush_queue_size, 200);
        assert_eq!(config.flush_max_retries, 12);
        assert_eq!(config.request_timeout, Duration::from_secs(10));
        assert_eq!((config.request_options.as_str(), config.event_constant.as_str()), ("{}", ""));
        assert_eq!(config.endpoint.unwrap().url, "https://api2.amplitude.com/2/httpapi");
    }

    #[test]
    fn zones_and_batches_choose_the_url() {
        let eu = || Options { server_zone: Some("EU".into()), ..options() };
        assert_eq!(url(eu(), Zone::Us), "https://api.eu.amplitude.com/2/httpapi");
        assert_eq!(url(Options { use_batch: true, ..eu() }, Zone::Us), "https://api.eu.amplitude.com/batch");
        assert_eq!(
            url(Options { use_batch: true, ..options() }, Zone::Us),
            "https://api2.amplitude.com/batch"
        );
        // A client of the other zone.
        assert_eq!(url(options(), Zone::Eu), "https://api.eu.amplitude.com/2/httpapi");
        let us = Options { server_zone: Some("US".into()), ..options() };
        assert_eq!(url(us, Zone::Eu), "https://api2.amplitude.com/2/httpapi");
        let (lower, warnings) = config(Options { server_zone: Some("eu".into()), ..options() });
        assert_eq!(lower.endpoint.unwrap().url, "https://api.eu.amplitude.com/2/httpapi");
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn a_url_of_ones_own_is_taken_whole() {
        for own in ["http://[::1]:8080/e?x=1", "https://user:pass@host/path", "HTTP://host"] {
            let given = Options {
                server_url: Some(own.into()),
                server_zone: Some("EU".into()),
                use_batch: true,
                ..options()
            };
            let (config, warnings) = config(given);
            assert_eq!(config.endpoint, Some(Endpoint { url: own.into(), is_default: false }));
            assert_eq!(warnings, Vec::<String>::new());
        }
        let amplitudes = Options { server_url: Some("https://api2.amplitude.com/batch".into()), ..options() };
        assert!(config(amplitudes).0.endpoint.unwrap().is_default);
    }

    #[test]
    fn events_never_go_elsewhere_than_they_were_sent() {
        for url in ["api2.amplitude.com", "ftp://host", "http://", "https:///path"] {
            let (config, warnings) = config(Options { server_url: Some(url.into()), ..options() });
            assert_eq!((config.endpoint, warnings.len()), (None, 1), "{url}");
        }
    }

    #[test]
    fn traps_are_put_right() {
        let count = |given: f64| {
            let all = Some(given);
            let given =
                Options { cache_capacity: all, flush_queue_size: all, flush_max_retries: all, ..options() };
            let (config, warnings) = config(given);
            (config.cache_capacity, config.flush_queue_size, config.flush_max_retries, warnings.len())
        };
        assert_eq!(count(0.0), (1, 200, 12, 0));
        assert_eq!(count(-5.0), (1, 1, 1, 0));
        assert_eq!(count(2.5), (3, 2, 2, 0));
        assert_eq!(count(f64::NAN), (65_536, 200, 12, 3));
        assert_eq!(count(f64::INFINITY), (usize::MAX, usize::MAX, u32::MAX, 0));

        let interval = |millis: f64| {
            let given = Options { flush_interval_millis: Some(millis), ..options() };
            let (config, warnings) = config(given);
            (config.flush_interval.as_millis(), warnings.len())
        };
        assert_eq!(interval(0.0), (0, 0));
        assert_eq!(interval(-1.0), (0, 1));
        assert_eq!(interval(f64::NAN), (10_000, 1));
        assert_eq!(interval(1e12), (2_147_483_647, 1));
        let (no_time, warnings) = config(Options { request_timeout_millis: Some(0.0), ..options() });
        assert_eq!((no_time.request_timeout, warnings.len()), (Duration::from_secs(10), 1));
    }

    #[test]
    fn what_every_event_and_request_has_is_json() {
        let (config, _) = config(Options {
            min_id_length: Some(3.0),
            plan_json: Some(r#"{"branch":"main","versionId":"v\ud800"}"#.into()),
            ingestion_metadata_json: Some(r#"{"sourceVersion":"2","sourceName":"ampli","x":1}"#.into()),
            ..options()
        });
        assert_eq!(config.request_options, r#"{"min_id_length":3}"#);
        assert_eq!(
            config.event_constant,
            r#","plan":{"branch":"main","versionId":"v\ud800"},"ingestion_metadata":{"source_name":"ampli","source_version":"2"}"#
        );
    }

    #[test]
    fn a_missing_key_is_warned_of() {
        for key in [None, Some(Secret::new(""))] {
            let (config, warnings) = config(Options { api_key: key, ..Options::default() });
            assert!(config.api_key.is_none());
            assert_eq!(warnings.len(), 1);
        }
    }

    #[test]
    fn debug_shows_neither_keys_nor_urls() {
        let (config, _) = config(Options { server_url: Some("http://u:hunter2@h".into()), ..options() });
        let shown = format!("{config:?}");
        assert!(!shown.contains("KEY") && !shown.contains("hunter2"), "{shown}");
    }
}
