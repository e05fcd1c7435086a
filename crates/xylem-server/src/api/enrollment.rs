//! Joining, and staying joined.
//!
//! The order of checks matters: what the machine got wrong (clock, URL, certificate request,
//! name) is told before the invitation is spent, so that a second try can still use it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use xylem_api::enrollment::{
    CaInfo, EnrollComputer, EnrollDistributionServer, Enrolled, NewInvitation, Renew, RenewRequest,
    Renewed,
};
use xylem_api::error::ErrorCode;
use xylem_ca::{COMPUTER_LIFETIME, DISTRIBUTION_SERVER_LIFETIME, IssuedLeaf, LeafRequest};
use xylem_client::BaseUrl;
use xylem_db::{Actor, DbError, Invitation, InvitationKind, NewComputer, NewDistributionServer};
use xylem_http::{ApiJson, Peer};
use xylem_model::{ComputerId, DistributionServerId, InvitationId, Party, Timestamp};
use xylem_pki::{LeafNames, MAX_CHAIN_LENGTH, PeerCertificate, pem, verify_signature};

use crate::app::App;
use crate::control::check_standing;
use crate::failure::Failure;
use crate::secret;
use crate::wish::WishStore;

/// How far the clocks of a machine and of this server may disagree.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(600);

/// How long an invitation is good for where nothing is said.
const INVITATION_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The longest an invitation may be good for.
const MAX_INVITATION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most machines one invitation may admit.
const MAX_INVITATION_USES: u32 = 10_000;

/// The public root certificate and the server's clock.
#[utoipa::path(
    get, path = "/v1/ca", tag = "enrollment",
    responses((status = 200, description = "The root certificate.", body = CaInfo))
)]
pub(super) async fn ca(State(app): State<App>) -> Json<CaInfo> {
    let root_pem = app.authority().anchors_pem();
    Json(CaInfo { organization: app.organization.clone(), root_pem, now: app.now() })
}

/// A distribution server joins.
#[utoipa::path(
    post, path = "/v1/enroll/distribution-server", tag = "enrollment",
    request_body = EnrollDistributionServer,
    responses((status = 200, description = "Welcome.", body = Enrolled))
)]
pub(super) async fn enroll_distribution_server(
    State(app): State<App>,
    peer: Peer,
    ApiJson(asked): ApiJson<EnrollDistributionServer>,
) -> Result<Json<Enrolled>, Failure> {
    let now = app.now();
    app.limiter.check(peer.address.ip(), now)?;
    check_clock(asked.now, now)?;
    let url: BaseUrl = parse_url(&asked.public_url)?;
    let id = app.environment.new_id(DistributionServerId::from_parts);
    let party = Party::DistributionServer(id);
    let leaf = app.issue(&asked.csr_pem, party, &asked.name, Some(&url), now)?;
    refuse_taken(app.database.distribution_server_by_name(&asked.name).await, |known| known.name)?;
    let kind = InvitationKind::Distribution;
    let invitation = app.redeem(&asked.invitation, kind, &peer, now).await?;
    let new = NewDistributionServer {
        id,
        name: asked.name,
        site: invitation.site,
        public_url: url.to_string(),
        parent: None,
    };
    app.database.enroll_distribution_server(&new, &brought_by(&invitation), now).await?;
    Ok(Json(app.welcome(party, leaf, now).await?))
}

/// A computer joins.
#[utoipa::path(
    post, path = "/v1/enroll/computer", tag = "enrollment", request_body = EnrollComputer,
    responses((status = 200, description = "Welcome.", body = Enrolled))
)]
pub(super) async fn enroll_computer(
    State(app): State<App>,
    peer: Peer,
    ApiJson(asked): ApiJson<EnrollComputer>,
) -> Result<Json<Enrolled>, Failure> {
    let now = app.now();
    app.limiter.check(peer.address.ip(), now)?;
    check_clock(asked.now, now)?;
    let id = app.environment.new_id(ComputerId::from_parts);
    let party = Party::Computer(id);
    let leaf = app.issue(&asked.csr_pem, party, &asked.name, None, now)?;
    refuse_taken(app.database.computer_by_name(&asked.name).await, |known| known.name)?;
    let invitation = app.redeem(&asked.invitation, InvitationKind::Computer, &peer, now).await?;
    let new = NewComputer {
        id,
        name: asked.name,
        serial_number: asked.serial_number,
        site: invitation.site,
    };
    app.database.enroll_computer(&new, &brought_by(&invitation), now).await?;
    Ok(Json(app.welcome(party, leaf, now).await?))
}

/// A new certificate for a known party. The request is signed with the old key, so that it works
/// with a certificate that has expired meanwhile.
#[utoipa::path(
    post, path = "/v1/renew", tag = "enrollment", request_body = Renew,
    responses((status = 200, description = "The new certificate.", body = Renewed))
)]
pub(super) async fn renew(
    State(app): State<App>,
    ApiJson(asked): ApiJson<Renew>,
) -> Result<Json<Renewed>, Failure> {
    let now = app.now();
    let old = app.proven_certificate(&asked, now)?;
    let request: RenewRequest = serde_json::from_str(&asked.request)
        .map_err(|error| bad_request(format!("the renewal request cannot be read: {error}")))?;
    check_clock(request.now, now)?;
    check_standing(app.wishes.standing(old.party).await?)?;
    let known = app.database.certificate(&old.serial_hex).await?;
    if known.is_some_and(|known| known.revoked.is_some()) {
        return Err(Failure::new(ErrorCode::Revoked, "the old certificate was revoked"));
    }
    let (name, url) = match old.party {
        Party::DistributionServer(id) => {
            let server = app.database.distribution_server(id).await?;
            (server.name, Some(parse_url(&server.public_url)?))
        }
        Party::Computer(id) => (app.database.computer(id).await?.name, None),
        Party::ManagementServer(_) => {
            return Err(bad_request("a management server makes its own certificates"));
        }
    };
    let leaf = app.issue(&request.csr_pem, old.party, &name, url.as_ref(), now)?;
    app.record(old.party, &leaf, now).await?;
    Ok(Json(Renewed { chain_pem: leaf.chain_pem }))
}

impl App {
    /// Makes a certificate. It counts once it is recorded and handed out; one that a later check
    /// makes useless is forgotten.
    fn issue(
        &self,
        csr_pem: &str,
        party: Party,
        name: &str,
        url: Option<&BaseUrl>,
        now: Timestamp,
    ) -> Result<IssuedLeaf, Failure> {
        let hosts = LeafNames::from_hosts(url.map(BaseUrl::host))
            .map_err(|error| bad_request(format!("the public URL cannot be used: {error}")))?;
        let leaf = LeafRequest {
            party,
            common_name: name.to_owned(),
            hosts,
            lifetime: match party {
                Party::Computer(_) => COMPUTER_LIFETIME,
                _ => DISTRIBUTION_SERVER_LIFETIME,
            },
            server_auth: url.is_some(),
        };
        Ok(self.authority().issue(csr_pem, &leaf, now)?)
    }

    /// Spends one use of an invitation: the last thing that can refuse a newcomer.
    async fn redeem(
        &self,
        code: &str,
        kind: InvitationKind,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<Invitation, Failure> {
        let redeemed = self.database.redeem(&secret::code_hash(code), kind, now).await;
        if matches!(redeemed, Err(DbError::Invitation(_))) {
            self.limiter.failed(peer.address.ip(), now);
        }
        Ok(redeemed?)
    }

    async fn record(&self, party: Party, leaf: &IssuedLeaf, now: Timestamp) -> Result<(), Failure> {
        Ok(self.database.record_certificate(&leaf.serial_hex, party, leaf.not_after, now).await?)
    }

    async fn welcome(
        &self,
        party: Party,
        leaf: IssuedLeaf,
        now: Timestamp,
    ) -> Result<Enrolled, Failure> {
        self.record(party, &leaf, now).await?;
        Ok(Enrolled {
            party: party.to_string(),
            chain_pem: leaf.chain_pem,
            root_pem: self.authority().anchors_pem(),
            trust: self.control.trust().envelope().clone(),
        })
    }

    /// Whose certificate a renewal shows, once it is proven that it was ours and good at its
    /// time, and that the caller holds its key.
    fn proven_certificate(
        &self,
        asked: &Renew,
        now: Timestamp,
    ) -> Result<PeerCertificate, Failure> {
        let refused = |why: &dyn std::fmt::Display| {
            Failure::new(ErrorCode::Unauthorized, format!("the renewal is refused: {why}"))
        };
        let chain = pem::certificates(asked.chain_pem.as_bytes(), MAX_CHAIN_LENGTH)
            .map_err(|error| refused(&error))?;
        let old = PeerCertificate::from_chain(&chain).map_err(|error| refused(&error))?;
        self.anchors
            .verify_client_chain(&chain, now.min(old.not_after))
            .map_err(|error| refused(&error))?;
        let signature = hex::decode(&asked.signature).map_err(|error| refused(&error))?;
        let leaf = chain.first().ok_or_else(|| refused(&"it shows no certificate"))?;
        verify_signature(leaf, asked.request.as_bytes(), &signature)
            .map_err(|error| refused(&error))?;
        Ok(old)
    }
}

/// Makes an invitation and stores its hash; gives the code, which is kept nowhere.
pub(crate) async fn new_invitation(
    app: &App,
    new: &NewInvitation,
    actor: &Actor,
) -> Result<(String, Invitation), Failure> {
    let lifetime = new.expires_in_seconds.map_or(INVITATION_LIFETIME, Duration::from_secs);
    if lifetime.is_zero() || lifetime > MAX_INVITATION_LIFETIME {
        return Err(bad_request("an invitation is good for one second to thirty days"));
    }
    let uses = new.uses.unwrap_or(1);
    if uses == 0 || uses > MAX_INVITATION_USES {
        return Err(bad_request(format!(
            "an invitation can be used once to {MAX_INVITATION_USES} times"
        )));
    }
    let now = app.now();
    let code = secret::new_code(&*app.environment.rng);
    let row = xylem_db::NewInvitation {
        id: app.environment.new_id(InvitationId::from_parts),
        kind: match new.kind {
            xylem_api::enrollment::InvitationKind::Computer => InvitationKind::Computer,
            xylem_api::enrollment::InvitationKind::Distribution => InvitationKind::Distribution,
        },
        site: app.site_id(new.site.as_deref()).await?,
        code_hash: secret::code_hash(&code),
        uses,
        expires: now.plus(lifetime),
    };
    Ok((code, app.database.add_invitation(&row, actor, now).await?))
}

/// Refuses a machine whose clock is so far off that certificates would not work.
fn check_clock(theirs: Timestamp, ours: Timestamp) -> Result<(), Failure> {
    if theirs.since(ours).max(ours.since(theirs)) <= MAX_CLOCK_SKEW {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::ClockSkew,
        format!(
            "the clocks disagree: the machine says {theirs}, this server says {ours}; set the \
             wrong one right and try again"
        ),
    ))
}

pub(super) fn parse_url(text: &str) -> Result<BaseUrl, Failure> {
    text.parse().map_err(|error| bad_request(format!("the public URL cannot be used: {error}")))
}

/// Refuses a name that is taken before anything is spent. Whoever takes it between this and the
/// enrolment is found there.
fn refuse_taken<T>(
    found: Result<T, DbError>,
    name: impl FnOnce(T) -> String,
) -> Result<(), Failure> {
    match found {
        Ok(known) => Err(Failure::new(
            ErrorCode::Conflict,
            format!(
                "a machine named `{}` is enrolled already: choose another name, or remove that \
                 one first",
                name(known)
            ),
        )),
        Err(DbError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn brought_by(invitation: &Invitation) -> Actor {
    Actor::new(&format!("invitation:{}", invitation.id))
}

fn bad_request(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadRequest, message)
}
