//! What a distribution server asks of its management server.

use super::*;

/// All routes that a distribution server calls.
pub(super) fn router(management: &Management) -> Router {
    Router::new()
        .route("/v1/enroll/distribution-server", post(enroll))
        .route("/v1/renew", post(renew))
        .route("/v1/control/state", get(state))
        .route("/v1/control/descriptors", get(descriptors))
        .route("/v1/control/events", get(events))
        .route("/v1/control/changes", get(changes))
        .route("/v1/control/report", post(report))
        .route("/v1/control/digests", get(digests_wanted))
        .route("/v1/control/digests/{content}", post(digests_told))
        .route("/v1/control/uploads/{id}/ingested", post(ingested))
        .route("/v1/control/uploads/{id}/refused", post(refused))
        .route("/v1/control/uploads/{id}/published", post(published))
        .merge(cloud::router())
        .with_state(management.clone())
        .layer(from_fn_with_state(management.clone(), buffer))
}

/// What a proxy does that passes an answer on only once it has all of it.
async fn buffer(State(management): State<Management>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    if !management.world().is_buffered {
        return answer;
    }
    let (head, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Response::from_parts(head, Body::from(bytes))
}

async fn enroll(
    State(management): State<Management>,
    Json(request): Json<EnrollDistributionServer>,
) -> Result<Json<Enrolled>, ApiError> {
    if request.invitation != "good" {
        return Err(ApiError::new(ErrorCode::InvitationUnknown, "no such invitation"));
    }
    let id = management.environment.new_id(DistributionServerId::from_parts);
    let party = Party::DistributionServer(id);
    let leaf = LeafRequest {
        party,
        common_name: request.name.clone(),
        hosts: LeafNames::from_hosts(["127.0.0.1"]).unwrap(),
        lifetime: 30 * DAY,
        server_auth: true,
    };
    let issued = management.ca.issue(&request.csr_pem, &leaf, management.now()).unwrap();
    let address = PeerAddress { id, name: request.name, url: request.public_url, fallback: false };
    management.world().servers.insert(id, address);
    Ok(Json(Enrolled {
        party: party.to_string(),
        chain_pem: issued.chain_pem,
        root_pem: management.ca.root_pem(),
        trust: management.trust(),
    }))
}

async fn renew(State(management): State<Management>, Json(renew): Json<Renew>) -> Json<Renewed> {
    let request: RenewRequest = serde_json::from_str(&renew.request).unwrap();
    let chain = xylem_pki::pem::certificates(renew.chain_pem.as_bytes(), 4).unwrap();
    let old = xylem_pki::PeerCertificate::from_chain(&chain).unwrap();
    let leaf = LeafRequest {
        party: old.party,
        common_name: "renewed".to_owned(),
        hosts: LeafNames::from_hosts(["127.0.0.1"]).unwrap(),
        lifetime: 30 * DAY,
        server_auth: true,
    };
    let issued = management.ca.issue(&request.csr_pem, &leaf, management.now()).unwrap();
    management.world().renewals += 1;
    Json(Renewed { chain_pem: issued.chain_pem })
}

async fn state(
    State(management): State<Management>,
    peer: Peer,
) -> Result<Json<ControlState>, ApiError> {
    let server = management.caller(&peer)?;
    Ok(Json(management.state(server)))
}

async fn descriptors(
    State(management): State<Management>,
    peer: Peer,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<DescriptorPage>, ApiError> {
    management.caller(&peer)?;
    let mut world = management.world();
    let [epoch, since] = ["epoch", "since"].map(|word| query[word].parse::<u64>().unwrap());
    let full = since == 0 || epoch != world.stamp().epoch.0;
    let since = if full { 0 } else { since };
    world.descriptor_calls.push(since);
    let mut newer: Vec<Live> =
        world.live.values().filter(|live| live.generation > since).cloned().collect();
    newer.sort_by_key(|live| live.generation);
    if matches!(world.cheat, Some(Cheat::LeaveOut)) {
        newer.pop();
    }
    let envelopes = newer.iter().map(|live| match world.cheat {
        Some(Cheat::RogueDescriptors) => management.rogue_sign(&live.descriptor),
        _ => live.envelope.clone(),
    });
    // Small pages, so that every test that has files turns one.
    const PAGE: usize = 3;
    let more = newer.len() > PAGE;
    let removed = world.removed.iter().filter(|(generation, _)| *generation > since);
    Ok(Json(DescriptorPage {
        full,
        descriptors: envelopes.take(PAGE).collect(),
        removed: removed.map(|(_, removed)| *removed).collect(),
        next: more.then(|| newer[PAGE - 1].generation),
        stamp: world.stamp(),
    }))
}

async fn events(State(management): State<Management>, peer: Peer) -> Result<Response, ApiError> {
    management.caller(&peer)?;
    if management.world().no_events {
        return Err(ApiError::not_found("a proxy is in the way"));
    }
    let mut receiver = management.changed.subscribe();
    // The present state comes at once.
    receiver.mark_changed();
    let world = Arc::clone(&management.world);
    drop(management);
    let stream = stream::unfold((receiver, world), |(mut receiver, world)| async {
        receiver.changed().await.ok()?;
        let stamp = {
            let world = world.lock().unwrap();
            if world.away {
                return None;
            }
            world.stamp()
        };
        let event = StateChanged { stamp };
        let text = format!("event: state\ndata: {}\n\n", serde_json::to_string(&event).unwrap());
        Some((Ok::<Bytes, Infallible>(Bytes::from(text)), (receiver, world)))
    });
    Ok(Response::new(Body::from_stream(stream)))
}

async fn changes(
    State(management): State<Management>,
    peer: Peer,
    Query(query): Query<HashMap<String, u64>>,
) -> Result<Json<StateChanged>, ApiError> {
    management.caller(&peer)?;
    management.world().held_polls += 1;
    let seen = Stamp::new(query["epoch"], query["since"]);
    let mut receiver = management.changed.subscribe();
    let moved = receiver.wait_for(|_| management.world().stamp() != seen);
    let _ = tokio::time::timeout(Duration::from_secs(query["wait"]), moved).await;
    Ok(Json(StateChanged { stamp: management.world().stamp() }))
}

async fn report(
    State(management): State<Management>,
    peer: Peer,
    Json(report): Json<ServerReport>,
) -> Result<Json<()>, ApiError> {
    let server = management.caller(&peer)?;
    let mut world = management.world();
    world.applied.insert(server, report.applied);
    world.scrubs.extend(report.scrub.map(|scrub| (server, scrub)));
    world.unlisted.extend(report.unlisted);
    for copy in report.copies {
        world.copies.insert((server, copy.content), copy);
    }
    Ok(Json(()))
}

async fn ingested(
    State(management): State<Management>,
    peer: Peer,
    Path(id): Path<UploadId>,
    Json(found): Json<Ingested>,
) -> Result<Json<Committed>, ApiError> {
    management.caller(&peer)?;
    let row = management.world().uploads.get(&id).cloned();
    let row = row.ok_or_else(|| ApiError::not_found("no such upload"))?;
    if row.name.as_str() == "Taken.pkg" {
        return Err(ApiError::new(ErrorCode::Conflict, "the name is taken"));
    }
    if let Some(descriptor) = row.committed {
        return Ok(Json(Committed { descriptor }));
    }
    let lacks = |cloud: &CloudWorld| cloud.is_principal && !cloud.is_there(&found.blake3);
    if management.world().cloud.as_ref().is_some_and(lacks) {
        return Err(ApiError::unavailable("the cloud lacks it", 1));
    }
    let (_, descriptor) =
        management.change(|world| management.commit(world, row.kind, &row.name, &found));
    let mut world = management.world();
    let row = world.uploads.get_mut(&id).unwrap();
    row.committed = Some(descriptor.clone());
    row.commits += 1;
    row.with_marks = found.knows_marks;
    Ok(Json(Committed { descriptor }))
}

async fn refused(
    State(management): State<Management>,
    peer: Peer,
    Path(id): Path<UploadId>,
    Json(why): Json<RefusedUpload>,
) -> Result<Json<()>, ApiError> {
    management.caller(&peer)?;
    management.world().uploads.get_mut(&id).unwrap().refused = Some(why.reason);
    Ok(Json(()))
}

async fn published(
    State(management): State<Management>,
    peer: Peer,
    Path(id): Path<UploadId>,
) -> Result<Json<()>, ApiError> {
    management.caller(&peer)?;
    if management.world().holds_published {
        return Err(ApiError::unavailable("held", 1));
    }
    management.world().uploads.get_mut(&id).unwrap().published = true;
    management.announce();
    Ok(Json(()))
}

/// Two contents at once, so that every list of some length comes in pages.
async fn digests_wanted(
    State(management): State<Management>,
    peer: Peer,
    Query(after): Query<HashMap<String, String>>,
) -> Result<Json<DigestsWanted>, ApiError> {
    let server = management.caller(&peer)?;
    let world = management.world();
    if world.computing.or(world.principal) != Some(server) {
        return Ok(Json(DigestsWanted::default()));
    }
    let live = world.live.values().map(|live| live.descriptor.content);
    let all = world.also_wanted.iter().copied().chain(live);
    let mut lacking = all.filter(|content| !world.digests.contains_key(content));
    if let Some(after) = after.get("content") {
        lacking.find(|content| content.to_string() == *after);
    }
    let contents: Vec<ContentId> = lacking.by_ref().take(2).collect();
    let last = contents.last().filter(|_| lacking.next().is_some());
    let next = last.map(|last| DigestsAfter { generation: Generation(1), content: *last });
    Ok(Json(DigestsWanted { contents, next }))
}

async fn digests_told(
    State(management): State<Management>,
    peer: Peer,
    Path(content): Path<ContentId>,
    Json(told): Json<ReportedDigests>,
) -> Result<Json<()>, ApiError> {
    let server = management.caller(&peer)?;
    let mut world = management.world();
    world.digest_calls += 1;
    if world.holds_digests {
        return Err(ApiError::unavailable("held", 1));
    }
    let found = FurtherDigests::try_from(&told).unwrap();
    world.digests.insert(content, (server, found));
    Ok(Json(()))
}
