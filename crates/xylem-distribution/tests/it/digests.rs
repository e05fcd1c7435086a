//! Digests that are computed once an upload is acknowledged.

use std::fs::File;
use std::os::unix::fs::FileExt;

use aws_lc_rs::digest::{Algorithm, SHA3_512, SHA512, digest};
use md5::{Digest as _, Md5};
use xylem_model::{CHUNK_BYTES, ContentId, FurtherDigests};

use crate::fleet::{Fleet, noise, sha256};

async fn digested(fleet: &Fleet, content: &ContentId) -> FurtherDigests {
    let known = || fleet.management.world().digests.get(content).cloned();
    fleet.until("its digests are told", async || known().is_some()).await;
    known().unwrap().1
}

fn computed_by(fleet: &Fleet, content: &ContentId) -> Option<xylem_model::DistributionServerId> {
    fleet.management.world().digests.get(content).map(|(server, _)| *server)
}

fn of(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    hex::encode(digest(algorithm, bytes))
}

fn check(found: &FurtherDigests, bytes: &[u8]) {
    assert_eq!(found.size, bytes.len() as u64);
    assert_eq!(found.sha256, sha256(bytes));
    assert_eq!(found.md5.to_hex(), hex::encode(Md5::digest(bytes)));
    assert_eq!(found.sha512.to_hex(), of(&SHA512, bytes));
    assert_eq!(found.sha3_512.to_hex(), of(&SHA3_512, bytes));
    let chunks = || bytes.chunks(CHUNK_BYTES as usize);
    assert!(found.chunks.sha256.iter().copied().eq(chunks().map(sha256)));
    let md5 = found.chunks.md5.iter().map(|it| it.to_hex());
    assert!(md5.eq(chunks().map(|part| hex::encode(Md5::digest(part)))));
}

#[tokio::test]
async fn an_upload_gets_its_digests_from_the_server_where_it_came_in_alone() {
    let fleet = Fleet::chain(2).await;
    for (seed, size) in [1, 20_000, 300_000, CHUNK_BYTES as usize + 1].into_iter().enumerate() {
        let bytes = noise(seed as u64, size);
        let content = fleet.upload(&format!("{seed}.pkg"), &bytes).await;
        fleet.held(1, &content).await;
        check(&digested(&fleet, &content).await, &bytes);
        assert_eq!(computed_by(&fleet, &content), Some(fleet.server(0).id));
    }
    assert_eq!(fleet.management.world().digest_calls, 4, "each is told once");
}

#[tokio::test]
async fn a_server_killed_before_it_told_computes_again_and_another_takes_its_place() {
    let mut fleet = Fleet::chain(2).await;
    fleet.management.world().holds_digests = true;
    let bytes = noise(5, 400_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    fleet.held(1, &content).await;
    let is_tried = || fleet.management.world().digest_calls > 0;
    fleet.until("it tries to tell", async || is_tried()).await;
    fleet.kill(0).await;
    assert_eq!(computed_by(&fleet, &content), None);
    fleet.management.world().holds_digests = false;
    fleet.start(0).await;
    check(&digested(&fleet, &content).await, &bytes);

    // Gone for good: the management server asks the other.
    fleet.management.world().digests.clear();
    fleet.stop(0).await;
    fleet.stop(1).await;
    fleet.management.world().computing = Some(fleet.server(1).id);
    fleet.start(1).await;
    check(&digested(&fleet, &content).await, &bytes);
    assert_eq!(computed_by(&fleet, &content), Some(fleet.server(1).id));
}

#[tokio::test]
async fn a_management_server_that_is_away_hears_it_later() {
    let fleet = Fleet::chain(1).await;
    fleet.management.world().holds_digests = true;
    let bytes = noise(6, 50_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    let tries = || fleet.management.world().digest_calls;
    fleet.until("it tries to tell, and again", async || tries() > 1).await;
    assert_eq!(computed_by(&fleet, &content), None);
    fleet.management.world().holds_digests = false;
    check(&digested(&fleet, &content).await, &bytes);
}

#[tokio::test]
async fn a_damaged_copy_gives_no_digests_and_is_fetched_again() {
    let mut fleet = Fleet::chain(2).await;
    let nobody = xylem_model::DistributionServerId::from_parts(1, &[1; 10]);
    fleet.management.world().computing = Some(nobody);
    let bytes = noise(7, 12 << 20);
    let content = fleet.upload("A.pkg", &bytes).await;
    fleet.held(1, &content).await;
    fleet.caught_up(1).await;
    fleet.stop(1).await;
    // In the second step: the first part alone would have been sound.
    let file = File::options().read(true).write(true).open(fleet.file(1, &content)).unwrap();
    let (at, mut byte) = ((11 << 20) + 3, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    fleet.management.world().computing = Some(fleet.server(1).id);
    fleet.start(1).await;

    let path = fleet.file(1, &content);
    let is_mended = || std::fs::read(&path).is_ok_and(|held| held == bytes);
    fleet.until("the copy is whole again", async || is_mended()).await;
    assert_eq!(computed_by(&fleet, &content), None, "of a damaged copy nothing is told");
    fleet.stop(1).await;
    fleet.start(1).await;
    check(&digested(&fleet, &content).await, &bytes);
}

#[tokio::test]
async fn what_is_replaced_or_deleted_meanwhile_is_left_alone() {
    let mut fleet = Fleet::chain(1).await;
    let nobody = xylem_model::DistributionServerId::from_parts(1, &[1; 10]);
    fleet.management.world().computing = Some(nobody);
    let old = fleet.upload("A.pkg", &noise(8, 200_000)).await;
    let bytes = noise(9, 200_000);
    let new = fleet.upload("A.pkg", &bytes).await;
    fleet.caught_up(0).await;
    // What a management server asks that knows less than this one.
    let never_seen = (0..9_u8).map(|n| ContentId::of(&[n]));
    fleet.management.world().also_wanted = std::iter::once(old).chain(never_seen).collect();
    fleet.management.world().computing = None;
    fleet.stop(0).await;
    fleet.start(0).await;
    check(&digested(&fleet, &new).await, &bytes);
    assert_eq!(computed_by(&fleet, &old), None);
    assert_eq!(fleet.management.world().digest_calls, 1);
}

#[tokio::test]
async fn what_cannot_be_computed_is_in_nobodys_way_however_much_it_is() {
    let mut fleet = Fleet::chain(1).await;
    let nobody = xylem_model::DistributionServerId::from_parts(1, &[1; 10]);
    fleet.management.world().computing = Some(nobody);
    let bytes = noise(10, 20_000);
    let content = fleet.upload("A.pkg", &bytes).await;
    fleet.stop(0).await;
    // A hundred pages, more than are asked for at once, in front of it.
    fleet.management.world().also_wanted = (0..200_u8).map(|n| ContentId::of(&[n])).collect();
    fleet.management.world().computing = None;
    fleet.start(0).await;
    check(&digested(&fleet, &content).await, &bytes);
}
