//! Who is sent to CloudFront in front of the cloud distribution point, and for what.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xylem_api::cloud::{CloudKeys, SetCloud};
use xylem_client::{AgentClient, CloudContentClient, Deadlines};
use xylem_db::{CloudFollowing, CloudWant, CloudWork};
use xylem_model::{CloudPointId, ContentId, FileName, Generation, Priority};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_testkit::{CloudFrontDouble, S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double};

use crate::harness::{FakeServer, Harness, START, present, sha256};

/// What the edge is set to deliver at most, bytes: more than the objects of the test have.
const LARGEST: usize = 1_500;

/// A bucket with an edge before it, a root that has files, and a computer.
struct World {
    harness: Harness,
    double: S3Double,
    cloudfront: CloudFrontDouble,
    point: CloudPointId,
    root: FakeServer,
    agent: AgentClient,
}

impl World {
    async fn new() -> Self {
        let mut stopped = Harness::start().await.stop().await;
        stopped.config.cloud_private_hosts = vec!["127.0.0.1".to_owned()];
        let harness = stopped.start().await;
        let double = S3Double::start(&harness.environment).await;
        let cloudfront = CloudFrontDouble::start(&harness.environment, double.reader()).await;
        let set = SetCloud {
            ca_pem: Some(format!("{}{}", double.ca_pem(), cloudfront.ca_pem())),
            ..SetCloud::new(
                json!({
                    "provider": "s3",
                    "bucket": S3_BUCKET,
                    "region": S3_REGION,
                    "endpoint": double.endpoint(),
                    "prefix": "macs",
                    "cloudfront": {
                        "url": cloudfront.url(),
                        "key_pair_id": cloudfront.key_pair_id(),
                        "largest_delivered": LARGEST,
                    },
                }),
                CloudKeys(json!({
                    "provider": "s3",
                    "key_id": S3_KEY_ID,
                    "secret": S3_SECRET,
                    "cloudfront_key": cloudfront.private_key(),
                })),
            )
        };
        let point = harness.admin().set_cloud(&set).await.unwrap().id;
        let root = harness.server("root").await;
        let (_, agent) = harness.computer("mac").await;
        Self { harness, double, cloudfront, point, root, agent }
    }

    /// Has the root and the bucket have files, each of which was proved.
    async fn fill(&self, files: &[(&str, Vec<u8>)]) {
        for (name, bytes) in files {
            self.harness.publish(&self.root, name, bytes).await;
            let hex = ContentId::of(bytes).to_hex();
            self.double.place(&format!("macs/content/{}/{hex}", &hex[..2]), bytes.clone());
        }
        let stamp = self.harness.admin().status().await.unwrap().stamp;
        let held = files.iter().map(|(_, bytes)| present(bytes)).collect();
        self.root.report(stamp, held).await;
        for (name, bytes) in files {
            self.proved(name, bytes).await;
        }
    }

    async fn proved(&self, name: &str, bytes: &[u8]) {
        let (db, content) = (&self.harness.database, ContentId::of(bytes));
        let want = CloudWant {
            content,
            size: bytes.len() as u64,
            sha256: sha256(bytes),
            name: FileName::new(name).unwrap(),
            priority: Priority::Normal,
        };
        let row = db.cloud_point().await.unwrap().unwrap();
        let next = Generation(row.followed.0 + 1);
        let seen = CloudFollowing {
            point: row.id,
            selection: row.selection,
            followed: row.followed,
            walks: row.walks,
        };
        assert!(db.want_in_cloud(&seen, &[want], next, START).await.unwrap());
        let until = START.plus(Duration::from_secs(60));
        let taking = db.take_from_cloud_wants(self.point, self.root.id, &[], START, until);
        assert!(taking.await.unwrap().is_some());
        let work = CloudWork { point: self.point, content, server: self.root.id };
        assert!(db.note_cloud_begun(work, None, None).await.unwrap());
        assert!(db.note_cloud_proving(work).await.unwrap());
        assert!(db.note_cloud_present(work, Some("e"), START).await.unwrap());
    }

    /// The address in the cloud that the computer gets for a file.
    async fn offered(&self, name: &str) -> Option<String> {
        let sources = self.agent.sources(&FileName::new(name).unwrap()).await.unwrap();
        assert_eq!(sources.candidates.len(), 1, "whatever becomes of the cloud");
        sources.cloud.map(|cloud| cloud.url)
    }
}

#[tokio::test]
async fn a_file_that_is_larger_than_the_edge_delivers_is_offered_neither_there_nor_at_the_bucket() {
    let world = World::new().await;
    let (fits, larger) = (vec![1; LARGEST], vec![2; LARGEST + 1]);
    world.fill(&[("Fits.pkg", fits.clone()), ("Larger.pkg", larger)]).await;
    let url = world.offered("Fits.pkg").await.unwrap();
    assert!(url.starts_with(&world.cloudfront.url()), "{}", world.cloudfront.url());
    let roots = PublicRoots::from_pem(world.cloudfront.ca_pem().as_bytes()).unwrap();
    let environment = world.harness.environment.clone();
    let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
    let client = CloudContentClient::new(environment, tls, Deadlines::default());
    let answer = client.fetch(&url, LARGEST as u64, 0).await.unwrap();
    assert_eq!(answer.body.collect(LARGEST).await.unwrap(), fits);
    assert_eq!(world.offered("Larger.pkg").await, None);
}
