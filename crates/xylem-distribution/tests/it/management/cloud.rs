//! A cloud that is to be filled, as the management server knows it: mostly no keys, no provider, and
//! requests that are signed with a word.

use std::num::NonZeroU64;

use xylem_api::control_cloud::{
    AskCloudAddress, AskCloudNext, AskCloudUpload, CloudAddress, CloudContent, CloudGivenUp,
    CloudJob, CloudNext, CloudProof, CloudSampled, CloudUpload, GivenUp, PartAgain, PartDigests,
    PartRange, PieceRequest, SampleFound, SignedPiece, SignedPieces, TellCloudParts,
};
use xylem_api::control_read_back::{
    AskCloudReadBack, CloudReadBack, ReadBackFound, ReadBackJob, TellCloudReadBack,
};
use xylem_cloud::{
    CloudRequest, CloudSettings, Moment, PartPlan, Piece, Secrets, Upload, UrlFor, provider_of,
};
use xylem_model::{CloudPointId, Sha256};
use xylem_sync::Class;

use super::*;

/// What is known of a cloud and of what is there.
pub(crate) struct CloudWorld {
    pub(crate) point: CloudPointId,
    /// Where the provider is.
    pub(crate) origin: String,
    pub(crate) ca_pem: String,
    /// Larger files go in parts of so many bytes.
    pub(crate) part_bytes: u64,
    pub(crate) at_once: u32,
    /// Whether what is being sent is wanted no longer.
    pub(crate) is_unwanted: bool,
    /// Whether it is the principal.
    pub(crate) is_principal: bool,
    /// What uploads want there, with their sizes.
    pub(crate) wanted: BTreeMap<ContentId, u64>,
    /// Why nothing is sent, where nothing is.
    pub(crate) stands_still: Option<String>,
    /// Why an upload will never be there.
    pub(crate) never: Option<String>,
    /// How often it was asked whether an upload may be committed.
    pub(crate) asked_of_uploads: u32,
    /// Whether servers are filled from there.
    pub(crate) gives: bool,
    pub(crate) copies: HashMap<ContentId, CloudCopy>,
    /// How often it was asked what is next.
    pub(crate) asked: u32,
    /// The most contents that were given for one such question.
    pub(crate) most_given: usize,
    /// How often something was told, or asked, of parts.
    pub(crate) told: u32,
    /// How many answers were told that are refusals.
    pub(crate) refusals: u32,
    /// So many times what is told of answers is taken, and answered 503.
    pub(crate) lost: u32,
    /// A provider with keys, whose requests are signed as it asks for.
    pub(crate) provider: Option<(CloudSettings, Secrets)>,
    /// How many requests were signed for it.
    pub(crate) nonce: u64,
    /// What is to be read back, in this order.
    pub(crate) to_read: Vec<ContentId>,
    /// What was read back, with the bytes that it took.
    pub(crate) read: HashMap<ContentId, (ReadBackFound, u64)>,
    /// How many addresses were given for reading back.
    pub(crate) addresses: u32,
}

/// One content.
#[derive(Default)]
pub(crate) struct CloudCopy {
    pub(crate) arrived: BTreeMap<u32, PartDigests>,
    /// Who works on it.
    pub(crate) server: Option<DistributionServerId>,
    pub(crate) is_ended: bool,
    pub(crate) found: Option<SampleFound>,
    pub(crate) given_up: Option<GivenUp>,
}

impl CloudWorld {
    pub(crate) fn new(origin: &str, ca_pem: &str) -> Self {
        Self {
            point: CloudPointId::from_parts(1, &[1; 10]),
            origin: origin.to_owned(),
            ca_pem: ca_pem.to_owned(),
            part_bytes: 300_000,
            at_once: 4,
            is_unwanted: false,
            is_principal: false,
            wanted: BTreeMap::new(),
            stands_still: None,
            never: None,
            asked_of_uploads: 0,
            gives: false,
            copies: HashMap::new(),
            asked: 0,
            most_given: 0,
            told: 0,
            refusals: 0,
            lost: 0,
            provider: None,
            nonce: 0,
            to_read: Vec::new(),
            read: HashMap::new(),
            addresses: 0,
        }
    }

    /// Whether a content was proved there.
    pub(crate) fn is_there(&self, content: &ContentId) -> bool {
        let copy = self.copies.get(content);
        copy.is_some_and(|copy| copy.found == Some(SampleFound::Same))
    }

    fn plan(&self, size: u64) -> PartPlan {
        let part_bytes = NonZeroU64::new(self.part_bytes).filter(|part| size > part.get());
        PartPlan::again(size, part_bytes)
    }

    fn job(&self, content: ContentId, size: u64) -> CloudJob {
        let plan = self.plan(size);
        let arrived = self.copies.get(&content).map(|copy| &copy.arrived);
        let lacks = |number: &u32| arrived.is_none_or(|arrived| !arrived.contains_key(number));
        let lacking = (1..=plan.count()).filter(lacks);
        CloudJob {
            point: self.point,
            content,
            size,
            class: Class::of(Priority::Normal, size),
            part_bytes: NonZeroU64::new(plan.part_bytes()).filter(|_| !plan.is_whole()),
            lacking: lacking.map(|number| PartRange { first: number, last: number }).collect(),
            at_once: self.at_once,
            ca_pem: Some(self.ca_pem.clone()),
            in_folder: false,
        }
    }

    /// What a request is made of: a number that never comes again.
    fn moment(&mut self) -> Moment {
        self.nonce += 1;
        Moment { now: Environment::real().clock.now(), nonce: self.nonce }
    }

    /// As a provider wants it that is one.
    fn really_signed(&mut self, content: ContentId, size: u64, asked: &PartDigests) -> SignedPiece {
        let (at, plan) = (self.moment(), self.plan(size));
        let (settings, keys) = self.provider.as_ref().unwrap();
        let provider = provider_of(settings, keys, None).unwrap();
        let PartDigests { number, md5, sha256 } = *asked;
        let upload = Upload {
            key: settings.prefix().content(&content),
            sha256,
            disposition: String::new(),
            plan,
            reference: None,
            create_only: false,
        };
        let piece = Piece { part: plan.part(number).unwrap(), md5, sha256 };
        let CloudRequest { method, endpoint, path, query, headers, .. } =
            provider.piece(&upload, &piece, at).unwrap();
        let headers = headers.into_iter();
        let request = PieceRequest {
            method: method.to_string(),
            origin: endpoint.origin(),
            path,
            query,
            headers: headers.map(|header| (header.name.into_owned(), header.value)).collect(),
        };
        SignedPiece { number, request }
    }

    /// Where a client finds it.
    fn address(&mut self, content: ContentId, size: u64) -> String {
        let at = self.moment();
        let Some((settings, keys)) = &self.provider else {
            return format!("{}/{content}?signature=planted", self.origin);
        };
        let provider = provider_of(settings, keys, None).unwrap();
        let (key, life) = (settings.prefix().content(&content), Duration::from_secs(600));
        let name = FileName::new("A.pkg").unwrap();
        let wanted = UrlFor { key: &key, size, name: &name, client: None, at, life };
        provider.url(&wanted).unwrap().reveal().to_owned()
    }

    fn signed(&self, content: ContentId, asked: &PartDigests) -> SignedPiece {
        let headers = [("x-md5", asked.md5.to_hex()), ("x-sha256", asked.sha256.to_hex())];
        let request = PieceRequest {
            method: "PUT".to_owned(),
            origin: self.origin.clone(),
            path: format!("/{content}/{}", asked.number),
            query: "signature=planted".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        };
        SignedPiece { number: asked.number, request }
    }
}

pub(super) fn router() -> Router<Management> {
    Router::new()
        .route("/v1/control/cloud/next", post(next))
        .route("/v1/control/cloud/parts", post(parts))
        .route("/v1/control/cloud/finish", post(finish))
        .route("/v1/control/cloud/sampled", post(sampled))
        .route("/v1/control/cloud/given-up", post(given_up))
        .route("/v1/control/cloud/upload", post(upload))
        .route("/v1/control/cloud/address", post(address))
        .route("/v1/control/cloud/read-back", post(read_back))
        .route("/v1/control/cloud/read-back-ended", post(read_back_ended))
}

async fn upload(
    State(management): State<Management>,
    peer: Peer,
    Json(asked): Json<AskCloudUpload>,
) -> Result<Json<CloudUpload>, ApiError> {
    management.caller(&peer)?;
    let mut world = management.world();
    let Some(cloud) = &mut world.cloud else { return Err(ApiError::not_found("no such route")) };
    cloud.asked_of_uploads += 1;
    if !cloud.is_principal {
        return Ok(Json(CloudUpload::There));
    }
    if let Some(why) = cloud.never.clone() {
        return Ok(Json(CloudUpload::Refused { why }));
    }
    cloud.wanted.insert(asked.content, asked.size);
    let is_there = cloud.is_there(&asked.content);
    let told = cloud.stands_still.clone().unwrap_or_else(|| "it is on its way".to_owned());
    Ok(Json(if is_there { CloudUpload::There } else { CloudUpload::OnItsWay { told } }))
}

async fn address(
    State(management): State<Management>,
    peer: Peer,
    Json(asked): Json<AskCloudAddress>,
) -> Result<Json<CloudAddress>, ApiError> {
    management.caller(&peer)?;
    let world = management.world();
    let cloud = world.cloud.as_ref().filter(|cloud| cloud.gives);
    let Some(cloud) = cloud else {
        return Err(ApiError::new(ErrorCode::Forbidden, "it is not filled from the cloud"));
    };
    let url = format!("{}/{}?signature=planted", cloud.origin, asked.content);
    Ok(Json(CloudAddress { url, point: cloud.point, ca_pem: Some(cloud.ca_pem.clone()) }))
}

/// Does something with the cloud, where the caller is one who may: the root, and not in maintenance.
fn at_cloud<T>(
    management: &Management,
    peer: &Peer,
    act: impl FnOnce(&mut CloudWorld, DistributionServerId, Vec<Lying>) -> Result<T, ApiError>,
) -> Result<Json<T>, ApiError> {
    let server = management.caller(peer)?;
    let mut world = management.world();
    let is_filling = world.root == Some(server) && !world.maintenance.contains(&server);
    let of = |descriptor: &Descriptor| Lying {
        content: descriptor.content,
        size: descriptor.size,
        sha256: Some(descriptor.sha256),
    };
    let mut live: Vec<Lying> = world.live.values().map(|live| of(&live.descriptor)).collect();
    let Some(cloud) = &mut world.cloud else { return Err(ApiError::not_found("no such route")) };
    if !is_filling {
        return Err(ApiError::new(ErrorCode::Forbidden, "only the root fills the cloud"));
    }
    let uploaded = cloud.wanted.iter();
    live.extend(uploaded.map(|(content, size)| Lying {
        content: *content,
        size: *size,
        sha256: None,
    }));
    act(cloud, server, live).map(Json)
}

/// A content that is to be there.
struct Lying {
    content: ContentId,
    size: u64,
    /// None of what an upload wants there that is in no catalogue yet.
    sha256: Option<Sha256>,
}

fn conflict<T>(why: &str) -> Result<T, ApiError> {
    Err(ApiError::new(ErrorCode::Conflict, why))
}

async fn next(
    State(management): State<Management>,
    peer: Peer,
    Json(ask): Json<AskCloudNext>,
) -> Result<Json<CloudNext>, ApiError> {
    at_cloud(&management, &peer, |cloud, server, live| {
        cloud.asked += 1;
        let is_lacking = |it: &&Lying| match cloud.copies.get(&it.content) {
            Some(copy) => copy.found.is_none() && copy.given_up.is_none(),
            None => true,
        };
        let lacking = live.iter().filter(|it| !ask.busy.contains(&it.content)).filter(is_lacking);
        let may_begin = !cloud.is_unwanted && cloud.stands_still.is_none();
        let most = if may_begin { 1 + ask.more as usize } else { 0 };
        let next: Vec<&Lying> = lacking.take(most).collect();
        cloud.most_given = cloud.most_given.max(next.len());
        let mut jobs = Vec::new();
        for it in next {
            cloud.copies.entry(it.content).or_default().server = Some(server);
            jobs.push(cloud.job(it.content, it.size));
        }
        let again_after_ms = if jobs.is_empty() { 60_000 } else { 0 };
        let mut jobs = jobs.into_iter();
        Ok(CloudNext { job: jobs.next(), more: jobs.collect(), again_after_ms })
    })
}

async fn parts(
    State(management): State<Management>,
    peer: Peer,
    Json(told): Json<TellCloudParts>,
) -> Result<Json<SignedPieces>, ApiError> {
    at_cloud(&management, &peer, |cloud, server, live| {
        cloud.told += 1;
        let Some(wanted) = live.iter().find(|it| it.content == told.content) else {
            return conflict("it is not wanted any more");
        };
        if cloud.is_unwanted {
            return conflict("it is not wanted any more");
        }
        let count = cloud.plan(wanted.size).count();
        let copy = cloud.copies.entry(told.content).or_default();
        if copy.server != Some(server) {
            return conflict("it is another server's");
        }
        let is_lost = cloud.lost > 0 && !told.answered.is_empty();
        let mut again = Vec::new();
        for answered in told.answered {
            let (part, answer) = (answered.part, answered.answer);
            let etag = ("etag".to_owned(), format!("\"{}\"", part.md5.to_hex()));
            let is_told = cloud.provider.is_some() || answer.headers.contains(&etag);
            if answer.status == 200 && is_told {
                copy.arrived.insert(part.number, part);
            } else {
                cloud.refusals += 1;
                again.push(PartAgain { number: part.number, after_ms: 10 });
            }
        }
        if is_lost {
            cloud.lost -= 1;
            return Err(ApiError::unavailable("the answer is lost", 1));
        }
        let lacking = count - u32::try_from(copy.arrived.len()).unwrap();
        let asked = told.next.iter().filter(|it| !copy.arrived.contains_key(&it.number));
        let asked: Vec<PartDigests> = asked.copied().collect();
        let pieces = asked.iter().map(|it| match cloud.provider.is_some() {
            true => cloud.really_signed(told.content, wanted.size, it),
            false => cloud.signed(told.content, it),
        });
        let pieces = pieces.collect();
        Ok(SignedPieces { pieces, again, at_once: cloud.at_once, lacking })
    })
}

async fn finish(
    State(management): State<Management>,
    peer: Peer,
    Json(asked): Json<CloudContent>,
) -> Result<Json<CloudProof>, ApiError> {
    at_cloud(&management, &peer, |cloud, _, live| {
        let size = live.iter().find(|it| it.content == asked.content).map_or(0, |it| it.size);
        let count = cloud.plan(size).count();
        let url = cloud.address(asked.content, size);
        let copy = cloud.copies.entry(asked.content).or_default();
        if copy.arrived.len() != count as usize {
            return conflict("parts are lacking");
        }
        copy.is_ended = true;
        Ok(CloudProof { url: Some(url) })
    })
}

async fn sampled(
    State(management): State<Management>,
    peer: Peer,
    Json(told): Json<CloudSampled>,
) -> Result<Json<()>, ApiError> {
    at_cloud(&management, &peer, |cloud, _, _| {
        let copy = cloud.copies.entry(told.content).or_default();
        if !copy.is_ended {
            return conflict("it is not ended");
        }
        copy.found = Some(told.found);
        Ok(())
    })
}

async fn given_up(
    State(management): State<Management>,
    peer: Peer,
    Json(told): Json<CloudGivenUp>,
) -> Result<Json<()>, ApiError> {
    // Also from who is the root no longer, or in maintenance: that may be why.
    let server = management.caller(&peer)?;
    let mut world = management.world();
    let Some(cloud) = &mut world.cloud else { return Err(ApiError::not_found("no such route")) };
    let copy = cloud.copies.entry(told.content).or_default();
    if copy.server == Some(server) {
        (copy.server, copy.given_up) = (None, Some(told.cause));
    }
    Ok(Json(()))
}

async fn read_back(
    State(management): State<Management>,
    peer: Peer,
    Json(ask): Json<AskCloudReadBack>,
) -> Result<Json<CloudReadBack>, ApiError> {
    at_cloud(&management, &peer, |cloud, _, live| {
        let next = match ask.going_on {
            Some(going_on) => cloud.to_read.contains(&going_on.content).then_some(going_on.content),
            None => cloud.to_read.first().copied(),
        };
        let job = next.and_then(|content| live.iter().find(|it| it.content == content));
        cloud.addresses += u32::from(job.is_some());
        let in_folder = cloud.provider.as_ref().is_some_and(|(it, _)| !it.is_given_out());
        let job = job.and_then(|it| {
            Some(ReadBackJob {
                point: cloud.point,
                content: it.content,
                sha256: it.sha256?,
                size: it.size,
                url: cloud.address(it.content, it.size),
                ca_pem: Some(cloud.ca_pem.clone()),
                in_folder,
            })
        });
        Ok(CloudReadBack { job, again_after_ms: 1000 })
    })
}

async fn read_back_ended(
    State(management): State<Management>,
    peer: Peer,
    Json(told): Json<TellCloudReadBack>,
) -> Result<Json<()>, ApiError> {
    let server = management.caller(&peer)?;
    let mut world = management.world();
    assert_eq!(world.root, Some(server));
    let Some(cloud) = &mut world.cloud else { return Err(ApiError::not_found("no such route")) };
    if !cloud.to_read.contains(&told.content) {
        return conflict("it is not to be read back");
    }
    cloud.to_read.retain(|content| *content != told.content);
    cloud.read.insert(told.content, (told.found, told.bytes));
    Ok(Json(()))
}
