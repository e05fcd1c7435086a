//! The four seams, on turmoil.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use turmoil::fs::shim::std::fs as sim_fs;
use xylem_model::Timestamp;
use xylem_runtime::{Clock, Disk, Entry, Environment, Fs, FsFile, Listener, Net, Rng, Stream};

/// When simulated time begins.
const BEGINNING: i64 = 1_790_000_000_000;

/// What is wrong with a simulated disk, beyond losing what was not synced in a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DiskFaults {
    /// Planted: syncing a file of content does nothing.
    pub no_file_sync: bool,
    /// How likely a read of published content comes back with one bit flipped.
    pub flip_probability: f64,
}

/// The environment of one simulated host.
pub fn environment(seed: u64, faults: DiskFaults) -> Environment {
    let flips = Arc::new(Mutex::new(StdRng::seed_from_u64(seed ^ 0xf11b)));
    Environment {
        clock: Arc::new(SimClock),
        disk: Disk::in_place(Arc::new(SimFs { faults, flips })),
        net: Arc::new(SimNet),
        rng: Arc::new(SimRng(Mutex::new(StdRng::seed_from_u64(seed)))),
    }
}

/// Simulated time.
#[derive(Debug)]
struct SimClock;

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        Timestamp::from_unix_ms(BEGINNING).plus(elapsed)
    }
}

/// The moment simulated time begins.
pub fn beginning() -> Timestamp {
    Timestamp::from_unix_ms(BEGINNING)
}

#[derive(Debug)]
struct SimRng(Mutex<StdRng>);

impl Rng for SimRng {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer);
    }
}

#[derive(Debug)]
struct SimNet;

#[async_trait]
impl Net for SimNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(SimListener(turmoil::net::TcpListener::bind(address).await?)))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(turmoil::net::TcpStream::connect((host, port)).await?))
    }
}

struct SimListener(turmoil::net::TcpListener);

#[async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((Box::new(stream), peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Files on a simulated disk: what is not synced is lost in a crash, unsynced blocks are torn.
#[derive(Debug)]
struct SimFs {
    faults: DiskFaults,
    flips: Arc<Mutex<StdRng>>,
}

struct SimFile {
    file: sim_fs::File,
    faults: DiskFaults,
    /// The dice for flipped bits, where this file may have them.
    flips: Option<Arc<Mutex<StdRng>>>,
    no_sync: bool,
}

impl SimFs {
    fn wrap(&self, path: &Path, file: sim_fs::File) -> Box<dyn FsFile> {
        // Only published content and its outboards rot: a damaged key or state file stops a
        // server with a message, which is another test.
        let lies_in = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
        let flips = lies_in("content").then(|| Arc::clone(&self.flips));
        let no_sync = self.faults.no_file_sync && (lies_in("staged") || lies_in("content"));
        Box::new(SimFile { file, faults: self.faults, flips, no_sync })
    }

    fn create(path: &Path) -> io::Result<sim_fs::File> {
        sim_fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }
}

impl Fs for SimFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        sim_fs::create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        Ok(self.wrap(path, Self::create(path)?))
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
        sim_fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        sim_fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        sim_fs::sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        sim_fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok(Entry { name, is_dir: entry.file_type()?.is_dir() })
            })
            .collect()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(sim_fs::exists(path))
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(1 << 40)
    }
}

/// How often a bit was flipped in what a disk gave back; for the closing line.
pub static FLIPPED_BITS: AtomicU64 = AtomicU64::new(0);

impl FsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)?;
        if let (Some(dice), true) = (&self.flips, read > 0 && self.faults.flip_probability > 0.0) {
            let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
            if dice.random_bool(self.faults.flip_probability) {
                let at = dice.random_range(0..read);
                if let Some(byte) = buffer.get_mut(at) {
                    *byte ^= 1 << dice.random_range(0..8);
                    FLIPPED_BITS.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        if self.no_sync { Ok(()) } else { self.file.sync_all() }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn os_file(&self) -> Option<io::Result<std::fs::File>> {
        None
    }
}
