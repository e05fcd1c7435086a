//! EPUB books, and those of iBooks Author, which are built alike.

use std::fs::File;

use super::encryption::{self, Encrypted};
use super::facts::{BookFacts, BookKind, Cover};
use super::opf::{self, Opf};
use super::{MAX_DOCUMENT_BYTES, container};
use crate::Form;
use crate::error::ArtifactError;
use crate::inspect::{Content, Inspection};
use crate::text::{MAX_SHOWN_BYTES, shown};
use crate::warning::{Warning, WarningCode};
use crate::zip::{Member, ZipArchive};

const MIMETYPE: &str = "mimetype";
const EPUB_TYPE: &str = "application/epub+zip";
const IBOOKS_TYPE: &str = "application/x-ibooks+zip";
/// What shops put into books that only their own readers open.
const RESTRICTIONS: [&str; 2] = ["META-INF/rights.xml", "META-INF/sinf.xml"];

const ADVICE: &str = "export the book again from the program that made it";

/// Reads and verifies a book whose name says that it is `form`.
pub(crate) fn inspect(file: File, form: Form) -> Result<Inspection, ArtifactError> {
    let archive = ZipArchive::open(file, form)?;
    let mut warnings = Vec::new();
    let kind = kind(&archive, form, &mut warnings)?;
    let verified = archive.verify()?;
    warnings.extend(archive.warnings(&verified));
    let mut facts = read(&archive, kind)?;
    facts.encrypted = encrypted(&archive, &mut warnings)?;
    Ok(Inspection {
        size_bytes: archive.file_bytes(),
        display_name: facts.title.clone().or_else(|| facts.identifier.clone()),
        version: facts.version.clone(),
        content: Content::Book(facts),
        warnings,
        index: None,
    })
}

/// Compares the archive's own type with what its name says.
fn kind(
    archive: &ZipArchive,
    form: Form,
    warnings: &mut Vec<Warning>,
) -> Result<BookKind, ArtifactError> {
    let wrong = |reason: String, advice| Err(ArtifactError::WrongContent { reason, advice });
    let Some(member) = archive.find_file(MIMETYPE) else {
        return wrong(
            "the archive is no book: it has no file \"mimetype\"".to_owned(),
            "compress a book with the program that made it, not with the Finder",
        );
    };
    let content = archive.read(member, MAX_SHOWN_BYTES as u64)?;
    let found = String::from_utf8_lossy(&content);
    let kind = match (form, found.trim()) {
        (Form::IBooks, IBOOKS_TYPE) => BookKind::Ibooks,
        (Form::IBooks, EPUB_TYPE) => {
            return wrong("this is an EPUB book".to_owned(), "name it .epub");
        }
        (_, EPUB_TYPE) => BookKind::Epub,
        (_, IBOOKS_TYPE) => {
            return wrong("this is a book of iBooks Author".to_owned(), "name it .ibooks");
        }
        (_, other) => {
            return wrong(format!("the archive says that it is {:?}", shown(other)), ADVICE);
        }
    };
    // Readers that look at fixed positions do not know it for a book then; all current ones do.
    if member.position() > 0 || !member.is_stored() || content != found.trim().as_bytes() {
        warnings.push(Warning::new(
            WarningCode::OutOfOrder,
            "its file \"mimetype\" is not the first one, or is compressed, or has blanks around \
             its text; some readers do not open such a book",
        ));
    }
    Ok(kind)
}

fn read(archive: &ZipArchive, kind: BookKind) -> Result<BookFacts, ArtifactError> {
    let missing = |path: &str| ArtifactError::WrongContent {
        reason: format!("the book is incomplete: {:?} is missing", shown(path)),
        advice: ADVICE,
    };
    let find = |path: &str| archive.find_file(path).ok_or_else(|| missing(path));
    let container = archive.read(find(container::PATH)?, MAX_DOCUMENT_BYTES)?;
    let path = container::document_path(&container)?;
    let document = archive.read(find(&path)?, MAX_DOCUMENT_BYTES)?;
    let opf = Opf::read(&document, &opf::called(&path))?;
    let cover = opf.cover.and_then(|(href, media_type)| {
        let member = archive.find_file(&opf::resolve(&path, &href)?)?;
        Some(Cover { path: shown(member.name()), size_bytes: member.size_bytes(), media_type })
    });
    Ok(BookFacts {
        format_version: opf.format_version,
        identifier: opf.identifier,
        title: opf.title,
        creators: opf.creators,
        language: opf.language,
        publisher: opf.publisher,
        modified: opf.modified,
        version: opf.version,
        cover,
        ..BookFacts::new(kind)
    })
}

/// Whether parts need a key; disguised fonts do not.
fn encrypted(archive: &ZipArchive, warnings: &mut Vec<Warning>) -> Result<bool, ArtifactError> {
    let encrypted = match archive.find_file(encryption::PATH) {
        Some(member) => encryption::count(&archive.read(member, MAX_DOCUMENT_BYTES)?)?,
        None => Encrypted::default(),
    };
    let restricted =
        RESTRICTIONS.iter().any(|path| archive.find(path).is_some_and(Member::is_file));
    let locked = encrypted.parts - encrypted.disguised;
    let message = if locked > 0 || restricted {
        format!(
            "{locked} of its parts are encrypted{}; whoever has no key for it cannot read the book",
            if restricted { ", and it carries the rights of a shop" } else { "" }
        )
    } else if encrypted.disguised > 0 {
        format!("{} of its fonts are disguised, which readers can show", encrypted.disguised)
    } else {
        return Ok(false);
    };
    warnings.push(Warning::new(WarningCode::EncryptedParts, message));
    Ok(locked > 0 || restricted)
}
