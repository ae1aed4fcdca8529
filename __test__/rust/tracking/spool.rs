//! Events that survive their process.

use std::path::Path;
use std::time::{Duration, Instant};

use experiment_node_server::key::Secret;
use experiment_node_server::tracking::config::Options;
use experiment_node_server::tracking::{Kind, Level};
use tokio::runtime::{Handle, Runtime};

use crate::support::*;

fn spooled(directory: &Temporary) -> Options {
    Options { spool_directory: Some(directory.0.clone()), ..options() }
}

/// Whether any event is on disk under a directory.
fn segments(directory: &Path) -> usize {
    let Ok(owners) = std::fs::read_dir(directory) else { return 0 };
    let files = owners.flat_map(|owner| std::fs::read_dir(owner.unwrap().path()).unwrap());
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "seg")).count()
}

/// Runs a process's life on a runtime of its own, which ends without a goodbye.
fn life<T>(live: impl AsyncFnOnce() -> T) -> T {
    let runtime: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let result = runtime.block_on(live());
    // Tasks are dropped where they stand: no delivery, no last words.
    drop(runtime);
    result
}

#[test]
fn what_a_killed_process_recorded_is_delivered_by_the_next() {
    let directory = Temporary::new();
    let recorded = life(async || {
        let rig = rig(Options { offline: true, ..spooled(&directory) }, [OK]);
        rig.track_many(0..5);
        pass(0.1).await;
        std::mem::forget(rig.pipeline);
        names(&[0, 1, 2, 3, 4])
    });
    assert_eq!(segments(&directory.0), 1);
    life(async || {
        let rig = rig(spooled(&directory), [OK]);
        rig.track("new");
        pass(2.0).await;
        let received = rig.endpoint.received();
        assert_eq!(received[0].users(), recorded);
        assert_eq!(received[0].body["events"][4]["event_id"], 4);
        assert!(received[0].body["events"][0]["insert_id"].as_str().unwrap().starts_with("u0 d "));
        assert_eq!(rig.endpoint.users().concat().len(), 6);
        rig.pipeline.close(Duration::from_secs(5)).await;
    });
    assert_eq!(segments(&directory.0), 0);
}

#[test]
fn what_was_delivered_is_not_delivered_again() {
    let directory = Temporary::new();
    life(async || {
        let rig = rig(Options { flush_queue_size: Some(3.0), ..spooled(&directory) }, [OK, Reply::Hang]);
        rig.track_many(0..5);
        pass(2.0).await;
        assert_eq!(rig.endpoint.sizes(), [3, 2]);
        std::mem::forget(rig.pipeline);
    });
    life(async || {
        let rig = rig(spooled(&directory), [OK]);
        pass(2.0).await;
        assert_eq!(rig.endpoint.users(), [names(&[3, 4])]);
        rig.pipeline.close(Duration::from_secs(5)).await;
    });
    assert_eq!(segments(&directory.0), 0);
}

#[test]
fn a_closed_client_leaves_to_the_next_what_it_could_not_deliver() {
    let directory = Temporary::new();
    life(async || {
        let rig = rig(spooled(&directory), [Reply::Reset]);
        rig.track_many(0..2);
        rig.pipeline.close(Duration::from_secs(1)).await;
        assert_eq!(rig.log.of(Level::Error), Vec::<String>::new());
    });
    life(async || {
        let rig = rig(spooled(&directory), [OK]);
        pass(1.0).await;
        assert_eq!(rig.endpoint.users(), [names(&[0, 1])]);
    });
}

#[test]
fn dropped_events_leave_the_spool() {
    let directory = Temporary::new();
    life(async || {
        let refusal = Reply::Status(400, r#"{"code":400,"error":"Invalid API key"}"#);
        let rig = rig(Options { max_queued_events: Some(3.0), ..spooled(&directory) }, [refusal]);
        rig.track_many(0..5);
        pass(3.0).await;
        assert_eq!(segments(&directory.0), 0);
        std::mem::forget(rig.pipeline);
    });
}

#[test]
fn pipelines_share_a_directory_and_nothing_in_it() {
    let directory = Temporary::new();
    let other = |directory| Options { api_key: Some(Secret::new("other")), ..spooled(directory) };
    life(async || {
        let offline = |options| Options { offline: true, ..options };
        let handle = Handle::current();
        let rigs = [
            rig(offline(spooled(&directory)), [OK]),
            rig(offline(other(&directory)), [OK]),
            rig_with(Kind::Assignment, offline(spooled(&directory)), Endpoint::new([OK]), None, &handle),
        ];
        for (rig, user) in rigs.into_iter().zip(["a", "b", "c"]) {
            rig.track(user);
            pass(0.1).await;
            std::mem::forget(rig.pipeline);
        }
    });
    life(async || {
        let second = rig(other(&directory), [OK]);
        pass(1.0).await;
        assert_eq!(second.endpoint.users(), [["b"]]);
        let assignments =
            rig_with(Kind::Assignment, spooled(&directory), Endpoint::new([OK]), None, &Handle::current());
        let (first, twin) = (rig(spooled(&directory), [OK]), rig(spooled(&directory), [OK]));
        pass(1.0).await;
        assert_eq!(assignments.endpoint.users(), [["c"]]);
        assert_eq!([first.endpoint.users(), twin.endpoint.users()].concat(), [["a"]]);
    });
}

#[test]
fn a_process_that_dies_while_another_lives_is_inherited_from() {
    let directory = Temporary::new();
    life(async || {
        let heir = rig(spooled(&directory), [OK]);
        pass(1.0).await;
        std::thread::scope(|scope| {
            let _ended = scope
                .spawn(|| {
                    life(async || {
                        let rig = rig(Options { offline: true, ..spooled(&directory) }, [OK]);
                        rig.track("late");
                        pass(0.1).await;
                        std::mem::forget(rig.pipeline);
                    })
                })
                .join();
        });
        pass(60.0).await;
        assert_eq!(heir.endpoint.users(), [["late"]]);
    });
}

#[test]
fn a_directory_that_cannot_be_used_costs_durability_only() {
    let directory = Temporary::new();
    std::fs::write(&directory.0, b"a file").unwrap();
    life(async || {
        let rig = rig(spooled(&directory), [OK]);
        rig.track_many(0..3);
        rig.pipeline.flush().await;
        rig.pipeline.close(Duration::from_secs(5)).await;
        assert_eq!(rig.endpoint.sizes(), [3]);
        assert_eq!(rig.log.of(Level::Error).len(), 1, "{:?}", rig.log.all());
    });
    std::fs::remove_file(&directory.0).unwrap();
}

#[test]
fn a_drain_waits_for_the_disk_too() {
    let directory = Temporary::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rig = {
        let _guard = runtime.enter();
        let offline = Options { offline: true, ..spooled(&directory) };
        rig_with(Kind::Exposure, offline, Endpoint::new([OK]), None, runtime.handle())
    };
    rig.track_many(0..10);
    rig.pipeline.drain_blocking(Duration::from_secs(60));
    assert_eq!(segments(&directory.0), 1);
    std::mem::forget(rig.pipeline);
    runtime.shutdown_background();
}

/// How long one event takes to the disk, in real time.
fn time_to_disk() -> Duration {
    let directory = Temporary::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let endpoint = Endpoint::new([OK]);
    let options = Options { flush_interval_millis: Some(60_000.0), ..spooled(&directory) };
    let rig = rig_with(Kind::Exposure, options, endpoint, None, runtime.handle());
    // The spool is open once it holds something.
    rig.track("first");
    let written = |more_than: u64| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while bytes(&directory.0) <= more_than {
            assert!(Instant::now() < deadline, "nothing comes to the disk");
            std::thread::sleep(Duration::from_millis(1));
        }
        bytes(&directory.0)
    };
    let before = written(0);
    let start = Instant::now();
    rig.track("second");
    written(before);
    start.elapsed()
}

/// Of all events on disk.
fn bytes(directory: &Path) -> u64 {
    let Ok(owners) = std::fs::read_dir(directory) else { return 0 };
    let files = owners.filter_map(|owner| std::fs::read_dir(owner.ok()?.path()).ok()).flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    segments.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[test]
fn an_event_is_on_disk_within_a_tenth_of_a_second() {
    let mut times: Vec<Duration> = (0..15).map(|_| time_to_disk()).collect();
    times.sort();
    // A machine that is busy with other things may be late now and then.
    assert!(times[7] < Duration::from_millis(100), "{times:?}");
}
