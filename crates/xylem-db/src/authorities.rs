//! Which certificate authorities parties believe, as they report it.

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use xylem_model::{Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::entity::{computer, distribution_server};
use crate::state::raise;
use crate::transaction::{change, query};
use crate::{Database, DbError};

/// Root certificates that one party names.
const MAX_ROOTS: usize = 16;

/// Names of parties that are given as examples.
const EXAMPLES: usize = 20;

/// What a party says of the authorities, by the fingerprints of their roots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Believing {
    /// Those it believes.
    pub roots: Vec<String>,
    /// The one its own certificate leads to.
    pub certified_by: Option<String>,
}

impl Believing {
    /// The two as they are stored.
    pub(crate) fn columns(&self) -> (Option<String>, Option<String>) {
        let is_root =
            |text: &&String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let roots: Vec<&str> =
            self.roots.iter().filter(is_root).take(MAX_ROOTS).map(String::as_str).collect();
        let certified = self.certified_by.as_ref().filter(is_root).cloned();
        ((!roots.is_empty()).then(|| roots.join(" ")), certified)
    }
}

/// How many parties of a kind there are, and how many of them stand where they should.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followers {
    /// All that are enrolled.
    pub all: u64,
    /// Those that do.
    pub followed: u64,
    /// The names of some that do not.
    pub missing: Vec<String>,
}

/// What is asked of parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following<'a> {
    /// That they believe a root.
    Believe(&'a str),
    /// That their certificate leads to a root.
    CertifiedBy(&'a str),
}

/// What the parties of a table that were not removed say, by name. A macro, for tables have no
/// columns in common that the compiler knows of.
macro_rules! live {
    ($table:ident) => {
        $table::Entity::find()
            .filter($table::Column::RemovedAt.is_null())
            .select_only()
            .columns([$table::Column::Name, $table::Column::Believes, $table::Column::CertifiedBy])
            .order_by_asc($table::Column::LiveKey)
            .into_model::<Row>()
    };
}

#[derive(FromQueryResult)]
struct Row {
    name: String,
    believes: Option<String>,
    certified_by: Option<String>,
}

impl Database {
    /// Notes that the authorities changed: in the audit log, and by raising the generation, so that
    /// everybody who follows it hears of it at once.
    pub async fn note_authority_change(
        &self,
        action: &'static str,
        root: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "noting a change of authorities", |tx| {
            let stamp = raise(tx).await?;
            audit::append(tx, actor, now, action, root, &json!({})).await?;
            Ok(stamp)
        })
    }

    /// How far distribution servers and computers have followed.
    pub async fn followers(&self, of: Following<'_>) -> Result<(Followers, Followers), DbError> {
        let (servers, computers) = query!(self, "counting who believes an authority", |db| {
            let servers = live!(distribution_server).all(db).await?;
            Ok((servers, live!(computer).all(db).await?))
        })?;
        Ok((count(&servers, of), count(&computers, of)))
    }
}

fn count(rows: &[Row], of: Following<'_>) -> Followers {
    let follows = |row: &Row| match of {
        Following::Believe(root) => {
            row.believes.as_deref().is_some_and(|all| all.split(' ').any(|one| one == root))
        }
        Following::CertifiedBy(root) => row.certified_by.as_deref() == Some(root),
    };
    let (followed, missing): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| follows(row));
    Followers {
        all: rows.len() as u64,
        followed: followed.len() as u64,
        missing: missing.iter().take(EXAMPLES).map(|row| row.name.clone()).collect(),
    }
}
