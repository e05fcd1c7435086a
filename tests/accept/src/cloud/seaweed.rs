//! SeaweedFS, as an S3 of one's own with TLS of its own.
//!
//! What 4.48 does and does not do, seen on a running server: it takes requests that are signed by
//! headers with `x-amz-content-sha256`, also for parts, but compares no body with it; it does compare
//! `Content-MD5`. `If-None-Match: *` holds for an object and for the end of an upload in parts. It
//! lists a part that was sent twice twice, and takes the one whose tag is named at the end. From 15
//! minutes on a clock is refused. A bucket that is gone is told in listings alone: whoever may write
//! to it and to no other is refused with `AccessDenied`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use xylem_bench::fleet::free_port;

use super::authority::Authority;
use super::bucket::{Bucket, Names, Object, Place};
use super::ground::secret_file;
use super::service::Service;
use super::store::Store;
use super::tools::Tools;

/// The bucket that our keys may use, its region, and who they are.
pub(super) const BUCKET: &str = "packages";
pub(super) const REGION: &str = "us-east-1";
pub(super) const KEY_ID: &str = "XYLEMRW";
pub(super) const SECRET: &str = "xylem-acceptance-secret-of-the-store";

/// The one who may do everything: for making buckets and for looking at what lies there.
const ADMIN_ID: &str = "ACCEPTADMIN";
const ADMIN_SECRET: &str = "acceptance-admin-secret";

/// How long it may take to start: a few seconds, on a busy machine more.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long it may take until other keys hold.
const RELOAD_LIMIT: Duration = Duration::from_secs(20);

/// How large a file of its own may become, MiB: small, so that what was removed is given back.
const VOLUME_MIB: u32 = 1024;

/// A running SeaweedFS.
#[derive(Debug)]
pub(super) struct Seaweed {
    service: Service,
    identities: PathBuf,
    tools: Tools,
    authority: Authority,
    /// Where it speaks TLS.
    port: u16,
    /// Where it does not: for [`super::weather`], which has ended the TLS already.
    pub(super) plain_port: u16,
}

impl Seaweed {
    /// Starts it in a folder and makes the bucket.
    pub(super) async fn start(
        tools: &Tools,
        folder: &Path,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        let identities = folder.join("s3.json");
        write_identities(&identities, KEY_ID, SECRET)?;
        let (port, plain_port) = (free()?, free()?);
        let mut command = tools.command("weed");
        command.args(["-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
        command.arg(format!("-dir={}", data.display()));
        // All of them are named: the port for gRPC would else be 10,000 above the other.
        let ports = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
        let more = ["filer.port", "filer.port.grpc", "s3.port.grpc"];
        for name in ports.iter().chain(&more) {
            command.arg(format!("-{name}={}", free()?));
        }
        command.arg("-filer").arg("-s3").arg("-s3.iam=false").arg("-webdav=false");
        command.arg(format!("-s3.port={plain_port}")).arg(format!("-s3.port.https={port}"));
        command.arg(format!("-s3.cert.file={}", authority.chain.display()));
        command.arg(format!("-s3.key.file={}", authority.key.display()));
        command.arg(format!("-s3.config={}", identities.display()));
        command.arg(format!("-s3.localSocket={}", folder.join("s3.sock").display()));
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=0"]);
        command.arg(format!("-master.volumeSizeLimitMB={VOLUME_MIB}"));
        // It is on unless it is switched off.
        command.arg("-master.telemetry=false");
        let mut service = Service::start(command, &folder.join("weed.log"))?;
        service.listens(port, START_LIMIT).await?;
        let started = Self {
            service,
            identities,
            tools: tools.clone(),
            authority: authority.clone(),
            port,
            plain_port,
        };
        started.make_bucket().await?;
        Ok(started)
    }

    /// The bucket, as somebody sees it who may do everything.
    pub(super) fn bucket(&self) -> Bucket {
        Bucket::new(&self.tools, self.place(self.port), (ADMIN_ID, ADMIN_SECRET))
    }

    /// Where the bucket is, reached through some port of this machine.
    fn place(&self, port: u16) -> Place<'_> {
        Place { bucket: BUCKET, region: REGION, port, authority: &self.authority }
    }

    /// Makes the bucket, as soon as it answers.
    pub(super) async fn make_bucket(&self) -> anyhow::Result<()> {
        let (bucket, end) = (self.bucket(), Instant::now() + START_LIMIT);
        while let Err(error) = bucket.create() {
            ensure!(Instant::now() < end, "the bucket cannot be made: {error:#}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Has other keys hold from now on, and waits until they do.
    pub(super) async fn set_keys(&self, key_id: &str, secret: &str) -> anyhow::Result<()> {
        write_identities(&self.identities, key_id, secret)?;
        self.service.reload()?;
        let (keys, end) = ((key_id, secret), Instant::now() + RELOAD_LIMIT);
        let bucket = Bucket::new(&self.tools, self.place(self.port), keys);
        while let Err(error) = bucket.names() {
            ensure!(Instant::now() < end, "other keys do not hold: {error:#}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}

impl Store for Seaweed {
    fn provider(&self) -> &'static str {
        "s3"
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        self.place(port).set_words(KEY_ID, &secret_file(folder, "secret", SECRET)?)
    }

    fn names(&self) -> anyhow::Result<Names> {
        self.bucket().names()
    }

    fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.bucket().read_all()
    }

    fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.bucket().read(key)
    }
}

/// Who may do what.
fn write_identities(path: &Path, key_id: &str, secret: &str) -> anyhow::Result<()> {
    let ours: Vec<String> = ["Read", "Write", "List", "Tagging"]
        .iter()
        .map(|action| format!("{action}:{BUCKET}"))
        .collect();
    let identities = json!({ "identities": [
        {
            "name": "xylem",
            "credentials": [{ "accessKey": key_id, "secretKey": secret }],
            "actions": ours,
        },
        {
            "name": "admin",
            "credentials": [{ "accessKey": ADMIN_ID, "secretKey": ADMIN_SECRET }],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
    ] });
    Ok(fs::write(path, serde_json::to_vec_pretty(&identities)?)?)
}

/// A port that was free a moment ago.
pub(super) fn free() -> anyhow::Result<u16> {
    Ok(free_port()?.parse()?)
}
