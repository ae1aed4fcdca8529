//! Events on disk until the server has taken them, so that a killed process loses none that it recorded more than
//! a moment before.
//!
//! In: events as they are recorded, and word of those that need no delivery any more. Out: the events of processes
//! that are gone. Survives the process, not the power: nothing is forced out of the system's cache. The queue in
//! memory stays what is delivered from; a spool that fails or is full costs durability, never an event.
//!
//! All calls block; [`keeper`] makes them away from the runtime's threads.

pub(super) mod keeper;
mod owner;
pub(super) mod segment;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;

use self::owner::{Owner, SEGMENT_SUFFIX, private_file};
use super::Kind;
use super::config::{Config, SpoolConfig};

/// Writes to segments. A test's disk can be full.
pub(super) trait Disk: Send + 'static {
    /// # Errors
    /// Those of the file system. Part of `bytes` may have been written.
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
}

/// The system's file system.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
}

/// Bytes after which a segment takes no more events, at most.
const SEGMENT_BYTES: u64 = 1 << 20;

pub(super) struct Spool {
    root: PathBuf,
    prefix: String,
    own: Arc<Owner>,
    disk: Box<dyn Disk>,
    max_bytes: u64,
    /// In the order in which they were opened here.
    segments: BTreeMap<u64, Segment>,
    next_segment: u64,
    /// The segment that takes events.
    active: Option<u64>,
    places: HashMap<u64, Place>,
    /// Inherited segments that have not been read.
    inherited: VecDeque<(Arc<Owner>, PathBuf, u64)>,
}

/// Where an event is: a segment, and the event's number in it.
type Place = (u64, u32);

struct Segment {
    path: PathBuf,
    file: File,
    length: u64,
    events: u32,
    /// Events that need delivery.
    live: u32,
    /// Keeps the lock for as long as there is something under it.
    owner: Arc<Owner>,
}

/// Events of a process that is gone.
pub(super) struct Inherited {
    pub events: Vec<Arc<[u8]>>,
    places: Vec<Place>,
}

impl Spool {
    /// Makes room in the spool's directory for the events of one pipeline.
    ///
    /// # Errors
    /// If the directory cannot be made or locked.
    pub fn open(config: &SpoolConfig, prefix: String, disk: Box<dyn Disk>) -> io::Result<Self> {
        Ok(Self {
            own: Arc::new(Owner::new(&config.directory, &prefix)?),
            root: config.directory.clone(),
            prefix,
            disk,
            max_bytes: config.max_bytes,
            segments: BTreeMap::new(),
            next_segment: 0,
            active: None,
            places: HashMap::new(),
            inherited: VecDeque::new(),
        })
    }

    /// Puts events on disk. Gives the number of older events that left it to make room.
    ///
    /// # Errors
    /// Those of the file system: then none of these events is on disk.
    pub fn save(&mut self, events: &[(u64, Vec<u8>)]) -> io::Result<usize> {
        let mut evicted = 0;
        for (id, json) in events {
            let mut bytes = Vec::with_capacity(json.len() + 16);
            segment::push_event(json, &mut bytes);
            evicted += self.make_room(bytes.len() as u64);
            let at = self.active_segment()?;
            self.append(at, &bytes)?;
            if let Some(segment) = self.segments.get_mut(&at) {
                self.places.insert(*id, (at, segment.events));
                segment.events += 1;
                segment.live += 1;
            }
        }
        Ok(evicted)
    }

    /// These events need no delivery any more.
    ///
    /// # Errors
    /// Those of the file system: then some of them are delivered again after a restart.
    pub fn forget(&mut self, ids: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut by_segment: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for id in ids {
            if let Some((at, number)) = self.places.remove(&id) {
                by_segment.entry(at).or_default().push(number);
            }
        }
        let mut outcome = Ok(());
        for (at, numbers) in by_segment {
            let Some(segment) = self.segments.get_mut(&at) else { continue };
            segment.live = segment.live.saturating_sub(numbers.len() as u32);
            if segment.live == 0 {
                self.remove(at);
                continue;
            }
            let mut bytes = Vec::new();
            segment::push_done(&numbers, &mut bytes);
            outcome = outcome.and(self.append(at, &bytes));
        }
        outcome
    }

    /// Reads events of processes that are gone, about `budget` bytes of them, and becomes their keeper. The ids that
    /// they get here are told by [`Spool::keep`].
    ///
    /// # Errors
    /// If the spool's directory cannot be read.
    pub fn inherit(&mut self, budget: u64) -> io::Result<Inherited> {
        if self.inherited.is_empty() {
            self.find_inheritance()?;
        }
        let mut inherited = Inherited { events: Vec::new(), places: Vec::new() };
        let mut read = 0;
        while read < budget {
            let Some((owner, path, length)) = self.inherited.pop_front() else { break };
            read += length;
            // What cannot be read stays for another time.
            let Ok(bytes) = fs::read(&path) else { continue };
            self.take_over(owner, path, &bytes, &mut inherited);
        }
        Ok(inherited)
    }

    /// Inherited events are known by these ids from now on.
    pub fn keep(&mut self, inherited: Inherited, ids: std::ops::Range<u64>) {
        self.places.extend(ids.zip(inherited.places));
    }

    /// Bytes of all segments of this pipeline.
    pub fn bytes(&self) -> u64 {
        let unread = self.inherited.iter().map(|(_, _, length)| length);
        self.segments.values().map(|segment| &segment.length).chain(unread).sum()
    }

    fn active_segment(&mut self) -> io::Result<u64> {
        let limit = SEGMENT_BYTES.min(self.max_bytes / 4);
        if let Some(at) = self.active
            && self.segments.get(&at).is_some_and(|segment| segment.length < limit)
        {
            return Ok(at);
        }
        let at = self.next_segment;
        let path = self.own.directory().join(format!("{at:08}.{SEGMENT_SUFFIX}"));
        let file = private_file().append(true).create_new(true).open(&path)?;
        let owner = Arc::clone(&self.own);
        self.segments.insert(at, Segment { path, file, length: 0, events: 0, live: 0, owner });
        self.next_segment += 1;
        self.active = Some(at);
        Ok(at)
    }

    fn append(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(segment) = self.segments.get_mut(&at) else { return Ok(()) };
        let written = self.disk.append(&mut segment.file, bytes);
        match written {
            Ok(()) => segment.length += bytes.len() as u64,
            Err(_) => {
                // Half a record would hide all that come after it.
                if segment.file.set_len(segment.length).is_err() && self.active == Some(at) {
                    self.active = None;
                }
                if segment.live == 0 {
                    self.remove(at);
                }
            }
        }
        written
    }

    /// Drops the oldest segments until there is room. Gives the number of events in them.
    fn make_room(&mut self, bytes: u64) -> usize {
        let mut evicted = 0;
        while self.bytes() + bytes > self.max_bytes {
            if let Some((_owner, path, _)) = self.inherited.pop_front() {
                evicted += fs::read(&path).map_or(0, |bytes| segment::read(&bytes).events.len());
                // If it cannot be removed it is inherited again, later.
                let _ = fs::remove_file(&path);
            } else if let Some((&at, segment)) = self.segments.first_key_value() {
                evicted += segment.live as usize;
                self.places.retain(|_, place| place.0 != at);
                self.remove(at);
            } else {
                break;
            }
        }
        evicted
    }

    fn remove(&mut self, at: u64) {
        if self.active == Some(at) {
            self.active = None;
        }
        if let Some(segment) = self.segments.remove(&at) {
            // If it cannot be removed its events are delivered again after a restart: they have insert ids.
            let _ = fs::remove_file(&segment.path);
        }
    }

    fn find_inheritance(&mut self) -> io::Result<()> {
        for directory in owner::others(&self.root, &self.prefix)? {
            let is_own = directory == self.own.directory();
            let is_known = self.segments.values().any(|segment| segment.owner.directory() == directory);
            if is_own || is_known {
                continue;
            }
            let Some(owner) = Owner::inherit(directory).map(Arc::new) else { continue };
            let segments = owner.segments()?;
            self.inherited
                .extend(segments.into_iter().map(|(path, length)| (Arc::clone(&owner), path, length)));
        }
        // Crash after crash must not fill the disk.
        self.make_room(0);
        Ok(())
    }

    fn take_over(&mut self, owner: Arc<Owner>, path: PathBuf, bytes: &[u8], inherited: &mut Inherited) {
        let contents = segment::read(bytes);
        let events: Vec<_> = contents.events.into_iter().filter(|(_, json)| is_event(json)).collect();
        if events.is_empty() {
            // See `remove`.
            let _ = fs::remove_file(&path);
            return;
        }
        let Ok(file) = reopen(&path, contents.length) else { return };
        let at = self.next_segment;
        self.next_segment += 1;
        let live = events.len() as u32;
        self.segments.insert(at, Segment { path, file, length: contents.length, events: live, live, owner });
        for (number, json) in events {
            inherited.places.push((at, number));
            inherited.events.push(json.into());
        }
    }
}

/// To append to it after its last whole record.
fn reopen(path: &Path, length: u64) -> io::Result<File> {
    let file = private_file().append(true).open(path)?;
    file.set_len(length)?;
    Ok(file)
}

fn is_event(json: &[u8]) -> bool {
    json.first() == Some(&b'{') && serde_json::from_slice::<&RawValue>(json).is_ok()
}

/// What the directories of pipelines begin with that deliver events of one kind for one project: one may deliver
/// what another left, wherever it sends them.
pub(super) fn prefix(kind: Kind, config: &Config) -> String {
    let name = match kind {
        Kind::Exposure => "exposure",
        Kind::Assignment => "assignment",
    };
    let key = config.api_key.as_ref().map_or("", |key| key.expose());
    format!("{name}-{:016x}-", segment::fnv(segment::FNV_START, key.as_bytes()))
}

#[cfg(test)]
mod tests;
