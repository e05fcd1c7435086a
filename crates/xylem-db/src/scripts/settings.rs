//! What administrators decide about all scripts.

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::json;
use xylem_model::{ContentsThrough, ScriptRules, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::parsed;
use crate::entity::setting::Entity;
use crate::settings::put;
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError};

const CHANGE_CONTENTS: &str = "scripts.change-contents";
const ALLOW_OSASCRIPT: &str = "scripts.allow-osascript";

const YES: &str = "yes";
const NO: &str = "no";

/// What was decided about scripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScriptSettings {
    /// By which ways contents may be changed.
    pub contents_through: ContentsThrough,
    /// What contents may be.
    pub rules: ScriptRules,
}

/// Another decision; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScriptSettingsChange {
    /// By which ways contents may be changed.
    pub contents_through: Option<ContentsThrough>,
    /// Whether `osascript` may be an interpreter.
    pub allow_osascript: Option<bool>,
}

impl Database {
    /// What was decided about scripts.
    pub async fn script_settings(&self) -> Result<ScriptSettings, DbError> {
        query!(self, "reading the settings of scripts", |db| read(db).await)
    }

    /// Decides about scripts. What is there already stays as it is.
    pub async fn change_script_settings(
        &self,
        asked: ScriptSettingsChange,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<ScriptSettings, DbError> {
        let through = asked.contents_through.map(ContentsThrough::as_str);
        let osascript = asked.allow_osascript.map(|allowed| if allowed { YES } else { NO });
        let decided = [(CHANGE_CONTENTS, through), (ALLOW_OSASCRIPT, osascript)];
        change!(self, "changing the settings of scripts", |tx| {
            for (key, value) in decided {
                let Some(value) = value else { continue };
                put(tx, key, value).await?;
                let detail = json!({ "set": value });
                audit::append(tx, actor, now, "script.settings", key, &detail).await?;
            }
            read(tx).await
        })
    }
}

/// What was decided, within whatever asks.
pub(super) async fn read<C: ConnectionTrait>(connection: &C) -> Outcome<ScriptSettings> {
    let through = Entity::find_by_id(CHANGE_CONTENTS).one(connection).await?;
    let osascript = Entity::find_by_id(ALLOW_OSASCRIPT).one(connection).await?;
    let contents_through = match through {
        Some(row) => parsed(CHANGE_CONTENTS, &row.value)?,
        None => ContentsThrough::default(),
    };
    let allow_osascript = osascript.is_some_and(|row| row.value == YES);
    Ok(ScriptSettings { contents_through, rules: ScriptRules { allow_osascript } })
}
