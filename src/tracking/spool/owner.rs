//! Who owns which part of a spool directory: every pipeline of every process has a directory of its own in it, and
//! holds a lock on a file there for as long as it lives.
//!
//! A lock goes with its process, however that ends. A directory whose lock is free belongs to nobody: whoever takes
//! the lock inherits it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
pub(super) const SEGMENT_SUFFIX: &str = "seg";

/// A directory and the lock on it. Dropping it removes what is empty and gives the lock free.
pub(super) struct Owner {
    directory: PathBuf,
    /// Held until drop.
    _lock: File,
}

/// Names tried for a directory of one's own.
const ATTEMPTS: usize = 16;

impl Owner {
    /// Makes a directory of one's own.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new(root: &Path, prefix: &str) -> io::Result<Self> {
        create_private(root)?;
        let mut last = io::Error::other("no free name");
        for _ in 0..ATTEMPTS {
            let directory = root.join(format!("{prefix}{:016x}", fastrand::u64(..)));
            create_private(&directory)?;
            // Somebody who clears up may take an unlocked directory for a left one: then another name will do.
            match Self::lock(directory, true) {
                Ok(Some(owner)) => return Ok(owner),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Takes over a directory that nobody owns. `None` if somebody does, or it is gone.
    pub fn inherit(directory: PathBuf) -> Option<Self> {
        match Self::lock(directory.clone(), false) {
            Ok(owner) => owner,
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    // Left between two steps of making or removing it; if it is not empty this does nothing.
                    let _ = fs::remove_dir(&directory);
                }
                None
            }
        }
    }

    fn lock(directory: PathBuf, create: bool) -> io::Result<Option<Self>> {
        let path = directory.join(LOCK);
        let lock = private_file().write(true).create(create).truncate(false).open(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // It may have been removed between opening and locking.
        Ok(path.exists().then_some(Self { directory, _lock: lock }))
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its segments with their sizes, the oldest first.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn segments(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == SEGMENT_SUFFIX) {
                segments.push((path, entry.metadata()?.len()));
            }
        }
        segments.sort();
        Ok(segments)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.segments().is_ok_and(|segments| segments.is_empty()) {
            // Nothing depends on it: what stays is removed by whoever comes next.
            let _ = fs::remove_file(self.directory.join(LOCK));
            let _ = fs::remove_dir(&self.directory);
        }
    }
}

/// Directories of other owners, or of nobody, whose names begin like this.
pub(super) fn others(root: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) && entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    directories.sort();
    Ok(directories)
}

/// Events name users: what holds them is for this user of the system alone.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
