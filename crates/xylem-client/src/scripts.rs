//! Scripts.

use http::Method;
use xylem_api::scripts::{
    ChangeScript, ChangeScriptSettings, EditScript, NewScript, OpenedEdit, RestoreVersion, Script,
    ScriptDiff, ScriptPage, ScriptSaved, ScriptSettings, ScriptVersionPage, SetContents,
    VersionContents,
};

use crate::admin::{AdminClient, segment};
use crate::error::ClientError;
use crate::records::between;

const SETTINGS: &str = "/v1/script-settings";

impl AdminClient {
    /// A page of scripts, in the order of names.
    pub async fn scripts(&self, after: Option<&str>) -> Result<ScriptPage, ClientError> {
        let path = match after {
            None => "/v1/scripts".to_owned(),
            Some(after) => format!("/v1/scripts?after={}", segment(after)),
        };
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Deleted scripts that can be brought back, the last deleted first.
    pub async fn deleted_scripts(&self) -> Result<ScriptPage, ClientError> {
        self.call(Method::GET, "/v1/scripts?deleted=true", None::<&()>).await
    }

    /// One script, without its contents.
    pub async fn script(&self, name: &str) -> Result<Script, ClientError> {
        self.call(Method::GET, &script_path(name), None::<&()>).await
    }

    /// Adds a script.
    pub async fn add_script(&self, new: &NewScript) -> Result<ScriptSaved, ClientError> {
        self.call(Method::POST, "/v1/scripts", Some(new)).await
    }

    /// Changes what is said of a script, or its name.
    pub async fn change_script(
        &self,
        name: &str,
        change: &ChangeScript,
    ) -> Result<Script, ClientError> {
        self.call(Method::PATCH, &script_path(name), Some(change)).await
    }

    /// Deletes a script; it can be brought back for 30 days.
    pub async fn delete_script(&self, name: &str) -> Result<(), ClientError> {
        self.call(Method::DELETE, &script_path(name), None::<&()>).await
    }

    /// Brings a deleted script back, with its whole history.
    pub async fn undelete_script(&self, name: &str) -> Result<Script, ClientError> {
        let path = format!("{}/undelete", script_path(name));
        self.call(Method::POST, &path, None::<&()>).await
    }

    /// The contents of a script, of the newest version or another.
    pub async fn script_contents(
        &self,
        name: &str,
        version: Option<u64>,
    ) -> Result<VersionContents, ClientError> {
        let path = match version {
            None => format!("{}/contents", script_path(name)),
            Some(version) => format!("{}/versions/{version}", script_path(name)),
        };
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// A page of the versions of a script, newest first.
    pub async fn script_versions(
        &self,
        name: &str,
        before: Option<u64>,
    ) -> Result<ScriptVersionPage, ClientError> {
        let path = match before {
            None => format!("{}/versions", script_path(name)),
            Some(before) => format!("{}/versions?before={before}", script_path(name)),
        };
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// What differs between two versions of a script: by default between the newest and the one
    /// before.
    pub async fn diff_script(
        &self,
        name: &str,
        from: Option<u64>,
        to: Option<u64>,
    ) -> Result<ScriptDiff, ClientError> {
        let path = format!("{}/diff?{}", script_path(name), between(from, to));
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Opens a script in the editor.
    pub async fn edit_script(
        &self,
        name: &str,
        asked: EditScript,
    ) -> Result<OpenedEdit, ClientError> {
        let path = format!("{}/edit", script_path(name));
        self.call(Method::POST, &path, Some(&asked)).await
    }

    /// Makes contents the next version of a script.
    pub async fn set_script_contents(
        &self,
        name: &str,
        new: &SetContents,
    ) -> Result<ScriptSaved, ClientError> {
        let path = format!("{}/contents", script_path(name));
        self.call(Method::PUT, &path, Some(new)).await
    }

    /// Makes an earlier version of a script the newest.
    pub async fn restore_script(
        &self,
        name: &str,
        asked: &RestoreVersion,
    ) -> Result<ScriptSaved, ClientError> {
        let path = format!("{}/restore", script_path(name));
        self.call(Method::POST, &path, Some(asked)).await
    }

    /// What was decided about all scripts.
    pub async fn script_settings(&self) -> Result<ScriptSettings, ClientError> {
        self.call(Method::GET, SETTINGS, None::<&()>).await
    }

    /// Decides about all scripts.
    pub async fn change_script_settings(
        &self,
        asked: ChangeScriptSettings,
    ) -> Result<ScriptSettings, ClientError> {
        self.call(Method::PATCH, SETTINGS, Some(&asked)).await
    }
}

fn script_path(name: &str) -> String {
    format!("/v1/scripts/{}", segment(name))
}
