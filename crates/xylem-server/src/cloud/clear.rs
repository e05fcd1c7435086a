//! What is removed at the provider on the way: what an upload of the same key left, and what lies
//! where a content is to be written.

use xylem_cloud::{Cursor, Leftover, Marker, ObjectKey, Page, Provider, UploadRef};
use xylem_db::CloudCopy;
use xylem_model::{ContentId, DistributionServerId};

use super::at::AtPoint;
use super::claim::refusal;
use super::store::Work;
use super::trouble::{DELETION_MAY_ARRIVE, FAILED_WAIT, Trouble};
use super::used::Asking;

/// Most pages of leftovers of one key that are looked at: nobody leaves so many.
const MAX_PAGES: usize = 50;

impl AtPoint<'_> {
    /// Removes uploads of a content that nobody goes on with, with their segments: a crash or a lost
    /// answer left them. `by` is the server that works on the content; none where nobody does, and it is
    /// *removing*.
    pub(super) async fn discard_leftovers(
        &self,
        provider: &dyn Provider,
        content: ContentId,
        by: Option<DistributionServerId>,
    ) -> Result<(), Trouble> {
        let (key, mut cursor) = (self.key(&content), Cursor::START);
        for _ in 0..MAX_PAGES {
            let Some(page) = self.leftovers(provider, &key, &cursor).await? else { return Ok(()) };
            let (uploads, segments): (Vec<_>, Vec<_>) =
                page.items.iter().partition(|it| matches!(it, Leftover::Upload { .. }));
            // An upload has an id that never comes again, a segment a name that does.
            self.discard_all(provider, &uploads).await?;
            if !segments.is_empty() {
                self.deleting(content, by, self.discard_all(provider, &segments)).await?;
            }
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Removes uploads of a key. Segments are left, since of an object that is there they are its own;
    /// says how many.
    pub(super) async fn discard_uploads(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
    ) -> Result<usize, Trouble> {
        let (mut cursor, mut left) = (Cursor::START, 0);
        for _ in 0..MAX_PAGES {
            let Some(page) = self.leftovers(provider, key, &cursor).await? else { return Ok(left) };
            let (uploads, segments): (Vec<_>, Vec<_>) =
                page.items.iter().partition(|it| matches!(it, Leftover::Upload { .. }));
            self.discard_all(provider, &uploads).await?;
            left += segments.len();
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(left),
            }
        }
        Ok(left)
    }

    /// A page of what uploads of a key left; none where there is nothing of the kind.
    async fn leftovers(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
        cursor: &Cursor,
    ) -> Result<Option<Page<Leftover>>, Trouble> {
        let Some(request) = provider.leftovers(Some(key), cursor, self.moment())? else {
            return Ok(None);
        };
        let answer = self.send(Asking::List, &request).await?;
        Ok(Some(provider.leftovers_listed(Some(key), cursor, &answer)?))
    }

    /// Gives up an upload that was begun. It is found again if this does not succeed.
    pub(super) async fn give_up(&self, key: ObjectKey, id: UploadRef) {
        let leftover = Leftover::Upload { key, id, begun: None };
        let given_up = async {
            let provider = self.provider().await?;
            self.discard_all(&*provider, &[&leftover]).await
        };
        if let Err(trouble) = given_up.await {
            tracing::warn!(
                %trouble,
                "an upload into the cloud was begun in vain, and stays for now"
            );
        }
    }

    async fn discard_all(
        &self,
        provider: &dyn Provider,
        leftovers: &[&Leftover],
    ) -> Result<(), Trouble> {
        for leftover in leftovers {
            if let Some(request) = provider.discard(leftover, self.moment()) {
                let answer = self.send(Asking::Write, &request).await?;
                provider.removed(leftover.key(), &answer)?;
            }
        }
        Ok(())
    }

    /// Removes an object of ours that is not as it is to be, or that no row knows of, so that it can
    /// be sent anew: nothing there is overwritten. Before it is asked for it is seen that what lies here
    /// is this catalogue's: another one may have taken it over.
    pub(super) async fn remove_wrong(
        &self,
        provider: &dyn Provider,
        work: Work,
    ) -> Result<(), Trouble> {
        let key = self.key(&work.content);
        if self.point.paused {
            let why = format!(
                "what lies at `{key}` is not as it is to be, and nothing is removed while an \
                 administrator has the cloud distribution point paused: `xylem cloud resume` ends that"
            );
            return Err(Trouble::Waits(why, DELETION_MAY_ARRIVE));
        }
        if !self.may_remove().await? {
            let why = format!(
                "something lies at `{key}` that no row knows of, and nothing is removed until the \
                 restore is confirmed"
            );
            return Err(Trouble::Waits(why, DELETION_MAY_ARRIVE));
        }
        self.check_marker(provider, &key).await?;
        let deletion = async {
            let answer = self.send(Asking::Write, &provider.remove(&key, self.moment())).await?;
            Ok(provider.removed(&key, &answer)?)
        };
        match self.deleting(work.content, Some(work.server), deletion).await {
            Err(Trouble::Unreached(why)) => {
                let why = format!("deleting `{key}` got no answer: {why}");
                Err(Trouble::Waits(why, DELETION_MAY_ARRIVE))
            }
            other => other,
        }
    }

    /// Refuses to write where a deletion that got no answer may still arrive.
    pub(super) fn require_writable(&self, copy: &CloudCopy) -> Result<(), Trouble> {
        let now = self.now();
        if copy.may_be_written(now) {
            return Ok(());
        }
        let wait = copy.not_before.map_or(DELETION_MAY_ARRIVE, |not_before| not_before.since(now));
        let why = format!(
            "a deletion of `{}` got no answer, and may still arrive: nothing is written there before",
            self.key(&copy.content)
        );
        Err(Trouble::Waits(why, wait))
    }

    /// Deletes something that is written under a content's key. That is noted before it is asked for,
    /// so that whatever becomes of this process nothing is written there while it may still arrive.
    async fn deleting(
        &self,
        content: ContentId,
        by: Option<DistributionServerId>,
        deletes: impl Future<Output = Result<(), Trouble>>,
    ) -> Result<(), Trouble> {
        let (store, point) = (self.store(), self.point.id);
        let until = self.now().plus(DELETION_MAY_ARRIVE);
        let Some(deletion) = store.deleting(point, content, by, until).await? else {
            return Err(Trouble::NotOurs);
        };
        let deleted = deletes.await;
        if !matches!(deleted, Err(Trouble::Unreached(_))) {
            store.deletion_answered(point, content, deletion).await?;
        }
        deleted
    }

    /// Sees that what lies here is this catalogue's.
    async fn check_marker(
        &self,
        provider: &dyn Provider,
        object: &ObjectKey,
    ) -> Result<(), Trouble> {
        let key = self.point.settings.storage.prefix().marker();
        let answer = self.send(Asking::Read, &provider.read(&key, self.moment())).await?;
        let found = provider.read_answered(&key, &answer)?.map(Marker::parse);
        match refusal(self.service.marker(), found) {
            None => Ok(()),
            Some(why) => {
                let why = format!("`{object}` is not deleted, because of `{key}`: {why}");
                Err(Trouble::Waits(why, FAILED_WAIT))
            }
        }
    }
}
