//! What becomes of the events of a request, once it is answered: released, dropped, or put back. (Contract: analytics
//! 5.3 and 7.)

use std::time::Duration;

use tokio::time::Instant;

use super::answer::{Limited, Verdict};
use super::delivery::{Delivery, Hold};
use super::endpoint::Answer;
use super::log::Level;
use super::queue::Slot;
use crate::transport::TransportError;
use crate::transport::backoff::Backoff;

/// How long the server has throttled events wait, unless it says for how long.
const THROTTLE: Duration = Duration::from_secs(30);
/// Bounds of the first delay after a failure, which is else the flush interval.
const FIRST_DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
const MAX_DELAY: Duration = Duration::from_secs(30);
/// How much longer than all others events wait that were in a failed request.
const TURN: Duration = Duration::from_millis(1);
/// There is no time for longer delays in a hurry.
const MAX_URGENT_DELAY: Duration = Duration::from_millis(250);
/// The exponent of the delays grows no further: they have long been at their longest.
const MAX_DOUBLINGS: u32 = 16;

const TOO_MANY_RETRIES: &str = "Event rejected due to exceeded retry count";

impl Delivery {
    pub(super) fn settle(&mut self, number: u64, answer: &Result<Answer, TransportError>, now: Instant) {
        let Some(slots) = self.sent.remove(&number) else { return };
        match Verdict::of(answer) {
            Verdict::Taken => {
                self.say(Level::Verbose, &format!("Event tracked successfully: {} events", slots.len()));
                self.recover();
                self.release(&slots);
            }
            Verdict::Refused { code, error } => {
                self.recover();
                self.drop_events(&slots, code, &error, now);
            }
            Verdict::Invalid { code, error, events } => {
                let (dropped, rest) = split(slots, |at, _| events.contains(&at));
                if dropped.is_empty() {
                    return self.retry_later(rest, "invalid", code, &error, None, now);
                }
                self.recover();
                self.drop_events(&dropped, code, &error, now);
                self.try_again(rest, now, false, now);
            }
            Verdict::TooLarge { code, error } => {
                self.recover();
                if slots.len() == 1 {
                    return self.drop_events(&slots, code, &error, now);
                }
                self.say(Level::Warn, &format!("{} events are too large for one request", slots.len()));
                let mut first = slots;
                let second = first.split_off(first.len() / 2);
                let mut state = self.shared.lock();
                state.queue.put_back(first, now, false);
                state.queue.put_back(second, now, false);
            }
            Verdict::Limited(limited) => self.settle_limited(slots, limited, now),
            Verdict::Failed { status, code, error, retry_after } => {
                self.retry_later(slots, status, code, &error, retry_after, now);
            }
        }
    }

    fn settle_limited(&mut self, slots: Vec<Slot>, limited: Limited, now: Instant) {
        let Limited { error, users, devices, throttled, retry_after } = limited;
        let count = slots.len();
        // By place in the batch, before anything is taken out of it.
        let mut throttled_slots = Vec::new();
        let mut over_quota = Vec::new();
        let mut rest = Vec::new();
        for (at, slot) in slots.into_iter().enumerate() {
            let [user, device] =
                if users.is_empty() && devices.is_empty() { [None, None] } else { slot.ids() };
            if user.is_some_and(|user| users.contains(&user))
                || device.is_some_and(|device| devices.contains(&device))
            {
                over_quota.push(slot);
            } else if throttled.contains(&at) {
                throttled_slots.push(slot);
            } else {
                rest.push(slot);
            }
        }
        if rest.len() == count {
            return self.retry_later(rest, "rate_limit", 429, &error, retry_after, now);
        }
        self.say(
            Level::Warn,
            &format!("{} of {count} events are throttled by the server", throttled_slots.len()),
        );
        self.drop_events(&over_quota, 429, &error, now);
        self.try_again(throttled_slots, now + retry_after.unwrap_or(THROTTLE), true, now);
        let pause = retry_after.unwrap_or_else(|| self.delay(1));
        self.try_again(rest, now + pause, false, now);
    }

    /// These failed through no fault of theirs: everything waits a while.
    fn retry_later(
        &mut self,
        slots: Vec<Slot>,
        status: &str,
        code: u16,
        error: &str,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        self.failures = self.failures.saturating_add(1);
        let failures = self.failures;
        let attempts = slots.iter().map(|slot| slot.attempts).max().unwrap_or_default();
        let until = now + retry_after.unwrap_or_else(|| self.delay(failures));
        self.hold = Some(Hold { until, is_ordered: retry_after.is_some() });
        // Others have their turn first: these may be what the server fails over.
        let due = (now + self.delay(attempts + 1)).max(until + TURN);
        self.say(
            Level::Warn,
            &format!(
                "{{code: {code}, error: \"Status '{status}' provided for {} events\"}} {error}",
                slots.len()
            ),
        );
        self.try_again(slots, due, false, now);
    }

    /// Puts back what has not been sent too often.
    fn try_again(&mut self, mut slots: Vec<Slot>, due: Instant, is_throttled: bool, now: Instant) {
        let limit = self.config.flush_max_retries;
        slots.iter_mut().for_each(|slot| slot.attempts += 1);
        let (given_up, kept) = split(slots, |_, slot| slot.attempts >= limit);
        self.drop_events(&given_up, 500, TOO_MANY_RETRIES, now);
        self.shared.lock().queue.put_back(kept, due, is_throttled);
    }

    /// Before the `attempt`-th next attempt, from 1.
    fn delay(&mut self, attempt: u32) -> Duration {
        let first = self.config.flush_interval.clamp(FIRST_DELAY.0, FIRST_DELAY.1);
        let policy = Backoff { min: first, max: MAX_DELAY, scalar: 2.0 };
        let longest = if self.in_a_hurry { MAX_URGENT_DELAY } else { MAX_DELAY };
        let delay =
            policy.jittered(self.random.fork()).nth(attempt.saturating_sub(1).min(MAX_DOUBLINGS) as usize);
        delay.unwrap_or(MAX_DELAY).min(longest)
    }

    fn recover(&mut self) {
        self.failures = 0;
        self.hold = self.hold.filter(|hold| hold.is_ordered);
    }
}

fn split(slots: Vec<Slot>, first: impl Fn(usize, &Slot) -> bool) -> (Vec<Slot>, Vec<Slot>) {
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for (at, slot) in slots.into_iter().enumerate() {
        if first(at, &slot) { firsts.push(slot) } else { others.push(slot) }
    }
    (firsts, others)
}
