//! The process's tokio runtime: one thread that all clients share, and a few for what would keep it busy.
//!
//! One, because it only waits, reads and writes: parsing, compiling and disks are [`tokio::task::spawn_blocking`]'s. A second
//! one would be woken for every request as well and find nothing to do: `npm run bench:remote` is a tenth to a third slower
//! with two.
//!
//! It starts with the first client that needs it and is never torn down: an environment of Node's (a worker thread)
//! that unloads takes no one else's connections and timers with it. Its threads do not keep the process alive.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Where everything that the addon does in the background runs.
///
/// # Errors
/// The system refused the threads. Not tried again: the answer is the same for the rest of the process.
pub fn handle() -> Result<&'static Handle, &'static io::Error> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(start).as_ref().map(Runtime::handle)
}

fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        // Name lookups, loading certificates, large payloads: short, and rarely more than a few at once.
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(10))
        .thread_name("amplitude-experiment")
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::handle;

    #[test]
    fn there_is_one_and_it_runs_things_on_its_own_threads() {
        let first = handle().unwrap();
        assert!(std::ptr::eq(first, handle().unwrap()));
        let (sender, receiver) = std::sync::mpsc::channel();
        first.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            sender.send(std::thread::current().name().map(str::to_owned)).unwrap();
        });
        let name = receiver.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert_eq!(name.as_deref(), Some("amplitude-experiment"));
    }
}
