//! Files for devices, which have an address with a ticket in it and nothing else.

use std::time::Duration;

use http::{Method, StatusCode};
use xylem_model::ContentId;
use xylem_trust::{Operation, Ticket};

use crate::fleet::{Answer, Fleet, noise};

async fn ask(fleet: &Fleet, method: Method, path: &str, ticket: &str) -> Answer {
    let path = format!("{path}?ticket={ticket}");
    fleet.asker(None).ask(&fleet.server(0).url, method, &path).await
}

fn signed(fleet: &Fleet, operation: Operation) -> String {
    fleet.management.sign(&fleet.management.ticket(operation)).to_header()
}

async fn refusal(fleet: &Fleet, path: &str, ticket: &str) -> String {
    let answer = ask(fleet, Method::GET, path, ticket).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.message);
    answer.message
}

#[tokio::test]
async fn an_address_with_a_ticket_gives_the_file_whole_and_in_parts() {
    let fleet = Fleet::chain(1).await;
    let bytes = noise(1, 700_000);
    let content = fleet.upload("A b.pkg", &bytes).await;
    let ticket = signed(&fleet, Operation::Device { content });
    let path = "/Packages/A%20b.pkg";
    let whole = ask(&fleet, Method::GET, path, &ticket).await;
    assert_eq!((whole.status, whole.bytes()), (StatusCode::OK, &bytes[..]));
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    let head = ask(&fleet, Method::HEAD, path, &ticket).await;
    assert_eq!(head.header("content-length"), bytes.len().to_string());
    let url = format!("{path}?ticket={ticket}");
    let part = fleet.asker(None).with("range", "bytes=1000-600000");
    let part = part.ask(&fleet.server(0).url, Method::GET, &url).await;
    assert_eq!((part.status, part.bytes()), (StatusCode::PARTIAL_CONTENT, &bytes[1000..=600_000]));

    let without = fleet.get(0, &fleet.asker(None), path).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_address_that_is_not_good_is_refused_with_the_reason() {
    let fleet = Fleet::chain(1).await;
    let content = fleet.upload("A.pkg", b"one").await;
    let path = "/Packages/A.pkg";
    let operation = Operation::Device { content };
    let good = signed(&fleet, operation.clone());
    let ticket = fleet.management.ticket(operation);
    let forged = fleet.management.rogue_sign(&ticket).to_header();
    assert!(refusal(&fleet, path, &forged).await.contains("not accepted"));
    assert!(refusal(&fleet, path, "nonsense").await.contains("not accepted"));
    assert!(refusal(&fleet, path, "").await.contains("not accepted"));
    let (issued, week) = (ticket.issued, Duration::from_secs(7 * 86_400));
    let for_ever = Ticket { expires: issued.plus(week + week), ..ticket.clone() };
    let for_ever = fleet.management.sign(&for_ever).to_header();
    assert!(refusal(&fleet, path, &for_ever).await.contains("at most 604800 s"));
    let (issued, expires) = (ticket.issued.minus(Duration::from_secs(60)), ticket.issued);
    let over = fleet.management.sign(&Ticket { issued, expires, ..ticket }).to_header();
    assert!(refusal(&fleet, path, &over).await.contains("expired"));
    for other in [Operation::Read { content }, Operation::Device { content: ContentId::of(b"x") }] {
        refusal(&fleet, path, &signed(&fleet, other)).await;
    }
    // Nor is it worth anything where tickets are shown in a header.
    let asker = fleet.asker(None).with("authorization", format!("Xylem-Ticket {good}"));
    let by_id = fleet.get(0, &asker, &format!("/v1/blob/{content}")).await;
    assert_eq!(by_id.status, StatusCode::FORBIDDEN);

    assert_eq!(ask(&fleet, Method::GET, path, &good).await.bytes(), b"one");
    fleet.upload("A.pkg", b"two").await;
    assert!(refusal(&fleet, path, &good).await.contains("other content"));
    let missing = ask(&fleet, Method::GET, "/Packages/Nothing.pkg", &good).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}
