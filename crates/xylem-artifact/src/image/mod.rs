//! Disk images (`.dmg`): what is in them, without mounting them.
//!
//! ```text
//! ┌───────────────────────┬───────────────┬────────────────┬─────────┐
//! │ stored disk           │ property list │ code signature │ trailer │
//! │ chunks, each encoded  │ block tables  │ may be absent  │ `koly`  │
//! └───────────────────────┴───────────────┴────────────────┴─────────┘
//! ```
//!
//! The trailer leads to the property list, its block tables to the chunks, and the chunks make up a
//! disk with partitions and a file system. The stored disk is hashed once; what it expands to is
//! decoded as far as a budget goes, to compare it with its checksums, to look at the folder that a
//! user sees first, and for the names of all files. Nothing is written anywhere, and memory depends
//! on nothing but those names, of which there is a limit.
//!
//! Files that are a disk themselves, without a trailer, are accepted as `raw`. Encrypted and
//! segmented images are refused: no Mac could install them.
//!
//! The format was never published. References: 7-Zip's reader, the images in the wild, and what
//! Apple's tools write.

mod adc;
mod chunk;
mod contents;
mod disk;
mod facts;
mod fields;
mod files;
mod info_plist;
mod partitions;
mod resources;
mod signature;
mod table;
mod trailer;
mod verify;
mod volume;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub use facts::{
    ApplicationFacts, FileSystem, ImageFacts, ImageKind, ImageSignature, ImageVerified,
    MAX_TEXT_BYTES, PartitionFacts, PartitionScheme, RootFacts, VolumeFacts,
};
pub use verify::MAX_EXPANDED_BYTES;

use crate::Form;
use crate::error::ArtifactError;
use crate::index::missing;
use crate::inspect::{Content, Inspection};
use crate::sniff::LooksLike;
use crate::warning::{Warning, WarningCode};
use contents::{Contents, SEVERAL_VOLUMES};
use disk::Disk;
use facts::shown;
use partitions::{Layout, Partition};
use table::Table;
use trailer::{MAGIC, SECTOR_BYTES, TRAILER_BYTES, Trailer};
use volume::Probe;

/// Most bytes that may be decoded and read to find the partitions.
const MAX_LAYOUT_BYTES: u64 = 64 << 20;
/// What errors call a file that is a disk.
const RAW_WHAT: &str = "the disk";

/// Reads and verifies an image; all of it is read once.
pub(crate) fn inspect(file: File) -> Result<Inspection, ArtifactError> {
    let error = |source| ArtifactError::from_read("the file", source);
    let file_bytes = file.metadata().map_err(error)?.len();
    if file_bytes == 0 {
        return Err(ArtifactError::Empty);
    }
    let file = Arc::new(file);
    match LooksLike::of_file(&file).map_err(error)? {
        LooksLike::DiskImage if ends_with_trailer(&file, file_bytes).map_err(error)? => {
            inspect_image(file, file_bytes)
        }
        LooksLike::EncryptedDiskImage => {
            Err(ArtifactError::Encrypted { what: "the disk image".to_owned() })
        }
        found => {
            refuse_cut_trailer(&file, file_bytes)?;
            inspect_raw(file, file_bytes, found)
        }
    }
}

fn ends_with_trailer(file: &File, file_bytes: u64) -> io::Result<bool> {
    let mut magic = [0; MAGIC.len()];
    match file_bytes.checked_sub(TRAILER_BYTES) {
        Some(position) => file.read_exact_at(&mut magic, position)?,
        None => return Ok(false),
    }
    Ok(&magic == MAGIC)
}

/// A trailer that starts less than its length before the end of the file.
fn refuse_cut_trailer(file: &File, file_bytes: u64) -> Result<(), ArtifactError> {
    let len = file_bytes.min(TRAILER_BYTES);
    let mut end = vec![0; usize::try_from(len).unwrap_or_default()];
    file.read_exact_at(&mut end, file_bytes - len)
        .map_err(|source| ArtifactError::from_read("the file", source))?;
    match end.windows(MAGIC.len()).rposition(|bytes| bytes == MAGIC) {
        None => Ok(()),
        Some(at) => Err(ArtifactError::Truncated {
            what: "the disk image's trailer".to_owned(),
            needed_bytes: file_bytes - len + at as u64 + TRAILER_BYTES,
            file_bytes,
        }),
    }
}

fn inspect_image(file: Arc<File>, file_bytes: u64) -> Result<Inspection, ArtifactError> {
    let trailer = Trailer::read(&file, file_bytes)?;
    let mut tables = Vec::new();
    let license_agreement = resources::read(&file, trailer.plist, |bytes| {
        tables.push(Table::parse(bytes, tables.len() + 1, &trailer)?);
        Ok(())
    })?;
    let verified = verify::verify(&file, &trailer, &tables)?;
    table::in_order(&mut tables)?;
    let mut warnings = Vec::new();
    let signature = signature::read(&file, trailer.signature)
        .map_err(|source| ArtifactError::from_read("the code signature", source))?;
    if !verified.stored && verified.tables_without_checksum + verified.tables_not_expanded > 0 {
        let message = "parts of the image carry no checksum that could be compared, so damage to \
                       them cannot be noticed";
        warnings.push(Warning::new(WarningCode::Unprotected, message));
    }
    if license_agreement {
        let message = "the image shows a licence and waits until somebody agrees; what installs it \
                       has to answer that";
        warnings.push(Warning::new(WarningCode::LicenseAgreement, message));
    }
    let encodings = tables.iter().flat_map(|table| &table.chunks);
    let kind = encodings.map(|chunk| chunk.encoding.image_kind()).max().unwrap_or(ImageKind::Udro);
    let mut disk = Disk::of_tables(file, tables, trailer.sectors * SECTOR_BYTES);
    let parts = Parts::read(&mut disk);
    let facts = ImageFacts { license_agreement, signature, verified, ..parts.facts(kind, &disk) };
    Ok(finish(file_bytes, facts, &mut disk, &parts, warnings))
}

/// A file without trailer is a disk when something on it says so.
fn inspect_raw(
    file: Arc<File>,
    file_bytes: u64,
    found: LooksLike,
) -> Result<Inspection, ArtifactError> {
    let mut disk = Disk::raw(file, file_bytes);
    let parts = Parts::read(&mut disk);
    if parts.volume.is_none() && parts.layout.scheme == PartitionScheme::None {
        return Err(match found {
            LooksLike::DiskImage => {
                ArtifactError::malformed("the disk image", "its trailer is not at its end")
            }
            found => ArtifactError::OtherForm { promised: Form::DiskImage, found },
        });
    }
    let needed_bytes = parts.needed_bytes().max(file_bytes.next_multiple_of(SECTOR_BYTES));
    if needed_bytes > file_bytes {
        let what = RAW_WHAT.to_owned();
        return Err(ArtifactError::Truncated { what, needed_bytes, file_bytes });
    }
    let message =
        "the file is a plain disk without any checksum, so damage to it cannot be noticed";
    let warnings = vec![Warning::new(WarningCode::Unprotected, message)];
    let facts = parts.facts(ImageKind::Raw, &disk);
    Ok(finish(file_bytes, facts, &mut disk, &parts, warnings))
}

/// The partitions of a disk, and which of them a user sees.
struct Parts {
    layout: Layout,
    probes: Vec<Probe>,
    volume: Option<VolumeFacts>,
    /// Whether another partition has a volume for Macs, too.
    has_more_volumes: bool,
    /// Where the volume starts.
    start: u64,
    /// How long the disk is by the account of what fills all of it.
    whole_bytes: Option<u64>,
}

impl Parts {
    /// A disk of which nothing can be read has neither partitions nor a volume.
    fn read(disk: &mut Disk) -> Self {
        disk.allow(MAX_LAYOUT_BYTES);
        let undivided = Layout { scheme: PartitionScheme::None, partitions: Vec::new() };
        let layout = Layout::read(disk).unwrap_or(undivided);
        let mut probe = |part: &Partition| Probe::of(disk, part.start, part.bytes);
        let probes: Vec<Probe> = layout.partitions.iter().map(&mut probe).collect();
        let starts = layout.partitions.iter().map(|part| part.start);
        let mut candidates: Vec<(u64, &Probe)> = starts.zip(&probes).collect();
        // Hybrid discs have a partition table and a file system around it.
        let whole = Probe::of(disk, 0, disk.bytes());
        candidates.push((0, &whole));
        let rank = |probe: &Probe| match probe.file_system {
            FileSystem::Apfs | FileSystem::HfsPlus | FileSystem::Hfsx => 0,
            FileSystem::Unknown => 2,
            _ => 1,
        };
        let has_more_volumes = probes.iter().filter(|probe| rank(probe) == 0).count() > 1;
        let best = candidates.into_iter().min_by_key(|(_, probe)| rank(probe));
        let best = best.filter(|(_, probe)| probe.file_system != FileSystem::Unknown);
        let start = best.map_or(0, |(start, _)| start);
        let volume = best.map(|(_, probe)| VolumeFacts {
            file_system: probe.file_system,
            name: probe.name.as_deref().map(shown),
            journaled: false,
            encrypted: false,
        });
        Self { whole_bytes: whole.bytes, layout, probes, volume, has_more_volumes, start }
    }

    /// How long the disk has to be to hold everything that is on it.
    fn needed_bytes(&self) -> u64 {
        let ends = self.layout.partitions.iter().map(|part| part.start.saturating_add(part.bytes));
        ends.chain(self.whole_bytes).max().unwrap_or_default()
    }

    fn facts(&self, kind: ImageKind, disk: &Disk) -> ImageFacts {
        let parts = self.layout.partitions.iter().zip(&self.probes);
        ImageFacts {
            kind,
            expanded_bytes: disk.bytes(),
            scheme: self.layout.scheme,
            partitions: parts
                .map(|(part, probe)| PartitionFacts {
                    name: part.name.clone(),
                    kind: part.kind.clone(),
                    bytes: part.bytes,
                    file_system: probe.file_system,
                })
                .collect(),
            volume: self.volume.clone(),
            root: None,
            license_agreement: false,
            signature: None,
            verified: ImageVerified::default(),
        }
    }
}

/// Looks into the volume and puts together what is known.
fn finish(
    size_bytes: u64,
    mut facts: ImageFacts,
    disk: &mut Disk,
    parts: &Parts,
    mut warnings: Vec<Warning>,
) -> Inspection {
    let index = match facts.volume.take() {
        Some(volume) => {
            let contents = Contents::read(disk, parts.start, volume, &mut warnings);
            (facts.volume, facts.root) = (Some(contents.volume), contents.root);
            if parts.has_more_volumes { missing(SEVERAL_VOLUMES) } else { contents.index }
        }
        None => {
            let reason = "the disk holds no file system that is known here";
            let message = format!("{reason}; a Mac may know it");
            warnings.push(Warning::new(WarningCode::FileSystemUnread, message));
            missing(reason)
        }
    };
    let applications = facts.root.as_ref().map(|root| root.applications.as_slice());
    let (display_name, version) = match applications.unwrap_or_default() {
        [only] => (
            Some(only.file_name.trim_end_matches(".app").to_owned()),
            only.short_version.clone().or_else(|| only.version.clone()),
        ),
        _ => (facts.volume.as_ref().and_then(|volume| volume.name.clone()), None),
    };
    let content = Content::DiskImage(facts);
    Inspection { size_bytes, display_name, version, content, warnings, index: Some(index) }
}
