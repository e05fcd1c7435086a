//! An enrolled agent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xylem_api::agent::FetchAttempt;
use xylem_client::{AgentClient, BaseUrl, ContentClient, RunningDigests, Transport};
use xylem_model::{ComputerId, ContentId, FileName, Party, Sha256};
use xylem_pki::{Identity, TrustAnchors, client_config};
use xylem_runtime::{Environment, Fs};
use xylem_trust::{Descriptor, Document};

use crate::cache::{self, VerifiedFile};
use crate::content::{Expected, PIECE_BYTES};
use crate::error::AgentError;
use crate::fetch::{FetchError, FetchPolicy, Fetcher};
use crate::folder::{DataFolder, FolderError, failed, require_json};
use crate::progress::ProgressSink;
use crate::session::Session;

/// What `agent.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The management server: `https://HOST:PORT`.
    pub(crate) server: String,
    /// This computer's name.
    pub(crate) name: String,
}

/// The agent of one enrolled computer.
pub struct Agent {
    environment: Environment,
    folder: DataFolder,
    name: String,
    server: BaseUrl,
    computer: ComputerId,
    identity: Identity,
    anchors: TrustAnchors,
    transport: Transport,
    management: AgentClient,
    content: ContentClient,
    policy: FetchPolicy,
}

/// A package that was fetched into a file.
#[derive(Debug, Clone, Serialize)]
pub struct FetchedPackage {
    /// Its published name.
    pub name: FileName,
    /// Its version in the catalogue.
    pub version: u64,
    /// BLAKE3 of its bytes.
    pub content: ContentId,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Where it was put.
    pub path: PathBuf,
    /// One row for each place that was tried; none when it was in the cache.
    pub attempts: Vec<FetchAttempt>,
}

impl Agent {
    /// Opens the agent that was enrolled into a data folder.
    ///
    /// # Errors
    /// When nobody was, a newer program was at work, or a file is missing or damaged.
    pub async fn open(environment: Environment, data: &Path) -> Result<Self, AgentError> {
        let folder = DataFolder::new(data);
        let at = folder.clone();
        let opened = environment.disk.run(move |fs| open(fs, &at)).await;
        let (settings, identity, anchors) = opened?;
        let Party::Computer(computer) = identity.party() else {
            return Err(AgentError::NotAComputer { party: identity.party() });
        };
        let server: BaseUrl = settings.server.parse()?;
        let tls = client_config(&anchors, Some(&identity), Arc::clone(&environment.clock))?;
        let transport = Transport::new(environment.clone(), tls);
        let policy = FetchPolicy::default();
        Ok(Self {
            environment,
            folder,
            name: settings.name,
            management: AgentClient::new(transport.clone(), server.clone()),
            content: policy.client(&transport),
            server,
            computer,
            identity,
            anchors,
            transport,
            policy,
        })
    }

    /// The same agent with other bounds for fetching.
    #[must_use]
    pub fn with_fetch_policy(mut self, policy: FetchPolicy) -> Self {
        self.content = policy.client(&self.transport);
        self.policy = policy;
        self
    }

    /// This computer's id.
    pub const fn computer(&self) -> ComputerId {
        self.computer
    }

    /// This computer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The management server.
    pub const fn server(&self) -> &BaseUrl {
        &self.server
    }

    /// Key and certificate; all clones see a renewal.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Fetches a package by name into a file, verified, and installs nothing. The file appears
    /// only once it is complete.
    ///
    /// # Errors
    /// When there is no such package, it is not believed, nobody has it, or the file cannot be
    /// written.
    pub async fn fetch_package(
        &self,
        name: &FileName,
        output: &Path,
        progress: &ProgressSink,
    ) -> Result<FetchedPackage, AgentError> {
        let session = self.begin_session().await?;
        let sources = self
            .management
            .sources(name)
            .await
            .map_err(|source| AgentError::Sources { name: name.clone(), source })?;
        let trust = self.load_trust(&session).await?;
        let descriptor: Descriptor = trust
            .open(&sources.descriptor, self.environment.clock.now())
            .map_err(|source| AgentError::Trust { what: Descriptor::TYPE, source })?;
        if descriptor.name != *name {
            return Err(AgentError::OtherFile { asked: name.clone(), found: descriptor.name });
        }
        let fetcher = self.fetcher(&session, progress);
        let (fetched, attempts) = fetcher.fetch(&descriptor, sources, 0).await;
        let failure = |source| AgentError::Fetch { name: name.clone(), source };
        let file = fetched.map_err(failure)?;
        let (expected, path) = (Expected::from(&descriptor), output.to_owned());
        let now = self.environment.clock.now();
        let copied = session
            .run(move |fs, folder| {
                let copied = copy_out(fs, &file, &expected, &path)?;
                cache::prune(fs, folder, cache::KEPT_BYTES, now)?;
                Ok(copied)
            })
            .await
            .map_err(AgentError::Folder)?;
        if !copied {
            return Err(failure(FetchError::FaultyDisk));
        }
        Ok(FetchedPackage {
            name: descriptor.name,
            version: descriptor.version,
            content: descriptor.content,
            sha256: descriptor.sha256,
            size: descriptor.size,
            path: output.to_owned(),
            attempts,
        })
    }

    pub(crate) const fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) const fn folder(&self) -> &DataFolder {
        &self.folder
    }

    pub(crate) const fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    pub(crate) const fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) const fn management(&self) -> &AgentClient {
        &self.management
    }

    pub(crate) async fn begin_session(&self) -> Result<Session, FolderError> {
        Session::begin(&self.environment.disk, &self.folder).await
    }

    pub(crate) const fn fetcher<'a>(
        &'a self,
        session: &'a Session,
        progress: &'a ProgressSink,
    ) -> Fetcher<'a> {
        Fetcher {
            environment: &self.environment,
            session,
            content: &self.content,
            management: &self.management,
            policy: &self.policy,
            progress,
        }
    }
}

fn open(
    fs: &dyn Fs,
    folder: &DataFolder,
) -> Result<(Settings, Identity, TrustAnchors), AgentError> {
    folder.open(fs)?;
    let (identity, anchors) = folder.identity().load(fs)?;
    Ok((require_json(fs, &folder.settings())?, identity, anchors))
}

/// Copies a verified content beside its destination, then gives it its name. Returns false, and
/// leaves nothing, when the copied bytes are not the expected ones.
fn copy_out(
    fs: &dyn Fs,
    file: &VerifiedFile,
    expected: &Expected,
    output: &Path,
) -> Result<bool, FolderError> {
    let mut staged = output.as_os_str().to_owned();
    staged.push(".incomplete");
    let staged = PathBuf::from(staged);
    if fs.exists(&staged).map_err(failed("look at", &staged))? {
        fs.remove_file(&staged).map_err(failed("remove", &staged))?;
    }
    let copy = fs.create_new(&staged).map_err(failed("create", &staged))?;
    let mut digest = RunningDigests::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        let read = file.file.read_at(&mut piece, offset).map_err(failed("read", &file.path))?;
        if read == 0 {
            break;
        }
        let bytes = piece.get(..read).unwrap_or_default();
        digest.update(bytes);
        copy.write_all_at(bytes, offset).map_err(failed("write", &staged))?;
        offset = offset.saturating_add(read as u64);
    }
    copy.sync().map_err(failed("write", &staged))?;
    drop(copy);
    if !expected.is(&digest) {
        fs.remove_file(&staged).map_err(failed("remove", &staged))?;
        return Ok(false);
    }
    fs.rename(&staged, output).map_err(failed("write", output))?;
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs.sync_dir(parent).map_err(failed("write", output))?;
    Ok(true)
}
