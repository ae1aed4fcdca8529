//! Leaving in a hurry: a thread that waits while the runtime's own threads deliver.

use std::time::{Duration, Instant};

use experiment_node_server::tracking::config::Options;
use experiment_node_server::tracking::{Kind, drain_blocking};
use tokio::runtime::Runtime;

use crate::support::*;

/// Longer than any test may take.
const AMPLE: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn on(runtime: &Runtime, options: Options, endpoint: impl FnOnce() -> Endpoint) -> Rig {
    let _guard = runtime.enter();
    rig_with(Kind::Exposure, options, endpoint(), None, runtime.handle())
}

#[test]
fn everything_is_delivered_while_the_thread_waits() {
    let runtime = runtime();
    let patient = || Options { flush_interval_millis: Some(600_000.0), ..options() };
    let rigs =
        [on(&runtime, patient(), || Endpoint::new([OK])), on(&runtime, patient(), || Endpoint::new([OK]))];
    rigs[0].track_many(0..3000);
    rigs[1].track_many(0..10);
    drain_blocking(&rigs.each_ref().map(|rig| rig.pipeline.drainer()), AMPLE);
    for (rig, events) in rigs.iter().zip([3000, 10]) {
        assert_eq!(rig.endpoint.sizes().iter().sum::<usize>(), events);
        assert_eq!(rig.pipeline.pending(), 0);
    }
    // It can be done again: the pipeline is not closed.
    rigs[1].track("another");
    rigs[1].pipeline.drain_blocking(AMPLE);
    assert_eq!(rigs[1].endpoint.sizes().iter().sum::<usize>(), 11);
}

#[test]
fn waiting_is_bounded() {
    let runtime = runtime();
    let rig = on(&runtime, options(), || Endpoint::new([Reply::Hang]));
    rig.track("u");
    let start = Instant::now();
    rig.pipeline.drain_blocking(Duration::from_millis(50));
    assert!(start.elapsed() >= Duration::from_millis(50) && start.elapsed() < AMPLE);
    assert_eq!(rig.pipeline.pending(), 1);
    drop(rig);
    runtime.shutdown_background();
}

#[test]
fn nobody_waits_for_what_cannot_happen() {
    let runtime = runtime();
    let foreign = on(&runtime, options(), || Endpoint::new([Reply::Hang]).foreign());
    let offline = on(&runtime, Options { offline: true, ..options() }, || Endpoint::new([OK]));
    let empty = on(&runtime, options(), || Endpoint::new([OK]));
    foreign.track("u");
    offline.track("u");
    let start = Instant::now();
    for rig in [&foreign, &offline, &empty] {
        rig.pipeline.drain_blocking(AMPLE);
    }
    assert!(start.elapsed() < AMPLE / 2);
    foreign.pipeline.drain_blocking(Duration::ZERO);
    drop((foreign, offline, empty));
    runtime.shutdown_background();
}

#[test]
fn a_pipeline_can_be_gone_before_it_is_drained() {
    let runtime = runtime();
    let rig = on(&runtime, options(), || Endpoint::new([OK]));
    rig.track_many(0..5);
    let (drainer, endpoint) = (rig.pipeline.drainer(), rig.endpoint.clone());
    drop(rig);
    drain_blocking(&[drainer], AMPLE);
    assert_eq!(endpoint.sizes(), [5]);
}
