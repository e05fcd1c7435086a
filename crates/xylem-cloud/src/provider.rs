//! What every provider can be asked: the one interface above all protocols.

use std::net::Ipv4Addr;
use std::time::Duration;

use xylem_model::FileName;

use crate::answer::CloudAnswer;
use crate::cursor::{Below, Cursor};
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::parts::PartRules;
use crate::request::{CloudRequest, SecretUrl};
use crate::upload::{Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef};

/// Makes a provider's requests and reads its answers. What is asked for by one function is read
/// by the next one, which is told the same things again.
///
/// `None` instead of a request means that the protocol has no such step. What is there before a
/// provider is, tokens and TempURL keys and delivery networks, is [`crate::swift`]'s own.
pub trait Provider: Send + Sync {
    /// How files are cut, and how large they may be.
    fn part_rules(&self) -> PartRules;

    /// How many requests with bytes may be under way at once, at most: one where files go as a whole
    /// whatever their size, so that a line that breaks costs one of them.
    fn most_at_once(&self) -> u32 {
        u32::MAX
    }

    /// How far our clock may be off before requests are refused, or what is signed is over before it
    /// was used, or lives far too long; `None` where it does not matter.
    fn max_skew(&self) -> Option<Duration> {
        None
    }

    /// For how long a request for a piece can write other bytes than those it was made for, or
    /// write again what is there; `None` where the signature is bound to the bytes. What arrived
    /// by such a request is asked after once more when this time is over.
    fn unbound_for(&self) -> Option<Duration> {
        None
    }

    /// Makes the folders that lead to an object, outermost first: for a piece that was answered by
    /// [`FaultKind::Gone`], where the protocol has folders.
    fn folders(&self, _: &ObjectKey, _: Moment) -> Vec<CloudRequest> {
        Vec::new()
    }

    /// Whether a folder is there, made by this request or before.
    ///
    /// # Errors
    /// When it was refused.
    fn folder_made(&self, _: &CloudAnswer) -> Result<(), Fault> {
        Ok(())
    }

    /// Begins an upload in parts, where parts need that.
    fn begin(&self, _: &Upload, _: Moment) -> Option<CloudRequest> {
        None
    }

    /// The id of the upload that was begun; only asked where [`Provider::begin`] has a request.
    ///
    /// # Errors
    /// When it was refused.
    fn begun(&self, upload: &Upload, _: &CloudAnswer) -> Result<UploadRef, Fault> {
        let attempt = format!("beginning the upload of `{}`", upload.key);
        Err(Fault::new(FaultKind::Unsupported, attempt, "uploads have no ids here"))
    }

    /// Sends one part, or a whole file. Its body is the piece's bytes, which the sender has.
    ///
    /// # Errors
    /// When it cannot be made: an upload without an id, keys that are none.
    fn piece(&self, upload: &Upload, piece: &Piece, at: Moment) -> Result<CloudRequest, Fault>;

    /// The provider's word for a piece that arrived whole.
    ///
    /// # Errors
    /// When it was refused, or the provider has other bytes.
    fn piece_answered(
        &self,
        upload: &Upload,
        piece: &Piece,
        answer: &CloudAnswer,
    ) -> Result<UploadRef, Fault>;

    /// Ends an upload in parts. `pieces` are all, in order.
    fn finish(&self, _: &Upload, _: &[StoredPiece], _: Moment) -> Option<CloudRequest> {
        None
    }

    /// Whether the upload was ended. The object is asked after all the same.
    ///
    /// # Errors
    /// When it was refused, which a status of 200 may hide.
    fn finished(&self, _: &Upload, _: &CloudAnswer) -> Result<(), Fault> {
        Ok(())
    }

    /// Sets what is kept beside an object, where it was asked after and [`Found::sha256`] lacks;
    /// `None` where that can only be said with the bytes, or nothing is kept.
    fn describe(&self, _: &Upload, _: Moment) -> Option<CloudRequest> {
        None
    }

    /// Whether it was set.
    ///
    /// # Errors
    /// When it was refused.
    fn described(&self, _: &Upload, _: &CloudAnswer) -> Result<(), Fault> {
        Ok(())
    }

    /// Asks after one object by its name.
    fn ask(&self, key: &ObjectKey, at: Moment) -> CloudRequest;

    /// What is there under that name; `None` where nothing is. An answer without a body cannot
    /// tell an object that is gone from a bucket or container that is: before one that was present
    /// counts as gone, a page of [`Provider::list`] is asked for, which is a fault then.
    ///
    /// # Errors
    /// When it was refused, or the answer is not of the protocol.
    fn found(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<Option<Found>, Fault>;

    /// Asks after one segment of a large object by its name; `None` where there are none.
    /// [`Provider::found`] reads the answer.
    fn ask_segment(&self, _: &Upload, _: u32, _: Moment) -> Option<CloudRequest> {
        None
    }

    /// What [`Found::etag`] of this upload must be where it is told; `None` where the provider
    /// tells none that follows from the parts.
    fn expected_etag(&self, upload: &Upload, pieces: &[StoredPiece]) -> Option<String>;

    /// Reads one small object whole: the marker, a probe.
    fn read(&self, key: &ObjectKey, at: Moment) -> CloudRequest;

    /// Its bytes; `None` where nothing is under that name.
    ///
    /// # Errors
    /// When it was refused.
    fn read_answered<'a>(
        &self,
        key: &ObjectKey,
        answer: &'a CloudAnswer,
    ) -> Result<Option<&'a [u8]>, Fault>;

    /// Asks for a page of the objects; contents come in the order of their ids.
    ///
    /// # Errors
    /// When the cursor is of another listing.
    fn list(&self, below: Below, cursor: &Cursor, at: Moment) -> Result<CloudRequest, Fault>;

    /// The page. Where names are in folders, one of others is told by its name with `/`.
    ///
    /// # Errors
    /// When it was refused, the answer is not of the protocol, or the listing does not advance.
    fn listed(
        &self,
        below: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault>;

    /// Asks for a page of unended uploads and segments, of one object or of all of ours; `None`
    /// where the protocol has neither.
    ///
    /// # Errors
    /// When the cursor is of another listing.
    fn leftovers(
        &self,
        _: Option<&ObjectKey>,
        _: &Cursor,
        _: Moment,
    ) -> Result<Option<CloudRequest>, Fault> {
        Ok(None)
    }

    /// The page: what is of that very object, or has a name of our form. What else begins with the
    /// same letters is somebody else's and not on it.
    ///
    /// # Errors
    /// When it was refused, the answer is not of the protocol, or the listing does not advance.
    fn leftovers_listed(
        &self,
        _: Option<&ObjectKey>,
        _: &Cursor,
        _: &CloudAnswer,
    ) -> Result<Page<Leftover>, Fault> {
        Ok(Page { items: Vec::new(), next: None })
    }

    /// Aborts an upload, or deletes a segment; its answer is read by [`Provider::removed`]. `None`
    /// for what the protocol does not leave: never a request that deletes an object.
    fn discard(&self, _: &Leftover, _: Moment) -> Option<CloudRequest> {
        None
    }

    /// Deletes an object. Its segments, where it has some ([`Found::segmented`]), are leftovers
    /// of it then, to be discarded one by one: what an object says of others is not believed.
    fn remove(&self, key: &ObjectKey, at: Moment) -> CloudRequest;

    /// Whether it is gone; that it was gone before is fine.
    ///
    /// # Errors
    /// When it was refused.
    fn removed(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<(), Fault>;

    /// Takes removed objects out of the caches of the delivery network: as many requests as its
    /// limits make of them, none where there is no network or it cannot be asked. `reference`
    /// makes asking again the same request.
    ///
    /// # Errors
    /// When they cannot be made. No fault of a delivery network stops the point.
    fn purge(
        &self,
        keys: &[ObjectKey],
        reference: &str,
        at: Moment,
    ) -> Result<Vec<CloudRequest>, Fault>;

    /// Whether the caches were told.
    ///
    /// # Errors
    /// When it was refused. No fault of a delivery network stops the point.
    fn purged(&self, answer: &CloudAnswer) -> Result<(), Fault>;

    /// An address that one client can fetch one object by.
    ///
    /// # Errors
    /// When it cannot be signed, or the object is larger than what is delivered.
    fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault>;
}

/// What an address is made for.
#[derive(Debug, Clone, Copy)]
pub struct UrlFor<'a> {
    /// The object.
    pub key: &'a ObjectKey,
    /// Its size, bytes.
    pub size: u64,
    /// What it is called at present.
    pub name: &'a FileName,
    /// The client's address, where it is known.
    pub client: Option<Ipv4Addr>,
    /// From when on.
    pub at: Moment,
    /// For how long a request may begin.
    pub life: Duration,
}
