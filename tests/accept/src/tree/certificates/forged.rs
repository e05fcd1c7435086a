//! Client certificates that must not be believed, made with the authority's own key where that is
//! what they claim.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::Request;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use time::{Duration as Span, OffsetDateTime};
use xylem_bench::fleet::{Fleet, free_port};
use xylem_bench::publish::plain_disk;
use xylem_bench::room::Host;
use xylem_client::{ClientError, Transport, empty_body};
use xylem_model::Priority;
use xylem_pki::{IdentityStore, MAX_ANCHORS, pem};
use xylem_runtime::{Environment, RealFs};

use super::{TREE, fleet};
use crate::pair::stage;

/// One that is enrolled below the last and never runs: its certificate is shown.
const CLIENT: &str = "client";

/// How soon a removed server must be refused everywhere.
const REVOKED_WITHIN: Duration = Duration::from_secs(60);

/// How long a file may take to the last server.
const LIMIT: Duration = Duration::from_secs(60);

/// Each of them is refused at each port, and the genuine one is not.
pub(crate) fn forged() -> anyhow::Result<()> {
    stage(async |scratch| {
        let mut fleet = fleet(scratch).await?;
        let port = free_port()?;
        fleet.enroll(CLIENT, &Host::loopback(), Some("hut"), (&port, &port)).await?;
        let sent = fleet.send("some.dmg", plain_disk("some", 100 << 10), Priority::Normal).await?;
        fleet.arrival("hut", &sent.content, LIMIT).await?;
        let mut questions = vec![Question {
            url: fleet.access().admin.server().to_string(),
            path: "/v1/control/state".into(),
            // What a distribution server may know, a computer may not.
            role: "computer",
            known: CLIENT,
        }];
        let children = TREE.iter().skip(1).map(|(name, _)| *name).chain([CLIENT]);
        for ((name, _), known) in TREE.iter().zip(children) {
            questions.push(Question {
                known,
                url: fleet.url_of(name)?,
                path: format!("/v1/blob/{}", sent.content),
                // What a client may fetch, nobody may fetch as the management server.
                role: "management-server",
            });
        }
        // Those that are known there are let in: else everybody would be refused.
        for question in &questions {
            let genuine = genuine(&fleet, question.known)?;
            let is_let_in = is_let_in(&fleet, question, &genuine).await?;
            ensure!(is_let_in, "{} refuses even {}", question.url, question.known);
        }
        let (mut cases, mut refused) = (0, 0);
        for question in &questions {
            for (name, certified) in forgeries(&fleet, question)? {
                cases += 1;
                match is_let_in(&fleet, question, &certified).await? {
                    false => refused += 1,
                    true => println!("{} lets {name} in", question.url),
                }
            }
        }
        let (removed, took) = revoked(&mut fleet, &questions).await?;
        cases += removed;
        refused += removed;
        fleet.stop().await;
        println!(
            "TREE forged ports={} cases={cases} refused={refused} revoked_s={:.2}",
            questions.len(),
            took.as_secs_f64()
        );
        ensure!(cases == refused, "{} are let in", cases - refused);
        ensure!(took <= REVOKED_WITHIN, "a removed server was let in for {took:?}");
        Ok(())
    })
}

/// What is asked at a port by somebody who may not.
struct Question {
    url: String,
    path: String,
    /// A role that may not ask this.
    role: &'static str,
    /// Whose own certificate is let in.
    known: &'static str,
}

type Certified = (Vec<CertificateDer<'static>>, PrivatePkcs8KeyDer<'static>);

/// Whether a question is answered. Anything else than a refusal is an error.
async fn is_let_in(
    fleet: &Fleet,
    question: &Question,
    certified: &Certified,
) -> anyhow::Result<bool> {
    let (chain, key) = certified;
    let environment = Environment::real();
    let mut roots = RootCertStore::empty();
    for root in pem::certificates(&std::fs::read(fleet.ca_file())?, MAX_ANCHORS)? {
        roots.add(root)?;
    }
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.clone(), key.clone_key().into())?;
    let request = Request::get(&question.path).body(empty_body())?;
    let transport = Transport::new(environment, Arc::new(tls));
    match transport.send(&question.url.parse()?, request).await {
        Ok(_) => Ok(true),
        Err(ClientError::Answer { status: 401 | 403, .. } | ClientError::Tls { .. }) => Ok(false),
        Err(error) => Err(error).with_context(|| question.url.clone()),
    }
}

/// What a server of the fleet shows.
fn genuine(fleet: &Fleet, name: &str) -> anyhow::Result<Certified> {
    let text = std::fs::read(fleet.data_of(name).join("identity/identity.pem"))?;
    let key = KeyPair::from_pem(std::str::from_utf8(&text)?)?;
    Ok((pem::certificates(&text, 4)?, PrivatePkcs8KeyDer::from(key.serialize_der())))
}

/// All of what must not be believed, by name.
fn forgeries(fleet: &Fleet, question: &Question) -> anyhow::Result<Vec<(&'static str, Certified)>> {
    let store = IdentityStore::new(fleet.data_of(CLIENT).join("identity"));
    let (identity, _) = store.load(&RealFs)?;
    let member = identity.party().to_string();
    let now = OffsetDateTime::now_utc();
    let good = Leaf {
        party: member.clone(),
        from: now - Span::hours(1),
        until: now + Span::days(1),
        is_client: true,
    };
    let ours = Signer::of(fleet)?;
    let other = Signer::new("Example School")?;
    let id = member.rsplit('/').next().context("a party has an id")?;
    let unknown = "xylem://distribution-server/01890a5d-ac96-774b-bcce-b302099a8057";
    Ok(vec![
        ("expired", ours.sign(&Leaf { until: now - Span::minutes(5), ..good.clone() })?),
        ("not-yet-valid", ours.sign(&Leaf { from: now + Span::hours(2), ..good.clone() })?),
        ("wrong-ca", other.sign(&good)?),
        ("self-signed", self_signed(&good)?),
        (
            "wrong-role",
            ours.sign(&Leaf { party: format!("xylem://{}/{id}", question.role), ..good.clone() })?,
        ),
        ("wrong-purpose", ours.sign(&Leaf { is_client: false, ..good.clone() })?),
        ("wrong-name", ours.sign(&Leaf { party: unknown.into(), ..good.clone() })?),
        ("no-name", ours.sign(&Leaf { party: "https://example.org/".into(), ..good })?),
    ])
}

#[derive(Clone)]
struct Leaf {
    party: String,
    from: OffsetDateTime,
    until: OffsetDateTime,
    is_client: bool,
}

impl Leaf {
    fn params(&self) -> anyhow::Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "client");
        (params.not_before, params.not_after) = (self.from, self.until);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.is_client {
            true => ExtendedKeyUsagePurpose::ClientAuth,
            false => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.subject_alt_names = vec![SanType::URI(self.party.as_str().try_into()?)];
        Ok(params)
    }
}

fn self_signed(leaf: &Leaf) -> anyhow::Result<Certified> {
    let key = KeyPair::generate()?;
    let certificate = leaf.params()?.self_signed(&key)?;
    Ok((vec![certificate.into()], PrivatePkcs8KeyDer::from(key.serialize_der())))
}

/// Somebody who signs.
struct Signer {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Signer {
    /// The intermediate of the fleet's own authority.
    fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let path = fleet.ca_file().with_file_name("ca").join("intermediate.pem");
        let text = std::fs::read(path)?;
        let certificate = pem::certificates(&text, 1)?.pop().context("it has a certificate")?;
        Ok(Self { certificate, key: KeyPair::from_pem(std::str::from_utf8(&text)?)? })
    }

    /// An authority that nobody knows.
    fn new(organization: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self { certificate: params.self_signed(&key)?.into(), key })
    }

    fn sign(&self, leaf: &Leaf) -> anyhow::Result<Certified> {
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key)?;
        let certificate = leaf.params()?.signed_by(&key, &issuer)?;
        let chain = vec![certificate.into(), self.certificate.clone()];
        Ok((chain, PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

/// Removes a server; at how many ports it had been let in, and how long it still was.
async fn revoked(fleet: &mut Fleet, questions: &[Question]) -> anyhow::Result<(usize, Duration)> {
    let certified = genuine(fleet, CLIENT)?;
    fleet.xylem(&["ds", "remove", CLIENT]).await?;
    let removed = Instant::now();
    let mut ports = 0;
    for question in questions.iter().filter(|question| question.known == CLIENT) {
        ports += 1;
        while is_let_in(fleet, question, &certified).await? {
            ensure!(removed.elapsed() <= REVOKED_WITHIN * 2, "{} never hears of it", question.url);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok((ports, removed.elapsed()))
}
