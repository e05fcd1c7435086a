//! Parts on their way: what was answered to those that were sent, and requests for the next ones.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use xylem_api::control_cloud::{
    AnsweredPart, HandedOn, MAX_ANSWER_HANDED_ON, MAX_PARTS_TOLD, PartAgain, PartDigests,
    PieceRequest, SignedPiece, SignedPieces, TellCloudParts,
};
use xylem_api::error::ErrorCode;
use xylem_cloud::{
    CloudAnswer, CloudRequest, Fault, FaultKind, FaultScope, Found, Piece, Provider, Upload,
};
use xylem_db::{CloudCopy, CloudCopyState, CloudPart};
use xylem_model::{ContentId, DistributionServerId, Timestamp};

use super::at::{AtPoint, LEASE};
use super::pace::{BUSY_TRIES, LINE_FAULTS};
use super::service::CloudService;
use super::store::Work;
use super::trouble::{FAILED_WAIT, Trouble, not_ours};
use super::used::Asking;
use crate::failure::Failure;

/// How long a content waits of which a part was sent in vain, again and again.
const BUSY_WAIT: Duration = Duration::from_secs(5 * 60);

/// Most headers of an answer that are read.
const MAX_HEADERS: usize = 128;

/// What an answer to a part means.
enum Arrival {
    /// It is there, and was taken before: it is told once more since our answer was lost.
    Known,
    /// It is there.
    Stored(CloudPart),
    /// It is to be sent once more, after this wait.
    Again(Duration),
}

impl CloudService {
    /// Takes answers to parts, and signs requests for further ones.
    pub(crate) async fn parts(
        &self,
        server: DistributionServerId,
        told: &TellCloudParts,
    ) -> Result<SignedPieces, Failure> {
        if told.answered.len() > MAX_PARTS_TOLD || told.next.len() > MAX_PARTS_TOLD {
            let why = format!("at most {MAX_PARTS_TOLD} parts are told or asked for at once");
            return Err(Failure::new(ErrorCode::BadRequest, why));
        }
        let at = self.at(told.point).await?;
        let pieces = at.parts(server, told).await;
        at.settle().await;
        pieces
    }
}

impl AtPoint<'_> {
    async fn parts(
        &self,
        server: DistributionServerId,
        told: &TellCloudParts,
    ) -> Result<SignedPieces, Failure> {
        let (work, copy) = self.kept(server, told.content, LEASE).await?;
        match self.go_on(work, &copy, told).await {
            Ok(pieces) => Ok(pieces),
            Err(trouble) => Err(self.judge(work, &copy, trouble).await?.told()),
        }
    }

    /// A content that a server has and goes on with. What is wanted no longer is given up at the
    /// provider at once.
    pub(super) async fn kept(
        &self,
        server: DistributionServerId,
        content: ContentId,
        lease: Duration,
    ) -> Result<(Work, CloudCopy), Failure> {
        let work = self.work(content, server);
        if let Some(copy) = self.store().keep(work, self.now().plus(lease)).await? {
            return Ok((work, copy));
        }
        let row = self.store().copy(work.point, content).await?;
        if row.is_some_and(|row| row.state == CloudCopyState::Removing) {
            self.abandon(content).await;
        }
        Err(Failure::new(ErrorCode::Conflict, not_ours()))
    }

    /// Gives up what was begun of a content. Whoever removes it looks once more: so nothing is lost where
    /// the point is paused, and nothing is asked for then.
    pub(super) async fn abandon(&self, content: ContentId) {
        self.service.pace().forget(self.point.id, content);
        if self.point.paused {
            return;
        }
        let given_up = async {
            let provider = self.provider().await?;
            self.discard_leftovers(&*provider, content, None).await
        };
        if let Err(trouble) = given_up.await {
            tracing::warn!(%content, %trouble, "an upload that is wanted no longer stays for now");
        }
    }

    async fn go_on(
        &self,
        work: Work,
        copy: &CloudCopy,
        told: &TellCloudParts,
    ) -> Result<SignedPieces, Trouble> {
        let provider = self.provider().await?;
        let upload = self.begun_upload(copy);
        // Of a file of thousands of parts those alone that are spoken of.
        let answered = told.answered.iter().map(|told| told.part.number);
        let spoken_of: BTreeSet<u32> =
            answered.chain(told.next.iter().map(|asked| asked.number)).collect();
        let spoken_of: Vec<u32> = spoken_of.into_iter().collect();
        let store = self.store();
        let mut arrived = store.parts_among(work.point, work.content, &spoken_of).await?;
        let again = match copy.state {
            CloudCopyState::Sending => {
                self.take_answers(&*provider, work, &upload, &told.answered, &mut arrived).await?
            }
            _ => Vec::new(),
        };
        if let Some(why) = self.stands_still() {
            self.store().released(work).await?;
            return Err(Failure::new(ErrorCode::Conflict, why).into());
        }
        if !told.next.is_empty() {
            self.require_writable(copy)?;
        }
        let arrived: BTreeSet<u32> = arrived.into_iter().map(|part| part.number).collect();
        let mut pieces = Vec::new();
        for asked in &told.next {
            if !arrived.contains(&asked.number) {
                let piece = piece_of(&upload, asked)?;
                let request = provider.piece(&upload, &piece, self.moment())?;
                pieces.push(SignedPiece { number: asked.number, request: signed(request) });
            }
        }
        if let Some(life) = provider.unbound_for().filter(|_| !pieces.is_empty())
            && !self.store().signed(work, self.now().plus(life)).await?
        {
            return Err(Trouble::NotOurs);
        }
        let there = store.count_parts(work.point, work.content).await?;
        let there = u32::try_from(there).unwrap_or(u32::MAX);
        Ok(SignedPieces {
            pieces,
            again,
            at_once: self.at_once(&*provider),
            lacking: upload.plan.count().saturating_sub(there),
        })
    }

    /// Why nothing is signed at present.
    pub(super) fn stands_still(&self) -> Option<String> {
        if self.point.paused {
            return Some("an administrator paused the cloud distribution point".to_owned());
        }
        let broken = self.point.broken.as_ref()?;
        Some(format!("the cloud distribution point stands still: {}", broken.message))
    }

    /// Notes the parts that arrived beside those that did before, whatever became of others, and gives
    /// those that did not.
    async fn take_answers(
        &self,
        provider: &dyn Provider,
        work: Work,
        upload: &Upload,
        answered: &[AnsweredPart],
        arrived: &mut Vec<CloudPart>,
    ) -> Result<Vec<PartAgain>, Trouble> {
        let (mut stored, mut again, mut trouble) = (Vec::new(), Vec::new(), None);
        let mut busy = None;
        for told in answered {
            match self.arrival(provider, work, upload, told, arrived, &mut busy).await {
                Ok(Arrival::Known) => {}
                Ok(Arrival::Stored(part)) => stored.push(part),
                Ok(Arrival::Again(wait)) => {
                    let after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    again.push(PartAgain { number: told.part.number, after_ms });
                }
                Err(found) => trouble = trouble.or(Some(found)),
            }
        }
        if !stored.is_empty() {
            if !self.store().arrived(work, &stored).await? {
                return Err(Trouble::NotOurs);
            }
            self.moved(work.content);
            let parts = u32::try_from(stored.len()).unwrap_or(u32::MAX);
            self.service.pace().arrived(work.point, work.content, parts);
            arrived.append(&mut stored);
        }
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(again),
        }
    }

    /// What an answer means. `busy` is the wait after busy answers, one for all that are told at once.
    async fn arrival(
        &self,
        provider: &dyn Provider,
        work: Work,
        upload: &Upload,
        told: &AnsweredPart,
        arrived: &[CloudPart],
        busy: &mut Option<Duration>,
    ) -> Result<Arrival, Trouble> {
        let piece = piece_of(upload, &told.part)?;
        let answer = received(&told.answer, self.now());
        let answered = provider.piece_answered(upload, &piece, &answer);
        let part = answered.map(|tag| stored_part(&piece, tag.as_str()));
        if part.as_ref().is_ok_and(|part| arrived.contains(part)) {
            // What it used was counted then.
            return Ok(Arrival::Known);
        }
        self.count(Asking::Write);
        let fault = match part {
            Ok(part) => {
                self.count_sent(part.bytes);
                return Ok(Arrival::Stored(part));
            }
            Err(fault) => fault,
        };
        match fault.kind {
            FaultKind::Busy => {
                let wait = self.busy_wait(work, &fault, busy);
                self.once_more(work, piece.part.number, &fault.to_string(), wait)
            }
            FaultKind::Line if upload.plan.is_whole() => {
                self.arrived_otherwise(provider, work, upload, &piece, &fault).await
            }
            FaultKind::Line => self.line_fault(work, piece.part.number, &fault),
            FaultKind::Session if self.service.pace().renew(work.point, work.content) => {
                Ok(Arrival::Again(Duration::ZERO))
            }
            // One of several servers there may not know a new key yet. Where our own request is answered,
            // this part alone has to wait.
            FaultKind::Session => match self.try_again().await {
                Ok(()) => {
                    let wait = self.busy_wait(work, &fault, busy);
                    let again = self.once_more(work, piece.part.number, &fault.to_string(), wait);
                    // So long no server lags behind.
                    again.map_err(|_| fault.again().into())
                }
                Err(Trouble::Fault(own)) if own.clone().again().scope() == FaultScope::Point => {
                    Err(fault.again().into())
                }
                Err(own) => Err(own),
            },
            FaultKind::Gone if !provider.folders(&upload.key, self.moment()).is_empty() => {
                self.make_folders(provider, &upload.key).await?;
                self.once_more(work, piece.part.number, &fault.to_string(), Duration::ZERO)
            }
            FaultKind::Exists if upload.plan.is_whole() => {
                self.lies_there(provider, work, upload, &piece, &fault).await
            }
            FaultKind::Unsupported if upload.create_only => {
                self.service.pace().do_without_conditions(work.point);
                Ok(Arrival::Again(Duration::ZERO))
            }
            // What was handed on may be the word of whoever stands between: our own is asked for before
            // everything stands still.
            _ if fault.scope() == FaultScope::Point && self.try_again().await.is_ok() => {
                let why =
                    format!("the root was answered so, and the management server is not: {fault}");
                Err(Trouble::Waits(why, FAILED_WAIT))
            }
            _ => Err(fault.into()),
        }
    }

    /// A part is sent again, but not for ever: the content waits then.
    fn once_more(
        &self,
        work: Work,
        part: u32,
        why: &str,
        wait: Duration,
    ) -> Result<Arrival, Trouble> {
        let mut pace = self.service.pace();
        match pace.again(work.point, work.content, part) {
            1 => Ok(Arrival::Again(wait)),
            times if times < BUSY_TRIES => {
                let rng = &*self.service.environment().rng;
                let (more, _) = pace.wait(work.point, work.content, Some(wait), rng);
                Ok(Arrival::Again(more))
            }
            times => {
                let why = format!("part {part} was sent {times} times: {why}");
                Err(Trouble::Waits(why, BUSY_WAIT))
            }
        }
    }

    fn busy_wait(&self, work: Work, fault: &Fault, busy: &mut Option<Duration>) -> Duration {
        let mut pace = self.service.pace();
        let rng = &*self.service.environment().rng;
        let wait = *busy.get_or_insert_with(|| {
            pace.was_busy(work.point);
            pace.wait(work.point, work.content, None, rng).0
        });
        wait.max(fault.retry_after.unwrap_or_default())
    }

    fn line_fault(&self, work: Work, part: u32, fault: &Fault) -> Result<Arrival, Trouble> {
        let times = self.service.pace().line_fault(work.point, work.content, part);
        if times < LINE_FAULTS {
            return Ok(Arrival::Again(Duration::ZERO));
        }
        let why = format!("part {part} arrived with other bytes {times} times: {fault}");
        Err(Trouble::Waits(why, FAILED_WAIT))
    }

    /// A file that is sent as a whole arrived with other bytes, which may lie under its name by now. A
    /// provider that cannot write once only would write over them, so they are removed first.
    async fn arrived_otherwise(
        &self,
        provider: &dyn Provider,
        work: Work,
        upload: &Upload,
        piece: &Piece,
        fault: &Fault,
    ) -> Result<Arrival, Trouble> {
        match self.lies_there(provider, work, upload, piece, fault).await? {
            Arrival::Again(_) => self.line_fault(work, piece.part.number, fault),
            arrival => Ok(arrival),
        }
    }

    /// A file that is sent as a whole is there already: by a request whose answer was lost, and then
    /// it is right; or it is another thing, and removed.
    async fn lies_there(
        &self,
        provider: &dyn Provider,
        work: Work,
        upload: &Upload,
        piece: &Piece,
        fault: &Fault,
    ) -> Result<Arrival, Trouble> {
        if let Some(found) = self.find(provider, &upload.key).await? {
            if is_it(&found, upload, piece) {
                self.count_sent(piece.part.bytes);
                return Ok(Arrival::Stored(stored_part(piece, &piece.md5.to_hex())));
            }
            self.remove_wrong(provider, work).await?;
        }
        self.once_more(work, piece.part.number, &fault.to_string(), Duration::ZERO)
    }
}

/// Whether what was found is a file that was sent as a whole, as far as the provider tells.
fn is_it(found: &Found, upload: &Upload, piece: &Piece) -> bool {
    found.size == upload.plan.size()
        && found.sha256.is_none_or(|sha256| sha256 == upload.sha256)
        && found.etag.as_ref().is_none_or(|etag| *etag == piece.md5.to_hex())
}

/// A part that a server speaks of. Of a file that goes as a whole its digest is known.
fn piece_of(upload: &Upload, told: &PartDigests) -> Result<Piece, Failure> {
    let plan = &upload.plan;
    if plan.is_whole() && told.sha256 != upload.sha256 {
        let why = format!(
            "{} is not the SHA-256 of the content, which is {}",
            told.sha256, upload.sha256
        );
        return Err(Failure::new(ErrorCode::BadRequest, why));
    }
    let part = plan.part(told.number).ok_or_else(|| {
        let why = format!("there is no part {}: there are {}", told.number, plan.count());
        Failure::new(ErrorCode::BadRequest, why)
    })?;
    Ok(Piece { part, md5: told.md5, sha256: told.sha256 })
}

fn stored_part(piece: &Piece, tag: &str) -> CloudPart {
    CloudPart {
        number: piece.part.number,
        bytes: piece.part.bytes,
        md5: piece.md5,
        sha256: piece.sha256,
        tag: tag.to_owned(),
    }
}

/// An answer that was handed on. A header that none can be is as if it were not there.
fn received(told: &HandedOn, now: Timestamp) -> CloudAnswer {
    let mut headers = HeaderMap::new();
    for (name, value) in told.headers.iter().take(MAX_HEADERS) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let body = told.body.as_bytes();
    let body = body.get(..MAX_ANSWER_HANDED_ON).unwrap_or(body).to_vec();
    CloudAnswer { status: told.status, headers, body, received: now }
}

/// A request as the root is told of it.
pub(super) fn signed(request: CloudRequest) -> PieceRequest {
    let headers = request.headers.into_iter();
    PieceRequest {
        method: request.method.as_str().to_owned(),
        origin: request.endpoint.origin(),
        path: request.path,
        query: request.query,
        headers: headers.map(|header| (header.name.into_owned(), header.value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use xylem_cloud::{PartPlan, Prefix};
    use xylem_model::{Md5, Sha256};

    use super::*;

    fn upload(plan: PartPlan) -> Upload {
        Upload {
            key: Prefix::default().content(&ContentId::of(b"")),
            sha256: Sha256::from_bytes([3; 32]),
            disposition: String::new(),
            plan,
            reference: None,
            create_only: false,
        }
    }

    fn told(number: u32) -> PartDigests {
        PartDigests { number, md5: Md5::from_bytes([1; 16]), sha256: Sha256::from_bytes([2; 32]) }
    }

    #[test]
    fn what_is_handed_on_is_bounded_and_odd_headers_are_left_out() {
        let odd = ("a b".to_owned(), "x".to_owned());
        let good = ("etag".to_owned(), "\"x\"".to_owned());
        let broken = ("etag".to_owned(), "a\r\nb".to_owned());
        let headers = [odd, broken].into_iter().chain(std::iter::repeat_n(good, 1000)).collect();
        let told = HandedOn { status: 200, headers, body: "x".repeat(MAX_ANSWER_HANDED_ON + 1) };
        let answer = received(&told, Timestamp::from_unix_ms(1));
        assert_eq!(answer.body.len(), MAX_ANSWER_HANDED_ON);
        assert_eq!((answer.header("etag"), answer.headers.len()), (Some("\"x\""), MAX_HEADERS - 2));
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        let upload = upload(PartPlan::again(10, NonZeroU64::new(4)));
        let piece = piece_of(&upload, &told(3)).unwrap();
        assert_eq!((piece.part.offset, piece.part.bytes), (8, 2));
        for none in [0, 4, u32::MAX] {
            assert!(piece_of(&upload, &told(none)).is_err());
        }
    }

    #[test]
    fn other_bytes_are_not_signed_for_where_all_go_at_once() {
        let upload = upload(PartPlan::again(10, None));
        assert!(piece_of(&upload, &told(1)).is_err());
        let right = PartDigests { sha256: upload.sha256, ..told(1) };
        assert!(piece_of(&upload, &right).is_ok());
    }
}
