//! Invitations, tokens, certificates.

use xylem_db::{DbError, InvitationKind, InvitationRefusal, NewInvitation, NewToken};
use xylem_model::{ComputerId, InvitationId, Party, TokenId};

use crate::bench::{Bench, admin, at, id, in_parallel};

fn invitation(code: u8, uses: u32) -> NewInvitation {
    NewInvitation {
        id: id(InvitationId::from_parts),
        kind: InvitationKind::Computer,
        site: None,
        code_hash: [code; 32],
        uses,
        expires: at(100),
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, DbError>) -> InvitationRefusal {
    match result {
        Err(DbError::Invitation(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn invitations_refuse_for_the_right_reason(bench: Bench) {
    let db = bench.open().await;
    let new = invitation(1, 2);
    db.add_invitation(&new, &admin(), at(1)).await.unwrap();
    let redeem = |code: u8, kind, now| {
        let db = db.clone();
        async move { db.redeem(&[code; 32], kind, at(now)).await }
    };
    let computer = InvitationKind::Computer;

    assert_eq!(refusal(redeem(9, computer, 5).await), InvitationRefusal::Unknown);
    let other_kind = redeem(1, InvitationKind::Distribution, 5).await;
    assert_eq!(refusal(other_kind), InvitationRefusal::WrongKind);
    assert_eq!(refusal(redeem(1, computer, 100).await), InvitationRefusal::Expired);
    for left in [1, 0] {
        assert_eq!(redeem(1, computer, 5).await.unwrap().uses_left, left);
    }
    assert_eq!(refusal(redeem(1, computer, 5).await), InvitationRefusal::UsedUp);

    let second = invitation(2, 5);
    db.add_invitation(&second, &admin(), at(2)).await.unwrap();
    db.revoke_invitation(second.id, &admin(), at(3)).await.unwrap();
    assert_eq!(refusal(redeem(2, computer, 5).await), InvitationRefusal::Revoked);
    let listed = db.invitations(10).await.unwrap();
    assert_eq!(listed.iter().map(|i| i.id).collect::<Vec<_>>(), [second.id, new.id]);
    assert_eq!(listed[0].revoked, Some(at(3)));
    let unknown = db.revoke_invitation(id(InvitationId::from_parts), &admin(), at(3)).await;
    assert!(matches!(unknown, Err(DbError::NotFound { .. })));
}

pub(crate) async fn a_single_use_invitation_admits_one_of_many(bench: Bench) {
    let db = bench.open().await;
    let other_program = bench.open().await;
    db.add_invitation(&invitation(1, 1), &admin(), at(1)).await.unwrap();
    let redeem = |n| {
        let db = if n % 2 == 0 { db.clone() } else { other_program.clone() };
        async move { db.redeem(&[1; 32], InvitationKind::Computer, at(5)).await }
    };
    let results = in_parallel(20, redeem).await;
    let (admitted, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(admitted.len(), 1);
    for result in refused {
        assert_eq!(refusal(result), InvitationRefusal::UsedUp);
    }
}

pub(crate) async fn tokens_are_found_while_they_are_good(bench: Bench) {
    let db = bench.open().await;
    let new = |hash: u8, expires| NewToken {
        id: id(TokenId::from_parts),
        name: format!("CI {hash}"),
        token_hash: [hash; 32],
        scopes: vec!["packages:write".into(), "site:north".into()],
        expires,
    };
    let (ending, lasting) = (new(1, Some(at(100))), new(2, None));
    for token in [&ending, &lasting] {
        db.add_token(token, &admin(), at(1)).await.unwrap();
    }
    let found = db.token_by_hash(&[1; 32], at(99)).await.unwrap().unwrap();
    assert_eq!((found.id, found.scopes), (ending.id, ending.scopes.clone()));
    assert_eq!(db.token_by_hash(&[1; 32], at(100)).await.unwrap(), None);
    assert_eq!(db.token_by_hash(&[3; 32], at(1)).await.unwrap(), None);

    db.touch_token(lasting.id, at(50)).await.unwrap();
    let touched = db.token_by_hash(&[2; 32], at(1_000)).await.unwrap().unwrap();
    assert_eq!(touched.last_used, Some(at(50)));
    db.revoke_token(lasting.id, &admin(), at(60)).await.unwrap();
    assert_eq!(db.token_by_hash(&[2; 32], at(61)).await.unwrap(), None);
    assert_eq!(db.tokens(10).await.unwrap().len(), 2);
    let unknown = db.revoke_token(id(TokenId::from_parts), &admin(), at(1)).await;
    assert!(matches!(unknown, Err(DbError::NotFound { .. })));
}

pub(crate) async fn certificates_are_current_until_revoked(bench: Bench) {
    let db = bench.open().await;
    let [party, other] = [(); 2].map(|()| Party::Computer(id(ComputerId::from_parts)));
    for (serial, party, not_after) in [("01", party, 100), ("02", party, 200), ("03", other, 200)] {
        db.record_certificate(serial, party, at(not_after), at(1)).await.unwrap();
    }
    assert!(db.is_current("01", party).await.unwrap());
    assert!(!db.is_current("01", other).await.unwrap(), "of somebody else");
    assert!(!db.is_current("ff", party).await.unwrap(), "never issued");
    assert_eq!(db.revoked(at(50)).await.unwrap(), []);

    let before = db.stamp().await.unwrap();
    let stamp = db.revoke_party(party, &admin(), at(10)).await.unwrap();
    assert!(stamp > before);
    assert!(!db.is_current("01", party).await.unwrap());
    assert!(db.is_current("03", other).await.unwrap());
    let serials = |now| {
        let db = db.clone();
        async move {
            let revoked = db.revoked(at(now)).await.unwrap();
            revoked.into_iter().map(|c| c.serial).collect::<Vec<_>>()
        }
    };
    assert_eq!(serials(50).await, ["01", "02"]);
    assert_eq!(serials(150).await, ["02"], "the other has ended by itself");
    assert_eq!(db.purge_certificates(at(150)).await.unwrap(), 1);
    assert_eq!(db.certificate("01").await.unwrap(), None);

    for bad in ["", "0G", "AB", &"0".repeat(41)] {
        let refused = db.record_certificate(bad, party, at(1), at(1)).await;
        assert!(matches!(refused, Err(DbError::Invalid { .. })), "{bad}");
    }
}
