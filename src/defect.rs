//! What becomes of a panic: a defect of ours, told to whoever waits for the work, and never the end of the process.
//!
//! In: work that may panic. Out: its result, or a [`Defect`], which says where it was and not what the panic said: that
//! may quote a key. Used by everything that runs by itself (tasks, threads) and, in the binding, by everything that
//! JavaScript calls.
//!
//! Builds with the feature `inject-panics`, which is for tests only, panic where they are told to: see [`point`].

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, Once, PoisonError};
use std::task::Poll;

use crate::error::Coded;

/// A panic that has been caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defect {
    /// File, line and column in the source, where they are known.
    location: Option<String>,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a defect in the native part")?;
        match &self.location {
            Some(location) => write!(f, ", at {location}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Defect {}

impl Coded for Defect {
    fn code(&self) -> &'static str {
        Self::CODE
    }
}

/// Where the last panic was. Two panics at one time may take each other's place: it is for a message only.
static LAST: Mutex<Option<String>> = Mutex::new(None);

impl Defect {
    pub const CODE: &'static str = "ERR_EXPERIMENT_PANIC";

    /// The panic that someone else has just caught.
    pub fn last() -> Self {
        Self { location: LAST.lock().unwrap_or_else(PoisonError::into_inner).take() }
    }
}

/// From now on a panic is noted by its place and prints nothing, unless the environment asks for backtraces. Affects only
/// what this addon is made of: it has a standard library to itself.
pub fn watch() {
    static WATCHES: Once = Once::new();
    WATCHES.call_once(|| {
        let otherwise = std::panic::take_hook();
        let prints = std::env::var_os("RUST_BACKTRACE").is_some();
        std::panic::set_hook(Box::new(move |info| {
            let location = info.location().map(ToString::to_string);
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = location;
            if prints {
                otherwise(info);
            }
        }));
    });
}

/// Does what may panic.
///
/// What the work has left half done is the caller's to judge: locks that it held are not poisoned for anybody here.
///
/// # Errors
/// If it does.
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Defect> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        // Dropping what was thrown could panic again.
        std::mem::forget(payload);
        Defect::last()
    })
}

/// Waits for what may panic.
///
/// # Errors
/// If it does. It is dropped then.
pub async fn contain_future<F: Future>(future: F) -> Result<F::Output, Defect> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match contain(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(defect) => Poll::Ready(Err(defect)),
    })
    .await
}

/// A place where builds for tests can be told to panic; nothing in all others.
#[cfg(not(feature = "inject-panics"))]
#[inline(always)]
pub fn point(_name: &str) {}

#[cfg(feature = "inject-panics")]
pub use injection::{arm, point};

#[cfg(feature = "inject-panics")]
mod injection {
    use std::sync::{Mutex, PoisonError};

    static ARMED: Mutex<Option<String>> = Mutex::new(None);

    /// The next time that this point is passed there is a panic. Gives the point that was armed and not passed.
    pub fn arm(name: Option<String>) -> Option<String> {
        std::mem::replace(&mut *ARMED.lock().unwrap_or_else(PoisonError::into_inner), name)
    }

    /// Panics if it is armed.
    #[expect(clippy::panic, reason = "that is what it is for")]
    pub fn point(name: &str) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.as_deref() == Some(name) {
            *armed = None;
            drop(armed);
            panic!("injected");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place_and_without_its_words() {
        watch();
        let defect = contain(|| -> u32 { std::panic::panic_any("server-key".to_owned()) }).unwrap_err();
        assert_eq!(defect.code(), "ERR_EXPERIMENT_PANIC");
        let message = defect.to_string();
        assert!(message.contains("src/defect.rs:") && !message.contains("server-key"), "{message}");
        assert_eq!(contain(|| 7), Ok(7));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_contained_too() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                std::panic::panic_any("again");
            }
        }
        assert!(contain(|| std::panic::panic_any(Spiteful)).is_err());
    }
}
