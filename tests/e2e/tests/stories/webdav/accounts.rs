//! Who may.

use std::time::Instant;

use xylem_testkit::{WebDav, eventually};

use super::{names, package, root};

#[tokio::test(flavor = "multi_thread")]
async fn each_may_what_an_administrator_gave() {
    let (stage, casper) = root().await;
    let one = package(&stage, "One.pkg");
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &[], &one).await.status, 201);

    let reader = WebDav::account(&stage, "root", "reader", "--read").await;
    assert_eq!(reader.ask("GET", "/Packages/A.pkg", &[], b"").await.body, one);
    assert_eq!(names(&reader, "/").await, ["Apps", "Packages", "eBooks"]);
    let write = reader.ask("PUT", "/Packages/B.pkg", &[], &one).await;
    assert_eq!(write.status, 403, "{}", write.text());
    for method in ["DELETE", "MKCOL", "LOCK", "PROPPATCH", "MOVE"] {
        let to = [("destination", "/Packages/C.pkg")];
        assert_eq!(reader.ask(method, "/Packages/A.pkg", &to, b"").await.status, 403, "{method}");
    }

    // Nobody may, until an administrator opens the server; and then only read.
    let nobody = WebDav::nobody(&stage, "root").await;
    let read = async |client: &WebDav| client.ask("GET", "/Packages/A.pkg", &[], b"").await.status;
    assert_eq!(read(&nobody).await, 401);
    assert_eq!(nobody.ask("PROPFIND", "/", &[("depth", "1")], b"").await.status, 401);
    assert_eq!(nobody.ask("OPTIONS", "/", &[], b"").await.status, 200);
    stage.system.xylem(&["ds", "set", "root", "open-to-all=on"]).await.unwrap();
    eventually("it is open", || async { read(&nobody).await == 200 }).await;
    assert_eq!(names(&nobody, "/Packages/").await, ["A.pkg"]);
    assert_eq!(nobody.ask("DELETE", "/Packages/A.pkg", &[], b"").await.status, 401);
    stage.system.xylem(&["ds", "set", "root", "open-to-all=off"]).await.unwrap();
    eventually("it is closed", || async { read(&nobody).await == 401 }).await;

    // A rotated password and the one before both count, until the rotation ends.
    let rotate = ["ds", "account", "rotate", "root", "reader", "--json"];
    let made = stage.system.xylem(&rotate).await.unwrap();
    let password = made.split("\"password\": \"").nth(1).unwrap();
    let newer = nobody.with("reader", password.split('"').next().unwrap());
    eventually("the new password counts", || async { read(&newer).await == 200 }).await;
    assert_eq!(read(&reader).await, 200);
    let finish = ["ds", "account", "rotate", "root", "reader", "--finish"];
    stage.system.xylem(&finish).await.unwrap();
    // Although it was found right a moment ago.
    eventually("the old password is forgotten", || async { read(&reader).await == 401 }).await;
    assert_eq!(read(&newer).await, 200);
    stage.system.xylem(&["ds", "account", "remove", "root", "reader"]).await.unwrap();
    eventually("the account is gone", || async { read(&newer).await == 401 }).await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slow_and_hurts_nobody_else() {
    let (stage, casper) = root().await;
    let guesser = WebDav::nobody(&stage, "root").await.with("casper", "guessed");
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(guesser.ask("PROPFIND", "/", &[("depth", "0")], b"").await.status, 401);
    }
    // 0, 1/4, 1/2, 1 and 2 seconds.
    assert!(begun.elapsed().as_secs_f64() > 3.5, "{:?}", begun.elapsed());
    // Who was found right before does not wait.
    let known = Instant::now();
    assert_eq!(casper.ask("PROPFIND", "/", &[("depth", "0")], b"").await.status, 207);
    assert!(known.elapsed().as_secs_f64() < 1.0, "{:?}", known.elapsed());
    let mut many = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let guesser = guesser.clone();
        many.spawn(async move { guesser.ask("PROPFIND", "/", &[("depth", "0")], b"").await });
    }
    let answers = many.join_all().await;
    let turned_away = answers.iter().filter(|answer| answer.status == 429);
    assert!(turned_away.count() >= 15, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)), "{answers:?}");
    stage.clear().await;
}
