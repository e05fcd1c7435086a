//! Akamai NetStorage ("NetStorage Usage API"), and Akamai's edge in front of it.
//!
//! There are no parts: a file is one PUT, whose size and SHA-256 the service compares. It is never
//! given out from here; clients go to the edge, with a token.

mod edge_token;
mod listing;
mod purge;
mod sign;
#[cfg(test)]
mod vectors;

use std::time::Duration;

use http::Method;

pub(crate) use edge_token::EdgeTokenError;

use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Below, Cursor, PAGE};
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::parts::{MIB, PartRules};
use crate::provider::{Provider, UrlFor};
use crate::request::{Body, CloudRequest, SecretUrl};
use crate::secret::AkamaiSecrets;
use crate::settings::AkamaiSettings;
use crate::upload::{Found, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef};

/// How far our clock may be off, seconds.
const MAX_SKEW_SECONDS: u64 = 60;
/// The documents name no largest file: what we send at most, bytes.
const LARGEST_FILE: u64 = 5 * 1024 * 1024 * MIB;
/// A token is good from a little before, for edges whose clocks are behind.
const EARLIER: Duration = Duration::from_secs(60);

/// A directory of NetStorage, and the keys for it.
#[derive(Debug)]
pub struct Akamai<'a> {
    settings: &'a AkamaiSettings,
    keys: &'a AkamaiSecrets,
}

impl<'a> Akamai<'a> {
    /// The directory of these settings, which were checked.
    pub const fn new(settings: &'a AkamaiSettings, keys: &'a AkamaiSecrets) -> Self {
        Self { settings, keys }
    }

    /// The path as it goes onto the request line, which is how it is signed.
    fn path(&self, key: &str) -> String {
        format!("/{}/{}", self.settings.cp_code, encode::path(key))
    }

    /// The path of an object at the edge.
    fn delivered(&self, key: &ObjectKey) -> String {
        format!("{}/{}", self.settings.delivery_url.base(), encode::path(key.as_str()))
    }

    /// 403 stands for signature, clock, method and account; the answer's date tells the clock.
    fn fault(&self, answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
        let mut fault = answer.fault_by_status(attempt);
        let skew = answer.skew_seconds().unwrap_or_default();
        match answer.status {
            401 | 403 if skew.unsigned_abs() > MAX_SKEW_SECONDS => {
                fault.kind = FaultKind::Clock;
                fault.why = format!("our clock is {skew} s ahead of the provider's");
            }
            401 | 403 => fault.kind = FaultKind::Keys,
            409 | 412 => fault.kind = FaultKind::Unexpected,
            500..=599 if fault.kind == FaultKind::Unexpected => fault.kind = FaultKind::Busy,
            _ => {}
        }
        fault
    }
}

impl Provider for Akamai<'_> {
    fn part_rules(&self) -> PartRules {
        PartRules {
            whole_up_to: LARGEST_FILE,
            smallest_part: LARGEST_FILE,
            largest_part: LARGEST_FILE,
            aim_parts: 1,
            most_parts: 1,
            largest_file: LARGEST_FILE,
        }
    }

    fn most_at_once(&self) -> u32 {
        1
    }

    fn max_skew(&self) -> Option<Duration> {
        Some(Duration::from_secs(MAX_SKEW_SECONDS))
    }

    fn folders(&self, key: &ObjectKey, at: Moment) -> Vec<CloudRequest> {
        let ends = key.as_str().match_indices('/').map(|(end, _)| end);
        ends.zip(0_u64..)
            .map(|(end, number)| {
                let folder = key.as_str().get(..end).unwrap_or_default();
                let nonce = at.nonce.wrapping_add(number);
                self.signed(Method::PUT, self.path(folder), "mkdir", Moment { nonce, ..at })
            })
            .collect()
    }

    fn folder_made(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.status {
            // 409: it is there.
            200..=299 | 409 => Ok(()),
            _ => {
                let attempt = Attempt { doing: "making a folder at", on: "NetStorage" };
                Err(self.fault(answer, attempt))
            }
        }
    }

    fn piece(&self, upload: &Upload, piece: &Piece, at: Moment) -> Result<CloudRequest, Fault> {
        let action = format!(
            "upload&size={}&sha256={}&mtime={}",
            piece.part.bytes,
            piece.sha256,
            at.now.unix_seconds()
        );
        let path = self.path(upload.key.as_str());
        let request = self.signed(Method::PUT, path, &action, at);
        Ok(request.with_body(Body::Piece { size: piece.part.bytes }))
    }

    fn piece_answered(
        &self,
        upload: &Upload,
        piece: &Piece,
        answer: &CloudAnswer,
    ) -> Result<UploadRef, Fault> {
        if answer.is_success() {
            return Ok(UploadRef::from(piece.md5));
        }
        Err(self.fault(answer, Attempt { doing: "sending", on: upload.key.as_str() }))
    }

    fn ask(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(Method::GET, self.path(key.as_str()), "stat&format=xml&encoding=utf-8", at)
    }

    fn found(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<Option<Found>, Fault> {
        self.stat(key, answer)
    }

    fn expected_etag(&self, _: &Upload, pieces: &[StoredPiece]) -> Option<String> {
        pieces.first().map(|stored| stored.piece.md5.to_hex())
    }

    fn read(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(Method::GET, self.path(key.as_str()), "download", at)
    }

    fn read_answered<'a>(
        &self,
        key: &ObjectKey,
        answer: &'a CloudAnswer,
    ) -> Result<Option<&'a [u8]>, Fault> {
        match answer.status {
            200..=299 => Ok(Some(&answer.body)),
            404 => Ok(None),
            _ => Err(self.fault(answer, Attempt { doing: "reading", on: key.as_str() })),
        }
    }

    fn list(&self, below: Below, cursor: &Cursor, at: Moment) -> Result<CloudRequest, Fault> {
        let (folder, from) = self.folders().place(below, cursor)?;
        let mut action = format!("dir&format=xml&encoding=utf-8&max_entries={PAGE}");
        if let Some(from) = from {
            action.push_str("&start=");
            action.push_str(&encode::component(from));
        }
        let path = self.path(&folder);
        Ok(self.signed(Method::GET, path.trim_end_matches('/').to_owned(), &action, at))
    }

    fn listed(
        &self,
        below: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        self.folder(below, cursor, answer)
    }

    fn remove(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(Method::PUT, self.path(key.as_str()), "delete", at)
    }

    fn removed(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(self.fault(answer, Attempt { doing: "deleting", on: key.as_str() })),
        }
    }

    fn purge(&self, keys: &[ObjectKey], _: &str, at: Moment) -> Result<Vec<CloudRequest>, Fault> {
        self.purge_requests(keys, at).map_err(Fault::aside)
    }

    fn purged(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        if answer.is_success() {
            return Ok(());
        }
        let attempt = Attempt { doing: "purging at", on: "Akamai" };
        let mut fault = answer.fault_by_status(attempt);
        if answer.status == 401 {
            fault.kind = FaultKind::Keys;
        }
        Err(fault.aside())
    }

    fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault> {
        let path = self.delivered(wanted.key);
        let starts = wanted.at.now.minus(EARLIER).unix_seconds();
        let ends = wanted.at.now.plus(wanted.life).unix_seconds();
        let (secret, salt) = (&self.keys.token_secret, self.keys.token_salt.as_ref());
        let acl = edge_token::acl_of(&path);
        let token = edge_token::edge_token(secret, salt, &acl, starts, ends).map_err(|error| {
            let attempt = format!("signing an address of `{}`", wanted.key);
            Fault::new(FaultKind::Keys, attempt, error.to_string())
        })?;
        let query = format!("{}={token}", self.settings.token_name);
        Ok(SecretUrl::new(&self.settings.delivery_url, &path, &query))
    }
}
