//! What is removed, and what somebody else wrote, goes out of CloudFront's caches.

use xylem_client::{ClientError, CloudContentClient, Deadlines};
use xylem_cloud::UrlFor;
use xylem_testkit::{CLOUDFRONT_DISTRIBUTION, CloudFrontDouble};

use super::*;

/// A world whose bucket has an edge before it.
struct Edge {
    world: World,
    cloudfront: CloudFrontDouble,
    reader: CloudContentClient,
}

impl Edge {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = S3Double::start(&environment).await;
        let cloudfront = CloudFrontDouble::start(&environment, double.reader()).await;
        let net = cloudfront.net(Arc::clone(&environment.net));
        let environment = Environment { net, ..environment };
        let pem = format!("{}{}", double.ca_pem(), cloudfront.ca_pem());
        let roots = PublicRoots::from_pem(pem.as_bytes()).unwrap();
        let tls = public_client_config(&roots, clock.clone()).unwrap();
        let reader = CloudContentClient::new(environment.clone(), tls, Deadlines::default());
        let settings = json!({
            "url": cloudfront.url(),
            "key_pair_id": cloudfront.key_pair_id(),
            "distribution_id": CLOUDFRONT_DISTRIBUTION,
        });
        let keys = json!({
            "provider": "s3",
            "key_id": S3_KEY_ID,
            "secret": S3_SECRET,
            "cloudfront_key": cloudfront.private_key(),
        });
        let world = World::with(clock, environment, double, &pem, settings, keys);
        Self { world, cloudfront, reader }
    }

    /// What a client gets of a content at the edge, by an address that is good now.
    async fn fetch(&self, content: ContentId, size: u64) -> Result<Vec<u8>, u16> {
        let provider = self.world.provider();
        let key = self.world.point.settings.storage.prefix().content(&content);
        let (name, life) = (FileName::new("A.pkg").unwrap(), Duration::from_secs(60));
        let at = Moment { now: self.world.now(), nonce: 1 };
        let wanted = UrlFor { key: &key, size, name: &name, client: None, at, life };
        let url = provider.url(&wanted).unwrap();
        match self.reader.fetch(url.reveal(), size, 0).await {
            Ok(answer) => Ok(answer.body.collect(1000).await.unwrap().to_vec()),
            Err(ClientError::Answer { status, .. }) => Err(status),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Fills the edge's cache with a content, and has it removed.
    async fn remove(&self, bytes: &[u8]) -> ContentId {
        let content = self.world.fill(bytes).await;
        assert_eq!(self.fetch(content, bytes.len() as u64).await, Ok(bytes.to_vec()));
        self.world.unwant(content).await;
        self.world.pass(LONG);
        let provider = self.world.provider();
        assert_eq!(remove(&self.world.round(&*provider)).await.unwrap().gone, 1);
        assert!(!self.world.is_there(content));
        content
    }
}

fn path_of(content: &ContentId) -> String {
    format!("/{}", name_of(content))
}

#[tokio::test]
async fn the_edge_gives_what_was_removed_until_it_was_invalidated() {
    let edge = Edge::new().await;
    edge.cloudfront.control.hold(true);
    let content = edge.remove(b"gone").await;
    assert_eq!(edge.fetch(content, 4).await, Ok(b"gone".to_vec()), "its cache knows nothing of it");
    let asked = edge.cloudfront.control.invalidated();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].1, [path_of(&content)]);
    edge.cloudfront.control.hold(false);
    assert_eq!(edge.fetch(content, 4).await, Err(404));
    assert_eq!(edge.cloudfront.control.refused(), 0);
}

#[tokio::test]
async fn an_invalidation_is_asked_again_as_the_same_one() {
    let edge = Edge::new().await;
    edge.cloudfront.control.be_busy(1);
    edge.cloudfront.control.lose_answers(2);
    let content = edge.remove(b"gone").await;
    assert_eq!(edge.cloudfront.control.invalidated().len(), 1, "one of three requests was taken");
    assert_eq!(edge.cloudfront.control.refused(), 0, "the reference stands for the same paths");
    assert_eq!(edge.fetch(content, 4).await, Err(404));
}

#[tokio::test]
async fn an_edge_that_does_not_answer_stops_no_removal() {
    let edge = Edge::new().await;
    edge.cloudfront.control.be_busy(1_000);
    let content = edge.remove(b"gone").await;
    assert_eq!(edge.world.state(content).await, None);
    assert!(edge.cloudfront.control.invalidated().is_empty());
    assert_eq!(edge.fetch(content, 4).await, Ok(b"gone".to_vec()), "it stays in the cache");
}

#[tokio::test]
async fn wrong_bytes_go_out_of_the_cache_before_right_ones_are_sent() {
    let edge = Edge::new().await;
    let content = edge.world.fill(b"one").await;
    edge.world.double.place(&name_of(&content), "ONE");
    assert_eq!(edge.fetch(content, 3).await, Ok(b"ONE".to_vec()));
    let provider = edge.world.provider();
    assert_eq!(inventory(&edge.world.round(&*provider)).await.unwrap().changed, 1);
    assert_eq!(edge.cloudfront.control.invalidated()[0].1, [path_of(&content)]);
    assert_eq!(edge.fetch(content, 3).await, Err(404));
    edge.world.double.place(&name_of(&content), "one");
    assert_eq!(edge.fetch(content, 3).await, Ok(b"one".to_vec()));
}

#[tokio::test]
async fn more_paths_than_may_be_under_way_wait_for_those_before() {
    let edge = Edge::new().await;
    let keys: Vec<ObjectKey> = (0..3_001_u32)
        .map(|number| {
            edge.world
                .point
                .settings
                .storage
                .prefix()
                .content(&ContentId::of(&number.to_be_bytes()))
        })
        .collect();
    let provider = edge.world.provider();
    let round = edge.world.round(&*provider);
    edge.cloudfront.control.hold(true);
    round.purge(&keys).await;
    assert_eq!(
        edge.cloudfront.control.invalidated().len(),
        1,
        "the second waits, and is given up here"
    );
    edge.cloudfront.control.hold(false);
    round.purge(&keys).await;
    let taken = edge.cloudfront.control.invalidated();
    let sizes: Vec<usize> = taken.iter().map(|(_, paths)| paths.len()).collect();
    assert_eq!(sizes, [3_000, 3_000, 1]);
}
