//! Packages, apps and books.

use std::path::Path;
use std::time::Duration;

use xylem_api::catalogue::{File, FileDetail, Placement, PlacementState, Upload, UploadState};
use xylem_client::FileSearch;
use xylem_model::{ByteSize, FileKind};

use super::records::{self, Shown};
use super::{comparison, index, manifests, marks, placement, selection, wait_for_copies};
use crate::Failure;
use crate::access::Access;
use crate::cli::{FileCommand, UploadOptions};
use crate::output::{Output, facts, or_dash, table};
use crate::upload::{Source, upload};

/// How long `upload --copies` waits for the other copies.
const COPIES_LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(
    command: FileCommand,
    kind: FileKind,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        FileCommand::Upload(options) => upload_all(&options, kind, access, output).await,
        FileCommand::List => output.value(&all_files(kind, access).await?, |files| list(files)),
        FileCommand::Search { text, team, identifier } => {
            let search = FileSearch { kind: Some(kind), text, team, identifier };
            output.value(&find(&search, access).await?, |files| match files.is_empty() {
                true => "Nothing is found.".to_owned(),
                false => list(files),
            })
        }
        FileCommand::Show { name } => {
            let detail = admin.file(kind, &name).await?;
            let record = records::known(kind, &name, access).await?;
            output.value(&Shown { detail, record }, shown)
        }
        FileCommand::Download { name, output: to } => {
            let to = to.unwrap_or_else(|| Path::new(&name).to_owned());
            crate::download::download(kind, &name, &to, access, output).await
        }
        FileCommand::Delete { name } => {
            admin.delete_file(kind, &name).await?;
            output.say(&format!(
                "Deleted {name}. `xylem {kind} restore` brings it back within 30 days."
            ))
        }
        FileCommand::Restore { name } => {
            let file = admin.restore_file(kind, &name).await?;
            output.value(&file, |file| list(std::slice::from_ref(file)))
        }
        FileCommand::Promote { name, number } => {
            marks::promote(kind, &name, number, access, output).await
        }
        FileCommand::Rollback { name, number } => {
            marks::roll_back(kind, &name, number, access, output).await
        }
        FileCommand::Set { name, settings, revision }
            if revision.is_some() || records::are_meant(&settings) =>
        {
            let saved = records::set(kind, &name, &settings, revision, access).await?;
            output.value(&saved, records::saved)
        }
        FileCommand::Set { name, settings, .. } => {
            let file = admin.sort_file(kind, &name, &selection::sorting(&settings)?).await?;
            output.value(&file, |file| list(std::slice::from_ref(file)))
        }
        FileCommand::History { name } => output
            .value(&records::history(kind, &name, access).await?, |all| records::revisions(all)),
        FileCommand::Diff { name, from, to } => {
            let diff = admin.diff_record(kind, &name, from, to).await?;
            output.value(&diff, records::difference)
        }
        FileCommand::RestoreRecord { name, revision } => {
            records::restore(kind, &name, revision, access, output).await
        }
        FileCommand::Compare { name, from, to } => {
            let compared = admin.compare(kind, &name, from, to).await?;
            output.value(&compared, comparison::in_words)
        }
        FileCommand::Index(options) => index::show(options, kind, access, output).await,
        FileCommand::Manifest(options) => manifests::show(options, kind, access, output).await,
        FileCommand::Placement { name, watch } => {
            placement::show(kind, &name, watch, access, output).await
        }
        FileCommand::Wait { name, on, timeout } => {
            let all = on.iter().any(|server| server == "all");
            if !all {
                check_servers(access, kind, &name, &on).await?;
            }
            let enough = |placement: &Placement| {
                let mut asked =
                    placement.servers.iter().filter(|server| all || on.contains(&server.server));
                placement.wanted > 0 && asked.all(|server| server.state == PlacementState::Present)
            };
            let reached = wait_for_copies(access, output, kind, &name, timeout, enough).await?;
            output.value(&reached, placement::in_words)
        }
    }
}

/// Refuses to wait for servers that are not, or not to hold the file.
async fn check_servers(
    access: &Access,
    kind: FileKind,
    file: &str,
    names: &[String],
) -> Result<(), Failure> {
    let servers = access.admin.distribution_servers().await?;
    if let Some(name) = names.iter().find(|name| !servers.iter().any(|it| it.name == **name)) {
        return Err(Failure::new(format!(
            "there is no distribution server called {name}; `xylem ds list` shows them"
        )));
    }
    let placed = access.admin.placement(kind, file).await?.servers;
    match names.iter().find(|name| !placed.iter().any(|it| it.server == **name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(format!(
            "{name} is not to hold {file}: `xylem ds show {name} --why {file}` says why"
        ))),
    }
}

async fn upload_all(
    options: &UploadOptions,
    kind: FileKind,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let mut all = Vec::new();
    for path in &options.files {
        let bar = output.bar("digests", 0);
        let source = tokio::task::block_in_place(|| Source::open(path, &bar))?;
        bar.finish_and_clear();
        let bar = output.bar(&source.name, source.size);
        let done = upload(access, kind, &source, options, &bar).await?;
        bar.finish();
        if options.copies > 1 {
            let enough = |placement: &Placement| placement.present >= options.copies;
            wait_for_copies(access, output, kind, &source.name, COPIES_LIMIT, enough).await?;
        }
        output.value(&done, |done| uploaded(done, options.test))?;
        all.push(done);
    }
    comparison::to_be_looked_at(&all).map_or(Ok(()), |names| output.say(&names))
}

/// All live files of a kind.
pub(super) async fn all_files(kind: FileKind, access: &Access) -> Result<Vec<File>, Failure> {
    find(&FileSearch { kind: Some(kind), ..FileSearch::default() }, access).await
}

async fn find(search: &FileSearch, access: &Access) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = access.admin.find_files(search, after.as_deref()).await?;
        files.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(files),
        }
    }
}

fn uploaded(upload: &Upload, test: bool) -> String {
    let what = match upload.state {
        UploadState::AlreadyThere => "is there already, with the same content",
        UploadState::Published if test => "waits to be promoted",
        UploadState::Published => "is published",
        _ => "is committed; the ingest server is about to publish it",
    };
    let said = match &upload.version {
        None => format!("{} {what}.\n", upload.name),
        Some(version) => format!(
            "{} {what}: version {}, {}, {} priority, BLAKE3 {}\n",
            upload.name,
            version.version,
            ByteSize(version.size),
            version.priority,
            version.content
        ),
    };
    said + &comparison::behind(upload.comparison.as_ref())
}

/// A digest that comes some time after the upload.
fn or_not_yet(digest: Option<impl ToString>) -> String {
    digest.map_or_else(|| "not computed yet".to_owned(), |digest| digest.to_string())
}

fn list(files: &[File]) -> String {
    let rows: Vec<Vec<String>> = files
        .iter()
        .map(|file| {
            vec![
                file.name.to_string(),
                or_dash(marks::in_production(file)),
                or_dash(file.test),
                ByteSize(file.current.size).to_string(),
                file.current.priority.to_string(),
                format!("{}/{}", file.copies, file.wanted_copies),
                or_dash(file.category.as_ref()),
                or_dash(file.site.as_ref()),
                file.current.created_at.to_string(),
            ]
        })
        .collect();
    table(
        &["NAME", "VERSION", "TEST", "SIZE", "PRIORITY", "COPIES", "CATEGORY", "SITE", "PUBLISHED"],
        &rows,
    )
}

fn shown(it: &Shown) -> String {
    let mut text = detail(&it.detail);
    if let Some(record) = &it.record {
        text += &format!("\nWhat is said of it:\n{}", records::about(record));
    }
    text
}

fn detail(it: &FileDetail) -> String {
    let file = &it.file;
    let mut text = facts(&[
        ("Name", file.name.to_string()),
        ("Id", file.id.to_string()),
        ("Kind", file.kind.to_string()),
        ("Category", or_dash(file.category.as_ref())),
        ("Site", or_dash(file.site.as_ref())),
        ("In production", or_dash(marks::in_production(file))),
        ("For testing", or_dash(file.test)),
        ("Size", ByteSize(file.current.size).to_string()),
        ("Priority", file.current.priority.to_string()),
        ("BLAKE3", file.current.content.to_string()),
        ("SHA-256", file.current.sha256.to_string()),
        ("MD5", or_not_yet(it.digests.map(|digests| digests.md5))),
        ("SHA-512", or_not_yet(it.digests.map(|digests| digests.sha512))),
        ("SHA3-512", or_not_yet(it.digests.map(|digests| digests.sha3_512))),
        ("Index", or_dash(it.index.as_ref().map(index::summary))),
        ("Copies", format!("{} of {}", file.copies, file.wanted_copies)),
        ("Deleted", or_dash(file.deleted_at)),
    ]);
    // In front of what is long: a warning is not to be scrolled away.
    text += &comparison::behind(it.comparison.as_ref());
    if let Ok(inspection) = serde_json::to_string_pretty(&file.current.inspection) {
        text += &format!("\nWhat is in it:\n{inspection}\n");
    }
    let rows: Vec<Vec<String>> = it
        .versions
        .iter()
        .map(|version| {
            vec![
                version.version.to_string(),
                marks::mark_of(file, version.version).to_owned(),
                ByteSize(version.size).to_string(),
                version.priority.to_string(),
                version.created_at.to_string(),
                version.content.to_string(),
            ]
        })
        .collect();
    text.push('\n');
    text + &table(&["VERSION", "MARK", "SIZE", "PRIORITY", "PUBLISHED", "BLAKE3"], &rows)
}
