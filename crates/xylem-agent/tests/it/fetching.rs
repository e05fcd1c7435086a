//! Bytes: where they come from, and which are never used.

use std::io;
use std::path::Path;
use std::sync::Arc;

use xylem_agent::{Agent, AgentError, FetchError, Progress, silent};
use xylem_api::error::ErrorCode;
use xylem_runtime::{Disk, Entry, Environment, Fs, FsFile, RealFs};

use crate::distribution::{Distribution, Manner};
use crate::world::{Package, World, names};

struct Two {
    world: World,
    agent: Agent,
    package: Package,
    near: Distribution,
    far: Distribution,
}

/// An agent with one order for a package that two servers have.
async fn two() -> Two {
    let world = World::new().await;
    let agent = world.agent().await;
    let package = world.package("Depot-1.0.pkg");
    let near = world.distribution("near").await.with(&package);
    let far = world.distribution("far").await.with(&package);
    world.order(&agent, &[(1, &package)], &[&near, &far]);
    Two { world, agent, package, near, far }
}

#[tokio::test]
async fn what_began_on_one_server_is_finished_on_the_next() {
    let Two { world, agent, package, near, far } = two().await;
    let cut = package.bytes.len() * 6 / 10;
    near.behaves(Manner::CutAt(cut));
    assert_eq!(world.result(&agent).await, "installed");
    let asked = &far.asked()[0];
    assert_eq!(asked.range.as_deref(), Some(format!("bytes={cut}-").as_str()));
    assert_eq!(asked.if_range.as_deref(), Some(format!("\"{}\"", package.content()).as_str()));
    let (_, report) = &world.management.reports()[0];
    assert_eq!(report.attempts[0].bytes, cut as u64);
    assert!(report.attempts[0].failure.is_some());
    assert_eq!(report.attempts[1].from, cut as u64);
    assert_eq!(report.attempts[1].bytes, (package.bytes.len() - cut) as u64);
    assert_eq!(report.attempts[1].failure, None);
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_sends_the_whole() {
    let Two { world, agent, package, near, far } = two().await;
    near.behaves(Manner::CutAt(1000));
    far.behaves(Manner::IgnoresRanges);
    assert_eq!(world.result(&agent).await, "installed");
    let (_, report) = &world.management.reports()[0];
    assert_eq!((report.attempts[1].from, report.attempts[1].bytes), (0, package.descriptor.size));
}

#[tokio::test]
async fn a_wrong_byte_never_reaches_the_installer() {
    let Two { world, agent, package, near, far } = two().await;
    for byte in [0, package.bytes.len() / 2, package.bytes.len() - 1] {
        near.behaves(Manner::FlipAt(byte));
        let number = byte as u64 + 1;
        world.order(&agent, &[(number, &package)], &[&near, &far]);
        std::fs::remove_dir_all(world.data().join("cache")).unwrap();
        let agent = world.open().await;
        assert_eq!(world.result(&agent).await, "installed");
        let (_, report) = world.management.reports().pop().unwrap();
        assert!(report.attempts[0].failure.as_ref().unwrap().contains("digests disagree"));
        // Nothing of the wrong bytes was gone on with.
        assert_eq!((report.attempts[1].source.as_str(), report.attempts[1].from), ("far", 0));
    }
    assert_eq!(near.asked().len(), 3);
    let kept = world.data().join("cache").join(package.content().to_hex());
    assert_eq!(std::fs::read(kept).unwrap(), package.bytes);
}

#[tokio::test]
async fn when_all_servers_send_wrong_bytes_nothing_is_touched() {
    let Two { world, agent, package, near, far } = two().await;
    near.behaves(Manner::FlipAt(5));
    far.behaves(Manner::FlipAt(70_000));
    let outcome = world.check_in(&agent).await;
    assert_eq!(outcome.orders[0].result, "hash-mismatch");
    assert!(outcome.orders[0].message.contains("far, near"), "{:?}", outcome.orders[0]);
    assert!(world.target_is_untouched());
    assert_eq!((near.asked().len(), far.asked().len()), (1, 1));
    let cached = names(&world.data().join("cache"));
    assert!(!cached.contains(&package.content().to_hex()), "{cached:?}");
}

#[tokio::test]
async fn a_liar_that_hides_behind_another_is_found_out() {
    let Two { world, agent, package, near, far } = two().await;
    // The near server's part holds the wrong byte; the far one, honest, sends the rest.
    near.behaves(Manner::FlipAt(5));
    let third = world.distribution("third").await.with(&package);
    third.behaves(Manner::CutAt(package.bytes.len() / 2));
    world.order(&agent, &[(1, &package)], &[&third, &near, &far]);
    assert_eq!(world.result(&agent).await, "installed");
    let (_, report) = &world.management.reports()[0];
    let tries: Vec<(&str, u64)> =
        report.attempts.iter().map(|one| (one.source.as_str(), one.from)).collect();
    let half = (package.bytes.len() / 2) as u64;
    // The flipped byte lies in the third's half, which the near server did not send.
    assert_eq!(tries, [("third", 0), ("near", half)]);

    near.behaves(Manner::FlipAt(package.bytes.len() - 1));
    std::fs::remove_dir_all(world.data().join("cache")).unwrap();
    let agent = world.open().await;
    world.order(&agent, &[(2, &package)], &[&third, &near, &far]);
    assert_eq!(world.result(&agent).await, "installed");
    let (_, report) = world.management.reports().pop().unwrap();
    let tries: Vec<(&str, u64)> =
        report.attempts.iter().map(|one| (one.source.as_str(), one.from)).collect();
    assert_eq!(tries, [("third", 0), ("near", half), ("far", 0)]);
}

#[tokio::test]
async fn after_mixed_wrong_bytes_each_server_is_judged_by_its_own() {
    let Two { world, agent, package, near, .. } = two().await;
    near.behaves(Manner::FlipAt(package.bytes.len() - 1));
    let honest = world.distribution("honest").await.with(&package);
    let half = package.bytes.len() / 2;
    honest.behaves(Manner::CutAt(half));
    world.order(&agent, &[(1, &package)], &[&honest, &near]);
    assert_eq!(world.result(&agent).await, "hash-mismatch");
    let (_, report) = &world.management.reports()[0];
    let tries: Vec<(&str, u64)> =
        report.attempts.iter().map(|one| (one.source.as_str(), one.from)).collect();
    // Together they gave wrong bytes; then the near one alone did, and was not asked again.
    let half = half as u64;
    assert_eq!(tries, [("honest", 0), ("near", half), ("honest", 0), ("near", 0), ("honest", 0)]);
    assert!(world.target_is_untouched());
}

#[tokio::test]
async fn a_server_that_offers_another_size_is_not_listened_to() {
    let Two { world, agent, near, .. } = two().await;
    near.behaves(Manner::TooLong);
    assert_eq!(world.result(&agent).await, "installed");
    let (_, report) = &world.management.reports()[0];
    assert_eq!(report.attempts[0].bytes, 0);
    assert_eq!(near.asked().len(), 1);
}

#[tokio::test]
async fn a_partial_of_an_earlier_run_is_gone_on_with() {
    let Two { world, agent, package, near, far } = two().await;
    let partial = world.data().join("cache").join(format!("{}.part", package.content()));
    std::fs::write(&partial, &package.bytes[..123_456]).unwrap();
    assert_eq!(world.result(&agent).await, "installed");
    assert_eq!((near.asked().len(), far.asked().len()), (1, 0));
    assert_eq!(near.asked()[0].range.as_deref(), Some("bytes=123456-"));
    assert!(!partial.exists());
}

#[tokio::test]
async fn a_damaged_partial_costs_one_more_fetch() {
    let Two { world, agent, package, near, far } = two().await;
    let partial = world.data().join("cache").join(format!("{}.part", package.content()));
    for (number, bytes) in [
        (1, vec![0; 123_456]),
        (2, vec![0; package.bytes.len()]),
        (3, vec![0; package.bytes.len() + 1]),
    ] {
        let _ = std::fs::remove_file(world.data().join("cache").join(package.content().to_hex()));
        std::fs::write(&partial, bytes).unwrap();
        world.order(&agent, &[(number, &package)], &[&near, &far]);
        assert_eq!(world.result(&agent).await, "installed");
    }
}

#[tokio::test]
async fn a_damaged_cached_content_is_fetched_again() {
    let Two { world, agent, package, near, far } = two().await;
    assert_eq!(world.result(&agent).await, "installed");
    let cached = world.data().join("cache").join(package.content().to_hex());
    let mut bytes = package.bytes.clone();
    bytes[77] ^= 1;
    std::fs::write(&cached, bytes).unwrap();
    world.order(&agent, &[(2, &package)], &[&near, &far]);
    assert_eq!(world.result(&agent).await, "installed");
    assert_eq!(near.asked().len(), 2);
    // A good one is not fetched a third time.
    world.order(&agent, &[(3, &package)], &[&near, &far]);
    assert_eq!(world.result(&agent).await, "installed");
    assert_eq!(near.asked().len(), 2);
}

#[tokio::test]
async fn fresh_tickets_are_asked_for_when_the_old_ones_have_expired() {
    let Two { world, agent, package, near, far } = two().await;
    near.behaves(Manner::WantsFreshTickets);
    far.behaves(Manner::Refuses(ErrorCode::Forbidden));
    let mut fresh = world.sources(&package, &[&near]);
    fresh.candidates[0].ticket = "fresh".into();
    world.management.set_sources("Depot-1.0.pkg", fresh);
    assert_eq!(world.result(&agent).await, "installed");
    let tickets: Vec<String> = near.asked().into_iter().map(|asked| asked.ticket).collect();
    assert_eq!(tickets, ["stale", "fresh"]);
}

#[tokio::test]
async fn progress_is_told_up_to_the_last_byte() {
    let Two { world, agent, package, .. } = two().await;
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = {
        let told = Arc::clone(&told);
        move |progress| told.lock().unwrap().push(progress)
    };
    agent.check_in(&world.target(), &sink).await.unwrap();
    let told = told.lock().unwrap();
    let name = package.descriptor.name.clone();
    assert_eq!(told.last(), Some(&Progress::Installing { package: name.clone() }));
    let whole = package.descriptor.size;
    let last =
        Progress::Fetching { package: name, source: "near".into(), bytes: whole, total: whole };
    assert_eq!(told.iter().rev().nth(1), Some(&last));
}

#[tokio::test]
async fn a_package_is_fetched_into_a_file() {
    let Two { world, agent, package, near, .. } = two().await;
    world.management.set_sources("Depot-1.0.pkg", world.sources(&package, &[&near]));
    let name = "Depot-1.0.pkg".parse().unwrap();
    let output = world.folder.path().join("out.pkg");
    let fetched = agent.fetch_package(&name, &output, &silent).await.unwrap();
    assert_eq!(std::fs::read(&output).unwrap(), package.bytes);
    assert_eq!(fetched.content, package.content());
    assert!(world.target_is_untouched());

    let error = agent.fetch_package(&"Nix.pkg".parse().unwrap(), &output, &silent).await;
    assert!(matches!(error.unwrap_err(), AgentError::Sources { .. }));
    world.management.set_sources("Nix.pkg", world.sources(&package, &[&near]));
    let error = agent.fetch_package(&"Nix.pkg".parse().unwrap(), &output, &silent).await;
    assert!(matches!(error.unwrap_err(), AgentError::OtherFile { .. }));
}

#[tokio::test]
async fn a_full_disk_is_noticed_before_anything_is_fetched() {
    let Two { world, package, near, .. } = two().await;
    // Room for the file and the reserve, but not for installing it.
    let free = (100 << 20) + package.descriptor.size + 1;
    let disk = Disk::in_place(Arc::new(Small { free }));
    let agent = world.open_in(Environment { disk, ..world.environment.clone() }).await;
    assert_eq!(world.result(&agent).await, "no-space");
    assert!(near.asked().is_empty() && world.target_is_untouched());

    let name = "Depot-1.0.pkg".parse().unwrap();
    world.management.set_sources("Depot-1.0.pkg", world.sources(&package, &[&near]));
    let output = world.folder.path().join("out.pkg");
    agent.fetch_package(&name, &output, &silent).await.unwrap();
    std::fs::remove_dir_all(world.data().join("cache")).unwrap();

    let disk = Disk::in_place(Arc::new(Small { free: free - 2 }));
    let agent = world.open_in(Environment { disk, ..world.environment.clone() }).await;
    let error = agent.fetch_package(&name, &output, &silent).await.unwrap_err();
    let AgentError::Fetch { source: FetchError::NoSpace { needed_bytes, .. }, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(needed_bytes, free - 1);
}

/// The real file system, on a disk with little room.
#[derive(Debug)]
struct Small {
    free: u64,
}

impl Fs for Small {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealFs.create_dir_all(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.create_new(path)
    }
    fn create_private(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.create_private(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.open(path)
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        RealFs.open_write(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        RealFs.list(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealFs.exists(path)
    }
    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free)
    }
}
