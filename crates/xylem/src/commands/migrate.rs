//! Moving in from an old share.
//!
//! What becomes of each file is decided by `xylem_migration`; here it is sent, one after the other,
//! and what the server says of each is told to the report.

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indicatif::ProgressBar;
use xylem_api::error::ErrorCode;
use xylem_api::scripts::{GivenContents, NewScript};
use xylem_client::ClientError;
use xylem_migration::{
    Existing, Item, ItemKind, Limits, Migration, Opened, Plan, Progress, ReadScript, Report, Sent,
    Taking, plan,
};
use xylem_model::{FileKind, FileName, ScriptContents, ScriptRules};

use super::files::all_files;
use super::scripts::all_scripts;
use crate::Failure;
use crate::access::Access;
use crate::cli::{MigrateOptions, UploadOptions};
use crate::output::Output;
use crate::upload::{Source, upload};

/// Scripts under one comment.
const COMMENT: &str = "migrated";

pub(crate) async fn run(
    options: MigrateOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    // Whoever may not see what is there is told so before an hour of reading.
    let existing = existing(access).await?;
    let bar = output.bar("reading", 0);
    let (mut migration, plan) = tokio::task::block_in_place(|| -> Result<_, Failure> {
        let mut migration = Migration::open(&options.folder, &options.state, Limits::default())?;
        let survey = migration.survey(&read_script, &mut |progress| show(&bar, &progress))?;
        let plan = plan(&survey, &existing);
        Ok((migration, plan))
    })?;
    bar.finish_and_clear();
    let mut report = Report::new(&plan, &options.folder, options.dry_run);
    let sent = match options.dry_run {
        true => Ok(()),
        false => send_all(&mut migration, &plan, &options, access, output, &mut report).await,
    };
    // Also where it was broken off: what was sent until then is in it.
    let saving = tokio::task::block_in_place(|| report.save(&options.state));
    let saved = saving
        .with_context(|| format!("the report cannot be written to {}", options.state.display()));
    sent?;
    saved?;
    output.value(&report.document(), |_| report.text())?;
    let totals = report.totals();
    match totals.not_sent {
        0 => Ok(()),
        left => Err(Failure::new(format!(
            "{left} files are not on the server yet; the report in {} says why. Run it again",
            options.state.display()
        ))),
    }
}

/// The names that are taken, with what they hold.
async fn existing(access: &Access) -> Result<Existing, Failure> {
    let mut existing = Existing::default();
    for kind in FileKind::ALL {
        for file in all_files(*kind, access).await? {
            existing.add((*kind).into(), file.name, file.current.content);
        }
    }
    for script in all_scripts(access).await? {
        let name = FileName::new(script.name.as_str())?;
        existing.add(ItemKind::Script, name, script.current.blake3);
    }
    Ok(existing)
}

/// A script as the server keeps it: the same rules, applied here to say in a dry run what they are
/// going to say.
fn read_script(given: &[u8]) -> Result<ReadScript, String> {
    let (contents, normalised) =
        ScriptContents::read(given, ScriptRules::default()).map_err(|error| error.to_string())?;
    Ok(ReadScript {
        contents: contents.into_string().into_bytes(),
        notes: normalised.iter().map(ToString::to_string).collect(),
    })
}

fn show(bar: &ProgressBar, progress: &Progress<'_>) {
    if let Progress::Read { done, total, .. } = progress {
        bar.set_length(*total);
        bar.set_position(*done);
    }
}

/// Sends what is not there. One that fails does not keep back the others.
async fn send_all(
    migration: &mut Migration,
    plan: &Plan,
    options: &MigrateOptions,
    access: &Access,
    output: &Output,
    report: &mut Report,
) -> Result<(), Failure> {
    for (item, taking) in plan.taken() {
        let sent = match taking.is_there {
            true => Sent::Already,
            false => match send(migration, item, taking, options, access, output).await {
                Ok(()) => Sent::Now,
                Err(failure) => {
                    let error = failure.into_error();
                    let why = xylem_telemetry::chain(error.as_ref()).to_string();
                    if is_refusal(&error) { Sent::Refused(why) } else { Sent::Failed(why) }
                }
            },
        };
        match &sent {
            Sent::Now => output.say(&format!("{}: sent as {}", item.path, taking.name))?,
            Sent::Already => {}
            Sent::Refused(why) => output.say(&format!("{}: refused: {why}", item.path))?,
            Sent::Failed(why) => output.say(&format!("{}: not sent: {why}", item.path))?,
        }
        report.tell(&item.path, sent);
    }
    Ok(())
}

/// Whether the server would say the same again.
fn is_refusal(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<ClientError>().and_then(ClientError::code);
    matches!(
        code,
        Some(
            ErrorCode::BadRequest
                | ErrorCode::Conflict
                | ErrorCode::NameRefused
                | ErrorCode::Refused
        )
    )
}

async fn send(
    migration: &mut Migration,
    item: &Item,
    taking: &Taking,
    options: &MigrateOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let opened =
        tokio::task::block_in_place(|| migration.open_item(&item.path, taking, &read_script))?;
    match (opened, taking.kind.file_kind()) {
        (Opened::Script { raw, .. }, _) => {
            // As it lies there: the server says in its own words what it changed.
            let contents = GivenContents::Base64(BASE64_STANDARD.encode(raw));
            access.admin.add_script(&new_script(taking, contents)).await?;
            Ok(())
        }
        (Opened::File(file), Some(kind)) => {
            let content = &taking.content;
            let source = Source::known(file, taking.name.as_str(), content.size, content.digests);
            let bar = output.bar(taking.name.as_str(), content.size);
            let sent = upload(access, kind, &source, &upload_options(options), &bar).await;
            bar.finish_and_clear();
            sent.map(drop)
        }
        (Opened::File(_), None) => Err(Failure::new("a script was opened as a file")),
    }
}

fn new_script(taking: &Taking, contents: GivenContents) -> NewScript {
    NewScript {
        name: taking.name.to_string(),
        category: None,
        info: String::new(),
        notes: String::new(),
        priority: xylem_model::ScriptPriority::default(),
        labels: std::collections::BTreeMap::new(),
        os_requirement: String::new(),
        contents,
        comment: COMMENT.to_owned(),
        edit: None,
    }
}

fn upload_options(options: &MigrateOptions) -> UploadOptions {
    UploadOptions {
        priority: options.priority,
        site: options.site.clone(),
        through_server: options.through_server,
        ..UploadOptions::default()
    }
}
