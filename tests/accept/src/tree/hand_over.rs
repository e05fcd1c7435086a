//! The root and the principal move, and somebody is killed at each step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use tokio::time::{Instant, sleep};
use xylem::system::Programs;
use xylem_api::tree::HandOver;
use xylem_bench::fleet::{Fleet, KIND};
use xylem_bench::publish::{content_of, content_of_file, plain_disk};
use xylem_bench::room::Host;
use xylem_client::{BaseUrl, ContentAuth, ContentClient};
use xylem_model::{ContentId, Priority};

use crate::pair::stage;
use crate::run::programs;

/// Who hands over to whom, back and forth, and who else is there.
const PAIR: [&str; 2] = ["root", "north"];
const OTHER: &str = "hut";

/// Who is killed, and when.
const STEPS: [Step; 9] = [
    Step { name: "nobody", who: None, when: When::Answered },
    Step { name: "server-before", who: Some(Who::Server), when: When::Before },
    Step { name: "server-during", who: Some(Who::Server), when: When::During },
    Step { name: "server-after", who: Some(Who::Server), when: When::Answered },
    Step { name: "old-during", who: Some(Who::Old), when: When::During },
    Step { name: "old-after", who: Some(Who::Old), when: When::Answered },
    Step { name: "old-heard", who: Some(Who::Old), when: When::Heard },
    Step { name: "new-after", who: Some(Who::New), when: When::Answered },
    Step { name: "new-heard", who: Some(Who::New), when: When::Heard },
];

#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    who: Option<Who>,
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Server,
    Old,
    New,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before the question is sent.
    Before,
    /// While it is on its way.
    During,
    /// As soon as it is answered.
    Answered,
    /// As soon as the one that is killed has written down the new state.
    Heard,
}

/// Size of the file that is downloaded all the while, and how long one download may take.
const BYTES: usize = 24 << 20;
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(90);

/// How long one hand-over may take, with all that is killed.
const LIMIT: Duration = Duration::from_secs(120);

/// Nothing is lost, there is one root and one principal, and no download fails.
pub(crate) fn hand_over() -> anyhow::Result<()> {
    stage(async |scratch| {
        let programs = Programs::beside(&programs()?.join("xylem"));
        let programs = programs.map_err(xylem::Failure::into_error)?;
        let (host, folder) = (Host::loopback(), scratch.path().join("fleet"));
        let mut fleet = Fleet::start(&programs, &folder, &host).await?;
        fleet.add(PAIR[0], &host, None).await?;
        fleet.add(PAIR[1], &host, Some(PAIR[0])).await?;
        fleet.add(OTHER, &host, Some(PAIR[1])).await?;
        let large = plain_disk("large", BYTES);
        let content = fleet.send("large.dmg", large, Priority::Normal).await?.content;
        for name in [PAIR[0], PAIR[1], OTHER] {
            fleet.arrival(name, &content, LIMIT).await?;
        }
        let downloads = Arc::new(Downloads::default());
        let downloading = tokio::spawn(Arc::clone(&downloads).go_on(
            ContentClient::new(fleet.access().transport.clone()),
            fleet.access().clone(),
            content,
        ));
        let mut played = Played { files: vec![content], ..Played::default() };
        let done = play(&mut fleet, &mut played).await;
        downloads.stop.store(true, Ordering::Relaxed);
        let downloaded = downloading.await?;
        done?;
        let lost = lost(&fleet, &played).await?;
        fleet.stop().await;
        println!(
            "TREE hand-over root={} principal={} killed={} files={} lost={lost} downloads={} \
             broken_off={} failed={}",
            played.roots,
            played.principals,
            played.killed,
            played.files.len(),
            downloads.done.load(Ordering::Relaxed),
            downloads.resumed.load(Ordering::Relaxed),
            u8::from(downloaded.is_err()),
        );
        downloaded?;
        ensure!(lost == 0, "{lost} files are lost");
        ensure!(downloads.done.load(Ordering::Relaxed) > STEPS.len() as u64, "too few downloads");
        ensure!(downloads.resumed.load(Ordering::Relaxed) > 0, "no download saw anybody die");
        Ok(())
    })
}

#[derive(Default)]
struct Played {
    roots: usize,
    principals: usize,
    killed: usize,
    files: Vec<ContentId>,
}

async fn play(fleet: &mut Fleet, played: &mut Played) -> anyhow::Result<()> {
    for (number, step) in STEPS.iter().cycle().take(2 * STEPS.len()).enumerate() {
        let is_root = number < STEPS.len();
        // Each of the two begins at the first server.
        let (old, new) = match number % STEPS.len() % 2 {
            0 => (PAIR[0], PAIR[1]),
            _ => (PAIR[1], PAIR[0]),
        };
        one(fleet, played, *step, is_root, old, new)
            .await
            .with_context(|| format!("step {} of moving to {new}", step.name))?;
        let name = format!("file-{number}.dmg");
        let bytes = plain_disk(&format!("{name} under {new}"), 64 << 10);
        played.files.push(published(fleet, &name, bytes).await?);
    }
    Ok(())
}

/// One hand-over, during which somebody may be killed; whoever was is started again.
async fn one(
    fleet: &mut Fleet,
    played: &mut Played,
    step: Step,
    is_root: bool,
    old: &str,
    new: &str,
) -> anyhow::Result<()> {
    let before = ask_epoch(fleet, !is_root, old).await?;
    let end = Instant::now() + LIMIT;
    let mut is_due = step.who.is_some();
    loop {
        let told = match (is_due, step.when) {
            (true, When::Before) => {
                strike(fleet, step, old, new).await?;
                is_due = false;
                ask(fleet, is_root, new).await
            }
            (true, When::During) => {
                let asking = ask(fleet, is_root, new);
                let delay = Duration::from_millis(2 + 3 * played.killed as u64);
                let told = tokio::time::timeout(delay, asking).await;
                strike(fleet, step, old, new).await?;
                is_due = false;
                told.unwrap_or(Ok(false))
            }
            _ => ask(fleet, is_root, new).await,
        };
        revive(fleet, step, old, new).await?;
        if told.unwrap_or(false) {
            break;
        }
        ensure!(Instant::now() < end, "it does not get through");
        sleep(Duration::from_millis(100)).await;
    }
    if is_due {
        if step.when == When::Heard {
            let who = if step.who == Some(Who::Old) { old } else { new };
            heard(fleet, who, is_root, who == new, end).await?;
        }
        strike(fleet, step, old, new).await?;
        revive(fleet, step, old, new).await?;
    }
    let after = ask_epoch(fleet, is_root, new).await?;
    ensure!(after == before + 1, "the root epoch went from {before} to {after}");
    played.killed += usize::from(step.who.is_some());
    let counter = if is_root { &mut played.roots } else { &mut played.principals };
    *counter += 1;
    check_roles(fleet, is_root, new).await
}

/// Asks for the hand-over; whether it was done.
async fn ask(fleet: &Fleet, is_root: bool, new: &str) -> anyhow::Result<bool> {
    let (admin, wish) = (&fleet.access().admin, HandOver { fill: true, ..HandOver::default() });
    let told = match is_root {
        true => admin.make_root(new, &wish).await?,
        false => admin.make_principal(new, &wish).await?,
    };
    Ok(told.done)
}

/// The root epoch, as it is told to whoever asks a server to be what it is.
async fn ask_epoch(fleet: &Fleet, is_root: bool, name: &str) -> anyhow::Result<u64> {
    let (admin, wish) = (&fleet.access().admin, HandOver::default());
    let servers = admin.distribution_servers().await?;
    let having = servers.iter().find(|it| if is_root { it.is_root } else { it.is_principal });
    let having = having.map_or(name, |it| it.name.as_str());
    let told = match is_root {
        true => admin.make_root(having, &wish).await?,
        false => admin.make_principal(having, &wish).await?,
    };
    Ok(told.root_epoch)
}

async fn strike(fleet: &mut Fleet, step: Step, old: &str, new: &str) -> anyhow::Result<()> {
    match step.who {
        Some(Who::Server) => fleet.kill_server().await,
        Some(Who::Old) => fleet.kill(old).await?,
        Some(Who::New) => fleet.kill(new).await?,
        None => {}
    }
    Ok(())
}

/// Starts again whoever does not run.
async fn revive(fleet: &mut Fleet, step: Step, old: &str, new: &str) -> anyhow::Result<()> {
    if step.who == Some(Who::Server) && fleet.access().admin.status().await.is_err() {
        fleet.restart_server().await?;
    }
    for name in [old, new] {
        if fleet.pid(name).is_err() {
            fleet.up(name).await?;
        }
    }
    Ok(())
}

/// Waits until a server has written down what it is now.
async fn heard(
    fleet: &Fleet,
    name: &str,
    is_root: bool,
    has_role: bool,
    end: Instant,
) -> anyhow::Result<()> {
    let path = fleet.data_of(name).join("state/access.json");
    let field = if is_root { "is_root" } else { "is_principal" };
    loop {
        let text = std::fs::read(&path)?;
        let state: serde_json::Value = serde_json::from_slice(&text)?;
        if state.get(field) == Some(&serde_json::Value::Bool(has_role)) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{name} does not hear of it");
        sleep(Duration::from_millis(5)).await;
    }
}

/// There is one root and one principal, and the one that was asked for.
async fn check_roles(fleet: &Fleet, is_root: bool, new: &str) -> anyhow::Result<()> {
    let servers = fleet.access().admin.distribution_servers().await?;
    let named = |has: fn(&xylem_api::tree::DistributionServer) -> bool| -> Vec<&str> {
        servers.iter().filter(|it| has(it)).map(|it| it.name.as_str()).collect()
    };
    let (roots, principals) = (named(|it| it.is_root), named(|it| it.is_principal));
    ensure!(roots.len() == 1 && principals.len() == 1, "{roots:?}, {principals:?}");
    let having = if is_root { roots } else { principals };
    ensure!(having == [new], "{having:?} and not {new}");
    Ok(())
}

/// Publishes a file, as soon as that is possible again.
async fn published(fleet: &Fleet, name: &str, bytes: Bytes) -> anyhow::Result<ContentId> {
    let end = Instant::now() + LIMIT;
    loop {
        match fleet.send(name, bytes.clone(), Priority::Normal).await {
            Ok(published) => return Ok(published.content),
            // The try before got through after all.
            Err(error) if error.to_string().contains("AlreadyThere") => {
                return Ok(content_of(&bytes));
            }
            Err(error) => ensure!(Instant::now() < end, "{name} is not taken: {error:#}"),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Files that some server lacks in the end, or has wrong.
async fn lost(fleet: &Fleet, played: &Played) -> anyhow::Result<usize> {
    let mut lost = 0;
    for name in [PAIR[0], PAIR[1], OTHER] {
        for content in &played.files {
            let there = fleet.arrival(name, content, LIMIT).await;
            let file = fleet.published(name, content);
            lost += usize::from(there.is_err() || content_of_file(&file)? != *content);
        }
    }
    Ok(lost)
}

/// Somebody who downloads, over and over, as a Mac does: from the first candidate that gives
/// something, and from the next at the same byte.
#[derive(Default)]
struct Downloads {
    stop: AtomicBool,
    done: AtomicU64,
    resumed: AtomicU64,
}

impl Downloads {
    async fn go_on(
        self: Arc<Self>,
        client: ContentClient,
        access: xylem::access::Access,
        content: ContentId,
    ) -> anyhow::Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            let sources = match access.admin.sources(KIND, "large.dmg").await {
                Ok(sources) => sources,
                Err(_) => {
                    // The management server is being started again.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let end = Instant::now() + DOWNLOAD_LIMIT;
            let mut bytes: Vec<u8> = Vec::new();
            // Each time from another one, so that those who are killed are among them.
            let first = usize::try_from(self.done.load(Ordering::Relaxed))?;
            for candidate in sources.candidates.iter().cycle().skip(first % 3) {
                let auth = ContentAuth::Ticket(candidate.ticket.clone());
                let (server, path) = candidate.url.split_once("/v1/").context("no address")?;
                let (server, path): (BaseUrl, String) = (server.parse()?, format!("/v1/{path}"));
                let from = bytes.len() as u64;
                if let Ok(mut answer) = client.fetch(&server, &path, &content, from, &auth).await {
                    while let Ok(Some(piece)) = answer.body.next().await {
                        bytes.extend_from_slice(&piece);
                        // Slowly, so that there is always one under way.
                        sleep(Duration::from_millis(5)).await;
                    }
                }
                if bytes.len() >= BYTES {
                    break;
                }
                // It goes on at the next one, at the same byte.
                self.resumed.fetch_add(1, Ordering::Relaxed);
                ensure!(Instant::now() < end, "a download stands at {} bytes", bytes.len());
                sleep(Duration::from_millis(50)).await;
            }
            ensure!(ContentId::of(&bytes) == content, "a download is wrong");
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
