//! PDF documents.
//!
//! The format has no checksums and readers mend almost everything, so little can be refused: a
//! document that does not begin like one, and one that does not end, which is what an interrupted
//! download leaves. What it says about itself is read by following its tables, of which only the
//! lines that lead to title and pages are looked at, however long the document is; where they are
//! damaged, nothing is mended and the facts are absent.

mod stream;
mod tables;
mod text;
mod value;

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::facts::{BookFacts, BookKind};
use crate::Form;
use crate::error::ArtifactError;
use crate::inspect::{Content, Inspection};
use crate::sniff::LooksLike;
use crate::text::shown_some;
use crate::warning::{Warning, WarningCode};
use tables::Tables;
use value::{Value, is_blank};

/// Where a document has to begin, in bytes from the start of the file: what readers accept.
const HEAD_BYTES: u64 = 1024;
/// Where a document has to end, in bytes from the end of the file. Readers look at 1,024; mail
/// programs and web servers have put more behind it.
const TAIL_BYTES: u64 = 4096;
const BEGINNING: &[u8] = b"%PDF-";
const ENDING: &[u8] = b"%%EOF";
const LAST_POINTER: &[u8] = b"startxref";
/// Longest version behind the beginning, in bytes.
const MAX_VERSION_BYTES: usize = 8;

/// Reads a PDF document.
pub(crate) fn inspect(file: File) -> Result<Inspection, ArtifactError> {
    let read_error = |source| ArtifactError::from_read("the file", source);
    let file_bytes = file.metadata().map_err(read_error)?.len();
    if file_bytes == 0 {
        return Err(ArtifactError::Empty);
    }
    let head = piece(&file, 0, file_bytes.min(HEAD_BYTES))?;
    let Some(base) = position(&head, BEGINNING) else {
        let found = LooksLike::of_file(&file).map_err(read_error)?;
        return Err(ArtifactError::OtherForm { promised: Form::Pdf, found });
    };
    let tail_bytes = file_bytes.min(TAIL_BYTES);
    let tail = piece(&file, file_bytes - tail_bytes, tail_bytes)?;
    let pointer = last_position(&tail, LAST_POINTER);
    let Some(pointer) = pointer.filter(|_| position(&tail, ENDING).is_some()) else {
        return Err(ArtifactError::EndMissing { what: "the end of the document (%%EOF)" });
    };
    let mut facts = BookFacts::new(BookKind::Pdf);
    facts.format_version = version(&head, base);
    let start = number_behind(&tail, pointer + LAST_POINTER.len());
    // Positions count from where the document begins, or, in spite of the rules, the file.
    let bases = if base == 0 { vec![0] } else { vec![base as u64, 0] };
    let mut chains = bases
        .into_iter()
        .filter_map(|base| start.and_then(|start| Tables::read(&file, file_bytes, base, start)));
    let read = chains.next().is_some_and(|tables| fill(&mut facts, &tables));
    Ok(Inspection {
        size_bytes: file_bytes,
        display_name: facts.title.clone(),
        version: None,
        warnings: warnings(&facts, read),
        content: Content::Book(facts),
        index: None,
    })
}

fn warnings(facts: &BookFacts, read: bool) -> Vec<Warning> {
    let mut warnings = vec![Warning::new(
        WarningCode::Unprotected,
        "PDF documents carry no checksums, so damage inside cannot be noticed",
    )];
    if facts.encrypted {
        warnings.push(Warning::new(
            WarningCode::EncryptedParts,
            "the document is encrypted: it may need a password, or forbid printing and copying",
        ));
    } else if !read {
        warnings.push(Warning::new(
            WarningCode::UnreadFacts,
            "its pages could not be found, so the document may be damaged; some programs mend such",
        ));
    }
    warnings
}

/// What the document says about itself; whether its pages were found.
fn fill(facts: &mut BookFacts, tables: &Tables<'_>) -> bool {
    let follow = |value: &Value, key: &str| tables.object(value.reference(key)?);
    facts.encrypted = tables.trailer.get("Encrypt").is_some();
    let root = follow(&tables.trailer, "Root");
    if let Some(Value::Name(version)) = root.as_ref().and_then(|root| root.get("Version")) {
        facts.format_version = shown_some(Some(&text::decode(version)));
    }
    // The texts of an encrypted document are encrypted too.
    if !facts.encrypted
        && let Some(info) = follow(&tables.trailer, "Info")
    {
        let text = |key: &str| match info.get(key) {
            Some(Value::Text(bytes)) => shown_some(Some(&text::decode(bytes))),
            _ => None,
        };
        facts.title = text("Title");
        facts.creators = text("Author").into_iter().collect();
        facts.modified = text("ModDate");
    }
    let pages = root.as_ref().and_then(|root| follow(root, "Pages"));
    facts.pages = pages
        .and_then(|pages| pages.integer("Count").or_else(|| follow(&pages, "Count")?.as_integer()));
    facts.pages.is_some()
}

fn version(head: &[u8], base: usize) -> Option<String> {
    let behind = head.get(base + BEGINNING.len()..)?;
    let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let version: Vec<u8> = behind.iter().take_while(is_part).copied().collect();
    let version = version.get(..version.len().min(MAX_VERSION_BYTES))?;
    shown_some(std::str::from_utf8(version).ok())
}

fn number_behind(bytes: &[u8], at: usize) -> Option<u64> {
    let rest = bytes.get(at..)?;
    let mut words = rest.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    std::str::from_utf8(words.next()?).ok()?.parse().ok()
}

fn piece(file: &File, start: u64, length: u64) -> Result<Vec<u8>, ArtifactError> {
    // Only lengths that are bounded by a constant come here.
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)
        .map_err(|source| ArtifactError::from_read("the file", source))?;
    Ok(bytes)
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn last_position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}
