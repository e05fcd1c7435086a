//! A relay flips one bit.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use xylem::system::Programs;
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::publish::write_random;
use xylem_bench::room::Host;
use xylem_bench::scratch::Scratch;
use xylem_model::Priority;

use super::relay::{Relay, Seen};
use super::{CHILD, LIMIT, PARENT, RATE_MBIT, ROOT, Triangle, require_right, stage};

/// Size of the file.
const BYTES: u64 = 100 << 20;

/// Where, in what the relay hands to the child, the bit is flipped.
const FLIPPED_AT: u64 = BYTES / 2;

/// How soon the relay is left alone.
const SET_ASIDE: Duration = Duration::from_secs(1);

const FILE: &str = "large.dmg";

/// A server below the child, which reads while the child still receives.
const LEAF: &str = "leaf";

/// Nothing wrong is published or served on, the relay is set aside at once, and the file
/// completes from another parent.
pub(crate) fn lying_relay() -> anyhow::Result<()> {
    let (programs, scratch) = stage()?;
    let mut triangle = Triangle::open()?;
    let leaf = triangle.room.host(LEAF)?;
    triangle.room.link(&triangle.child, &leaf, Some(RATE_MBIT))?;
    let hub = triangle.room.hub();
    hub.inside(async || play(&programs, &scratch, &triangle, &leaf).await)
}

async fn play(
    programs: &Programs,
    scratch: &Scratch,
    room: &Triangle,
    leaf: &Host,
) -> anyhow::Result<()> {
    let folder = scratch.path().join("fleet");
    let mut fleet = Fleet::start(programs, &folder, room.room.hub()).await?;
    fleet.add(ROOT, &room.root, None).await?;
    // Others reach the parent at a port where not the parent listens, but the relay.
    let (public, listen) = (free_port()?, free_port()?);
    fleet.enroll(PARENT, &room.parent, Some(ROOT), (&listen, &public)).await?;
    fleet.up(PARENT).await?;
    for (name, host, parent) in [(CHILD, &room.child, PARENT), (LEAF, leaf, CHILD)] {
        let port = free_port()?;
        fleet.enroll(name, host, Some(parent), (&port, &port)).await?;
    }
    let relay = Relay {
        host: room.parent.clone(),
        public: public.parse()?,
        listen: listen.parse()?,
        parent: fleet.data_of(PARENT),
        child: fleet.data_of(CHILD),
        flip_at: FLIPPED_AT,
    };
    let running = relay.start()?;
    let file = scratch.path().join(FILE);
    write_random(&file, 1, BYTES)?;
    let content = fleet.upload(&file, Priority::Normal).await?.content;
    // Where the parent has it, the child has no reason to begin with another.
    fleet.arrival(PARENT, &content, LIMIT).await?;
    fleet.up(CHILD).await?;
    fleet.up(LEAF).await?;
    for server in [CHILD, LEAF] {
        fleet.arrival(server, &content, LIMIT).await?;
        require_right(&fleet, server, &content)?;
    }
    let Seen { flipped, last_sent, sent } = running.seen();
    fleet.stop().await;
    drop(running);
    let flipped = flipped.context("the child never asked the relay for so much")?;
    let heeded = last_sent.map_or(Duration::ZERO, |last| last.saturating_duration_since(flipped));
    println!(
        "CONTENT-LINK lying-relay bytes={BYTES} flipped_at={FLIPPED_AT} from_relay={sent} \
         set_aside_ms={} differing=0",
        heeded.as_millis()
    );
    ensure!(heeded <= SET_ASIDE, "the relay was still asked {} ms later", heeded.as_millis());
    ensure!(sent < BYTES, "the relay gave all bytes, so nobody else can have");
    Ok(())
}
