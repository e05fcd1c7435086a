//! A thousand event streams on one management server: how soon the last hears of a change, and
//! what each costs in memory.
//!
//! The server is the real program. One distribution server's certificate opens all the streams,
//! each a TLS connection of its own from one address, as many sites behind one router would. The
//! change is a published file, committed the way a distribution server commits it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use tokio::task::JoinSet;
use xylem::Failure;
use xylem::system::{Programs, SERVER, System};
use xylem_api::catalogue::DeclareUpload;
use xylem_api::control::{ServerReport, StateChanged};
use xylem_api::enrollment::{InvitationKind, NewInvitation};
use xylem_api::ingest::Ingested;
use xylem_bench::kib::kib;
use xylem_client::enroll::{self, Anchor};
use xylem_client::{BaseUrl, ControlClient, EventStream, Transport};
use xylem_model::{ContentId, FileKind, Priority, Sha256, Stamp};
use xylem_pki::{Identity, TrustAnchors, client_config};
use xylem_runtime::{Environment, RealFs};

use crate::run::programs;

/// Streams that are open at once.
const STREAMS: usize = 1000;

/// Handshakes under way at once: as many clients as come back together after a short break.
const HANDSHAKES: usize = 32;

/// Changes that are published, one after the other; the slowest counts.
const ROUNDS: u32 = 5;

/// The longest time until the last stream has an event.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// The most memory of the server for each stream, in KiB.
const KIB_LIMIT: f64 = 64.0;

/// Longest wait for an event that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the streams, publishes changes, and prints what it took.
pub(crate) fn event_streams() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let programs = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
        let folder = scratch.path().to_owned();
        let mut system = System::start(programs, folder).await.map_err(Failure::into_error)?;
        let measured = measure(&system).await;
        system.stop().await;
        let Measured { last, kib_each } = measured?;
        let last_ms = last.as_secs_f64() * 1e3;
        println!(
            "CONTENT-LINK events streams={STREAMS} rounds={ROUNDS} last_ms={last_ms:.0} \
             kib_each={kib_each:.1}"
        );
        ensure!(last <= LAST_LIMIT, "the last stream had the event after {last_ms:.0} ms");
        ensure!(kib_each < KIB_LIMIT, "each stream takes {kib_each:.1} KiB");
        Ok(())
    })
}

/// The slowest round, and the memory for each stream.
struct Measured {
    last: Duration,
    kib_each: f64,
}

async fn measure(system: &System) -> anyhow::Result<Measured> {
    let root = join(system).await?;
    // What the first of everything costs is not the cost of one more stream.
    let warm = open(&root, HANDSHAKES).await?;
    publish(system, &root, 0).await?;
    drop(warm);
    let server = system.process_id(SERVER).context("the server does not run")?;
    let before = resident_kib(server)?;
    let mut streams = open(&root, STREAMS).await?;
    let kib_each = (resident_kib(server)?.saturating_sub(before)) as f64 / STREAMS as f64;
    let mut last = Duration::ZERO;
    for round in 1..=ROUNDS {
        let (heard, took) = hear(streams, publish(system, &root, round)).await?;
        streams = heard;
        last = last.max(took);
    }
    ensure!(streams.len() == STREAMS, "{} streams were lost", STREAMS - streams.len());
    let after = (resident_kib(server)?.saturating_sub(before)) as f64 / STREAMS as f64;
    Ok(Measured { last, kib_each: kib_each.max(after) })
}

/// Joins as the root distribution server and reports once, so that files may enter.
async fn join(system: &System) -> anyhow::Result<ControlClient> {
    let environment = Environment::real();
    let url: BaseUrl = system.server_url().parse()?;
    let ca = system.folder().join(SERVER).join("ca.pem");
    let anchors = TrustAnchors::read(&RealFs, &ca)?;
    let invitation = NewInvitation {
        kind: InvitationKind::Distribution,
        site: None,
        uses: Some(1),
        expires_in_seconds: Some(60),
    };
    let code = system.access().admin.invite(&invitation).await?.code;
    let anchor = Anchor::Certificates(anchors.clone());
    let name = "root";
    let public_url = "https://root.example.org";
    let joined =
        enroll::distribution_server(&environment, &url, anchor, &code, name, public_url).await?;
    let identity = Identity::new(joined.credentials);
    let tls = client_config(&anchors, Some(&identity), environment.clock.clone())?;
    let control = ControlClient::new(Transport::new(environment, tls), url);
    let report = ServerReport {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        applied: Stamp::default(),
        free_bytes: 1 << 40,
        ..ServerReport::default()
    };
    control.report(&report).await?;
    Ok(control)
}

/// Opens streams, and reads the present state from each.
async fn open(control: &ControlClient, count: usize) -> anyhow::Result<Vec<EventStream>> {
    let mut opened = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for _ in 0..count {
        if opening.len() >= HANDSHAKES {
            opened.push(next_opened(&mut opening).await?);
        }
        let control = control.clone();
        opening.spawn(async move {
            let mut events = control.events().await?;
            events.next::<StateChanged>().await?.context("the stream ended at once")?;
            anyhow::Ok(events)
        });
    }
    while !opening.is_empty() {
        opened.push(next_opened(&mut opening).await?);
    }
    Ok(opened)
}

async fn next_opened(
    opening: &mut JoinSet<anyhow::Result<EventStream>>,
) -> anyhow::Result<EventStream> {
    opening.join_next().await.context("nothing is being opened")??.context("opening a stream")
}

/// Brings a file into the catalogue; gives the moment before it was committed and the state after.
async fn publish(
    system: &System,
    root: &ControlClient,
    round: u32,
) -> anyhow::Result<(Instant, Stamp)> {
    let bytes = format!("round {round}");
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes.as_bytes()).as_ref());
    let found = Ingested {
        root_epoch: None,
        knows_marks: true,
        size: bytes.len() as u64,
        blake3: ContentId::of(bytes.as_bytes()),
        sha256: Sha256::from_bytes(sha256),
        inspection: serde_json::Value::Null,
    };
    let declared = DeclareUpload {
        kind: FileKind::Package,
        name: "Urgent.pkg".to_owned(),
        size: found.size,
        priority: Priority::Urgent,
        blake3: Some(found.blake3),
        sha256: Some(found.sha256),
        replace: true,
        test: false,
        category: None,
        site: None,
    };
    let upload = system.access().admin.declare_upload(&declared).await?.id;
    let begun = Instant::now();
    root.ingested(upload, &found).await?;
    Ok((begun, system.access().admin.status().await?.stamp))
}

/// Reads all streams up to a change that is made meanwhile; gives the time from before its commit
/// until the last stream had it.
async fn hear(
    streams: Vec<EventStream>,
    change: impl Future<Output = anyhow::Result<(Instant, Stamp)>>,
) -> anyhow::Result<(Vec<EventStream>, Duration)> {
    let mut listening = JoinSet::new();
    for mut events in streams {
        listening.spawn(async move {
            let event = tokio::time::timeout(PATIENCE, events.next::<StateChanged>()).await;
            let changed = event.context("an event did not come")??;
            let changed = changed.context("a stream ended")?;
            anyhow::Ok((events, changed.stamp, Instant::now()))
        });
    }
    let (begun, stamp) = change.await?;
    let mut heard = Vec::new();
    let mut last = begun;
    while let Some(next) = listening.join_next().await {
        let (events, told, at) = next??;
        ensure!(told == stamp, "an event tells {told} instead of {stamp}");
        last = last.max(at);
        heard.push(events);
    }
    Ok((heard, last - begun))
}

/// Memory that a process holds, in KiB.
fn resident_kib(process: u32) -> anyhow::Result<u64> {
    let path = Path::new("/proc").join(process.to_string()).join("status");
    let text = std::fs::read_to_string(&path)?;
    kib(&text, "VmRSS").with_context(|| format!("{} tells no VmRSS", path.display()))
}
