//! The machine alone, fed with whatever may happen in whatever order. What it does when is tested with the session.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings(streams: bool) -> Settings {
    Settings {
        streams,
        connect_timeout: Duration::from_millis(1500),
        polling_interval: 30 * SECOND,
        cohort_polling_interval: Some(60 * SECOND),
        retry_interval: 16 * SECOND,
    }
}

/// What can happen to a machine. Which of several polls or updates is meant is taken modulo their number.
#[derive(Clone, Debug)]
enum Step {
    Start,
    Wait(Duration),
    UntilDeadline,
    Opened,
    Message(&'static str),
    Lost(Option<u16>),
    Parsed(usize, bool),
    Polled(usize, bool),
    Complete(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Start),
        2 => (0..40_000u64).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        6 => Just(Step::UntilDeadline),
        4 => Just(Step::Opened),
        6 => prop_oneof![Just(""), Just(" "), Just("[]")].prop_map(Step::Message),
        2 => prop_oneof![Just(None), Just(Some(501)), Just(Some(503))].prop_map(Step::Lost),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, is_valid)| Step::Parsed(which, is_valid)),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, is_ok)| Step::Polled(which, is_ok)),
        4 => any::<usize>().prop_map(Step::Complete),
    ]
}

/// Does what the machine says, without any network, and watches over it.
struct World {
    machine: Machine,
    now: Duration,
    stream: Option<Sequence>,
    is_open: bool,
    polls: Vec<Sequence>,
    parsing: Vec<(Sequence, Sequence)>,
    waiting: Vec<(Sequence, bool)>,
    starting: bool,
    installed: Option<Sequence>,
    seen: BTreeSet<Sequence>,
    connects: Vec<Duration>,
}

impl World {
    fn new(streams: bool) -> Self {
        let mut world = Self {
            machine: Machine::new(settings(streams), fastrand::Rng::with_seed(1)),
            now: Duration::ZERO,
            stream: None,
            is_open: false,
            polls: Vec::new(),
            parsing: Vec::new(),
            waiting: Vec::new(),
            starting: false,
            installed: None,
            seen: BTreeSet::new(),
            connects: Vec::new(),
        };
        assert_eq!(world.machine.deadline(), None, "nothing happens before start");
        world.take(Step::Start);
        world
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            // A start while another waits shares its end without the machine.
            Step::Start if self.starting => {}
            Step::Start => {
                self.starting = true;
                self.machine.start(now);
            }
            Step::Wait(time) => {
                self.now += time;
                self.machine.advance(self.now);
            }
            Step::UntilDeadline => {
                self.now = self.machine.deadline().unwrap().max(now);
                self.machine.advance(self.now);
            }
            Step::Opened => {
                let Some(id) = self.stream.filter(|_| !self.is_open) else { return };
                self.is_open = true;
                self.machine.opened(now, id);
            }
            Step::Message(data) => {
                let Some(id) = self.stream.filter(|_| self.is_open) else { return };
                let sequence = self.machine.message(now, id, data);
                assert_eq!(sequence.is_some(), data == "[]");
                self.parsing.extend(sequence.map(|sequence| (id, sequence)));
                sequence.into_iter().for_each(|sequence| self.is_new(sequence));
            }
            Step::Lost(status) => {
                let Some(id) = self.stream.take() else { return };
                let error = StreamError { status, ..stream_error("ERR_TEST", "lost") };
                self.machine.disconnected(now, id, &error);
            }
            Step::Parsed(which, is_valid) => {
                let Some((id, sequence)) = pick(&mut self.parsing, which) else { return };
                self.machine.parsed(now, id, sequence, is_valid);
                self.waiting.extend(is_valid.then_some((sequence, false)));
            }
            Step::Polled(which, is_ok) => {
                let Some(sequence) = pick(&mut self.polls, which) else { return };
                let result = if is_ok { Ok(()) } else { Err(&SyncError::FlagsNotArray) };
                self.machine.polled(now, sequence, result);
                self.waiting.extend(is_ok.then_some((sequence, true)));
            }
            Step::Complete(which) => {
                let Some((sequence, _)) = pick(&mut self.waiting, which) else { return };
                let is_newest = self.installed.is_none_or(|installed| sequence > installed);
                assert_eq!(self.machine.admit(sequence), is_newest);
                if is_newest {
                    self.installed = Some(sequence);
                    self.machine.settled(now);
                }
            }
        }
        self.obey();
    }

    fn obey(&mut self) {
        for action in self.machine.take_actions() {
            match action {
                Action::Connect(id) => {
                    assert!(self.stream.replace(id).is_none(), "one stream at a time");
                    self.is_open = false;
                    self.is_new(id);
                    self.connects.push(self.now);
                }
                Action::Disconnect => self.stream = None,
                Action::Poll(sequence) => {
                    self.is_new(sequence);
                    self.polls.push(sequence);
                }
                Action::CancelPolls => {
                    self.polls.clear();
                    self.waiting.retain(|(_, by_poll)| !by_poll);
                }
                Action::Started(result) => {
                    assert!(std::mem::take(&mut self.starting), "nobody waits");
                    assert!(result.is_err() || self.installed.is_some(), "flags are there");
                }
                Action::PollCohorts(_) => assert!(self.installed.is_some()),
                Action::Log(_) => {}
            }
        }
        assert!(self.machine.deadline().is_some(), "whatever happens, something will happen again");
    }

    fn is_new(&mut self, sequence: Sequence) {
        assert!(self.seen.last().is_none_or(|last| *last < sequence), "numbers grow");
        self.seen.insert(sequence);
    }
}

fn pick<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(which % from.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_never_gets_stuck_and_never_goes_back(
        streams in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(streams);
        for step in steps {
            world.take(step);
        }

        // From wherever it is: when the server answers everything, start ends well and flags are fresh.
        world.take(Step::Start);
        let before = world.seen.last().copied();
        for _ in 0..200 {
            for step in [Step::Opened, Step::Message("[]"), Step::Parsed(0, true), Step::Polled(0, true)] {
                world.take(step);
            }
            while !world.waiting.is_empty() {
                world.take(Step::Complete(0));
            }
            world.take(Step::UntilDeadline);
        }
        prop_assert!(!world.starting);
        prop_assert!(world.installed > before);
        prop_assert_eq!(world.stream.is_some(), streams, "it streams again if it ever did");
        prop_assert_eq!(world.machine.poller.is_some(), !streams);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_never_hammers_a_server_whose_streams_do_not_last(lasting in 0..14_000u64) {
        let mut world = World::new(true);
        for _ in 0..1000 {
            for step in [Step::Opened, Step::Message("[]"), Step::Parsed(0, true), Step::Complete(0)] {
                world.take(step);
            }
            if world.stream.is_some() {
                world.take(Step::Wait(Duration::from_millis(lasting)));
                world.take(Step::Lost(None));
            }
            world.take(Step::UntilDeadline);
        }
        let far = world.connects.iter().filter(|at| **at < 600 * SECOND).count();
        prop_assert!(far <= 600 * 2 / 15 + 5, "{far} connections in ten minutes");
    }
}

#[test]
fn after_a_long_pause_of_the_process_one_turn_stands_for_all() {
    let mut world = World::new(false);
    for step in [Step::Polled(0, true), Step::Complete(0), Step::Wait(3600 * SECOND)] {
        world.take(step);
    }
    assert_eq!(world.polls.len(), 1);
    assert_eq!(world.machine.deadline(), Some(3630 * SECOND));
}

#[test]
fn settings_are_bounded() {
    let config = LocalConfig {
        deployment_key: crate::key::Secret::default(),
        server_url: String::new(),
        stream_server_url: String::new(),
        polling_interval: Duration::ZERO,
        stream_updates: false,
        stream_connect_timeout: Duration::ZERO,
        cohorts: None,
    };
    let settings = Settings::new(&config, SECOND);
    assert_eq!(settings.polling_interval, Duration::from_millis(1));
    assert_eq!(settings.cohort_polling_interval, None);
}

#[test]
fn retry_intervals_are_15_to_17_seconds() {
    let mut random = fastrand::Rng::with_seed(1);
    let drawn: BTreeSet<_> = (0..10_000).map(|_| draw_retry_interval(&mut random)).collect();
    assert!(drawn.iter().all(|interval| (15 * SECOND..17 * SECOND).contains(interval)));
    assert!(drawn.len() > 1900, "{}", drawn.len());
}

/// Found by the table of faults: the server sends what is no flags and hangs up, which is noticed first.
#[test]
fn a_stream_that_is_lost_before_its_flags_turn_out_broken_has_failed() {
    let unpollable = |world: &World| world.polls.is_empty();
    for losses in 1..4 {
        let mut world = World::new(true);
        for step in [Step::Opened, Step::Message("[]"), Step::Parsed(0, true), Step::Complete(0)] {
            world.take(step);
        }
        assert!(unpollable(&world));
        world.take(Step::Lost(None));
        for _ in 0..losses {
            if world.stream.is_none() {
                world.take(Step::UntilDeadline);
            }
            for step in [Step::Opened, Step::Message("[]"), Step::Lost(None)] {
                world.take(step);
            }
        }
        // That of the last stream.
        world.take(Step::Parsed(losses - 1, false));
        assert!(!unpollable(&world), "no poll after {losses} losses");
    }
}
