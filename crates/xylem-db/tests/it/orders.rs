//! Computers and their orders.

use serde_json::json;
use xylem_db::{CheckIn, Database, DbError, NewComputer, NewOrder, OrderState};
use xylem_model::{ComputerId, ContentId, FileId, OrderId, Party};

use crate::bench::{Bench, admin, at, enroll_computer, id};

fn order(computer: ComputerId) -> NewOrder {
    NewOrder {
        id: id(OrderId::from_parts),
        computer,
        file: id(FileId::from_parts),
        version: 1,
        content: ContentId::of(b"tool"),
        descriptor: b"signed".to_vec(),
    }
}

async fn generation(db: &Database, computer: ComputerId) -> u64 {
    db.pending_orders(computer).await.unwrap().generation.0
}

pub(crate) async fn computers_are_unique_by_name_until_removed(bench: Bench) {
    let db = bench.open().await;
    let first = enroll_computer(&db, "Mac 1").await;
    let new = NewComputer {
        id: id(ComputerId::from_parts),
        name: "MAC 1".into(),
        serial_number: Some("C02X".into()),
        site: None,
    };
    let again = db.enroll_computer(&new, &admin(), at(2)).await;
    assert!(matches!(again, Err(DbError::Conflict { name, .. }) if name == "Mac 1"));
    db.remove_computer(first, &admin(), at(3)).await.unwrap();
    assert_eq!(db.computer(first).await.unwrap().removed, Some(at(3)));
    db.enroll_computer(&new, &admin(), at(4)).await.unwrap();
    let found = db.computer_by_name("mac 1").await.unwrap();
    assert_eq!((found.id, found.serial_number.as_deref()), (new.id, Some("C02X")));
    let missing = db.computer_by_name("Mac 2").await;
    assert!(matches!(missing, Err(DbError::NotFound { .. })));
}

pub(crate) async fn check_ins_are_noted_in_batches(bench: Bench) {
    let db = bench.open().await;
    let mut computers = Vec::new();
    for n in 0..5 {
        computers.push(enroll_computer(&db, &format!("Mac {n}")).await);
    }
    let check_in = |id, ms| CheckIn {
        believing: xylem_db::Believing::default(),
        id,
        at: at(ms),
        os: "macOS 26.1".into(),
        program_version: "0.1.0".into(),
        address: "192.0.2.9".into(),
    };
    let stranger = id(ComputerId::from_parts);
    let batch = [check_in(computers[3], 40), check_in(stranger, 50), check_in(computers[1], 60)];
    db.touch_computers(&batch).await.unwrap();

    let first = db.computers(None, 3).await.unwrap();
    let rest = db.computers(first.last().map(|c| c.id), 3).await.unwrap();
    let all: Vec<_> = first.iter().chain(&rest).collect();
    assert_eq!(all.iter().map(|c| c.id).collect::<Vec<_>>(), computers);
    let seen: Vec<_> = all.iter().map(|c| c.last_seen).collect();
    assert_eq!(seen, [None, Some(at(60)), None, Some(at(40)), None]);
    assert_eq!(all[1].os.as_deref(), Some("macOS 26.1"));
}

pub(crate) async fn orders_raise_the_computers_own_generation(bench: Bench) {
    let db = bench.open().await;
    let (one, two) = (enroll_computer(&db, "One").await, enroll_computer(&db, "Two").await);
    let before = db.stamp().await.unwrap();
    let orders = [order(one), order(one)];
    for new in &orders {
        db.add_order(new, &admin(), at(5)).await.unwrap();
    }
    let pending = db.pending_orders(one).await.unwrap();
    assert_eq!(pending.generation.0, 2);
    assert_eq!(pending.orders.iter().map(|o| o.id).collect::<Vec<_>>(), orders.clone().map(|o| o.id));
    assert_eq!(pending.orders[0].descriptor, b"signed");
    assert_eq!(generation(&db, two).await, 0);
    assert_eq!(db.stamp().await.unwrap(), before, "orders are no wish of the servers");

    db.cancel_order(orders[0].id, &admin(), at(6)).await.unwrap();
    let pending = db.pending_orders(one).await.unwrap();
    assert_eq!((pending.generation.0, pending.orders.len()), (3, 1));
    let stranger = db.add_order(&order(id(ComputerId::from_parts)), &admin(), at(7)).await;
    assert!(matches!(stranger, Err(DbError::NotFound { what: "computer", .. })));
    let newest = db.orders(None, None, 1).await.unwrap();
    assert_eq!(newest[0].id, orders[1].id);
    let older = db.orders(Some(one), Some(newest[0].id), 9).await.unwrap();
    assert_eq!(older[0].state, OrderState::Cancelled);
}

pub(crate) async fn orders_end_once_and_only_by_their_own_computer(bench: Bench) {
    let db = bench.open().await;
    let (one, two) = (enroll_computer(&db, "One").await, enroll_computer(&db, "Two").await);
    let new = order(one);
    db.add_order(&new, &admin(), at(5)).await.unwrap();
    let report = json!({ "exit": 0 });
    let stolen = db.finish_order(two, new.id, true, &report, at(6)).await;
    assert!(matches!(stolen, Err(DbError::NotFound { .. })));

    for _ in 0..2 {
        let done = db.finish_order(one, new.id, true, &report, at(7)).await.unwrap();
        assert_eq!((done.state, done.report.as_ref()), (OrderState::Done, Some(&report)));
        assert_eq!(generation(&db, one).await, 2, "the second report changes nothing");
    }
    let otherwise = db.finish_order(one, new.id, false, &report, at(8)).await;
    assert!(matches!(otherwise, Err(DbError::WrongState { state: "done", .. })));
    let late = db.cancel_order(new.id, &admin(), at(8)).await;
    assert!(matches!(late, Err(DbError::WrongState { .. })));
    assert_eq!(db.order(new.id).await.unwrap().finished, Some(at(7)));
}

pub(crate) async fn removed_computers_lose_orders_and_certificates(bench: Bench) {
    let db = bench.open().await;
    let computer = enroll_computer(&db, "One").await;
    let new = order(computer);
    db.add_order(&new, &admin(), at(5)).await.unwrap();
    db.record_certificate("0c", Party::Computer(computer), at(100), at(1)).await.unwrap();
    db.remove_computer(computer, &admin(), at(6)).await.unwrap();
    assert_eq!(db.order(new.id).await.unwrap().state, OrderState::Cancelled);
    assert!(!db.is_current("0c", Party::Computer(computer)).await.unwrap());
    let gone = db.pending_orders(computer).await;
    assert!(matches!(gone, Err(DbError::NotFound { .. })));
}
