//! The double itself: what it takes, and what it does not.

use super::CloudFrontDouble;
use super::invalidation::{Batch, Invalidations};

const START: &str = "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">";
const END: &str = "<CallerReference>r&amp;1</CallerReference></InvalidationBatch>";

fn read(paths: &str) -> Result<Batch, &'static str> {
    Batch::read(&format!("{START}<Paths>{paths}</Paths>{END}")).map_err(|refusal| refusal.1)
}

fn batch(reference: &str, paths: usize) -> Batch {
    let paths = (0..paths).map(|number| format!("/{number}")).collect();
    Batch { reference: reference.to_owned(), paths }
}

#[test]
fn a_document_is_as_amazon_describes_it_or_refused() {
    let two = "<Quantity>2</Quantity><Items><Path>/a%20b</Path><Path>/c&amp;d</Path></Items>";
    let paths = vec!["/a%20b".to_owned(), "/c&d".to_owned()];
    assert_eq!(read(two), Ok(Batch { reference: "r&1".to_owned(), paths }));
    for (wrong, code) in [
        (two.replace(">2<", ">1<"), "InconsistentQuantities"),
        ("<Quantity>0</Quantity><Items></Items>".to_owned(), "InconsistentQuantities"),
        (two.replace("/a%20b", "/a b"), "InvalidArgument"),
        (two.replace("/a%20b", "a"), "InvalidArgument"),
        (two.replace("/a%20b", "/*"), "InvalidArgument"),
        (two.replace("<Path>/a%20b", "<Path><b/>"), "MalformedInput"),
        (two.replace("<Quantity>2</Quantity>", ""), "MalformedInput"),
    ] {
        assert_eq!(read(&wrong), Err(code), "{wrong}");
    }
}

#[test]
fn a_reference_stands_for_its_paths_and_three_thousand_are_under_way_at_most() {
    let mut all = Invalidations::default();
    let code = |all: &mut Invalidations, batch| all.take(batch).err().map(|refusal| refusal.1);
    assert_eq!(code(&mut all, batch("many", 3_001)), Some("TooManyInvalidationsInProgress"));
    assert!(all.hold(true).is_empty());
    let first = all.take(batch("a", 3_000)).ok().unwrap();
    assert!(first.is_under_way && first.ended.is_empty());
    assert_eq!(code(&mut all, batch("b", 1)), Some("TooManyInvalidationsInProgress"));
    let again = all.take(batch("a", 3_000)).ok().unwrap();
    assert_eq!((again.number, all.all().len()), (first.number, 1), "it is the same one");
    assert_eq!(code(&mut all, batch("a", 1)), Some("InvalidationBatchAlreadyExists"));
    assert_eq!(all.hold(false).len(), 3_000);
    assert_eq!(all.take(batch("b", 1)).ok().unwrap().ended, ["/0"]);
}

#[tokio::test]
async fn amazons_name_leads_to_it_and_no_other_does() {
    let environment = xylem_runtime::Environment::real();
    let double = CloudFrontDouble::start(&environment, |_| None).await;
    let net = double.net(environment.net);
    let port = |addresses: Vec<std::net::SocketAddr>| addresses[0].port();
    let ours = net.resolve(super::CLOUDFRONT_HOST, 443).await.unwrap();
    assert_eq!(port(ours), double.control.port());
    assert_eq!(port(net.resolve("127.0.0.1", 443).await.unwrap()), 443);
    assert!(net.connect(super::CLOUDFRONT_HOST, 443).await.is_ok());
}
