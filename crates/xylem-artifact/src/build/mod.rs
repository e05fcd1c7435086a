//! A writer of genuine flat packages, for demonstrations and tests.
//!
//! Component packages and product archives with files, folders, links, scripts and bills of
//! materials, in the forms that Apple's tools write. The same description always gives the same
//! bytes: there is no clock and no randomness that was not asked for.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use xylem_artifact::build::{ComponentBuilder, PackageBuilder, Source};
//!
//! let folder = tempfile::tempdir()?;
//! let component = ComponentBuilder::new("org.example.tool", "1.0")
//!     .file("usr/local/bin/tool", 0o755, Source::bytes(*b"#!/bin/sh\n"))
//!     .file("usr/local/share/tool.bin", 0o644, Source::random(7, 1 << 20));
//! PackageBuilder::component(component).write_to(&folder.path().join("tool.pkg"))?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is streamed: content goes into a nameless file beside the output and is hashed on
//! the way, and since the table of contents needs only lengths and digests, header, table and heap
//! are then put together. A package of many gigabytes takes no more memory than a small one.
//!
//! Beside them, [`BundleWriter`] zips the folders that old packages and applications are.
//!
//! None of this was tried on a Mac; 7-Zip and this crate's own readers judge the result.

mod bom;
mod bundle;
mod checksum;
mod component;
mod cpio;
mod documents;
mod pbzx;
mod product;
mod sign;
mod source;
mod xar;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use bundle::{BUNDLE_FORMAT, BundleError, BundleWriter, MAX_BUNDLE_MEMBERS};
pub use component::{ComponentBuilder, PayloadFormat};
pub use cpio::{CpioMember, CpioWriter, MAX_MEMBER_BYTES};
pub use pbzx::{DEFAULT_BLOCK_BYTES, PbzxWriter};
pub use product::ProductBuilder;
pub use sign::Signer;
pub use source::Source;
pub use xar::XarWriter;

use crate::digest::ChecksumStyle;

/// The time that everything written here bears: 2023-11-14 22:13:20 UTC.
pub const MODIFIED_UNIX_SECONDS: u32 = 1_700_000_000;
/// The same for documents.
const MODIFIED_TEXT: &str = "2023-11-14T22:13:20";

/// A package to be written.
#[derive(Clone, Debug)]
pub struct PackageBuilder {
    content: Content,
    checksum_style: ChecksumStyle,
    signer: Option<Signer>,
}

#[derive(Clone, Debug)]
enum Content {
    Component(ComponentBuilder),
    Product(ProductBuilder),
}

impl PackageBuilder {
    /// A component package.
    #[must_use]
    pub fn component(component: ComponentBuilder) -> Self {
        Self::of(Content::Component(component))
    }

    /// A product archive.
    #[must_use]
    pub fn product(product: ProductBuilder) -> Self {
        Self::of(Content::Product(product))
    }

    fn of(content: Content) -> Self {
        Self { content, checksum_style: ChecksumStyle::Sha256, signer: None }
    }

    /// Signs the package, by RSA and CMS; needs SHA-256 or SHA-512.
    #[must_use]
    pub fn signed_by(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// The checksum of the table of contents and of every entry; SHA-256 unless chosen.
    #[must_use]
    pub fn checksum_style(mut self, style: ChecksumStyle) -> Self {
        self.checksum_style = style;
        self
    }

    /// Writes the package, replacing a file of that name only once it is complete. Returns its
    /// length in bytes.
    ///
    /// # Errors
    /// When a path of the description is not one that can be installed, content cannot be read, or
    /// the output cannot be written. Nothing is left behind then.
    pub fn write_to(&self, output: &Path) -> Result<u64, BuildError> {
        let error = |source| BuildError::Write { path: output.to_owned(), source };
        let folder = match output.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut archive = XarWriter::new(folder, self.checksum_style).map_err(error)?;
        if let Some(signer) = &self.signer {
            archive = archive.signed_by(signer.clone());
        }
        match &self.content {
            Content::Component(component) => component.add_to(&mut archive, "")?,
            Content::Product(product) => product.add_to(&mut archive)?,
        }
        let mut staged = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(error)?;
        let bytes = archive.finish(staged.as_file_mut()).map_err(error)?;
        staged.persist(output).map_err(|persist| error(persist.error))?;
        Ok(bytes)
    }
}

/// Why a package could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The description asks for something that no package can hold.
    #[error("{what} cannot be put into a package: {reason}")]
    Invalid {
        /// The path or name in the description.
        what: String,
        /// Why not.
        reason: &'static str,
    },
    /// The content of a file, or the space for it beside the output, failed.
    #[error("packing {what} failed")]
    Pack {
        /// The path in the package.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The output could not be written.
    #[error("writing the package {} failed", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
