//! A simulated disk: what is not synced is lost in a crash, unsynced blocks are torn; bits may
//! flip, and it may be full.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use turmoil::fs::shim::std::fs as sim_fs;
use xylem_runtime::{Entry, Fs, FsFile};

use crate::machine::{Machine, Planted};

/// Room on a disk that is not full, in bytes.
const PLENTY: u64 = 1 << 40;

/// A block: what a write takes from a disk, and what a crash tears.
pub(crate) const BLOCK_BYTES: u64 = 4096;

/// How often a bit was flipped in what a disk gave back; for the closing line.
pub static FLIPPED_BITS: AtomicU64 = AtomicU64::new(0);

/// The files of one machine.
#[derive(Debug)]
pub(crate) struct SimFs {
    machine: Arc<Machine>,
    seed: u64,
    /// The dice of each file that may rot. Its own, so that what happens to it does not depend on
    /// the order in which files are looked at.
    dice: Mutex<HashMap<PathBuf, Dice>>,
    /// Names taken from files whose folders have not been synced since.
    freed: Mutex<HashSet<PathBuf>>,
}

type Dice = Arc<Mutex<StdRng>>;

struct SimFile {
    file: sim_fs::File,
    machine: Arc<Machine>,
    /// The dice for flipped bits, where this file may have them.
    dice: Option<Dice>,
    no_sync: bool,
}

impl SimFs {
    pub(crate) fn new(seed: u64, machine: &Arc<Machine>) -> Self {
        let machine = Arc::clone(machine);
        Self { machine, seed, dice: Mutex::default(), freed: Mutex::default() }
    }

    fn wrap(&self, path: &Path, file: sim_fs::File) -> Box<dyn FsFile> {
        // Only published content and its outboards rot: a damaged key or state file stops a
        // server with a message, which is another test.
        let dice = lies_in(path, "content").then(|| self.dice_of(path));
        let no_sync = self.machine.is_planted(Planted::NoFileSync) && is_of_repository(path);
        Box::new(SimFile { file, machine: Arc::clone(&self.machine), dice, no_sync })
    }

    fn dice_of(&self, path: &Path) -> Dice {
        let mut all = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let dice = all.entry(path.to_owned()).or_insert_with(|| {
            let name = path.as_os_str().as_encoded_bytes();
            let mixed = name.iter().fold(self.seed ^ 0xf11b, |mixed, byte| {
                mixed.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(*byte))
            });
            Arc::new(Mutex::new(StdRng::seed_from_u64(mixed)))
        });
        Arc::clone(dice)
    }

    /// Planted: whoever removes one content takes another along, wanted or not.
    fn remove_another(&self, removed: &Path) -> io::Result<()> {
        let Some(repository) = removed.parent().and_then(Path::parent) else { return Ok(()) };
        for shard in sim_fs::read_dir(repository.join("content"))? {
            for content in sim_fs::read_dir(shard?.path())? {
                let path: PathBuf = content?.path();
                if path.extension().is_none() {
                    return sim_fs::remove_file(path);
                }
            }
        }
        Ok(())
    }

    /// Makes a file, empty as on a real disk.
    ///
    /// turmoil 0.7.2 keeps what happens to files by their names, until the folder is synced: of two
    /// files that had one name in turn it takes the second for the first, and drops what was synced
    /// of the second as it removes the first. So a name is freed for good before it is taken again,
    /// which a real disk may do at any moment too; and what it still holds back for the first file
    /// is cut off.
    fn create(&self, path: &Path) -> io::Result<sim_fs::File> {
        if self.freed().contains(path)
            && let Some(folder) = path.parent()
        {
            self.sync_names(folder)?;
        }
        let file = sim_fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        if file.metadata()?.len() > 0 {
            file.set_len(0)?;
        }
        Ok(file)
    }

    fn sync_names(&self, folder: &Path) -> io::Result<()> {
        sim_fs::sync_dir(folder)?;
        self.freed().retain(|name| name.parent() != Some(folder));
        Ok(())
    }

    fn freed(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.freed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fs for SimFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        sim_fs::create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.machine.refuse_when_full()?;
        Ok(self.wrap(path, self.create(path)?))
    }

    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.create_new(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.wrap(path, sim_fs::File::open(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = sim_fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(self.wrap(path, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        sim_fs::rename(from, to)?;
        self.freed().insert(from.to_owned());
        let collected = to.extension().is_some_and(|extension| extension == "removed");
        if collected && self.machine.is_planted(Planted::CollectsTheWanted) {
            self.remove_another(to)?;
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        sim_fs::remove_file(path)?;
        self.freed().insert(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.machine.is_planted(Planted::NoFolderSync) && is_of_repository(path) {
            return Ok(());
        }
        self.sync_names(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        sim_fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let kind = entry.file_type()?;
                Ok(Entry { name, is_dir: kind.is_dir(), is_file: kind.is_file() })
            })
            .collect()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(sim_fs::exists(path))
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(if self.machine.is_full() { 0 } else { PLENTY })
    }
}

impl FsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)?;
        let probability = self.machine.flip_probability();
        if let (Some(dice), true) = (&self.dice, read > 0 && probability > 0.0) {
            let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
            if dice.random_bool(probability) {
                let at = dice.random_range(0..read);
                if let Some(byte) = buffer.get_mut(at) {
                    *byte ^= 1 << dice.random_range(0..8);
                    FLIPPED_BITS.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(read)
    }

    /// On a full disk, there is still room in the last block that the file has.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let has = self.len()?.next_multiple_of(BLOCK_BYTES);
        let room = usize::try_from(has.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (fits, rest) = bytes.split_at(room.min(bytes.len()));
        let refused = if rest.is_empty() { Ok(()) } else { self.machine.refuse_when_full() };
        let taken = if refused.is_ok() { bytes } else { fits };
        std::os::unix::fs::FileExt::write_all_at(&self.file, taken, offset)?;
        refused
    }

    fn sync(&self) -> io::Result<()> {
        if self.no_sync { Ok(()) } else { self.file.sync_all() }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.len()? {
            self.machine.refuse_when_full()?;
        }
        self.file.set_len(len)
    }

    fn os_file(&self) -> Option<io::Result<std::fs::File>> {
        None
    }
}

fn lies_in(path: &Path, folder: &str) -> bool {
    path.components().any(|part| part.as_os_str() == folder)
}

/// Whether it is one of the folders in which content comes and stays.
fn is_of_repository(path: &Path) -> bool {
    lies_in(path, "staged") || lies_in(path, "content")
}

#[cfg(test)]
mod tests;
