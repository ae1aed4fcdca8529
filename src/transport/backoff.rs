//! How long to wait between attempts.
//!
//! In: a [`Backoff`] policy. Out: an endless iterator of delays, exact ([`Backoff::delays`]) or spread at random
//! ([`Backoff::jittered`]). Nothing here sleeps; whoever retries does.

use std::time::Duration;

/// Exponential growth between two bounds.
///
/// The first delay is `min` itself, even where `max` is smaller; every later one is the one before times `scalar`,
/// at most `max`. (Contract: wire 2.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    pub min: Duration,
    pub max: Duration,
    /// Any number: where the product is no duration (negative, not a number) the delay is zero.
    pub scalar: f64,
}

impl Backoff {
    /// The delays, always the same ones.
    pub fn delays(self) -> Delays {
        Delays { policy: self, next: self.min }
    }

    /// The delays, each drawn evenly between half of it and all of it, so that many processes that lost the same
    /// server do not come back at the same moment.
    pub fn jittered(self, random: fastrand::Rng) -> JitteredDelays {
        JitteredDelays { delays: self.delays(), random }
    }
}

/// See [`Backoff::delays`]. Never ends.
#[derive(Clone, Debug)]
pub struct Delays {
    policy: Backoff,
    next: Duration,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = self.next;
        self.next = times(delay, self.policy.scalar, self.policy.max);
        Some(delay)
    }
}

/// See [`Backoff::jittered`]. Never ends.
#[derive(Clone, Debug)]
pub struct JitteredDelays {
    delays: Delays,
    random: fastrand::Rng,
}

impl Iterator for JitteredDelays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let whole = self.delays.next()?;
        let half = whole / 2;
        Some(half + (whole - half).mul_f64(self.random.f64()))
    }
}

fn times(delay: Duration, scalar: f64, max: Duration) -> Duration {
    let seconds = delay.as_secs_f64() * scalar;
    match Duration::try_from_secs_f64(seconds) {
        Ok(product) => product.min(max),
        Err(_) if seconds > 0.0 => max,
        Err(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(delays: impl Iterator<Item = Duration>, count: usize) -> Vec<f64> {
        delays.take(count).map(|delay| (delay.as_secs_f64() * 1e4).round() / 10.0).collect()
    }

    fn policy(min: u64, max: u64, scalar: f64) -> Backoff {
        Backoff { min: Duration::from_millis(min), max: Duration::from_millis(max), scalar }
    }

    #[test]
    fn grows_by_the_scalar_until_the_maximum() {
        let delays = millis(policy(500, 10_000, 1.5).delays(), 10);
        assert_eq!(
            delays,
            [500.0, 750.0, 1125.0, 1687.5, 2531.3, 3796.9, 5695.3, 8543.0, 10_000.0, 10_000.0]
        );
    }

    #[test]
    fn the_first_delay_may_exceed_the_maximum() {
        assert_eq!(millis(policy(500, 300, 1.5).delays(), 3), [500.0, 300.0, 300.0]);
    }

    #[test]
    fn odd_scalars_never_panic() {
        assert_eq!(millis(policy(100, 300, 0.0).delays(), 3), [100.0, 0.0, 0.0]);
        assert_eq!(millis(policy(100, 300, -1.0).delays(), 3), [100.0, 0.0, 0.0]);
        assert_eq!(millis(policy(100, 300, f64::NAN).delays(), 3), [100.0, 0.0, 0.0]);
        assert_eq!(millis(policy(100, 300, f64::INFINITY).delays(), 3), [100.0, 300.0, 300.0]);
        assert_eq!(millis(policy(100, 300, 1e300).delays(), 3), [100.0, 300.0, 300.0]);
    }

    #[test]
    fn jitter_stays_between_half_and_whole_and_varies() {
        let policy = policy(1000, 60_000, 2.0);
        let spread: Vec<_> = policy.jittered(fastrand::Rng::new()).zip(policy.delays()).take(200).collect();
        assert!(spread.iter().all(|(jittered, whole)| *jittered >= *whole / 2 && jittered <= whole));
        let distinct: std::collections::HashSet<_> =
            spread.iter().skip(10).map(|(jittered, _)| jittered).collect();
        assert!(distinct.len() > 100);
    }
}
