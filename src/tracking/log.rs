//! What a pipeline says to its log, and how it keeps from saying it a thousand times.
//!
//! In: events dropped, each with its reason. Out: one line an interval with the counts. (Contract: analytics 7.10.)

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Upstream's analytics levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    /// What upstream's `log` method gets.
    Verbose,
    Debug,
}

/// Takes the lines, on any thread. The receiver decides which levels it shows.
pub trait EventLog: Send + Sync + 'static {
    fn log(&self, level: Level, message: &str);
}

/// Distinct reasons that one line names.
const MAX_REASONS: usize = 8;

/// Dropped events that no line has told of yet.
pub(super) struct Losses {
    interval: Duration,
    counts: BTreeMap<(u16, String), usize>,
    /// When the first of `counts` was added.
    since: Option<Instant>,
    last_told: Option<Instant>,
}

impl Losses {
    pub fn new(interval: Duration) -> Self {
        Self { interval, counts: BTreeMap::new(), since: None, last_told: None }
    }

    pub fn add(&mut self, code: u16, reason: &str, events: usize, now: Instant) {
        if events == 0 {
            return;
        }
        self.since.get_or_insert(now);
        let reason = (code, reason.to_owned());
        let is_one_too_many = self.counts.len() >= MAX_REASONS && !self.counts.contains_key(&reason);
        let reason = if is_one_too_many { (0, "other reasons".to_owned()) } else { reason };
        *self.counts.entry(reason).or_default() += events;
    }

    /// When there is a line to be written, if there is one.
    pub fn next_due(&self) -> Option<Instant> {
        let next = self.last_told.map(|last| last + self.interval);
        self.since.map(|since| next.map_or(since, |next| next.max(since)))
    }

    /// The line, if it is time for one.
    pub fn line(&mut self, now: Instant) -> Option<String> {
        self.next_due().filter(|due| *due <= now)?;
        self.last_told = Some(now);
        self.rest()
    }

    /// The line, whenever the last one was.
    pub fn rest(&mut self) -> Option<String> {
        self.since = None;
        let counts = std::mem::take(&mut self.counts);
        let all: usize = counts.values().sum();
        let parts: Vec<String> = counts
            .iter()
            .map(|((code, reason), events)| format!("{events} × {reason} (code {code})"))
            .collect();
        (all > 0).then(|| format!("{all} events dropped: {}", parts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_is_told_at_once_and_later_ones_once_an_interval() {
        let mut losses = Losses::new(Duration::from_secs(10));
        assert_eq!(losses.next_due(), None);
        let start = Instant::now();
        losses.add(400, "bad", 2, start);
        assert_eq!(losses.line(start).unwrap(), "2 events dropped: 2 × bad (code 400)");
        losses.add(400, "bad", 1, start);
        losses.add(500, "Event rejected due to exceeded retry count", 5, start);
        losses.add(400, "bad", 1, start);
        assert_eq!(losses.line(start + Duration::from_secs(9)), None);
        assert_eq!(
            losses.line(start + Duration::from_secs(10)).unwrap(),
            "7 events dropped: 2 × bad (code 400), 5 × Event rejected due to exceeded retry count (code 500)"
        );
        assert_eq!(losses.line(start + Duration::from_secs(99)), None);
    }

    #[test]
    fn a_line_stays_short_whatever_the_server_says() {
        let mut losses = Losses::new(Duration::ZERO);
        for number in 0..1000 {
            losses.add(400, &format!("request {number} is bad"), 1, Instant::now());
        }
        let line = losses.rest().unwrap();
        assert!(line.contains("992 × other reasons") && line.len() < 500, "{line}");
    }
}
