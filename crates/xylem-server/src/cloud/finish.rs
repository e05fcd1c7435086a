//! The end of an upload: put together, asked after, looked at as a client would.

use std::time::Duration;

use xylem_api::control_cloud::{
    CloudContent, CloudGivenUp, CloudProof, CloudSampled, GivenUp, SAMPLE_BYTES, SampleFound,
};
use xylem_api::error::ErrorCode;
use xylem_cloud::{
    Fault, FaultKind, FaultScope, Found, ObjectKey, Piece, Provider, StoredPiece, Upload,
    UploadRef, UrlFor,
};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_model::DistributionServerId;

use super::at::{AtPoint, LEASE};
use super::service::CloudService;
use super::store::Work;
use super::test::is_bound;
use super::trouble::{FAILED_WAIT, Trouble, not_ours, told};
use super::used::Asking;
use crate::failure::Failure;

/// For how long a content is a server's while its upload ends: as long as a provider may take for
/// its answer, and a minute for what is asked after it.
const ENDING_LEASE: Duration = Duration::from_secs(6 * 60);
/// Waits before an object that is not there yet is asked after once more: stores may answer with
/// what was true a moment ago. With the first time three times, within 30 s.
pub(super) const BETWEEN_LOOKS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];
/// How long the address of the proof lives.
pub(super) const PROOF_LIFE: Duration = Duration::from_secs(10 * 60);
/// When a content goes on whose copy the root lacks, or whose provider it did not reach.
const GIVEN_UP_WAIT: Duration = Duration::from_secs(5 * 60);

impl CloudService {
    /// Ends an upload of which all parts arrived. Asking again gives the same.
    pub(crate) async fn finish(
        &self,
        server: DistributionServerId,
        asked: CloudContent,
    ) -> Result<CloudProof, Failure> {
        let at = self.at(asked.point).await?;
        let proof = at.finish(server, asked).await;
        at.settle().await;
        proof
    }

    /// Takes what a server found where it looked at an object. Telling it again changes nothing.
    pub(crate) async fn sampled(
        &self,
        server: DistributionServerId,
        found: &CloudSampled,
    ) -> Result<(), Failure> {
        let at = self.at(found.point).await?;
        let taken = at.sampled(server, found).await;
        at.settle().await;
        taken
    }

    /// A server does not go on with a content.
    pub(crate) async fn given_up(
        &self,
        server: DistributionServerId,
        given_up: &CloudGivenUp,
    ) -> Result<(), Failure> {
        let at = self.at(given_up.point).await?;
        let work = at.work(given_up.content, server);
        let reason = match &given_up.cause {
            GivenUp::Leaving => return at.left(work).await,
            GivenUp::NoCopy => "the root has no sound copy of it at present".to_owned(),
            GivenUp::Line { why } => format!("the root did not reach the provider: {}", told(why)),
        };
        at.fail(work, &reason, false, Some(at.now().plus(GIVEN_UP_WAIT))).await?;
        Ok(())
    }
}

impl AtPoint<'_> {
    /// A server leaves a content to whoever comes next, at once. But where the provider may be putting
    /// it together at this moment, for others its time runs out first: a second end beside that one would
    /// be told that there is no such upload.
    async fn left(&self, work: Work) -> Result<(), Failure> {
        let copy = self.store().copy(work.point, work.content).await?;
        let Some(copy) = copy else { return Ok(()) };
        let is_ended =
            || self.service.pace().proved(work.point, work.content, copy.since).is_some();
        if copy.state == CloudCopyState::Proving && !is_ended() {
            return Ok(());
        }
        // Whoever has it by now keeps what is remembered of it.
        if self.store().released(work).await? {
            self.service.pace().forget(work.point, work.content);
        }
        Ok(())
    }

    async fn finish(
        &self,
        server: DistributionServerId,
        asked: CloudContent,
    ) -> Result<CloudProof, Failure> {
        let (work, copy) = self.kept(server, asked.content, ENDING_LEASE).await?;
        match self.prove(work, &copy).await {
            Ok(proof) => {
                // What it looks at now takes no longer than any other step.
                self.store().keep(work, self.now().plus(LEASE)).await?;
                Ok(proof)
            }
            Err(trouble) => Err(self.judge(work, &copy, trouble).await?.told()),
        }
    }

    /// From all parts to an object that is what follows from them, and an address for it.
    async fn prove(&self, work: Work, copy: &CloudCopy) -> Result<CloudProof, Trouble> {
        self.require_writable(copy)?;
        let provider = self.provider().await?;
        let upload = self.begun_upload(copy);
        let pieces = self.all_pieces(work, &upload).await?;
        if !self.store().proving(work).await? {
            return Err(Trouble::NotOurs);
        }
        self.moved(work.content);
        let found = self.ended(&*provider, copy, &upload, &pieces).await?;
        let found = self.as_it_should_be(&*provider, work, &upload, &pieces, found).await?;
        // Its own upload is over, so what is listed now is somebody's who was here before. While the point
        // is paused it stays, for the next sweep.
        if !self.point.paused
            && let Err(trouble) = self.discard_uploads(&*provider, &upload.key).await
        {
            tracing::warn!(%trouble, "what an upload into the cloud left stays for now");
        }
        let proof = self.proof(&*provider, copy, &upload.key)?;
        self.service.pace().prove(work.point, work.content, copy.since, found.etag);
        Ok(proof)
    }

    /// The parts that arrived, which are to be all.
    async fn all_pieces(&self, work: Work, upload: &Upload) -> Result<Vec<StoredPiece>, Trouble> {
        let parts = self.store().parts(work.point, work.content).await?;
        let piece = |stored: &xylem_db::CloudPart| {
            let part = upload.plan.part(stored.number)?;
            let piece = Piece { part, md5: stored.md5, sha256: stored.sha256 };
            Some(StoredPiece { piece, tag: UploadRef::new(&stored.tag)? })
        };
        let pieces: Vec<StoredPiece> = parts.iter().filter_map(piece).collect();
        let (there, all) = (pieces.len(), upload.plan.count());
        if u32::try_from(there).is_ok_and(|there| there == all) {
            return Ok(pieces);
        }
        let why = format!("of {all} parts {there} arrived so far: send the others first");
        Err(Failure::new(ErrorCode::Conflict, why).into())
    }

    /// Puts the object together where it is not there already, and asks after it.
    async fn ended(
        &self,
        provider: &dyn Provider,
        copy: &CloudCopy,
        upload: &Upload,
        pieces: &[StoredPiece],
    ) -> Result<Found, Trouble> {
        // The answer to the end may have been lost before.
        if copy.state == CloudCopyState::Proving
            && let Some(found) = self.find(provider, &upload.key).await?
        {
            return Ok(found);
        }
        let refusal = self.end(provider, upload, pieces).await.err();
        let looks = match &refusal {
            None => BETWEEN_LOOKS.as_slice(),
            Some(Trouble::Fault(fault)) => match fault.scope() {
                FaultScope::Point => return Err(Trouble::Fault(fault.clone())),
                FaultScope::Content => BETWEEN_LOOKS.as_slice(),
                FaultScope::Request => &[],
            },
            Some(_) => &[],
        };
        // However it was answered: what counts is what lies there.
        if let Some(found) = self.look_for(provider, &upload.key, looks).await? {
            return Ok(found);
        }
        // Asked before, and not heard: it may be putting it together at this moment, and says of a second
        // end that there is no such upload.
        if copy.state == CloudCopyState::Proving
            && let Some(Trouble::Fault(fault)) = &refusal
            && fault.kind == FaultKind::UploadLost
        {
            let why = format!("it may be putting the parts together: {fault}");
            return Err(Trouble::Waits(why, ENDING_LEASE));
        }
        Err(refusal.unwrap_or_else(|| {
            let attempt = format!("asking after `{}`, whose parts all arrived", upload.key);
            let why = "nothing is there, asked three times";
            Fault::new(FaultKind::UploadLost, attempt, why).into()
        }))
    }

    /// Asks the provider to put the parts together, where it has to be asked.
    async fn end(
        &self,
        provider: &dyn Provider,
        upload: &Upload,
        pieces: &[StoredPiece],
    ) -> Result<(), Trouble> {
        let Some(request) = provider.finish(upload, pieces, self.moment()) else { return Ok(()) };
        let answer = self.send_ending(&request).await?;
        match provider.finished(upload, &answer) {
            Err(fault) if fault.kind == FaultKind::Unsupported && upload.create_only => {
                self.service.pace().do_without_conditions(self.point.id);
                let plain = Upload { create_only: false, ..upload.clone() };
                let Some(request) = provider.finish(&plain, pieces, self.moment()) else {
                    return Ok(());
                };
                let answer = self.send_ending(&request).await?;
                Ok(provider.finished(&plain, &answer)?)
            }
            ended => Ok(ended?),
        }
    }

    pub(super) async fn look_for(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
        between: &[Duration],
    ) -> Result<Option<Found>, Trouble> {
        for wait in between {
            if let Some(found) = self.find(provider, key).await? {
                return Ok(Some(found));
            }
            tokio::time::sleep(*wait).await;
        }
        self.find(provider, key).await
    }

    /// Compares what was found with what was sent, and describes it where that is lacking. What is
    /// not as it should be is removed.
    async fn as_it_should_be(
        &self,
        provider: &dyn Provider,
        work: Work,
        upload: &Upload,
        pieces: &[StoredPiece],
        found: Found,
    ) -> Result<Found, Trouble> {
        let expected = provider.expected_etag(upload, pieces);
        if let Some(why) = is_other(&found, upload, expected.as_deref()) {
            self.remove_wrong(provider, work).await?;
            return Err(Trouble::Anew(why));
        }
        if found.sha256.is_none()
            && let Some(request) = provider.describe(upload, self.moment())
        {
            let answer = self.send(Asking::Write, &request).await?;
            provider.described(upload, &answer)?;
        }
        Ok(found)
    }

    /// An address of the object as a client gets one; none where addresses are a client's own.
    fn proof(
        &self,
        provider: &dyn Provider,
        copy: &CloudCopy,
        key: &ObjectKey,
    ) -> Result<CloudProof, Trouble> {
        if is_bound(&self.point.settings.storage) {
            return Ok(CloudProof { url: None });
        }
        let (at, life) = (self.moment(), PROOF_LIFE);
        let wanted = UrlFor { key, size: copy.size, name: &copy.name, client: None, at, life };
        let url = provider.url(&wanted)?;
        Ok(CloudProof { url: Some(url.reveal().to_owned()) })
    }

    async fn sampled(
        &self,
        server: DistributionServerId,
        told: &CloudSampled,
    ) -> Result<(), Failure> {
        let work = self.work(told.content, server);
        let kept = self.store().keep(work, self.now().plus(LEASE)).await?;
        let Some(copy) = kept.filter(|copy| copy.state == CloudCopyState::Proving) else {
            let row = self.store().copy(work.point, work.content).await?;
            let is_said_again = told.found == SampleFound::Same
                && row.is_some_and(|row| row.state == CloudCopyState::Present);
            return match is_said_again {
                true => Ok(()),
                false => Err(Failure::new(ErrorCode::Conflict, not_ours())),
            };
        };
        match self.take_sample(work, &copy, &told.found).await {
            Ok(()) => Ok(()),
            Err(trouble) => {
                // Whoever tells of a failure has done all that it could.
                let verdict = self.judge(work, &copy, trouble).await?;
                match told.found {
                    SampleFound::Same => Err(verdict.told()),
                    _ => Ok(()),
                }
            }
        }
    }

    async fn take_sample(
        &self,
        work: Work,
        copy: &CloudCopy,
        found: &SampleFound,
    ) -> Result<(), Trouble> {
        match found {
            SampleFound::Same => {
                self.count_read_back(copy.size.min(2 * SAMPLE_BYTES));
                let etag = self.proved_etag(work, copy).await?;
                if !self.store().present(work, etag.as_deref(), self.now()).await? {
                    return Err(Trouble::NotOurs);
                }
                self.service.pace().forget(work.point, work.content);
                self.moved(work.content);
                Ok(())
            }
            SampleFound::Other => {
                self.count_read_back(copy.size.min(2 * SAMPLE_BYTES));
                Err(self.read_otherwise(work, copy).await?)
            }
            SampleFound::Unread { why } => {
                let why = format!("it is there and could not be read as clients do: {}", told(why));
                Err(Trouble::Waits(why, FAILED_WAIT))
            }
        }
    }

    /// What becomes of a content of which other bytes were read than were sent. What lies there is
    /// asked after: if it is right, sending it anew would change nothing, since what delivers it gives
    /// other bytes, such as an edge that keeps what lay there before. If it is not, or the provider
    /// tells no digest, it is removed.
    async fn read_otherwise(&self, work: Work, copy: &CloudCopy) -> Result<Trouble, Trouble> {
        let (provider, upload) = (self.provider().await?, self.begun_upload(copy));
        let pieces = self.all_pieces(work, &upload).await?;
        let expected = provider.expected_etag(&upload, &pieces);
        let found = self.find(&*provider, &upload.key).await?;
        if found.is_some_and(|found| is_proved(&found, &upload, expected.as_deref())) {
            let why = format!(
                "reading `{}` back as clients do gave other bytes than were sent, though by the \
                 provider's digest the object is right: have what delivers it, such as a cache or a \
                 proxy, forget it",
                upload.key
            );
            return Ok(Trouble::Waits(why, FAILED_WAIT));
        }
        self.remove_wrong(&*provider, work).await?;
        Ok(Trouble::Anew("the bytes there were others than those that were sent".to_owned()))
    }

    /// The object's tag; asked after once more where another process asked before.
    async fn proved_etag(&self, work: Work, copy: &CloudCopy) -> Result<Option<String>, Trouble> {
        let known = self.service.pace().proved(work.point, work.content, copy.since);
        if let Some(etag) = known {
            return Ok(etag);
        }
        let (provider, upload) = (self.provider().await?, self.begun_upload(copy));
        let pieces = self.all_pieces(work, &upload).await?;
        let found = self.ended(&*provider, copy, &upload, &pieces).await?;
        Ok(self.as_it_should_be(&*provider, work, &upload, &pieces, found).await?.etag)
    }
}

/// Why what was found is not what was sent; none where it is.
fn is_other(found: &Found, upload: &Upload, expected_etag: Option<&str>) -> Option<String> {
    let key = &upload.key;
    let size = upload.plan.size();
    if found.size != size {
        return Some(format!("`{key}` has {} bytes there and {size} were sent", found.size));
    }
    if found.sha256.is_some_and(|sha256| sha256 != upload.sha256) {
        return Some(format!("`{key}` is described there as another content"));
    }
    match (&found.etag, expected_etag) {
        (Some(etag), Some(expected)) if !etag.eq_ignore_ascii_case(expected) => {
            Some(format!("`{key}` has the digest {etag} there, and {expected} was sent"))
        }
        _ => None,
    }
}

/// Whether what was found is what was sent by a digest of its bytes, and not only by what we said of
/// it.
fn is_proved(found: &Found, upload: &Upload, expected_etag: Option<&str>) -> bool {
    let is_told = found.etag.is_some() && expected_etag.is_some();
    is_told && is_other(found, upload, expected_etag).is_none()
}

#[cfg(test)]
mod tests {
    use xylem_cloud::{PartPlan, Prefix};
    use xylem_model::{ContentId, Sha256};

    use super::*;

    #[test]
    fn what_was_found_is_compared_in_every_way_that_is_told() {
        let upload = Upload {
            key: Prefix::default().content(&ContentId::of(b"a")),
            sha256: Sha256::from_bytes([1; 32]),
            disposition: String::new(),
            plan: PartPlan::again(5, None),
            reference: None,
            create_only: true,
        };
        let right = Found {
            size: 5,
            etag: Some("AB-2".to_owned()),
            sha256: Some(upload.sha256),
            segmented: false,
        };
        let other = |found: &Found| is_other(found, &upload, Some("ab-2"));
        assert_eq!(other(&right), None);
        assert_eq!(other(&Found { etag: None, sha256: None, ..right.clone() }), None);
        assert!(is_proved(&right, &upload, Some("ab-2")) && !is_proved(&right, &upload, None));
        assert!(!is_proved(&right, &upload, Some("cd-2")));
        assert!(!is_proved(&Found { etag: None, ..right.clone() }, &upload, Some("ab-2")));
        assert!(other(&Found { size: 6, ..right.clone() }).unwrap().contains("6 bytes"));
        let described = Found { sha256: Some(Sha256::from_bytes([2; 32])), ..right.clone() };
        assert!(other(&described).unwrap().contains("another content"));
        assert!(other(&Found { etag: Some("cd-2".to_owned()), ..right }).is_some());
    }
}
