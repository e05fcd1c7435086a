//! That the double is strict: what the real services refuse, it refuses.

mod edge;
mod purge;
mod storage;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xylem_client::{ClientError, CloudClient, full_body};
use xylem_cloud::{
    Body, CloudAnswer, CloudRequest, CloudSettings, Endpoint, Header, Moment, ObjectKey, Piece,
    Provider, Secrets, Upload, UrlFor, provider_of,
};
use xylem_model::FileName;
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::ManualClock;

use super::*;

const BYTES: &[u8] = b"what is written";

/// A double, and what speaks to it.
struct World {
    double: NetStorageDouble,
    client: CloudClient,
    settings: CloudSettings,
    keys: Secrets,
}

/// A moment at which everything happens.
fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000)
}

fn name() -> FileName {
    FileName::new("a b+é&50%#.pkg").unwrap()
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(now()));
        let environment = Environment { clock, ..Environment::real() };
        let double = NetStorageDouble::start(&environment).await;
        let roots = PublicRoots::from_pem(double.ca_pem().as_bytes()).unwrap();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
        let settings = json!({
            "provider": "akamai",
            "upload_host": double.upload_host(),
            "account": NETSTORAGE_ACCOUNT,
            "cp_code": NETSTORAGE_CP_CODE,
            "directory": "macs",
            "delivery_url": double.delivery_url(),
        });
        let keys = json!({
            "provider": "akamai",
            "key": NETSTORAGE_KEY,
            "token_secret": EDGE_TOKEN_SECRET,
            "token_salt": EDGE_TOKEN_SALT,
            "edgegrid": {
                "host": double.purge_host(),
                "client_token": EDGEGRID_CLIENT_TOKEN,
                "client_secret": EDGEGRID_CLIENT_SECRET,
                "access_token": EDGEGRID_ACCESS_TOKEN,
            },
        });
        Self {
            client: CloudClient::new(environment, tls),
            double,
            settings: serde_json::from_value(settings).unwrap(),
            keys: serde_json::from_value(keys).unwrap(),
        }
    }

    fn provider(&self) -> Box<dyn Provider + '_> {
        provider_of(&self.settings, &self.keys, None).unwrap()
    }

    fn key(&self) -> ObjectKey {
        self.settings.prefix().probe("1", "a b+é&50%#")
    }

    /// What is sent to write the bytes.
    fn put(&self, at: Moment) -> CloudRequest {
        let provider = self.provider();
        let plan = provider.part_rules().plan(BYTES.len() as u64).unwrap();
        let piece = Piece::of(plan.part(1).unwrap(), BYTES);
        let upload = Upload {
            key: self.key(),
            sha256: piece.sha256,
            disposition: String::new(),
            plan,
            reference: None,
            create_only: false,
        };
        provider.piece(&upload, &piece, at).unwrap()
    }

    async fn send(&self, request: &CloudRequest) -> CloudAnswer {
        self.client.send(request).await.unwrap()
    }

    async fn send_bytes(&self, request: &CloudRequest, bytes: &[u8]) -> CloudAnswer {
        self.client.send_piece(request, full_body(bytes.to_vec())).await.unwrap()
    }

    /// The bytes are there, with the folders that lead to them.
    async fn written(&self) {
        for request in self.provider().folders(&self.key(), at(1000)) {
            assert_eq!(self.send(&request).await.status, 200);
        }
        assert_eq!(self.send_bytes(&self.put(at(1)), BYTES).await.status, 200);
    }

    /// A request that is signed by the rules, whatever it asks for.
    fn asking(&self, method: &str, path: &str, action: &str, number: u64) -> CloudRequest {
        let seconds = now().unix_seconds();
        let data = format!("5, 0.0.0.0, 0.0.0.0, {seconds}, {number}, {NETSTORAGE_ACCOUNT}");
        let action = format!("version=1&action={action}");
        let sign = signature::sign(&data, path, &action);
        let headers =
            [(signature::ACTION, action), (signature::DATA, data), (signature::SIGN, sign)];
        CloudRequest {
            method: method.parse().unwrap(),
            endpoint: Endpoint::parse(&self.double.upload_host()).unwrap(),
            path: path.to_owned(),
            query: String::new(),
            headers: headers.map(|(name, value)| header(name, &value)).to_vec(),
            body: Body::None,
        }
    }

    /// The status, and what is said, of a request that is signed by the rules.
    async fn ask(&self, method: &str, path: &str, action: &str, number: u64) -> (u16, String) {
        let answer = self.send(&self.asking(method, path, action, number)).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    /// What a client is given to read the bytes.
    fn get(&self, now: Timestamp) -> CloudRequest {
        let (key, name) = (self.key(), name());
        let wanted = UrlFor {
            key: &key,
            size: BYTES.len() as u64,
            name: &name,
            client: None,
            at: Moment { now, nonce: 1 },
            life: Duration::from_secs(60),
        };
        self.provider().url(&wanted).unwrap().get()
    }
}

fn at(nonce: u64) -> Moment {
    Moment { now: now(), nonce }
}

fn header(name: &'static str, value: &str) -> Header {
    Header { name: Cow::Borrowed(name), value: value.to_owned() }
}

/// The same with another value of a header.
fn with_header(mut request: CloudRequest, name: &'static str, value: &str) -> CloudRequest {
    request.headers.retain(|header| header.name != name);
    request.headers.push(header(name, value));
    request
}
