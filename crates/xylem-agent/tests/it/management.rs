//! A management server that answers what a test tells it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use uuid::Uuid;
use xylem_api::agent::{CheckIn, CheckInAnswer, OrderReport};
use xylem_api::catalogue::Sources;
use xylem_api::enrollment::{CaInfo, EnrollComputer, Enrolled, Renew, RenewRequest, Renewed};
use xylem_api::error::ErrorCode;
use xylem_ca::{Authority, COMPUTER_LIFETIME, LeafRequest};
use xylem_http::{ApiError, ApiJson, Peer};
use xylem_model::{ComputerId, OrderId, Party, Timestamp};
use xylem_pki::{LeafNames, PeerCertificate, pem};
use xylem_trust::Envelope;

use crate::world::{DAY, INVITATION};

pub(crate) struct Management {
    authority: Arc<Authority>,
    now: Timestamp,
    state: Mutex<Inner>,
}

struct Inner {
    trust: Envelope,
    answer: Option<CheckInAnswer>,
    sources: BTreeMap<String, Sources>,
    refuses_reports: bool,
    enrollments: Vec<EnrollComputer>,
    check_ins: Vec<CheckIn>,
    reports: Vec<(OrderId, OrderReport)>,
    renewals: usize,
}

impl Management {
    pub(crate) fn new(authority: Arc<Authority>, trust: Envelope, now: Timestamp) -> Self {
        let state = Inner {
            trust,
            answer: None,
            sources: BTreeMap::new(),
            refuses_reports: false,
            enrollments: Vec::new(),
            check_ins: Vec::new(),
            reports: Vec::new(),
            renewals: 0,
        };
        Self { authority, now, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap()
    }

    pub(crate) fn trust(&self) -> Envelope {
        self.state().trust.clone()
    }

    pub(crate) fn set_answer(&self, answer: CheckInAnswer) {
        self.state().answer = Some(answer);
    }

    pub(crate) fn set_sources(&self, name: &str, sources: Sources) {
        self.state().sources.insert(name.into(), sources);
    }

    pub(crate) fn refuse_reports(&self, refuses: bool) {
        self.state().refuses_reports = refuses;
    }

    /// Every enrollment that reached the server, good or bad.
    pub(crate) fn enrollments(&self) -> Vec<EnrollComputer> {
        self.state().enrollments.clone()
    }

    pub(crate) fn check_ins(&self) -> Vec<CheckIn> {
        self.state().check_ins.clone()
    }

    pub(crate) fn reports(&self) -> Vec<(OrderId, OrderReport)> {
        self.state().reports.clone()
    }

    pub(crate) fn renewals(&self) -> usize {
        self.state().renewals
    }

    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/ca", get(ca))
            .route("/v1/enroll/computer", post(enroll))
            .route("/v1/renew", post(renew))
            .route("/v1/agent/check-in", post(check_in))
            .route("/v1/agent/orders/{id}/report", post(report))
            .route("/v1/agent/files/package/{name}", get(sources))
            .with_state(Arc::clone(self))
    }

    fn issue(&self, csr_pem: &str, party: Party) -> String {
        let leaf = LeafRequest {
            party,
            common_name: "computer".into(),
            hosts: LeafNames::none(),
            lifetime: COMPUTER_LIFETIME,
            server_auth: false,
        };
        self.authority.issue(csr_pem, &leaf, self.now).unwrap().chain_pem
    }
}

type Server = State<Arc<Management>>;

async fn ca(State(server): Server) -> Json<CaInfo> {
    Json(CaInfo {
        organization: "Example School".into(),
        root_pem: server.authority.root_pem(),
        now: server.now,
    })
}

async fn enroll(
    State(server): Server,
    ApiJson(body): ApiJson<EnrollComputer>,
) -> Result<Json<Enrolled>, ApiError> {
    server.state().enrollments.push(body.clone());
    let refused = |code, message: &str| Err(ApiError::new(code, message));
    match body.invitation.as_str() {
        INVITATION => {}
        "EXPIRED" => return refused(ErrorCode::InvitationExpired, "the invitation has expired"),
        "USEDUP" => return refused(ErrorCode::InvitationUsedUp, "the invitation is used up"),
        _ => return refused(ErrorCode::InvitationUnknown, "there is no such invitation"),
    }
    let apart = body.now.since(server.now).max(server.now.since(body.now));
    if apart > DAY / 144 {
        let message =
            format!("the clocks disagree: the server's says {}, yours {}", server.now, body.now);
        return refused(ErrorCode::ClockSkew, &message);
    }
    let party = Party::Computer(ComputerId::from_uuid(Uuid::from_u128(3)));
    Ok(Json(Enrolled {
        party: party.to_string(),
        chain_pem: server.issue(&body.csr_pem, party),
        root_pem: server.authority.root_pem(),
        trust: server.trust(),
    }))
}

async fn renew(
    State(server): Server,
    ApiJson(body): ApiJson<Renew>,
) -> Result<Json<Renewed>, ApiError> {
    let request: RenewRequest = serde_json::from_str(&body.request).unwrap();
    let chain = pem::certificates(body.chain_pem.as_bytes(), 4).unwrap();
    let party = PeerCertificate::from_chain(&chain).unwrap().party;
    server.state().renewals += 1;
    Ok(Json(Renewed { chain_pem: server.issue(&request.csr_pem, party) }))
}

fn require_computer(peer: &Peer) -> Result<(), ApiError> {
    match peer.party() {
        Some(Party::Computer(_)) => Ok(()),
        _ => Err(ApiError::new(ErrorCode::Unauthorized, "show a computer's certificate")),
    }
}

async fn check_in(
    State(server): Server,
    peer: Peer,
    ApiJson(body): ApiJson<CheckIn>,
) -> Result<Json<CheckInAnswer>, ApiError> {
    require_computer(&peer)?;
    server.state().check_ins.push(body);
    match server.state().answer.clone() {
        Some(answer) => Ok(Json(answer)),
        None => Err(ApiError::unavailable("no answer was prepared", 1)),
    }
}

async fn report(
    State(server): Server,
    peer: Peer,
    Path(order): Path<OrderId>,
    ApiJson(body): ApiJson<OrderReport>,
) -> Result<Json<()>, ApiError> {
    require_computer(&peer)?;
    if server.state().refuses_reports {
        return Err(ApiError::unavailable("come back later", 1));
    }
    server.state().reports.push((order, body));
    Ok(Json(()))
}

async fn sources(
    State(server): Server,
    peer: Peer,
    Path(name): Path<String>,
) -> Result<Json<Sources>, ApiError> {
    require_computer(&peer)?;
    let sources = server.state().sources.get(&name).cloned();
    sources.map(Json).ok_or_else(|| ApiError::not_found(format!("there is no package `{name}`")))
}
