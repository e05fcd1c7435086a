//! What a test asks the provider, one thing each. [`large`]: of large files in segments.

mod large;

use std::fmt;
use std::time::Duration;

use xylem_client::{ClientError, full_body};
use xylem_cloud::{
    Below, CloudAnswer, CloudRequest, Cursor, Fault, FaultKind, Found, Leftover, Moment, ObjectKey,
    Piece, Provider, SecretUrl, Upload, UploadRef, UrlFor, disposition,
};
use xylem_model::{FileName, Sha256};
use xylem_runtime::Environment;
use xylem_telemetry::chain;

use super::moment;
use super::session::TestClient;

/// How often something is looked for before it counts as it seems.
const LOOKS: u32 = 3;
/// The wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// Stands for the digest of what is never sent.
const NO_BYTES: Sha256 = Sha256::from_bytes([0; Sha256::BYTES]);
/// First and last byte of the range that is read.
pub(super) const RANGE: (u64, u64) = (100, 299);

/// A provider, and how it is reached.
pub(super) struct Probe<'a> {
    pub(super) client: TestClient,
    pub(super) provider: Box<dyn Provider + 'a>,
    pub(super) environment: &'a Environment,
    pub(super) url_lifetime: Duration,
    /// Shortest segment of a large file, bytes, where it is made of some.
    pub(super) smallest_segment: Option<u64>,
}

/// Why a step did not succeed.
pub(super) enum Miss {
    /// There was no answer.
    Client(ClientError),
    /// The provider refused, or its answer cannot be used.
    Fault(Fault),
    /// The answer is another one than it should be.
    Other(String),
}

impl Probe<'_> {
    /// What a request is made of at present.
    pub(super) fn moment(&self) -> Moment {
        moment(self.environment)
    }

    /// Asks after an object: any answer will do.
    pub(super) async fn reach(&self, key: &ObjectKey) -> Result<CloudAnswer, Miss> {
        Ok(self.client.send(&self.provider.ask(key, self.moment())).await?)
    }

    /// Writes an object as a whole, and makes the folders that lead to it where there are some.
    pub(super) async fn write(
        &self,
        key: &ObjectKey,
        bytes: &[u8],
        create_only: bool,
    ) -> Result<(), Miss> {
        let plan = self.provider.part_rules().plan(bytes.len() as u64).map_err(Miss::other)?;
        let part = plan.part(1).ok_or_else(|| Miss::other("it has no parts"))?;
        let piece = Piece::of(part, bytes);
        let upload = Upload {
            key: key.clone(),
            sha256: piece.sha256,
            disposition: disposition(&name()?),
            plan,
            reference: None,
            create_only,
        };
        for _ in 1..LOOKS {
            match self.send_piece(&upload, &piece, bytes).await {
                Err(Miss::Fault(fault)) if fault.kind == FaultKind::Gone => {
                    self.make_folders(key).await?;
                    break;
                }
                // A key that was set a moment ago may not be known everywhere.
                Err(Miss::Fault(fault)) if fault.kind == FaultKind::Session => {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                other => return other.map(drop),
            }
        }
        self.send_piece(&upload, &piece, bytes).await.map(drop)
    }

    async fn send_piece(
        &self,
        upload: &Upload,
        piece: &Piece,
        bytes: &[u8],
    ) -> Result<UploadRef, Miss> {
        let request = self.provider.piece(upload, piece, self.moment())?;
        let answer = self.client.send_piece(&request, full_body(bytes.to_vec())).await?;
        Ok(self.provider.piece_answered(upload, piece, &answer)?)
    }

    async fn make_folders(&self, key: &ObjectKey) -> Result<(), Miss> {
        for request in self.provider.folders(key, self.moment()) {
            let answer = self.client.send(&request).await?;
            self.provider.folder_made(&answer)?;
        }
        Ok(())
    }

    /// What is there under a name.
    pub(super) async fn find(&self, key: &ObjectKey) -> Result<Option<Found>, Miss> {
        let answer = self.reach(key).await?;
        Ok(self.provider.found(key, &answer)?)
    }

    /// An object that was written: its size, and our digest where the provider keeps one.
    pub(super) async fn find_written(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), Miss> {
        let found = self.looked_for(key, true).await?;
        let found = found.ok_or_else(|| Miss::other("it was written and is not found"))?;
        if found.size != bytes.len() as u64 {
            let told = format!("it has {} bytes and {} were written", found.size, bytes.len());
            return Err(Miss::Other(told));
        }
        Ok(())
    }

    /// An object that was deleted.
    pub(super) async fn find_nothing(&self, key: &ObjectKey) -> Result<(), Miss> {
        match self.looked_for(key, false).await? {
            None => Ok(()),
            Some(_) => Err(Miss::other("it was deleted and is there all the same")),
        }
    }

    /// What is there, asked again for as long as it is not as expected: a store may answer with
    /// what was true a moment ago.
    pub(super) async fn looked_for(
        &self,
        key: &ObjectKey,
        wanted: bool,
    ) -> Result<Option<Found>, Miss> {
        for _ in 1..LOOKS {
            let found = self.find(key).await?;
            if found.is_some() == wanted {
                return Ok(found);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        self.find(key).await
    }

    /// Reads an object with the keys and compares it.
    pub(super) async fn read(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), Miss> {
        let answer = self.client.send(&self.provider.read(key, self.moment())).await?;
        match self.provider.read_answered(key, &answer)? {
            Some(read) if read == bytes => Ok(()),
            Some(read) => Err(other_bytes(read.len(), bytes.len())),
            None => Err(Miss::other("it was written and is not there")),
        }
    }

    /// An address as clients get them, good from `at` on.
    pub(super) fn url(&self, key: &ObjectKey, size: u64, at: Moment) -> Result<SecretUrl, Miss> {
        let (name, life) = (name()?, self.url_lifetime);
        Ok(self.provider.url(&UrlFor { key, size, name: &name, client: None, at, life })?)
    }

    /// Reads an object as a client would.
    pub(super) async fn read_by(&self, url: &SecretUrl, bytes: &[u8]) -> Result<(), Miss> {
        let answer = self.client.send(&url.get()).await?;
        match answer.status {
            200 if answer.body == bytes => Ok(()),
            200 => Err(other_bytes(answer.body.len(), bytes.len())),
            status => Err(Miss::Other(format!(
                "a client that was given an address for it is answered {status}: see that the \
                 delivery key is the one that is set at the provider"
            ))),
        }
    }

    /// Reads a part of an object as a client does that goes on.
    pub(super) async fn read_range_by(&self, url: &SecretUrl, bytes: &[u8]) -> Result<(), Miss> {
        let (first, last) = RANGE;
        let answer = self.client.send(&url.get().with_range(first, last)).await?;
        if answer.status != 206 {
            let status = answer.status;
            return Err(Miss::Other(format!(
                "a range is answered {status} and not 206: clients could not go on after a break"
            )));
        }
        let told = format!("bytes {first}-{last}/{}", bytes.len());
        if answer.header("content-range") != Some(told.as_str()) {
            return Err(Miss::Other(format!("the answer to a range does not say `{told}`")));
        }
        let wanted = usize::try_from(first).ok().zip(usize::try_from(last).ok());
        match wanted.and_then(|(first, last)| bytes.get(first..=last)) {
            Some(part) if part == answer.body => Ok(()),
            _ => Err(Miss::other("a range has other bytes than were written there")),
        }
    }

    /// Sends a request that is to be refused.
    pub(super) async fn refused(&self, request: &CloudRequest) -> Result<(), Miss> {
        let answer = self.client.send(request).await?;
        match answer.status {
            400..=499 => Ok(()),
            200..=299 => {
                let attempt = format!("reading `{}` without a good signature", request.path);
                let why = "it is given out to anybody";
                Err(Miss::Fault(Fault::new(FaultKind::Public, attempt, why)))
            }
            status => Err(Miss::Other(format!("it is answered {status} and not refused"))),
        }
    }

    /// The request for an object with the keys, without them.
    pub(super) fn read_unsigned(&self, key: &ObjectKey) -> CloudRequest {
        self.provider.read(key, self.moment()).unsigned()
    }

    /// The first page of what lies there.
    pub(super) async fn list(&self) -> Result<usize, Miss> {
        let (below, cursor) = (Below::Contents, Cursor::START);
        let request = self.provider.list(below, &cursor, self.moment())?;
        let answer = self.client.send(&request).await?;
        Ok(self.provider.listed(below, &cursor, &answer)?.items.len())
    }

    /// Begins a large file, looks for it among what nobody ended, and gives it up; `None` where the
    /// protocol begins none.
    pub(super) async fn begin_and_abort(&self, key: &ObjectKey) -> Result<Option<()>, Miss> {
        let rules = self.provider.part_rules();
        let Ok(plan) = rules.plan(rules.whole_up_to.saturating_add(1)) else { return Ok(None) };
        let upload = Upload {
            key: key.clone(),
            // No byte of it is ever sent.
            sha256: NO_BYTES,
            disposition: disposition(&name()?),
            plan,
            reference: None,
            create_only: false,
        };
        let Some(request) = self.provider.begin(&upload, self.moment()) else { return Ok(None) };
        let reference = self.provider.begun(&upload, &self.client.send(&request).await?)?;
        let listed = self.find_begun(key, &reference).await;
        let leftover = Leftover::Upload { key: key.clone(), id: reference, begun: None };
        if let Some(request) = self.provider.discard(&leftover, self.moment()) {
            self.provider.removed(key, &self.client.send(&request).await?)?;
        }
        listed.map(Some)
    }

    async fn find_begun(&self, key: &ObjectKey, reference: &UploadRef) -> Result<(), Miss> {
        let request = self.provider.leftovers(Some(key), &Cursor::START, self.moment())?;
        let Some(request) = request else { return Ok(()) };
        let answer = self.client.send(&request).await?;
        let begun = self.provider.leftovers_listed(Some(key), &Cursor::START, &answer)?.items;
        let is_it = |it: &Leftover| matches!(it, Leftover::Upload { id, .. } if id == reference);
        match begun.iter().any(is_it) {
            true => Ok(()),
            false => Err(Miss::other(
                "an upload that was begun is not listed: what a crash leaves could not be found",
            )),
        }
    }

    /// Deletes an object that is there, and what segments of it are; where there are none it is fine.
    pub(super) async fn remove(&self, key: &ObjectKey) -> Result<(), Miss> {
        if self.find(key).await?.is_some() {
            let answer = self.client.send(&self.provider.remove(key, self.moment())).await?;
            self.provider.removed(key, &answer)?;
        }
        match self.smallest_segment {
            Some(_) => self.remove_segments(key).await,
            None => Ok(()),
        }
    }
}

impl Miss {
    pub(super) fn other(why: impl fmt::Display) -> Self {
        Self::Other(why.to_string())
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => write!(f, "{}", chain(error)),
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl From<ClientError> for Miss {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What the objects of a test are called for clients: with all the characters that break signers.
fn name() -> Result<FileName, Miss> {
    FileName::new("a b+é&50%#.pkg").map_err(Miss::other)
}

fn other_bytes(read: usize, written: usize) -> Miss {
    Miss::Other(format!("{written} bytes were written and {read} others are read"))
}
