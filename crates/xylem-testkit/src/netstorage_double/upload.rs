//! Bytes that come: onto the disk, compared with everything that was said of them, and only then in
//! the place of what was there before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use http::{HeaderMap, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use md5::{Digest as _, Md5};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use xylem_client::RequestBody;

use super::action::Action;
use super::refusal::{Refusal, plain, refused};
use super::tree::{Blob, Node, Stored};
use super::{NetStorageFault, State, locked};

/// How often it is looked whether what is held may end.
const HELD: Duration = Duration::from_millis(5);

/// Uploads whose bytes come at this moment.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    pub(super) now: u32,
    pub(super) most: u32,
    /// Whether none of them ends.
    pub(super) is_held: bool,
}

/// Why an upload has no answer, or another one than success.
pub(super) enum Failed {
    /// The connection is cut.
    Cut(io::Error),
    Refused(Refusal),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is said of a file before it comes.
struct Announced {
    size: Option<u64>,
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    mtime: Option<i64>,
}

/// All digests of a file on its way.
struct Digests {
    md5: Md5,
    sha1: digest::Context,
    sha256: digest::Context,
    size: u64,
}

/// Counts one upload for as long as its bytes come.
struct Counted<'a>(&'a State);

impl State {
    /// Takes a file.
    pub(super) async fn upload(
        &self,
        path: &str,
        action: &Action,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Response<RequestBody>, Failed> {
        let announced = Announced::read(action)?;
        check_framing(headers)?;
        {
            let tree = locked(&self.tree);
            tree.check_folder_of(path)?;
            if tree.is_folder(path) {
                return Err(refused(409, "a folder is there").into());
            }
        }
        let counted = Counted::new(self);
        let (stored, digests) = self.receive(body).await.map_err(Failed::Cut)?;
        while locked(&self.under_way).is_held {
            tokio::time::sleep(HELD).await;
        }
        drop(counted);
        announced.check(digests)?;
        let mtime = announced.mtime.unwrap_or_else(|| self.now().unix_seconds());
        locked(&self.tree).put(path, Node::File(stored), mtime)?;
        Ok(plain(200, "200 OK"))
    }

    async fn receive(&self, body: &mut Incoming) -> io::Result<(Stored, Digests)> {
        let blob = self.new_blob();
        let mut file = File::create(&blob.file).await?;
        let mut digests = Digests::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            let Ok(bytes) = frame.into_data() else { continue };
            digests.update(&bytes);
            file.write_all(&bytes).await?;
            if let NetStorageFault::BreakAfter(most) = self.fault()
                && digests.size >= most
            {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        file.flush().await?;
        let (size, md5) = (digests.size, hex::encode(digests.md5.clone().finalize()));
        Ok((Stored { blob: Arc::new(blob), size, md5 }, digests))
    }

    /// A file of its own in the folder, not written yet.
    pub(super) fn new_blob(&self) -> Blob {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Blob { file: self.folder.join(format!("{number}.blob")) }
    }
}

/// Refuses a body of which nobody says where it ends.
fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_chunked = headers.get(header::TRANSFER_ENCODING).is_some_and(|it| it == "chunked");
    match headers.contains_key(header::CONTENT_LENGTH) || is_chunked {
        true => Ok(()),
        false => Err(refused(411, "there is neither a Content-Length nor chunks")),
    }
}

impl Announced {
    fn read(action: &Action) -> Result<Self, Refusal> {
        if action.field("index-zip").is_some_and(|value| !matches!(value, "1" | "2")) {
            return Err(refused(400, "index-zip is none"));
        }
        let digest = |name: &str, digits: usize| match action.field(name) {
            // Also the word `atend`, whose trailers this double does not know.
            Some(value) if value.len() != digits || hex::decode(value).is_err() => {
                Err(refused(400, format!("the {name} is none")))
            }
            value => Ok(value.map(str::to_ascii_lowercase)),
        };
        Ok(Self {
            size: action.number("size")?,
            md5: digest("md5", 32)?,
            sha1: digest("sha1", 40)?,
            sha256: digest("sha256", 64)?,
            mtime: action.number("mtime")?,
        })
    }

    fn check(&self, came: Digests) -> Result<(), Refusal> {
        if self.size.is_some_and(|size| size != came.size) {
            return Err(refused(412, "the size is another"));
        }
        let digests = [
            ("md5", &self.md5, hex::encode(came.md5.finalize())),
            ("sha1", &self.sha1, hex::encode(came.sha1.finish())),
            ("sha256", &self.sha256, hex::encode(came.sha256.finish())),
        ];
        for (name, announced, came) in digests {
            if announced.as_ref().is_some_and(|announced| *announced != came) {
                return Err(refused(412, format!("the {name} is another")));
            }
        }
        Ok(())
    }
}

impl Digests {
    fn new() -> Self {
        Self {
            md5: Md5::new(),
            sha1: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: digest::Context::new(&digest::SHA256),
            size: 0,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
    }
}

impl<'a> Counted<'a> {
    fn new(state: &'a State) -> Self {
        let mut under_way = locked(&state.under_way);
        under_way.now += 1;
        under_way.most = under_way.most.max(under_way.now);
        Self(state)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        locked(&self.0.under_way).now -= 1;
    }
}
