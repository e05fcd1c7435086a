//! Scripts from files.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use xylem_api::error::ErrorCode;
use xylem_api::scripts::{
    ChangeScript, GivenContents, NewScript, Script, ScriptSaved, SetContents,
};
use xylem_client::ClientError;
use xylem_model::{MAX_SCRIPT_BYTES, ScriptContents, ScriptRules};
use xylem_runtime::{RealFs, read_bounded};

use super::{parameter, shown};
use crate::Failure;
use crate::access::Access;
use crate::cli::{DeclareOptions, UploadScriptOptions};
use crate::commands::setting;
use crate::output::Output;

pub(super) async fn upload_all(
    options: &UploadScriptOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    if options.name.is_some() && options.files.len() > 1 {
        return Err(Failure::configuration(
            "--name is for a single file: leave it out, or the rest",
        ));
    }
    for path in &options.files {
        let bytes = read_bounded(&RealFs, path, MAX_SCRIPT_BYTES as u64).map_err(|error| {
            Failure::configuration(format!("cannot read {}: {error}", path.display()))
        })?;
        let name = match &options.name {
            Some(name) => name.clone(),
            None => name_of(path)?,
        };
        let saved = upload(&name, &bytes, options, access).await?;
        output.value(&saved, uploaded)?;
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        let told = format!("{} has no name that can be written: use --name", path.display());
        Failure::configuration(told)
    })
}

/// The bytes of a file, for the server to find their encoding.
pub(super) fn as_given(bytes: &[u8]) -> GivenContents {
    GivenContents::Base64(STANDARD.encode(bytes))
}

async fn upload(
    name: &str,
    bytes: &[u8],
    options: &UploadScriptOptions,
    access: &Access,
) -> Result<ScriptSaved, Failure> {
    let admin = &access.admin;
    match admin.script(name).await {
        Ok(present) if options.replace => replace(present, bytes, options, access).await,
        Ok(present) if is_same(&present, bytes) && !says_something(&options.about) => {
            Ok(ScriptSaved { script: present, changed: false, normalised: Vec::new() })
        }
        Ok(present) => Err(Failure::new(format!(
            "there is already a script named {}: --replace makes this its next version",
            present.name
        ))),
        Err(error) if is_missing(&error) => {
            Ok(admin.add_script(&new(name, bytes, options)?).await?)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_missing(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::NotFound)
}

/// Whether a script has these contents. What may be in them is the server's to say.
fn is_same(present: &Script, bytes: &[u8]) -> bool {
    let read = ScriptContents::read(bytes, ScriptRules { allow_osascript: true });
    read.is_ok_and(|(contents, _)| contents.digest() == present.current.blake3)
}

fn new(name: &str, bytes: &[u8], options: &UploadScriptOptions) -> Result<NewScript, Failure> {
    let about = &options.about;
    Ok(NewScript {
        name: name.to_owned(),
        category: about.category.clone(),
        info: about.info.clone().unwrap_or_default(),
        notes: about.notes.clone().unwrap_or_default(),
        priority: about.priority.unwrap_or_default(),
        labels: labels(about)?.into_iter().collect(),
        os_requirement: about.os.clone().unwrap_or_default(),
        contents: as_given(bytes),
        comment: options.comment.clone(),
        edit: None,
    })
}

async fn replace(
    present: Script,
    bytes: &[u8],
    options: &UploadScriptOptions,
    access: &Access,
) -> Result<ScriptSaved, Failure> {
    let (admin, name) = (&access.admin, present.name.as_str());
    let about = &options.about;
    let labels = labels(about)?;
    let contents = SetContents {
        contents: as_given(bytes),
        based_on: present.current.version,
        comment: options.comment.clone(),
        edit: None,
    };
    let mut saved = admin.set_script_contents(name, &contents).await?;
    let change = ChangeScript {
        revision: present.revision,
        name: None,
        category: about.category.clone(),
        info: about.info.clone(),
        notes: about.notes.clone(),
        priority: about.priority,
        labels: labels.into_iter().collect(),
        os_requirement: about.os.clone(),
    };
    if says_something(about) {
        saved.script = admin.change_script(name, &change).await?;
    }
    Ok(saved)
}

fn says_something(about: &DeclareOptions) -> bool {
    let DeclareOptions { category, priority, os, labels, info, notes } = about;
    let texts = [category, os, info, notes];
    priority.is_some() || !labels.is_empty() || texts.iter().any(|text| text.is_some())
}

fn labels(about: &DeclareOptions) -> Result<Vec<(u8, String)>, Failure> {
    let read = |text: &String| {
        let (number, label) = setting(text)?;
        Ok((parameter(number)?, label.to_owned()))
    };
    about.labels.iter().map(read).collect()
}

/// What came of contents, in words.
pub(super) fn uploaded(saved: &ScriptSaved) -> String {
    let (script, newest) = (&saved.script, &saved.script.current);
    match saved.changed {
        true => format!(
            "{} is saved: version {}, {} bytes\n{}",
            script.name,
            newest.version,
            newest.size,
            shown::normalised(&saved.normalised)
        ),
        false => format!("{} is there already, with the same contents.", script.name),
    }
}
