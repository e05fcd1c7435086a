//! One key on two machines.
//!
//! Each start of a program is a life: a random number that goes with each report. A life that
//! follows another is a restart, and the one before is over. One that comes back may have been late,
//! or be that of a machine which was taken back to a snapshot: then it is the one that goes on. Where
//! two lives come back in turns, two programs have one key: a disk was copied. Which of them is the
//! right one nobody can tell, so neither is let in any more, until an administrator has decided.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    QuerySelect as _, Set,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use xylem_model::{DistributionServerId, Timestamp};

use crate::audit::{self, Actor};
use crate::entity::distribution_server::{Column, Entity};
use crate::servers::{require_live, store_stamped};
use crate::transaction::{Outcome, change, query, report};
use crate::{Database, DbError, DistributionServer};

/// How often lives must come back, each time after the other reported.
const RETURNS: u32 = 3;

/// Returns that follow each other closer than this are one.
const APART: Duration = Duration::from_secs(10);

/// Returns are forgotten when one life alone has reported for this long.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// Lives that are remembered after they are over.
const REMEMBERED: usize = 4;

/// The lives of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lives {
    /// The one that reported last.
    present: Option<String>,
    /// Those before it, the latest first.
    former: Vec<String>,
    /// How often one of those came back.
    returns: u32,
    /// When the last one did.
    returned_ms: i64,
}

/// What a report says of the lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Nothing new.
    Same,
    /// Something to remember.
    Changed,
    /// Two programs have one key.
    Clone,
}

impl Lives {
    /// Those of a row; none where nothing is written, or nothing that can be read.
    fn read(column: Option<&str>) -> Self {
        column.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn see(&mut self, life: &str, now: Timestamp) -> Seen {
        let since_return = now.since(Timestamp::from_unix_ms(self.returned_ms));
        if self.present.as_deref() == Some(life) {
            if self.returns > 0 && since_return >= FORGOTTEN {
                self.returns = 0;
                return Seen::Changed;
            }
            return Seen::Same;
        }
        let place = self.former.iter().position(|former| former == life);
        if place.is_some() && self.returns > 0 && since_return < APART {
            return Seen::Same;
        }
        if let Some(place) = place {
            self.former.remove(place);
            self.returns += 1;
            self.returned_ms = now.unix_ms();
        }
        self.former.splice(0..0, self.present.replace(life.to_owned()));
        self.former.truncate(REMEMBERED);
        if self.returns >= RETURNS { Seen::Clone } else { Seen::Changed }
    }
}

impl Database {
    /// Notes that a life of a server reported. Where its key turns out to be on two machines, the
    /// server is set aside; says whether that was now.
    pub async fn note_life(
        &self,
        id: DistributionServerId,
        life: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        const DOING: &str = "noting which program of a server reports";

        // Nearly every report finds nothing new: it waits for no writer.
        let known = query!(self, DOING, |db| known_lives(db, id).await)?;
        if Lives::read(known.as_deref()).see(life, now) == Seen::Same {
            return Ok(false);
        }
        let seen = report!(self, DOING, |tx| {
            let row = require_live(tx, id).await?;
            let mut lives = Lives::read(row.lives.as_deref());
            let seen = lives.see(life, now);
            if seen != Seen::Same {
                let mut row = row.into_active_model();
                row.lives = Set(serde_json::to_string(&lives).ok());
                row.update(tx).await?;
            }
            Ok(seen)
        })?;
        if seen == Seen::Clone {
            self.set_aside(id, true, &Actor::system(), now).await?;
        }
        Ok(seen == Seen::Clone)
    }

    /// Sets a server aside, or takes it in again: then its lives begin anew.
    pub async fn set_aside(
        &self,
        id: DistributionServerId,
        is_aside: bool,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<DistributionServer, DbError> {
        change!(self, "setting a server aside, or taking it in again", |tx| {
            let old = require_live(tx, id).await?;
            let mut row = old.clone().into_active_model();
            row.set_aside_at = Set(is_aside.then_some(now.unix_ms()));
            row.lives = Set(None);
            let changed = store_stamped(tx, row).await?;
            let action = if is_aside { "server.set-aside" } else { "server.reinstate" };
            audit::append(tx, actor, now, action, &old.name, &json!({})).await?;
            Ok(DistributionServer::try_from(changed)?)
        })
    }
}

async fn known_lives<C: ConnectionTrait>(
    connection: &C,
    id: DistributionServerId,
) -> Outcome<Option<String>> {
    let lives = Entity::find_by_id(id.uuid()).select_only().column(Column::Lives);
    let known = lives.into_tuple::<Option<String>>().one(connection).await?;
    Ok(known.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    #[test]
    fn restarts_are_no_clones_however_many() {
        let mut lives = Lives::default();
        for (second, life) in ["a", "b", "c", "d", "e", "f", "g"].iter().enumerate() {
            let second = i64::try_from(second).unwrap() * 60;
            assert_eq!(lives.see(life, at(second)), Seen::Changed);
            assert_eq!(lives.see(life, at(second + 30)), Seen::Same);
        }
        assert_eq!(lives.former.len(), REMEMBERED);
    }

    #[test]
    fn a_report_that_was_late_is_no_clone() {
        let mut lives = Lives::default();
        lives.see("old", at(0));
        lives.see("new", at(100));
        assert_eq!(lives.see("old", at(120)), Seen::Changed, "noted, and no more");
        for second in (140..1000).step_by(30) {
            assert_ne!(lives.see("new", at(second)), Seen::Clone);
        }
        assert_eq!(lives.returns, 0, "forgotten");
    }

    #[test]
    fn a_machine_that_was_taken_back_to_a_snapshot_is_no_clone() {
        let mut lives = Lives::default();
        for (round, life) in ["first", "second", "first", "third"].iter().enumerate() {
            let begin = i64::try_from(round).unwrap() * 3600;
            for second in (begin..begin + 3600).step_by(30) {
                assert_ne!(lives.see(life, at(second)), Seen::Clone);
            }
        }
    }

    #[test]
    fn two_programs_that_both_go_on_are_found() {
        for gap in [1, 30] {
            let mut lives = Lives::default();
            lives.see("one", at(0));
            lives.see("other", at(10));
            let mut second = 20;
            let found = loop {
                if ["other", "one"].iter().any(|life| lives.see(life, at(second)) == Seen::Clone) {
                    break second;
                }
                second += gap;
                assert!(second < 600, "never found");
            };
            assert!(found < 120, "{found}");
        }
    }
}
