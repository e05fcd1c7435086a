//! What the tests of this crate share: targets, packages, and pictures of whole trees.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use xylem_artifact::ChecksumStyle;
use xylem_artifact::build::{ComponentBuilder, CpioMember, CpioWriter, PackageBuilder, XarWriter};
use xylem_model::{FileName, Timestamp};

use crate::error::InstallError;
use crate::report::InstallReport;
use crate::request::{InstallRequest, Installer};
use crate::root::RootInstaller;

/// A folder with an empty target and a work folder.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::DirBuilder::new().mode(0o700).create(folder.path().join("work")).unwrap();
        Self { folder }
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    /// A path below the target.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.target().join(path)
    }

    /// Makes a file below the target, with its folders.
    pub(crate) fn put(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn package_path(&self) -> PathBuf {
        self.folder.path().join("package.pkg")
    }

    pub(crate) fn build(&self, component: ComponentBuilder) -> InstallRequest {
        PackageBuilder::component(component).write_to(&self.package_path()).unwrap();
        self.request()
    }

    /// A component package around payload bytes of any kind.
    pub(crate) fn build_raw(&self, declared_kbytes: u64, payload: &[u8]) -> InstallRequest {
        let info = format!(
            "<pkg-info format-version=\"2\" identifier=\"org.example.raw\" version=\"1\" \
             install-location=\"/\"><payload numberOfFiles=\"1\" \
             installKBytes=\"{declared_kbytes}\"/></pkg-info>"
        );
        let mut xar = XarWriter::new(self.folder.path(), ChecksumStyle::Sha256).unwrap();
        xar.add_stored("Payload", |out| out.write_all(payload)).unwrap();
        xar.add_compressed("PackageInfo", info.as_bytes()).unwrap();
        xar.finish(&mut File::create(self.package_path()).unwrap()).unwrap();
        self.request()
    }

    /// A request for the package at [`Scene::package_path`].
    pub(crate) fn request(&self) -> InstallRequest {
        InstallRequest {
            package: File::open(self.package_path()).unwrap(),
            package_path: Some(self.package_path()),
            package_name: FileName::new("Example Package.pkg").unwrap(),
            target_root: self.target(),
            work_dir: self.folder.path().join("work"),
            now: Timestamp::from_unix_ms(1_767_225_600_000),
            set_owner: None,
            host: None,
        }
    }

    pub(crate) fn picture(&self) -> BTreeMap<String, Thing> {
        picture(&self.target())
    }
}

impl Drop for Scene {
    /// Lets the folder be removed by others than root, whatever the package made read-only.
    fn drop(&mut self) {
        let mut pending = vec![self.folder.path().to_owned()];
        while let Some(directory) = pending.pop() {
            let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    pending.push(entry.path());
                }
            }
        }
    }
}

pub(crate) fn install(request: &InstallRequest) -> Result<InstallReport, InstallError> {
    RootInstaller::without_sync().install(request)
}

/// Everything about a file-system object that an installation may change, its time of last change
/// only where nothing but the installation sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    Directory { mode: u32 },
    Symlink { target: PathBuf },
    File { mode: u32, owner: (u32, u32), mtime: i64, content: Content },
}

/// A file's bytes, shown shortened.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content(pub(crate) Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = String::from_utf8_lossy(&self.0[..self.0.len().min(40)]);
        write!(f, "{} bytes {beginning:?}", self.0.len())
    }
}

/// All that is below `root`.
pub(crate) fn picture(root: &Path) -> BTreeMap<String, Thing> {
    let mut things = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let mode = found.mode() & 0o7777;
            let thing = if found.is_symlink() {
                Thing::Symlink { target: fs::read_link(&path).unwrap() }
            } else if found.is_dir() {
                pending.push(path.clone());
                Thing::Directory { mode }
            } else {
                Thing::File {
                    mode,
                    owner: (found.uid(), found.gid()),
                    mtime: found.mtime(),
                    content: Content(fs::read(&path).unwrap()),
                }
            };
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            things.insert(name, thing);
        }
    }
    things
}

/// One member of a hand-made payload.
pub(crate) struct Raw<'a> {
    pub(crate) name: &'a str,
    pub(crate) mode: u32,
    pub(crate) inode: u32,
    pub(crate) links: u32,
    pub(crate) content: &'a [u8],
}

impl<'a> Raw<'a> {
    pub(crate) fn new(name: &'a str, mode: u32, content: &'a [u8]) -> Self {
        Self { name, mode, inode: 0, links: 1, content }
    }
}

/// A plain odc archive; every member belongs to user 501 and group 20.
pub(crate) fn cpio(members: &[Raw<'_>]) -> Vec<u8> {
    let mut archive = CpioWriter::new(Vec::new());
    for member in members {
        let header = CpioMember {
            name: member.name,
            mode: member.mode,
            uid: 501,
            gid: 20,
            inode: member.inode,
            links: member.links,
            size_bytes: member.content.len() as u64,
        };
        archive.append(&header, member.content).unwrap();
    }
    archive.finish().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
