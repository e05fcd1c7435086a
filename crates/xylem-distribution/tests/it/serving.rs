//! How contents are answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use xylem_model::ContentId;

use crate::fleet::{Fleet, noise, sha256};

const LEN: usize = 700_001;

#[tokio::test]
async fn an_answer_says_what_it_is() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(1, LEN);
    let content = fleet.upload("Größe 1.pkg", &bytes).await;
    let computer = fleet.asker(Some(fleet.computer()));
    let by_id = format!("/v1/blob/{content}");
    let by_name = "/Packages/Gr%C3%B6%C3%9Fe%201.pkg";
    for path in [&by_id, by_name] {
        let answer = fleet.get(0, &computer, path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.bytes(), bytes);
        assert_eq!(answer.header("etag"), format!("\"{content}\""));
        assert_eq!(answer.header("content-length"), LEN.to_string());
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("last-modified").ends_with(" GMT"));
        let digest = STANDARD.encode(sha256(&bytes).as_bytes());
        assert_eq!(answer.header("repr-digest"), format!("sha-256=:{digest}:"));
        let disposition = answer.header("content-disposition");
        assert!(disposition.ends_with("filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.pkg"), "{disposition}");
        assert!(answer.header("cache-control").starts_with("private"));

        let head = computer.ask(&fleet.server(0).url, Method::HEAD, path).await;
        assert_eq!(head.header("content-length"), LEN.to_string());
        assert!(head.bytes().is_empty());
    }
    assert!(fleet.get(0, &computer, &by_id).await.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_byte_for_byte() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(2, LEN);
    let content = fleet.upload("Ranges.pkg", &bytes).await;
    let path = format!("/v1/blob/{content}");
    let party = Some(fleet.computer());
    let ask = async |pairs: &[(&'static str, &str)]| {
        let mut asker = fleet.asker(party);
        for (name, value) in pairs {
            asker = asker.with(name, value);
        }
        fleet.get(0, &asker, &path).await
    };
    let edge = 256 << 10;
    for (first, last) in
        [(0, 0), (0, edge - 1), (edge - 1, edge), (17, LEN - 1), (LEN - 1, LEN - 1)]
    {
        let answer = ask(&[("range", &format!("bytes={first}-{last}"))]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.bytes(), &bytes[first..=last]);
        assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/{LEN}"));
    }
    let tag = format!("\"{content}\"");
    let range = ("range", "bytes=5-9");
    assert_eq!(ask(&[range, ("if-range", &tag)]).await.bytes(), &bytes[5..10]);
    assert_eq!(ask(&[range, ("if-range", "\"other\"")]).await.bytes(), bytes);
    assert_eq!(ask(&[("range", "bytes=-3")]).await.bytes(), &bytes[LEN - 3..]);
    let beyond = ask(&[("range", &format!("bytes={LEN}-"))]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let known = ask(&[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.bytes()), (StatusCode::NOT_MODIFIED, &b""[..]));
    assert_eq!(ask(&[("if-none-match", "\"other\"")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nothing_but_published_names_leads_anywhere() {
    let fleet = Fleet::chain(1).await;
    fleet.upload("Known.pkg", b"known").await;
    let computer = fleet.asker(Some(fleet.computer()));
    for path in [
        "/Packages/Unknown.pkg",
        "/Apps/Known.pkg",
        "/Packages/..%2F..%2Fidentity%2Fidentity.pem",
        "/Packages/",
        "/Packages/Known.pkg/",
        "/identity/identity.pem",
        "/v1/blob/zz",
        "/v1/blob/..",
        "/",
    ] {
        assert_eq!(fleet.get(0, &computer, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/Packages/Known.pkg", "/CasperShare/Packages/Known.pkg"] {
        assert_eq!(fleet.get(0, &computer, path).await.bytes(), b"known", "{path}");
    }
    let write = computer.ask(&fleet.server(0).url, Method::PUT, "/Packages/Known.pkg").await;
    assert_eq!(write.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn health_and_metrics_need_no_certificate_on_this_machine() {
    let fleet = Fleet::chain(1).await;
    let nobody = fleet.asker(None);
    assert_eq!(fleet.get(0, &nobody, "/health/live").await.status, StatusCode::OK);
    fleet
        .until("it is ready", async || {
            fleet.get(0, &nobody, "/health/ready").await.status == StatusCode::OK
        })
        .await;
    let text = fleet.get(0, &nobody, "/metrics").await;
    let text = String::from_utf8(text.bytes().to_vec()).unwrap();
    assert!(text.contains("xylem_distribution_answers_total"), "{text}");
}

#[tokio::test]
async fn an_outboard_is_given_to_whoever_may_have_the_content() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(3, LEN);
    let content = fleet.upload("Tree.pkg", &bytes).await;
    let path = format!("/v1/blob/{content}/tree");
    assert_eq!(fleet.get(0, &fleet.asker(None), &path).await.status, StatusCode::UNAUTHORIZED);
    let answer = fleet.get(0, &fleet.asker(Some(fleet.computer())), &path).await;
    let expected = xylem_blobs::outboard_len(LEN as u64);
    assert_eq!(answer.bytes().len() as u64, expected);
    assert_eq!(answer.bytes()[..8], (LEN as u64).to_le_bytes());
    assert_eq!(ContentId::of(&bytes), content);
}
