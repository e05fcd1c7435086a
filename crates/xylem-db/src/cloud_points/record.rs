//! The words of [`super`]: a point, one to be set, and a change of one.

use serde_json::Value;
use xylem_model::{CloudPointId, Generation, Stamp, Timestamp};
use xylem_sync::Choice;

use super::chosen;
use crate::DbError;
use crate::cloud_copies::walks;
use crate::convert;
use crate::entity::cloud_point::Model;
use crate::words::words;

words! {
    /// What becomes of the objects of a point that is left.
    CloudObjects, "what becomes of objects in the cloud" {
        /// They are deleted, and nobody else's.
        Deleted => "deleted",
        /// They stay.
        Kept => "kept",
    }
}

/// How far a point is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudLeaving {
    /// Since when it is being left.
    pub since: Timestamp,
    /// Since when nobody is sent there any more.
    pub left: Option<Timestamp>,
    /// What becomes of its objects; none until somebody says it, and it stays until then.
    pub objects: Option<CloudObjects>,
}

/// What stays at the provider of a point that is forgotten, as far as there were rows of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CloudForgotten {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads that were begun, and neither ended nor aborted.
    pub uploads: u64,
}

/// A cloud distribution point, without its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudPoint {
    /// Which.
    pub id: CloudPointId,
    /// Whether it is in use; if not, it is being left.
    pub is_active: bool,
    /// How far it is on its way out; none while it is in use.
    pub leaving: Option<CloudLeaving>,
    /// The provider's word.
    pub provider: String,
    /// What is set, none of it secret.
    pub settings: Value,
    /// When its keys were set.
    pub secrets_set: Timestamp,
    /// How often settings or keys were changed, from 1; that it is being left counts as a change.
    pub revision: u32,
    /// What its last test found.
    pub last_test: Option<Value>,
    /// When it was set.
    pub created: Timestamp,
    /// When settings or keys were last changed, or since when it is being left.
    pub changed: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// Under which stamp it was last changed, in whatever way.
    pub stamp: Stamp,
    /// What was chosen for it; none: everything.
    pub selection: Choice,
    /// Whether it stands still by an administrator's word.
    pub paused: bool,
    /// Up to which change of the catalogue its wants were followed.
    pub followed: Generation,
    /// Why nothing succeeds there, until something does.
    pub broken: Option<Value>,
    /// When the last look through all that is there began.
    pub last_inventory: Option<Timestamp>,
    /// How many bytes are sent and read back in a month at most.
    pub month_ceiling: Option<u64>,
    /// Whether it is the principal: nothing is committed before it is there.
    pub is_principal: bool,
    /// How many full walks through the catalogue were begun for it.
    pub walks: u64,
}

/// A point that another one is to replace, as it was when the two were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudReplaced {
    /// Which.
    pub id: CloudPointId,
    /// Its revision then.
    pub revision: u32,
}

/// A point to be set.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCloudPoint {
    /// Its id.
    pub id: CloudPointId,
    /// The provider's word.
    pub provider: String,
    /// What is set, none of it secret.
    pub settings: Value,
    /// Its keys, sealed.
    pub sealed: String,
    /// What its test found.
    pub test: Option<Value>,
    /// The point that it replaces, which is being left from then on.
    pub replaces: Option<CloudReplaced>,
}

/// A change of a point; what is `None` stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CloudPointChange {
    /// Other settings, all of them.
    pub settings: Option<Value>,
    /// Other keys, sealed, all of them.
    pub sealed: Option<String>,
    /// What the test of both found.
    pub test: Option<Value>,
    /// Whether objects lie elsewhere from now on: nothing is remembered of what was where they lay.
    pub moved: bool,
}

impl TryFrom<Model> for CloudPoint {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let test = row.last_test.as_deref();
        let last_test = test.map(|text| convert::parsed_json("result of a cloud test", text));
        let broken = row.broken.as_deref();
        let broken = broken.map(|text| convert::parsed_json("fault of the cloud", text));
        let ceiling = row.month_ceiling.map(|bytes| convert::uint("ceiling of a month", bytes));
        Ok(Self {
            id: CloudPointId::from_uuid(row.id),
            is_active: row.active_key.is_some(),
            leaving: leaving(&row)?,
            settings: convert::parsed_json("cloud settings", &row.settings)?,
            secrets_set: Timestamp::from_unix_ms(row.secrets_at),
            revision: convert::count("revision", row.revision)?,
            last_test: last_test.transpose()?,
            created: Timestamp::from_unix_ms(row.created_at),
            changed: Timestamp::from_unix_ms(row.changed_at),
            stamp: convert::stamp(row.epoch, row.generation)?,
            selection: chosen(&row)?,
            paused: row.paused,
            followed: Generation(convert::uint("generation", row.followed)?),
            broken: broken.transpose()?,
            last_inventory: convert::moment(row.last_inventory),
            month_ceiling: ceiling.transpose()?,
            is_principal: row.is_principal,
            walks: walks(&row)?,
            provider: row.provider,
            changed_by: row.changed_by,
        })
    }
}

fn leaving(row: &Model) -> Result<Option<CloudLeaving>, DbError> {
    if row.active_key.is_some() {
        return Ok(None);
    }
    let objects = row.objects.as_deref();
    let objects = objects.map(|word| convert::parsed("what becomes of objects in the cloud", word));
    Ok(Some(CloudLeaving {
        // One that was being left before this was kept has been so since it was changed, or longer.
        since: Timestamp::from_unix_ms(row.leaving_since.unwrap_or(row.changed_at)),
        left: convert::moment(row.left_at),
        objects: objects.transpose()?,
    }))
}
