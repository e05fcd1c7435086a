//! Parts of an upload that are sent at once, in any order.

use std::io;

use bytes::Bytes;
use xylem_api::error::ErrorCode;
use xylem_client::{ClientError, channel_body, full_body};
use xylem_model::ContentId;

use crate::fleet::{Fleet, noise};
use crate::ingest::{Sender, code, cut_body};

#[tokio::test]
async fn parts_that_come_in_any_order_make_the_file() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(11, 2_000_000);
    let sender = Sender::new(&fleet, "Ahead.pkg", &bytes).await;
    let gap = sender.put_bytes(500_000, &bytes[500_000..500_010]).await;
    assert_eq!(code(gap), ErrorCode::Conflict, "only where it is asked for");
    for (from, to) in [(1_500_000, 2_000_000), (500_000, 1_000_000)] {
        let progress = sender.put_ahead(from, &bytes[from..to]).await.unwrap();
        assert_eq!(progress.offset, 0);
    }
    assert_eq!(code(sender.complete().await), ErrorCode::Conflict, "some are missing");
    sender.put_ahead(1_000_000, &bytes[1_000_000..1_500_000]).await.unwrap();
    assert_eq!(sender.progress().await.unwrap().ahead, [(500_000, 2_000_000)]);
    let last = sender.put_ahead(0, &bytes[..500_000]).await.unwrap();
    assert_eq!((last.offset, last.ahead), (2_000_000, Vec::new()));
    assert!(sender.complete().await.unwrap());
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(0, &computer, "/Packages/Ahead.pkg").await.bytes(), bytes);
}

#[tokio::test]
async fn parts_sent_at_once_make_the_file_whatever_breaks() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(12, 3_000_000);
    let sender = Sender::new(&fleet, "At-once.pkg", &bytes).await;
    let (mut round, mut taken_ahead) = (0, 0);
    loop {
        let there = sender.progress().await.unwrap();
        if there.offset == bytes.len() as u64 {
            break;
        }
        round += 1;
        assert!(round < 100, "it does not come forward: {there:?}");
        let part = |index: usize| {
            let from = there.offset as usize + index * 150_000;
            let to = (from + 150_000).min(bytes.len());
            let (from, length) = (from.min(to), to - from.min(to));
            let cut = if (round + index).is_multiple_of(3) { length / 2 } else { length };
            let body = if cut < length {
                cut_body(&bytes[from..from + cut])
            } else {
                full_body(bytes[from..to].to_vec())
            };
            sender.send_ahead(from as u64, length as u64, body)
        };
        // Some are refused: another has their bytes already, or is sending them.
        let (a, b, c, d, e) = tokio::join!(part(3), part(0), part(2), part(1), part(0));
        taken_ahead +=
            [a, b, c, d, e].into_iter().flatten().filter(|to| !to.ahead.is_empty()).count();
    }
    assert!(taken_ahead > 0, "no part was taken ahead");
    assert!(sender.complete().await.unwrap());
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(0, &computer, "/Packages/At-once.pkg").await.bytes(), bytes);
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(14, 300_000);
    let sender = Sender::new(&fleet, "Given-up.pkg", &bytes).await;
    sender.put_bytes(0, &bytes[..100_000]).await.unwrap();
    sender.put_ahead(200_000, &bytes[200_000..]).await.unwrap();
    let url = &fleet.server(0).url;
    sender.client.give_up(url, sender.upload, &sender.ticket).await.unwrap();
    let content = fleet.file(0, &ContentId::of(&bytes));
    let staged = content.ancestors().nth(3).unwrap().join("staged");
    assert_eq!(std::fs::read_dir(&staged).unwrap().count(), 0);
    // The ticket is still good, and whoever has it hears that nothing more is taken.
    assert_eq!(code(sender.progress().await), ErrorCode::Refused);
    // Where bytes are still on their way the answer may be lost with the connection.
    let or_broken = |error: ClientError| error.code().is_none_or(|it| it == ErrorCode::Refused);
    assert!(sender.put_bytes(0, &bytes).await.is_err_and(or_broken));
    assert!(sender.put_ahead(200_000, &bytes[200_000..]).await.is_err_and(or_broken));
    assert_eq!(code(sender.complete().await), ErrorCode::Refused);
    assert_eq!(std::fs::read_dir(&staged).unwrap().count(), 0);
    // Once more, for whoever did not hear the answer.
    sender.client.give_up(url, sender.upload, &sender.ticket).await.unwrap();

    let again = Sender::new(&fleet, "Given-up.pkg", &bytes).await;
    again.put_bytes(0, &bytes).await.unwrap();
    assert!(again.complete().await.unwrap());
    let late = again.client.give_up(url, again.upload, &again.ticket).await;
    assert_eq!(code(late), ErrorCode::Conflict);
}

#[tokio::test]
async fn what_came_ahead_is_sent_again_after_a_restart() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(13, 400_000);
    let (upload, ticket) = {
        let sender = Sender::new(&fleet, "Lost.pkg", &bytes).await;
        sender.put_bytes(0, &bytes[..100_000]).await.unwrap();
        sender.put_ahead(200_000, &bytes[200_000..]).await.unwrap();
        (sender.upload, sender.ticket)
    };
    fleet.stop(0).await;
    fleet.start(0).await;
    let sender = Sender { client: fleet.client(None), fleet: &fleet, upload, ticket };
    sender.ready().await;
    let there = sender.progress().await.unwrap();
    assert_eq!((there.offset, there.ahead), (100_000, Vec::new()));
    sender.send_rest(&bytes).await;
    assert!(sender.complete().await.unwrap());
}

#[tokio::test]
async fn each_byte_has_one_writer_and_what_breaks_off_counts_as_far_as_it_came() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(15, 2_000_000);
    let sender = Sender::new(&fleet, "One-writer.pkg", &bytes).await;
    let content = fleet.file(0, &ContentId::of(&bytes));
    let staged = content.ancestors().nth(3).unwrap().join("staged");
    let part = staged.join(format!("{}.part", sender.upload));
    let (pieces, body) = channel_body();
    let sending = sender.send_ahead(1_000_000, 800_000, body);
    let meanwhile = async {
        pieces.send(Ok(Bytes::copy_from_slice(&bytes[1_000_000..1_300_000]))).await.unwrap();
        let came = async || std::fs::metadata(&part).is_ok_and(|it| it.len() > 1_200_000);
        fleet.until("some of it is written", came).await;
        // The request still has its range.
        for (from, to) in [(1_000_000, 1_000_010), (1_799_990, 1_800_010), (1_500_000, 1_500_001)] {
            let told = sender.put_ahead(from, &bytes[from..to]).await;
            assert_eq!(code(told), ErrorCode::Conflict, "{from} to {to}");
        }
        sender.put_bytes(0, &bytes[..1_000_000]).await.unwrap();
        let told = sender.put_bytes(1_000_000, &bytes[1_000_000..1_000_010]).await;
        assert_eq!(code(told), ErrorCode::Conflict, "where the upload goes on");
        pieces.send(Err(io::Error::other("cut"))).await.unwrap();
    };
    let (sent, ()) = tokio::join!(sending, meanwhile);
    sent.unwrap_err();
    fleet
        .until("what came counts", async || {
            let there = sender.progress().await.unwrap();
            (1_200_000..=1_300_000).contains(&there.offset)
        })
        .await;
    sender.send_rest(&bytes).await;
    assert!(sender.complete().await.unwrap());
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(0, &computer, "/Packages/One-writer.pkg").await.bytes(), bytes);
}

#[tokio::test]
async fn an_upload_goes_on_beside_a_part_that_was_begun_before_its_file_was_given_up() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(16, 2_000_000);
    let sender = Sender::new(&fleet, "Goes-on.pkg", &bytes).await;
    let content = fleet.file(0, &ContentId::of(&bytes));
    let staged = content.ancestors().nth(3).unwrap().join("staged");
    let (part, mark) = (
        staged.join(format!("{}.part", sender.upload)),
        staged.join(format!("{}.mark", sender.upload)),
    );
    sender.put_bytes(0, &bytes[..100_000]).await.unwrap();
    let (pieces, body) = channel_body();
    let far = sender.send_ahead(1_000_000, 800_000, body);
    let meanwhile = async {
        pieces.send(Ok(Bytes::copy_from_slice(&bytes[1_000_000..1_300_000]))).await.unwrap();
        let came = async || std::fs::metadata(&part).is_ok_and(|it| it.len() > 1_200_000);
        fleet.until("some of it is written", came).await;
        // A file takes the place of no folder: what came cannot be kept, and the file is given up.
        std::fs::remove_file(&mark).unwrap();
        std::fs::create_dir(&mark).unwrap();
        let told = sender.put_bytes(100_000, &bytes[100_000..200_000]).await;
        assert_eq!(code(told), ErrorCode::Internal);
        std::fs::remove_dir(&mark).unwrap();

        // The far part is still being sent, and in nobody's way but its own.
        assert_eq!(sender.progress().await.unwrap().offset, 0);
        assert_eq!(sender.put_bytes(0, &bytes[..1_000_000]).await.unwrap(), 1_000_000);
        let told = sender.put_ahead(1_100_000, &bytes[1_100_000..1_200_000]).await;
        assert_eq!(code(told), ErrorCode::Conflict);
        pieces.send(Err(io::Error::other("cut"))).await.unwrap();
    };
    let (sent, ()) = tokio::join!(far, meanwhile);
    sent.unwrap_err();
    sender.send_rest(&bytes).await;
    assert!(sender.complete().await.unwrap());
    let computer = fleet.asker(Some(fleet.computer()));
    assert_eq!(fleet.get(0, &computer, "/Packages/Goes-on.pkg").await.bytes(), bytes);
}
