//! Which version of a file is in production, and which waits.

use xylem_api::catalogue::File;
use xylem_model::FileKind;

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// `xylem package promote`.
pub(super) async fn promote(
    kind: FileKind,
    name: &str,
    version: Option<u64>,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let version = match version {
        Some(version) => version,
        None => access.admin.file(kind, name).await?.file.test.ok_or_else(|| {
            Failure::new(format!(
                "{name} has no version that waits to be promoted: upload one with `xylem {kind} \
                 upload --test`"
            ))
        })?,
    };
    let file = access.admin.promote(kind, name, version).await?;
    output.value(&file, now)
}

/// `xylem package rollback`.
pub(super) async fn roll_back(
    kind: FileKind,
    name: &str,
    version: Option<u64>,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let version = match version {
        Some(version) => version,
        // Decided on what is in production now: whoever is faster is not overruled.
        None => {
            let file = access.admin.file(kind, name).await?.file;
            file.production.unwrap_or(file.current.version)
        }
    };
    let file = access.admin.roll_back(kind, name, version).await?;
    output.value(&file, now)
}

/// What is in production now, and the way back.
fn now(file: &File) -> String {
    let File { name, kind, .. } = file;
    let mut text = format!("{name}: version {} is in production.", file.current.version);
    if let Some(previous) = file.previous {
        text += &format!(" `xylem {kind} rollback {name}` brings version {previous} back.");
    }
    text
}

/// The number of the version that is served, where one is.
pub(super) fn in_production(file: &File) -> Option<u64> {
    // A management server of an earlier program names neither, and has no other versions.
    file.production.or_else(|| file.test.is_none().then_some(file.current.version))
}

/// What a version of a file is, in a word.
pub(super) fn mark_of(file: &File, version: u64) -> &'static str {
    let number = Some(version);
    if number == in_production(file) {
        "production"
    } else if number == file.test {
        "test"
    } else if number == file.previous {
        "previous"
    } else {
        "-"
    }
}
