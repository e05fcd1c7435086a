//! The same for whoever has an account that may write.

use crate::hostile::{Attacker, check};

/// Method, path, further headers, body, and the status of the answer.
type Case = (&'static str, &'static str, &'static str, &'static str, u16);

const DEPTH_0: &str = "Depth: 0\r\n";

const CASES: [Case; 58] = [
    // Paths.
    ("PUT", "/Packages/../identity/identity.pem", "", "x", 400),
    ("PUT", "/Packages/..%2fidentity.pem", "", "x", 400),
    ("PUT", "/Packages/%2e%2e/identity.pem", "", "x", 400),
    ("PUT", "/Drop/../identity/identity.pem", "", "x", 400),
    ("PUT", "/Drop/%2e%2e/identity/identity.pem", "", "x", 400),
    ("PUT", "/Drop/..%2f..%2fidentity.pem", "", "x", 400),
    ("PUT", "/Drop/a%00b", "", "x", 400),
    ("PUT", "/Drop/a%0d%0aX-Injected:%20yes", "", "x", 400),
    ("PUT", "/Drop/%ff%fe", "", "x", 400),
    ("PUT", "/Drop/%c0%ae%c0%ae/x", "", "x", 400),
    ("PUT", "/Drop/./x", "", "x", 400),
    ("PUT", "/Drop/", "", "x", 403),
    ("PUT", "/Drop", "", "x", 403),
    ("PUT", "/Packages/", "", "x", 403),
    ("PUT", "/", "", "x", 403),
    ("PUT", "/Drop/Not%20published.txt", "", "x", 403),
    ("PUT", "/Drop/missing/x", "", "x", 409),
    ("PUT", "/Packages/x/y.pkg", "", "x", 409),
    ("PUT", "/CasperShare/x", "", "x", 404),
    ("PUT", "/CasperShare/../Drop/x", "", "x", 404),
    ("PUT", "/Packages/Gr%C3%B6%C3%9Fe.pkg:rsrc", "", "x", 400),
    ("PUT", "/Packages/Gr%C3%B6%C3%9Fe.pkg%20", "", "x", 400),
    ("PUT", "/Packages/%E2%80%AEgkp.exe", "", "x", 400),
    ("PUT", "/Packages/CON", "", "x", 400),
    ("MKCOL", "/Drop/%2e%2e", "", "", 400),
    ("MKCOL", "/Packages/x", "", "", 403),
    ("MKCOL", "/Drop", "", "", 405),
    ("MKCOL", "/Drop/x", "", "<x/>", 415),
    ("DELETE", "/", "", "", 403),
    ("DELETE", "/Packages/", "", "", 403),
    ("DELETE", "/CasperShare/Packages", "", "", 403),
    ("DELETE", "/Drop/..", "", "", 400),
    ("PROPFIND", "/Drop/../", DEPTH_0, "", 400),
    // Destinations.
    ("MOVE", "/Drop/a", "", "", 400),
    ("MOVE", "/Drop/a", "Destination: https://elsewhere.example/Drop/b\r\n", "", 403),
    ("MOVE", "/Drop/a", "Destination: https://x:1/Drop/b\r\n", "", 403),
    ("MOVE", "/Drop/a", "Destination: https://x@elsewhere.example/Drop/b\r\n", "", 403),
    ("MOVE", "/Drop/a", "Destination: //elsewhere.example/Drop/b\r\n", "", 409),
    ("MOVE", "/Drop/a", "Destination: file:///etc/passwd\r\n", "", 400),
    ("MOVE", "/Drop/a", "Destination: /Drop/../identity\r\n", "", 400),
    ("MOVE", "/Drop/a", "Destination: /Drop/%2e%2e%2fidentity\r\n", "", 400),
    ("MOVE", "/Drop/a", "Destination: /Drop/b%00\r\n", "", 400),
    ("MOVE", "/Drop/a", "Destination: /Drop/b?c\r\n", "", 400),
    ("MOVE", "/Drop/a", "Destination: /Drop/b\r\nDestination: /Drop/c\r\n", "", 400),
    ("COPY", "/Drop/a", "Destination: /Drop\r\n", "", 403),
    ("COPY", "/Packages/Gr%C3%B6%C3%9Fe.pkg", "Destination: /Drop/x\r\n", "", 403),
    ("COPY", "/Packages", "Destination: /Drop/x\r\n", "", 403),
    ("MOVE", "/Drop/a", "Destination: /Packages/a.pkg\r\n", "", 403),
    // Bodies, parts, and questions without an end.
    ("PROPFIND", "/Drop/", "", "", 403),
    ("PROPFIND", "/Drop/", "Depth: infinity\r\n", "", 403),
    ("PROPFIND", "/Drop/", "Depth: 2\r\n", "", 403),
    ("PROPFIND", "/Drop/", DEPTH_0, "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 400),
    ("PROPFIND", "/Drop/", DEPTH_0, "<a xmlns:b='c'><b:d></a>", 400),
    ("PROPPATCH", "/Drop/a", "", "<!doctype a SYSTEM 'file:///etc/passwd'><a/>", 400),
    ("LOCK", "/Drop/x", "", "<a>\0</a>", 400),
    ("PATCH", "/Drop/a", "X-Update-Range: append\r\n", "x", 405),
    ("PUT", "/Packages/A.pkg", "Content-Range: bytes 0-0/2\r\n", "x", 400),
    ("SEARCH", "/Drop/", "", "", 405),
];

#[tokio::test]
async fn nobody_writes_where_nothing_may_be_written() {
    let attacker = Attacker::new().await;
    let ask = async |method: &str, path: &str, headers: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nConnection: close\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            attacker.login,
            body.len()
        );
        attacker.send(request.as_bytes()).await
    };
    let put = ask("PUT", "/Drop/a", "", "dropped").await;
    check(&put, 201, "a file of the folder tree");
    let mut wrong = Vec::new();
    for (method, path, headers, body, status) in CASES {
        let what = format!("{method} {path} {headers}{body}");
        let answer = ask(method, path, headers, body).await;
        if !answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            wrong.push(format!("{what}: not {status} but {answer}"));
            continue;
        }
        check(&answer, status, &what);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let long = format!("/Drop/{}", "a".repeat(256));
    check(&ask("PUT", &long, "", "x").await, 400, "a name of 256 bytes");
    let deep = "/a".repeat(40);
    check(&ask("MKCOL", &format!("/Drop{deep}"), "", "").await, 400, "41 names");
    let bytes = " ".repeat((64 << 10) + 1);
    check(&ask("PROPFIND", "/Drop/", DEPTH_0, &bytes).await, 413, "a body of 64 KiB and a byte");
    let nested = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    check(&ask("PROPFIND", "/Drop/", DEPTH_0, &nested).await, 400, "5000 elements in each other");
    // What was there is there, and nothing else.
    let left = ask("PROPFIND", "/Drop/", "Depth: 1\r\n", "").await;
    assert_eq!(left.matches("<D:href>").count(), 2, "{left}");
    let same = ask("GET", "/Drop/a", "", "").await;
    assert!(same.ends_with("\r\n\r\ndropped"), "{same}");
    let data = attacker.data();
    let mut names: Vec<String> = std::fs::read_dir(data.join("webdav/drop/files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.len() != 32);
    assert_eq!(names, Vec::<String>::new(), "names of ours only");
    println!("HOSTILE webdav={}", CASES.len() + 4);
}
