//! What is removed at the provider on the way: what an upload of the same key left, and what lies
//! where a content is to be written.

use xylem_cloud::{Cursor, Leftover, ObjectKey, Provider, UploadRef};

use super::at::AtPoint;
use super::trouble::{DELETION_MAY_ARRIVE, Trouble};
use super::used::Asking;

/// Most pages of leftovers of one key that are looked at: nobody leaves so many.
const MAX_PAGES: usize = 50;

impl AtPoint<'_> {
    /// Removes uploads of a key that nobody goes on with: a crash or a lost answer left them.
    /// Segments too where nothing was begun; of an object that is there they are its own. Says how
    /// many segments were left.
    pub(super) async fn discard_leftovers(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
        segments: bool,
    ) -> Result<usize, Trouble> {
        let (mut cursor, mut left) = (Cursor::START, 0);
        for _ in 0..MAX_PAGES {
            let Some(request) = provider.leftovers(Some(key), &cursor, self.moment())? else {
                return Ok(left);
            };
            let answer = self.send(Asking::List, &request).await?;
            let page = provider.leftovers_listed(Some(key), &cursor, &answer)?;
            for leftover in &page.items {
                if segments || matches!(leftover, Leftover::Upload { .. }) {
                    self.discard(provider, leftover).await?;
                } else {
                    left += 1;
                }
            }
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(left),
            }
        }
        Ok(left)
    }

    /// Gives up an upload that was begun. It is found again if this does not succeed.
    pub(super) async fn give_up(&self, key: ObjectKey, id: UploadRef) {
        let leftover = Leftover::Upload { key, id, begun: None };
        let given_up = async {
            let provider = self.provider().await?;
            self.discard(&*provider, &leftover).await
        };
        if let Err(trouble) = given_up.await {
            tracing::warn!(
                ?trouble,
                "an upload into the cloud was begun in vain, and stays for now"
            );
        }
    }

    async fn discard(&self, provider: &dyn Provider, leftover: &Leftover) -> Result<(), Trouble> {
        let Some(request) = provider.discard(leftover, self.moment()) else { return Ok(()) };
        let answer = self.send(Asking::Write, &request).await?;
        Ok(provider.removed(leftover.key(), &answer)?)
    }

    /// Removes an object of ours that is not as it is to be, or that no row knows of, so that it can
    /// be sent anew: nothing there is overwritten.
    pub(super) async fn remove_wrong(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
    ) -> Result<(), Trouble> {
        if !self.may_remove().await? {
            let why = format!(
                "something lies at `{key}` that no row knows of, and nothing is removed until the \
                 restore is confirmed"
            );
            return Err(Trouble::Waits(why, DELETION_MAY_ARRIVE));
        }
        match self.send(Asking::Write, &provider.remove(key, self.moment())).await {
            Ok(answer) => Ok(provider.removed(key, &answer)?),
            Err(Trouble::Unreached(why)) => {
                let why = format!("deleting `{key}` got no answer: {why}");
                Err(Trouble::Waits(why, DELETION_MAY_ARRIVE))
            }
            Err(other) => Err(other),
        }
    }
}
