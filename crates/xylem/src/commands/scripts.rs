//! Scripts.
//!
//! * [`edit`]: in the user's editor.
//! * [`upload`]: from files.
//! * [`shown`]: as tables and sentences.

mod edit;
mod shown;
mod upload;

use serde::Serialize;
use xylem_api::scripts::{
    ChangeScript, ChangeScriptSettings, EditScript, RestoreVersion, Script, ScriptVersion,
};
use xylem_model::ContentsThrough;

use super::setting;
use crate::Failure;
use crate::access::{Access, configuration};
use crate::cli::ScriptCommand;
use crate::output::Output;

/// A script with the contents of one of its versions, as `script show --json` prints it.
#[derive(Serialize)]
struct Detail {
    script: Script,
    version: ScriptVersion,
    contents: String,
}

pub(crate) async fn run(
    command: ScriptCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        ScriptCommand::List { deleted: true } => {
            output.value(&admin.deleted_scripts().await?.items, |all| shown::list(all))
        }
        ScriptCommand::List { deleted: false } => {
            output.value(&all_scripts(access).await?, |all| shown::list(all))
        }
        ScriptCommand::Show { name, about: true, .. } => {
            output.value(&admin.script(&name).await?, shown::about)
        }
        ScriptCommand::Show { name, version, about: false } => {
            let script = admin.script(&name).await?;
            let found = admin.script_contents(&name, version).await?;
            let (version, contents) = (found.version, found.contents);
            output.exactly(&Detail { script, version, contents }, |it| &it.contents)
        }
        ScriptCommand::Upload(options) => upload::upload_all(&options, access, output).await,
        ScriptCommand::Edit { name, new, comment } => {
            edit::edit(&name, EditScript { new }, comment, access, output).await
        }
        ScriptCommand::Set { name, settings } => {
            let mut change = change(&settings)?;
            change.revision = admin.script(&name).await?.revision;
            output.value(&admin.change_script(&name, &change).await?, shown::about)
        }
        ScriptCommand::History { name } => {
            output.value(&history(&name, access).await?, |all| shown::history(all))
        }
        ScriptCommand::Diff { name, from, to } => {
            let diff = admin.diff_script(&name, from, to).await?;
            output.exactly(&diff, |diff| &diff.unified)
        }
        ScriptCommand::Restore { name, to: None } => {
            let script = admin.undelete_script(&name).await?;
            output.value(&script, |script| format!("{} is back.", script.name))
        }
        ScriptCommand::Restore { name, to: Some(version) } => {
            restore(&name, version, access, output).await
        }
        ScriptCommand::Delete { name } => {
            admin.delete_script(&name).await?;
            output.say(&format!(
                "Deleted {name}. `xylem script restore` brings it back within 30 days."
            ))
        }
        ScriptCommand::Settings { settings } => {
            let decided = match settings.as_slice() {
                [] => admin.script_settings().await?,
                settings => admin.change_script_settings(decision(settings)?).await?,
            };
            output.value(&decided, shown::settings)
        }
    }
}

async fn restore(
    name: &str,
    version: u64,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    // This program is an editor of scripts too, and so it is let in where the editor alone is.
    let opened = admin.edit_script(name, EditScript::default()).await?;
    let asked = RestoreVersion { version, based_on: opened.version, edit: Some(opened.edit) };
    let saved = admin.restore_script(name, &asked).await?;
    output.value(&saved, |saved| {
        let newest = &saved.script.current;
        match saved.changed {
            true => format!("{name} is as it was in version {version}: version {}", newest.version),
            false => format!("{name} is already as it was in version {version}."),
        }
    })
}

pub(super) async fn all_scripts(access: &Access) -> Result<Vec<Script>, Failure> {
    let mut scripts = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = access.admin.scripts(after.as_deref()).await?;
        scripts.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(scripts),
        }
    }
}

async fn history(name: &str, access: &Access) -> Result<Vec<ScriptVersion>, Failure> {
    let mut versions = Vec::new();
    let mut before = None;
    loop {
        let page = access.admin.script_versions(name, before).await?;
        versions.extend(page.items);
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(versions),
        }
    }
}

/// What `KEY=VALUE` settings of one script ask for.
fn change(settings: &[String]) -> Result<ChangeScript, Failure> {
    let mut change = ChangeScript::default();
    for text in settings {
        let (key, value) = setting(text)?;
        let value = value.to_owned();
        match key {
            "name" => change.name = Some(value),
            "category" => change.category = Some(value),
            "info" => change.info = Some(value),
            "notes" => change.notes = Some(value),
            "priority" => change.priority = Some(value.parse().map_err(configuration)?),
            "os" => change.os_requirement = Some(value),
            _ => {
                let number = key.strip_prefix("label.").ok_or_else(|| {
                    Failure::configuration(format!(
                        "`{key}` is no setting of a script: use name, category, info, notes, \
                         priority, os or label.4 to label.11"
                    ))
                })?;
                change.labels.insert(parameter(number)?, value);
            }
        }
    }
    Ok(change)
}

/// The number of a parameter; whether it can have a label is the server's to say.
fn parameter(text: &str) -> Result<u8, Failure> {
    text.parse().map_err(|_| {
        Failure::configuration(format!("`{text}` is no number of a parameter: use 4 to 11"))
    })
}

/// What `KEY=VALUE` settings of all scripts ask for.
fn decision(settings: &[String]) -> Result<ChangeScriptSettings, Failure> {
    let mut decision = ChangeScriptSettings::default();
    for text in settings {
        match setting(text)? {
            ("change-contents", way) => {
                let way: ContentsThrough = way.parse().map_err(configuration)?;
                decision.change_contents = Some(way);
            }
            ("allow-osascript", "yes") => decision.allow_osascript = Some(true),
            ("allow-osascript", "no") => decision.allow_osascript = Some(false),
            _ => {
                return Err(Failure::configuration(format!(
                    "`{text}` is no setting of scripts: use change-contents=editor-and-api or \
                     editor-only, and allow-osascript=yes or no"
                )));
            }
        }
    }
    Ok(decision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn settings_of_a_script_are_read_and_others_refused() {
        let asked = ["priority=before", "os=>=13", "label.4=Server=x", "label.11=", "info="];
        let change = change(&words(&asked)).map_err(Failure::into_error).unwrap();
        assert_eq!(change.priority.unwrap().to_string(), "before");
        assert_eq!(change.os_requirement.as_deref(), Some(">=13"));
        assert_eq!(change.labels[&4], "Server=x");
        assert_eq!((change.labels[&11].as_str(), change.info.as_deref()), ("", Some("")));
        for bad in ["contents=x", "label.x=y", "label=y", "priority=soon", "info"] {
            assert!(super::change(&words(&[bad])).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_of_all_scripts_take_their_own_words() {
        let asked = ["change-contents=editor-only", "allow-osascript=yes"];
        let decided = decision(&words(&asked)).map_err(Failure::into_error).unwrap();
        assert_eq!(decided.change_contents, Some(ContentsThrough::EditorOnly));
        assert_eq!(decided.allow_osascript, Some(true));
        for bad in ["change-contents=nobody", "allow-osascript=maybe", "osascript=yes"] {
            assert!(decision(&words(&[bad])).is_err(), "{bad}");
        }
    }
}
