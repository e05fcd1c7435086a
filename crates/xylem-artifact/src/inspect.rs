//! May this file pass, and what is in it?
//!
//! One function, two answers, both plain values that cross a process border as JSON. Untrusted
//! files are inspected in a child process: see [`crate::child`].

use std::error::Error;
use std::fmt::{self, Write as _};
use std::fs::File;

use serde::{Deserialize, Serialize};
use xylem_model::FoundIndex;

use crate::app::AppFacts;
use crate::archive::{AppBundleFacts, BundleFacts};
use crate::book::BookFacts;
use crate::error::{ArtifactError, RefusalCode};
use crate::image::{self, ImageFacts};
use crate::package::{FlatPackage, PackageFacts};
use crate::warning::{Warning, WarningCode};
use crate::{Form, app, archive, book};

/// What an accepted file is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Inspection {
    /// Length of the file in bytes.
    pub size_bytes: u64,
    /// A name for people: the title, else the identifier.
    pub display_name: Option<String>,
    /// The version that the file says it is.
    pub version: Option<String>,
    /// What is specific to the kind of file.
    pub content: Content,
    /// What is allowed, but should be known.
    pub warnings: Vec<Warning>,
    /// What it puts on a Mac, or why that cannot be told; absent where no list is made of such files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<FoundIndex>,
}

/// The kinds of file that are understood, with what is known of each.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "format", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// A book or document.
    Book(BookFacts),
    /// A bundle package (a folder) in a zip archive.
    BundlePackage(BundleFacts),
    /// A disk image.
    DiskImage(ImageFacts),
    /// A flat installer package.
    FlatPackage(PackageFacts),
    /// An app for mobile devices.
    MobileApp(AppFacts),
    /// An application for Macs in a zip archive.
    ZippedApp(AppBundleFacts),
}

/// Why a file may not pass.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// The stable machine word.
    pub code: RefusalCode,
    /// A sentence for people: what is wrong, where, and how to mend it.
    pub message: String,
}

/// Reads and verifies a file of which the form is known; all of it is read once.
///
/// # Errors
/// A [`Refusal`] that says what is wrong and how to mend it.
pub fn inspect(form: Form, file: File) -> Result<Inspection, Refusal> {
    match form {
        Form::Archive => Ok(archive::inspect(file)?),
        Form::DiskImage => Ok(image::inspect(file)?),
        Form::Epub | Form::IBooks => Ok(book::inspect_epub(file, form)?),
        Form::FlatPackage => Ok(inspect_package(file)?),
        Form::MobileApp => Ok(app::inspect(file)?),
        Form::Pdf => Ok(book::inspect_pdf(file)?),
    }
}

fn inspect_package(file: File) -> Result<Inspection, ArtifactError> {
    let mut package = FlatPackage::open(file)?;
    let verified = package.verify()?;
    package.list_scripts()?;
    let facts = package.facts().clone();
    let mut warnings = package.warnings().to_vec();
    if verified.unprotected_entries > 0 {
        let message = format!(
            "{} of its files carry no checksum, so damage to them cannot be noticed",
            verified.unprotected_entries
        );
        warnings.push(Warning::new(WarningCode::Unprotected, message));
    }
    Ok(Inspection {
        size_bytes: package.archive().file_bytes(),
        display_name: facts.title.clone().or_else(|| facts.identifier.clone()),
        version: facts.version.clone(),
        content: Content::FlatPackage(facts),
        warnings,
        index: Some(package.index()),
    })
}

impl From<ArtifactError> for Refusal {
    fn from(error: ArtifactError) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            // Writing to a String cannot fail.
            let _ = write!(message, ": {source}");
            cause = source.source();
        }
        let _ = write!(message, "; {}", error.advice());
        Self { code: error.code(), message }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Refusal {}
