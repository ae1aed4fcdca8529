use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory that is removed when the test is over.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let name = format!("experiment-spool-{}-{:016x}", std::process::id(), fastrand::u64(..));
        Self(std::env::temp_dir().join(name))
    }

    fn spool(&self, max_bytes: u64) -> Spool {
        self.spool_on(max_bytes, Box::new(RealDisk))
    }

    fn spool_on(&self, max_bytes: u64, disk: Box<dyn Disk>) -> Spool {
        let config = SpoolConfig { directory: self.0.clone(), max_bytes };
        Spool::open(&config, "exposure-00-".into(), disk).unwrap()
    }

    /// Files of segments, over all owners.
    fn segments(&self) -> Vec<PathBuf> {
        let owners = owner::others(&self.0, "").unwrap();
        let files =
            owners.iter().flat_map(|owner| fs::read_dir(owner).unwrap().map(|entry| entry.unwrap().path()));
        files.filter(|path| path.extension().is_some_and(|extension| extension == SEGMENT_SUFFIX)).collect()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ROOM: u64 = 1 << 20;

fn event(number: u64) -> (u64, Vec<u8>) {
    (number, format!(r#"{{"insert_id":"{number}"}}"#).into_bytes())
}

fn save(spool: &mut Spool, numbers: std::ops::Range<u64>) -> usize {
    spool.save(&numbers.map(event).collect::<Vec<_>>()).unwrap()
}

/// What is inherited, by number.
fn inherit(spool: &mut Spool) -> Vec<u64> {
    let inherited = spool.inherit(u64::MAX).unwrap();
    let numbers = inherited.events.iter().map(|json| {
        let event: serde_json::Value = serde_json::from_slice(json).unwrap();
        event["insert_id"].as_str().unwrap().parse().unwrap()
    });
    let numbers: Vec<u64> = numbers.collect();
    let ids = 1000..1000 + numbers.len() as u64;
    spool.keep(inherited, ids);
    numbers
}

/// As a kill does: the lock goes, the files stay.
fn kill(spool: Spool) {
    drop(spool);
}

#[test]
fn what_was_not_delivered_is_inherited_once() {
    let directory = Temporary::new();
    let mut first = directory.spool(ROOM);
    save(&mut first, 0..5);
    first.forget([1, 3].into_iter()).unwrap();
    kill(first);
    let mut second = directory.spool(ROOM);
    assert_eq!(inherit(&mut second), [0, 2, 4]);
    assert_eq!(inherit(&mut second), Vec::<u64>::new());
    // The heir dies too, having delivered one of them.
    second.forget([1001].into_iter()).unwrap();
    kill(second);
    assert_eq!(inherit(&mut directory.spool(ROOM)), [0, 4]);
}

#[test]
fn nothing_is_left_of_what_is_delivered() {
    let directory = Temporary::new();
    let mut first = directory.spool(ROOM);
    save(&mut first, 0..5);
    kill(first);
    let mut second = directory.spool(ROOM);
    save(&mut second, 5..8);
    assert_eq!(inherit(&mut second).len(), 5);
    second.forget((5..8).chain(1000..1005)).unwrap();
    assert_eq!(directory.segments(), Vec::<PathBuf>::new());
    assert_eq!(second.bytes(), 0);
    drop(second);
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
}

#[test]
fn the_living_are_not_inherited_from() {
    let directory = Temporary::new();
    let (mut first, mut second) = (directory.spool(ROOM), directory.spool(ROOM));
    save(&mut first, 0..2);
    save(&mut second, 2..4);
    assert_eq!(inherit(&mut first), Vec::<u64>::new());
    assert_eq!(inherit(&mut second), Vec::<u64>::new());
    let mut others = Spool::open(
        &SpoolConfig { directory: directory.0.clone(), max_bytes: ROOM },
        "exposure-01-".into(),
        Box::new(RealDisk),
    )
    .unwrap();
    kill(first);
    assert_eq!(inherit(&mut others), Vec::<u64>::new(), "events of another project");
    assert_eq!(inherit(&mut second), [0, 1]);
}

#[test]
fn two_heirs_never_share_a_segment() {
    let directory = Temporary::new();
    let mut first = directory.spool(ROOM);
    save(&mut first, 0..3);
    kill(first);
    let (mut second, mut third) = (directory.spool(ROOM), directory.spool(ROOM));
    assert_eq!(inherit(&mut second), [0, 1, 2]);
    assert_eq!(inherit(&mut third), Vec::<u64>::new());
}

#[test]
fn a_torn_last_record_is_survived_and_appended_after() {
    let directory = Temporary::new();
    let mut first = directory.spool(ROOM);
    save(&mut first, 0..3);
    kill(first);
    let path = directory.segments().remove(0);
    let length = fs::metadata(&path).unwrap().len();
    private_file().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
    let mut second = directory.spool(ROOM);
    assert_eq!(inherit(&mut second), [0, 1]);
    second.forget([1000].into_iter()).unwrap();
    kill(second);
    assert_eq!(inherit(&mut directory.spool(ROOM)), [1]);
}

#[test]
fn garbage_in_place_of_a_segment_is_cleared_away() {
    let directory = Temporary::new();
    let mut first = directory.spool(ROOM);
    save(&mut first, 0..1);
    kill(first);
    fs::write(directory.segments().remove(0), b"not a segment").unwrap();
    assert_eq!(inherit(&mut directory.spool(ROOM)), Vec::<u64>::new());
    assert_eq!(directory.segments(), Vec::<PathBuf>::new());
}

#[test]
fn the_oldest_leave_when_the_space_is_used_up() {
    let directory = Temporary::new();
    let mut spool = directory.spool(4096);
    let evicted: usize = (0..1000).map(|number| save(&mut spool, number..number + 1)).sum();
    let on_disk: u64 = directory.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(on_disk <= 4096 && on_disk > 2048, "{on_disk}");
    kill(spool);
    let left = inherit(&mut directory.spool(4096));
    assert_eq!(left.len() + evicted, 1000);
    assert_eq!(left, (evicted as u64..1000).collect::<Vec<_>>());
}

#[test]
fn crash_after_crash_stays_inside_the_bound() {
    let directory = Temporary::new();
    for _ in 0..10 {
        let mut spool = directory.spool(4096);
        inherit(&mut spool);
        save(&mut spool, 0..50);
        kill(spool);
    }
    let on_disk: u64 = directory.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(on_disk <= 4096, "{on_disk}");
}

#[test]
fn inheritance_is_read_in_portions() {
    let directory = Temporary::new();
    let mut first = directory.spool(4096);
    save(&mut first, 0..60);
    kill(first);
    let segments = directory.segments().len();
    assert!(segments > 1);
    let mut second = directory.spool(4096);
    let portions: Vec<usize> = std::iter::from_fn(|| Some(second.inherit(1).unwrap().events.len()))
        .take_while(|&events| events > 0)
        .collect();
    assert_eq!((portions.len(), portions.iter().sum::<usize>()), (segments, 60));
}

/// Takes half of what is written, and then no more, while the flag is set.
struct FullDisk(Arc<AtomicBool>);

impl Disk for FullDisk {
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if !self.0.load(Ordering::Relaxed) {
            return file.write_all(bytes);
        }
        file.write_all(&bytes[..bytes.len() / 2])?;
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_full_disk_costs_only_what_did_not_fit() {
    let directory = Temporary::new();
    let is_full = Arc::new(AtomicBool::new(false));
    let mut spool = directory.spool_on(ROOM, Box::new(FullDisk(Arc::clone(&is_full))));
    save(&mut spool, 0..2);
    is_full.store(true, Ordering::Relaxed);
    assert_eq!(spool.save(&[event(2)]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(spool.forget([0].into_iter()).is_err());
    is_full.store(false, Ordering::Relaxed);
    save(&mut spool, 3..4);
    kill(spool);
    // The word about event 0 is lost: it is delivered again, under its own insert id.
    assert_eq!(inherit(&mut directory.spool(ROOM)), [0, 1, 3]);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_a_spool() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Temporary::new();
    let mut spool = directory.spool(ROOM);
    save(&mut spool, 0..1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory.0), mode(&directory.segments()[0])), (0o700, 0o600));
}
