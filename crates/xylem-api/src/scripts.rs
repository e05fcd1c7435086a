//! Scripts, the versions of their contents, and the settings that hold for all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{
    ContentId, ContentsThrough, ParameterLabels, ScriptEditId, ScriptId, ScriptName,
    ScriptPriority, Timestamp,
};

/// A script, without its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Script {
    /// Its id, kept across versions and names.
    #[schema(value_type = String, format = Uuid)]
    pub id: ScriptId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: ScriptName,
    /// Category by name.
    pub category: Option<String>,
    /// Shown to whoever uses it.
    pub info: String,
    /// For those who keep it.
    pub notes: String,
    /// When it runs, beside the packages of the same policy: `before`, `after` or `at-reboot`.
    #[schema(value_type = String, example = "after")]
    pub priority: ScriptPriority,
    /// What parameters 4 to 11 stand for, by number.
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: ParameterLabels,
    /// The versions of macOS that it is for, such as `10.6.8, 10.6.x, >=10.13`; empty: all.
    pub os_requirement: String,
    /// How often anything but the contents was changed, from 1.
    pub revision: u64,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When anything but the contents was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// When it was deleted; it can be brought back for 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
    /// The newest version of its contents.
    pub current: ScriptVersion,
}

/// A version of a script's contents, without these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScriptVersion {
    /// 1, 2, …
    pub version: u64,
    /// BLAKE3 of the contents.
    #[schema(value_type = String)]
    pub blake3: ContentId,
    /// Their size in bytes.
    pub size: u64,
    /// Who wrote it.
    pub author: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What the author says of it.
    pub comment: String,
    /// The version that it repeats.
    pub restores: Option<u64>,
}

/// `GET /v1/scripts`: a page, in the order of names.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScriptPage {
    /// The scripts.
    pub items: Vec<Script>,
    /// Pass as `after` to get the next page.
    pub next: Option<String>,
}

/// `GET /v1/scripts/{name}/versions`: a page, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScriptVersionPage {
    /// The versions.
    pub items: Vec<ScriptVersion>,
    /// Pass as `before` to get the next page.
    pub next: Option<u64>,
}

/// A version with its contents.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionContents {
    /// The version.
    pub version: ScriptVersion,
    /// Its contents.
    pub contents: String,
}

/// Contents as somebody has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GivenContents {
    /// The bytes of a file, in base64 (RFC 4648 section 4): their encoding is found here.
    Base64(String),
    /// A text.
    Text(String),
}

/// `POST /v1/scripts`. Names, labels and contents are checked by the server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScript {
    /// Its name.
    pub name: String,
    /// Category by name.
    pub category: Option<String>,
    /// Shown to whoever uses it.
    #[serde(default)]
    pub info: String,
    /// For those who keep it.
    #[serde(default)]
    pub notes: String,
    /// When it runs; after the packages where left out.
    #[serde(default)]
    #[schema(value_type = String, example = "after")]
    pub priority: ScriptPriority,
    /// What parameters 4 to 11 stand for, by number.
    #[serde(default)]
    pub labels: BTreeMap<u8, String>,
    /// The versions of macOS that it is for; all where left out.
    #[serde(default)]
    pub os_requirement: String,
    /// Its contents.
    pub contents: GivenContents,
    /// What to say of them in the history.
    #[serde(default)]
    pub comment: String,
    /// The edit that they come from.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub edit: Option<ScriptEditId>,
}

/// `PATCH /v1/scripts/{name}`: what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeScript {
    /// The revision that the change is based on.
    pub revision: u64,
    /// Another name.
    pub name: Option<String>,
    /// Another category by name; an empty text takes it out of its category.
    pub category: Option<String>,
    /// Another info.
    pub info: Option<String>,
    /// Other notes.
    pub notes: Option<String>,
    /// Another priority.
    #[schema(value_type = Option<String>)]
    pub priority: Option<ScriptPriority>,
    /// Labels to be changed, by number; an empty text takes one away.
    #[serde(default)]
    pub labels: BTreeMap<u8, String>,
    /// Another OS requirement.
    pub os_requirement: Option<String>,
}

/// `PUT /v1/scripts/{name}/contents`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetContents {
    /// The contents.
    pub contents: GivenContents,
    /// The version that they were made from. Where it is not the newest, nothing is overwritten.
    pub based_on: u64,
    /// What to say of them in the history.
    #[serde(default)]
    pub comment: String,
    /// The edit that they come from.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub edit: Option<ScriptEditId>,
}

/// `POST /v1/scripts/{name}/restore`: an earlier version becomes the newest, as one more.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreVersion {
    /// Which version.
    pub version: u64,
    /// The version that is the newest as far as the caller knows.
    pub based_on: u64,
    /// The edit that this is done in.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub edit: Option<ScriptEditId>,
}

/// What came of contents.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScriptSaved {
    /// The script as it is now.
    pub script: Script,
    /// Whether they became a version; not where they are those of the newest.
    pub changed: bool,
    /// What was changed of them to bring them to the one form.
    pub normalised: Vec<Normalisation>,
}

/// One thing that was changed of given contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Normalisation {
    /// A stable word: `byte-order-mark`, `final-newline`, `line-endings`, `mac-roman`, `utf-16`.
    pub what: String,
    /// The same in words.
    pub message: String,
}

/// `POST /v1/scripts/{name}/edit`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditScript {
    /// Whether a script of this name is to be made.
    #[serde(default)]
    pub new: bool,
}

/// An edit that is under way.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenedEdit {
    /// Which; to be sent with the contents.
    #[schema(value_type = String, format = Uuid)]
    pub edit: ScriptEditId,
    /// The newest version; 0 where the script is yet to be made.
    pub version: u64,
    /// Its contents.
    pub contents: String,
    /// Until when the edit lasts.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// What differs between two versions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScriptDiff {
    /// The script.
    #[schema(value_type = String)]
    pub name: ScriptName,
    /// From this version; 0 stands for the time before the first.
    pub from: u64,
    /// To this one.
    pub to: u64,
    /// The lines that differ, as a unified diff; empty where none do.
    pub unified: String,
}

/// What was decided about scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScriptSettings {
    /// `editor-and-api`, or `editor-only`: contents change in the editor alone.
    #[schema(value_type = String, example = "editor-and-api")]
    pub change_contents: ContentsThrough,
    /// Whether a script may be run by `osascript`.
    pub allow_osascript: bool,
}

/// `PATCH /v1/script-settings`: what is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeScriptSettings {
    /// By which ways contents may be changed.
    #[schema(value_type = Option<String>)]
    pub change_contents: Option<ContentsThrough>,
    /// Whether a script may be run by `osascript`.
    pub allow_osascript: Option<bool>,
}
