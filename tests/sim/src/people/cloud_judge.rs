//! Who looks, in the end, at what is in the cloud.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};
use xylem_db::CloudCopyState;
use xylem_model::ContentId;
use xylem_sync::FileFacts;

use super::Person;
use crate::cloud::{Cloud, FOREIGN_UPLOAD};

/// What is on its way waits for leases, breakers and tries by clocks that were wrong, and what goes
/// has a grace of a day: all clocks go on by more than that and the longest error.
const DAYS_LATER: Duration = Duration::from_secs(50 * 3600);

/// From then on all clocks go on by this much with each look. Less than an address or a signature
/// lives, so that what is on its way is not cut short by it.
const MINUTES_LATER: Duration = Duration::from_secs(3 * 60);

/// Waits between two looks. A root that has nothing to do asks once a minute, or when it is woken.
const LOOK_EVERY: Duration = Duration::from_secs(8);

/// How long it may take until all is there, and until all else is gone. A call that a cut link holds
/// up ends after six minutes; an hour is over, by clocks that go on as above, in less than three.
const COMPLETION: Duration = Duration::from_secs(560);

type Contents = BTreeMap<ContentId, Arc<[u8]>>;

impl Person {
    /// In the end all that was chosen is there, whole, and offered; and a day later nothing else is.
    pub(super) async fn look_at_the_cloud(&self) -> anyhow::Result<()> {
        let Some(cloud) = self.world.cloud.clone() else { return Ok(()) };
        let wanted = self.wanted_there(&cloud)?;
        self.wait_until("filling", || lacks(&cloud, &wanted)).await?;
        self.wait_until("5", || Ok(lacks(&cloud, &wanted)?.or(stays(&cloud, &wanted)?))).await?;
        let mut record = self.history.lock();
        record.figures.cloud_copies += wanted.len() as u64;
        record.figures.cloud_kept += cloud.names_that_stay()?.len() as u64;
        record.figures.cloud_clean += 1;
        Ok(())
    }

    /// Days pass, and then minutes, until nothing is wrong any more.
    async fn wait_until(
        &self,
        invariant: &str,
        wrong: impl Fn() -> anyhow::Result<Option<String>>,
    ) -> anyhow::Result<()> {
        self.move_clocks_on(DAYS_LATER);
        let end = Instant::now() + COMPLETION;
        while let Some(why) = wrong()? {
            if Instant::now() >= end {
                bail!("cloud {invariant}: {why}");
            }
            self.wake_everybody();
            sleep(LOOK_EVERY).await;
            self.move_clocks_on(MINUTES_LATER);
        }
        Ok(())
    }

    fn move_clocks_on(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or_default();
        self.world.machines().for_each(|machine| machine.move_clock_on(ms));
    }

    /// What is to be there by the selection that was made last.
    fn wanted_there(&self, cloud: &Cloud) -> anyhow::Result<Contents> {
        let selection = cloud.open()?.selection;
        let record = self.history.lock();
        let chosen = record.current.iter().filter(|(name, _)| {
            let Some(file) = self.world.store.file(name) else { return false };
            let facts = FileFacts {
                id: file.file,
                kind: file.kind,
                category: None,
                sites: Vec::new(),
                folded_name: name.collision_key(),
            };
            selection.as_ref().is_none_or(|selection| selection.chooses(&facts))
        });
        let bytes = |id: &ContentId| Some((*id, Arc::clone(record.acknowledged.get(id)?)));
        Ok(chosen.filter_map(|(_, id)| bytes(id)).collect())
    }
}

/// What is wanted and not there as it is to be, if anything; or is not known to be unwanted.
fn lacks(cloud: &Cloud, wanted: &Contents) -> anyhow::Result<Option<String>> {
    let rows = cloud.rows()?;
    for (content, bytes) in wanted {
        let Some(row) = rows.get(content) else {
            return Ok(Some(format!("{content} is wanted, and has no row")));
        };
        if row.state != CloudCopyState::Present || row.unwanted.is_some() {
            let (state, reason, broken) = (row.state, &row.reason, cloud.open()?.broken);
            return Ok(Some(format!("{content} is {state:?}: {reason:?}, {broken:?}")));
        }
        if cloud.double.bytes(&cloud.name_of(content)?).as_deref() != Some(&**bytes) {
            return Ok(Some(format!("{content} is offered, and does not lie there as it is")));
        }
    }
    let other = rows.values().find(|row| {
        let is_wanted = row.unwanted.is_none() && row.state != CloudCopyState::Removing;
        is_wanted && !wanted.contains_key(&row.content)
    });
    Ok(other.map(|row| format!("{} is {:?}, and nobody wants it", row.content, row.state)))
}

/// What stayed behind, if anything; or what went that is not ours.
fn stays(cloud: &Cloud, wanted: &Contents) -> anyhow::Result<Option<String>> {
    let mut expected = cloud.names_that_stay()?;
    for content in wanted.keys() {
        expected.push(cloud.name_of(content)?);
    }
    expected.sort();
    let names = cloud.double.names();
    if let Some(name) = names.iter().find(|name| !expected.contains(name)) {
        return Ok(Some(format!("the object {name} stays behind")));
    }
    if let Some(name) = expected.iter().find(|name| !names.contains(name)) {
        return Ok(Some(format!("the object {name} is gone")));
    }
    if let Some(row) = cloud.rows()?.values().find(|row| !wanted.contains_key(&row.content)) {
        return Ok(Some(format!("the row of {} stays behind", row.content)));
    }
    let uploads = cloud.double.uploads();
    Ok((uploads != [FOREIGN_UPLOAD]).then(|| format!("uploads stay behind: {uploads:?}")))
}
