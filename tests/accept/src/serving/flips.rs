//! Bits that flip on the disk of a server.

use std::time::Duration;

use anyhow::ensure;
use xylem_api::catalogue::PlacementState;
use xylem_bench::publish::content_of_file;
use xylem_client::ClientError;

use crate::client::Client;
use crate::pair::{CHILD, CLIENT, flip, name, pair, sizes, stage};

/// Files, in each of which a bit flips.
const FILES: usize = 100;

/// How long the repair of one may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Nobody receives a flipped bit, and each is reported and repaired.
pub(crate) fn flips() -> anyhow::Result<()> {
    stage(async |scratch| {
        let sizes = sizes(FILES);
        let (fleet, contents) = pair(scratch, &sizes, CHILD).await?;
        let client = Client::new(&fleet, CLIENT, CHILD)?;
        let (mut wrong, mut refused, mut broken) = (0, 0, 0);
        for (number, (content, size)) in contents.iter().zip(&sizes).enumerate() {
            flip(&fleet.published(CHILD, content), *size, number as u64)?;
            match client.take(content, Duration::ZERO).await {
                // It was not damaged where it matters, or it was repaired before it was asked for.
                Ok(id) if id == *content => {}
                Ok(_) => wrong += 1,
                Err(error) if matches!(error.downcast_ref(), Some(ClientError::Answer { .. })) => {
                    refused += 1;
                }
                Err(_) => broken += 1,
            }
        }
        let mut repaired = 0;
        for (number, content) in contents.iter().enumerate() {
            fleet
                .told(CHILD, &name(number), LIMIT, |row| row.state == PlacementState::Present)
                .await?;
            fleet.arrival(CHILD, content, LIMIT).await?;
            let found = content_of_file(&fleet.published(CHILD, content))?;
            ensure!(found == *content, "{content} is not repaired");
            ensure!(client.take(content, Duration::ZERO).await? == *content, "wrong bytes");
            repaired += 1;
        }
        let counted = fleet.counted_by(CHILD)?;
        let reported = counted.sum("xylem_distribution_withdrawn_total");
        fleet.stop().await;
        println!(
            "SERVING flips planted={FILES} wrong={wrong} refused={refused} broken_off={broken} \
             reported={reported} repaired={repaired}"
        );
        ensure!(wrong == 0, "{wrong} wrong answers");
        ensure!(refused + broken == FILES, "a planted bit was not noticed");
        ensure!(reported as usize >= FILES, "not each was reported");
        Ok(())
    })
}
