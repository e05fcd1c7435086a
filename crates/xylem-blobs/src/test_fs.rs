//! A file system in memory that forgets what was not synced, and fails on request.
//!
//! It is stricter than most: after a power cut a file keeps only what its own sync covered, and a
//! folder only the names that its own sync covered; in the torn mode every unsynced block of 4096
//! bytes and every unsynced name survives or not by a throw of dice.

mod world;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use xylem_runtime::{Disk, Entry, Fs, FsFile};

pub(crate) use self::world::{Cut, Dice, Plan};
use self::world::{Dir, Inode, Node, World};

/// The file system. Clones share one disk; [`TestFs::copy`] makes another.
#[derive(Clone)]
pub(crate) struct TestFs {
    world: Arc<Mutex<World>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

impl TestFs {
    pub(crate) fn new() -> Self {
        let mut world = World { capacity: 1 << 40, ..World::default() };
        world.dirs.insert("/".into(), Dir::default());
        Self::from(world)
    }

    pub(crate) fn copy(&self) -> Self {
        Self::from(self.world().clone())
    }

    pub(crate) fn disk(&self) -> Disk {
        Disk::in_place(Arc::new(self.clone()))
    }

    /// Sets what is to go wrong, and counts from 0 again.
    pub(crate) fn plan(&self, plan: Plan) {
        let mut world = self.world();
        (world.changes, world.writes, world.syncs) = (0, 0, 0);
        world.plan = plan;
    }

    pub(crate) fn set_capacity(&self, capacity: u64) {
        self.world().capacity = capacity;
    }

    /// Whether the power has failed as planned.
    pub(crate) fn is_dark(&self) -> bool {
        self.world().dark
    }

    /// Whether a planned failure of a write or sync has come about.
    pub(crate) fn plan_came_about(&self) -> bool {
        let world = self.world();
        world.plan.full_at.is_some_and(|at| world.writes > at)
            || world.plan.sync_fails_at.is_some_and(|at| world.syncs > at)
    }

    /// Turns the power off, and on again without any further plan.
    pub(crate) fn power_cut(&self, cut: Cut) {
        self.world().power_cut(cut);
    }

    /// Flips bits of one stored byte.
    pub(crate) fn flip(&self, path: &Path, offset: usize, mask: u8) {
        let mut world = self.world();
        let inode = world.file(path).unwrap();
        let inode = &mut world.inodes[inode];
        inode.data[offset] ^= mask;
        inode.durable = inode.data.clone();
    }

    /// Replaces the contents of a file, as if somebody else had done it.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        let mut world = self.world();
        let inode = world.file(path).unwrap();
        world.inodes[inode] = Inode { data: bytes.to_vec(), durable: bytes.to_vec() };
    }

    pub(crate) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.world();
        let inode = world.file(path).ok()?;
        Some(world.inodes[inode].data.clone())
    }

    /// Lets something else happen while the next folder sync is under way.
    pub(crate) fn at_next_dir_sync(&self, meanwhile: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(meanwhile));
    }

    /// Lets the disk answer again after a planned power cut, with nothing lost: as if only the
    /// process had died.
    pub(crate) fn wake(&self) {
        let mut world = self.world();
        world.dark = false;
        world.plan = Plan::default();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut world = self.world();
        world.change()?;
        world.write()?;
        if world.lookup(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.inodes.push(Inode::default());
        let inode = world.inodes.len() - 1;
        let (dir, name) = world.place(path)?;
        dir.names.insert(name, Node::File(inode));
        Ok(Box::new(TestFile { fs: self.clone(), inode }))
    }
}

impl From<World> for TestFs {
    fn from(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), meanwhile: Arc::default() }
    }
}

impl Fs for TestFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent)?;
        }
        let mut world = self.world();
        if world.lookup(path).is_ok() {
            return world.awake();
        }
        world.change()?;
        world.write()?;
        let (dir, name) = world.place(path)?;
        dir.names.insert(name, Node::Dir);
        world.dirs.insert(path.to_owned(), Dir::default());
        Ok(())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.create(path)
    }

    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let world = self.world();
        world.awake()?;
        Ok(Box::new(TestFile { fs: self.clone(), inode: world.file(path)? }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.write()?;
        let node = world.lookup(from)?;
        world.place(to)?;
        let (dir, name) = world.place(from)?;
        dir.names.remove(&name);
        let (dir, name) = world.place(to)?;
        dir.names.insert(name, node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.awake()?;
        world.file(path)?;
        world.change()?;
        let (dir, name) = world.place(path)?;
        dir.names.remove(&name);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut world = self.world();
        world.change()?;
        world.sync()?;
        let nothing = world.plan.dir_sync_does_nothing;
        let dir = world.dirs.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        if !nothing {
            dir.durable = dir.names.clone();
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let world = self.world();
        world.awake()?;
        let dir = world.dirs.get(path).ok_or(io::ErrorKind::NotFound)?;
        let entry = |(name, node): (&String, &Node)| Entry {
            name: name.clone(),
            is_dir: *node == Node::Dir,
            is_file: *node != Node::Dir,
        };
        Ok(dir.names.iter().map(entry).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        world.awake()?;
        Ok(world.lookup(path).is_ok())
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        let world = self.world();
        world.awake()?;
        let used: u64 = world.inodes.iter().map(|inode| inode.data.len() as u64).sum();
        Ok(world.capacity.saturating_sub(used))
    }
}

impl fmt::Debug for TestFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestFs")
    }
}

struct TestFile {
    fs: TestFs,
    inode: usize,
}

impl FsFile for TestFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.fs.world();
        world.awake()?;
        let data = &world.inodes[self.inode].data;
        let data = &data[data.len().min(offset as usize)..];
        let read = buffer.len().min(data.len());
        buffer[..read].copy_from_slice(&data[..read]);
        if read > 0 && world.plan.spoilt_reads > 0 {
            world.plan.spoilt_reads -= 1;
            buffer[read / 2] ^= 4;
        }
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.fs.world();
        world.change()?;
        let full = world.write();
        // A full disk takes part of the bytes before it says so.
        let bytes = if full.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        let data = &mut world.inodes[self.inode].data;
        let end = offset as usize + bytes.len();
        if data.len() < end {
            data.resize(end, 0);
        }
        data[offset as usize..end].copy_from_slice(bytes);
        full
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.fs.world();
        world.change()?;
        world.sync()?;
        if !world.plan.file_sync_does_nothing {
            let inode = &mut world.inodes[self.inode];
            inode.durable = inode.data.clone();
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.fs.world();
        world.awake()?;
        Ok(world.inodes[self.inode].data.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.fs.world();
        world.change()?;
        world.write()?;
        world.inodes[self.inode].data.resize(len as usize, 0);
        Ok(())
    }

    fn os_file(&self) -> Option<io::Result<File>> {
        None
    }
}
