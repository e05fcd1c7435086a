//! Sessions against a strict Swift: how often somebody logs in.

use serde_json::json;
use xylem_cloud::PointSettings;
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::ManualClock;
use xylem_testkit::{SWIFT_CONTAINER, SWIFT_PASSWORD, SWIFT_USER, SwiftDouble, SwiftFault};

use super::*;

const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

struct World {
    clock: Arc<ManualClock>,
    double: SwiftDouble,
    client: CloudClient,
    sessions: Sessions,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let environment = Environment { clock: clock.clone(), ..Environment::real() };
        let double = SwiftDouble::start(&environment).await;
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, clock.clone()).unwrap();
        let client = CloudClient::new(environment.clone(), tls);
        Self { clock, double, client, sessions: Sessions::new(environment) }
    }

    fn account(&self, revision: u32, password: &str) -> Account {
        Self::account_at(&self.double.tempauth_url(), revision, password)
    }

    fn account_at(auth_url: &str, revision: u32, password: &str) -> Account {
        let settings = json!({ "storage": {
            "provider": "swift",
            "auth": { "tempauth": { "user": SWIFT_USER } },
            "auth_url": auth_url,
            "container": SWIFT_CONTAINER,
        } });
        let keys = json!({ "provider": "swift", "password": password });
        let point = OpenPoint {
            revision,
            ..OpenPoint::just_set(
                CloudPointId::from_parts(7, &[7; 10]),
                PointSettings::read(settings).unwrap(),
                serde_json::from_value(keys).unwrap(),
            )
        };
        Account::of(&point).unwrap()
    }

    /// How often somebody tried to log in.
    fn tries(&self) -> usize {
        self.double.asked().iter().filter(|it| it.starts_with("GET /auth/")).count()
    }

    fn pass(&self, seconds: u64) {
        let now = self.sessions.environment.clock.now();
        self.clock.set(now.plus(Duration::from_secs(seconds)));
    }
}

#[tokio::test]
async fn many_who_ask_at_once_log_in_once_and_anew_for_another_revision() {
    let world = World::new().await;
    let account = world.account(1, SWIFT_PASSWORD);
    let ask = || world.sessions.access(&world.client, &account);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(world.tries(), 1);
    let wrong = world.account(2, "wrong");
    let refused = world.sessions.access(&world.client, &wrong).await.unwrap_err();
    assert!(matches!(refused, NoAccess::Fault(_)), "{refused}");
    assert!(!refused.to_string().contains("wrong"));
    assert_eq!(world.tries(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_with_each_address() {
    let world = World::new().await;
    let account = world.account(1, "wrong");
    for _ in 0..3 {
        let told = world.sessions.for_an_address(&world.client, &account).await.unwrap_err();
        assert!(told.contains("keys again"), "{told}");
    }
    assert_eq!(world.tries(), 1);
    world.pass(60);
    assert!(world.sessions.for_an_address(&world.client, &account).await.is_err());
    assert_eq!(world.tries(), 2);
}

#[tokio::test]
async fn addresses_are_made_with_what_is_known_however_old_it_is() {
    let world = World::new().await;
    let account = world.account(1, SWIFT_PASSWORD);
    world.sessions.for_an_address(&world.client, &account).await.unwrap();
    world.double.misbehave(SwiftFault::LoginRefused);
    world.pass(2 * 86_400);
    world.sessions.for_an_address(&world.client, &account).await.unwrap();
    assert_eq!(world.tries(), 1);
}

#[tokio::test]
async fn a_token_that_is_good_is_used_while_none_other_is_given() {
    let world = World::new().await;
    let account = world.account(1, SWIFT_PASSWORD);
    world.sessions.access(&world.client, &account).await.unwrap();
    world.double.misbehave(SwiftFault::Busy);
    world.pass(86_400 - 100);
    for _ in 0..3 {
        world.sessions.access(&world.client, &account).await.unwrap();
    }
    assert_eq!(world.tries(), 2, "one more, and not with each request");
    world.pass(30);
    world.double.misbehave(SwiftFault::None);
    world.sessions.access(&world.client, &account).await.unwrap();
    assert_eq!((world.tries(), world.double.logins()), (3, 2));
}

#[tokio::test]
async fn where_nobody_answers_one_address_waits_and_the_others_do_not() {
    let world = World::new().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let url = format!("https://{}/auth/v1.0", silent.local_addr().unwrap());
    let account = World::account_at(&url, 1, SWIFT_PASSWORD);
    // A job asks too, and waits for longer.
    let asking = world.sessions.access(&world.client, &account);
    let addresses = async {
        for _ in 0..3 {
            let told = world.sessions.for_an_address(&world.client, &account).await.unwrap_err();
            assert!(told.contains("took longer"), "{told}");
        }
    };
    tokio::select! {
        _ = asking => panic!("nobody answers"),
        () = addresses => {}
    }
    let tried = std::iter::from_fn(|| silent.accept().ok()).count();
    assert_eq!(tried, 1, "for a minute nobody else tries");
}
