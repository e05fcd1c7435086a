//! Certificates that an administrator brought for distribution servers.
//!
//! Chain and key arrive sealed, as text that this crate cannot read.

use sea_orm::{ActiveValue::Set, IntoActiveModel as _};
use serde_json::json;
use xylem_model::{DistributionServerId, Timestamp};

use crate::audit::{self, Actor};
use crate::convert::MAX_SEALED_CHARS;
use crate::servers::{require_live, store_stamped};
use crate::transaction::{change, query};
use crate::{Database, DbError, DistributionServer};

/// A chain with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedChain {
    /// Both, sealed.
    pub sealed: String,
    /// SHA-256 of both, in hexadecimal.
    pub fingerprint: String,
}

impl Database {
    /// Gives a distribution server a chain to show, or takes it away.
    pub async fn set_public_chain(
        &self,
        id: DistributionServerId,
        chain: Option<&SealedChain>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<DistributionServer, DbError> {
        if chain.is_some_and(|chain| chain.sealed.len() > MAX_SEALED_CHARS) {
            return Err(DbError::Invalid {
                what: "certificate",
                problem: format!("it has more than {MAX_SEALED_CHARS} characters, sealed"),
            });
        }
        change!(self, "changing a server's public certificate", |tx| {
            let old = require_live(tx, id).await?;
            let mut row = old.clone().into_active_model();
            row.public_chain = Set(chain.map(|chain| chain.sealed.clone()));
            row.public_chain_sha256 = Set(chain.map(|chain| chain.fingerprint.clone()));
            let changed = store_stamped(tx, row).await?;
            let detail = json!({ "sha256": chain.map(|chain| &chain.fingerprint) });
            audit::append(tx, actor, now, "server.certificate", &old.name, &detail).await?;
            Ok(DistributionServer::try_from(changed)?)
        })
    }

    /// The sealed chain of a distribution server.
    pub async fn public_chain(
        &self,
        id: DistributionServerId,
    ) -> Result<Option<SealedChain>, DbError> {
        let row = query!(self, "reading a server's public certificate", |db| {
            require_live(db, id).await
        })?;
        Ok(row
            .public_chain
            .zip(row.public_chain_sha256)
            .map(|(sealed, fingerprint)| SealedChain { sealed, fingerprint }))
    }
}
