//! What the double of Akamai, and what we sign for Akamai, are worth: Akamai's own libraries say.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use xylem_bench::scratch::Scratch;
use xylem_cloud::{
    Below, Body, CloudRequest, CloudSettings, Cursor, Moment, ObjectKey, Piece, Provider, Secrets,
    Upload, UrlFor, provider_of,
};
use xylem_model::{ContentId, FileName, Timestamp};
use xylem_testkit::{
    EDGE_TOKEN_SALT, EDGE_TOKEN_SECRET, EDGEGRID_ACCESS_TOKEN, EDGEGRID_CLIENT_SECRET,
    EDGEGRID_CLIENT_TOKEN, NETSTORAGE_ACCOUNT, NETSTORAGE_CP_CODE, NETSTORAGE_KEY,
};

use super::authority::Authority;
use super::ground::path;
use super::netstorage::NetStorage;
use super::tools::Tools;
use crate::pair::stage;

/// Names that break those who sign.
const NAMES: [&str; 6] = ["plain", "a b+é&50%#", "'q' <x> \"y\"", "~!$(),;=@", "ünï", "%2F..%20"];

/// The API client's host.
const PURGE_HOST: &str = "akab-host.luna.akamaiapis.net";

/// What is signed with: any time, and numbers that never come again.
const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
const LIFE: Duration = Duration::from_secs(600);

/// What the libraries did.
#[derive(Debug, Deserialize)]
struct Proved {
    operations: u32,
    refusals: u32,
}

/// What they make of our signatures.
#[derive(Debug, Deserialize)]
struct Compared {
    golden: u32,
    differing: Vec<String>,
}

/// A double, alone.
async fn double(scratch: &Scratch) -> anyhow::Result<NetStorage> {
    let (tools, folder) = (Tools::require()?, scratch.path());
    let authority = Authority::make(&folder.join("authority"))?;
    NetStorage::start(&tools, &folder.join("netstorage"), &authority).await
}

/// Akamai's libraries get through with everything that they do, and with nothing that is to be
/// refused.
pub(super) fn proof() -> anyhow::Result<()> {
    stage(async |scratch| {
        let double = double(scratch).await?;
        let Proved { operations, refusals } = double.ask(&["prove"])?;
        println!("CLOUD double provider=akamai operations={operations} refusals={refusals}");
        Ok(())
    })
}

/// What our code signs is, byte by byte, what Akamai's libraries make of the same; they meet the
/// golden vectors.
pub(super) fn vectors() -> anyhow::Result<()> {
    stage(async |scratch| {
        let double = double(scratch).await?;
        let ours = signed()?;
        let count = |what: &str| ours.get(what).and_then(Value::as_array).map_or(0, Vec::len);
        let file = scratch.path().join("signed.json");
        fs::write(&file, serde_json::to_vec(&ours)?)?;
        let Compared { golden, differing } = double.ask(&["vectors", path(&file)?])?;
        println!(
            "CLOUD vectors provider=akamai golden={golden} requests={} tokens={} purges={} \
             differing={}",
            count("requests"),
            count("tokens"),
            count("purges"),
            differing.len(),
        );
        ensure!(differing.is_empty(), "Akamai's libraries sign otherwise: {differing:#?}");
        Ok(())
    })
}

/// Requests, tokens and purges for names of every kind, as our code signs them.
fn signed() -> anyhow::Result<Value> {
    let settings: CloudSettings = serde_json::from_value(json!({
        "provider": "akamai",
        "upload_host": "https://example-nsu.akamaihd.net",
        "account": NETSTORAGE_ACCOUNT,
        "cp_code": NETSTORAGE_CP_CODE,
        "directory": "macs",
        "delivery_url": "https://packages.example.org/files",
    }))?;
    let keys: Secrets = serde_json::from_value(json!({
        "provider": "akamai",
        "key": NETSTORAGE_KEY,
        "token_secret": EDGE_TOKEN_SECRET,
        "token_salt": EDGE_TOKEN_SALT,
        "edgegrid": {
            "host": PURGE_HOST,
            "client_token": EDGEGRID_CLIENT_TOKEN,
            "client_secret": EDGEGRID_CLIENT_SECRET,
            "access_token": EDGEGRID_ACCESS_TOKEN,
        },
    }))?;
    let provider = provider_of(&settings, &keys, None)?;
    let prefix = settings.prefix();
    let contents = (0..4_u8).map(|number| prefix.content(&ContentId::of(&[number])));
    let names = NAMES.iter().map(|name| prefix.probe("1", name));
    let (mut requests, mut tokens, mut purges) = (Vec::new(), Vec::new(), Vec::new());
    for (key, number) in contents.chain(names).zip(1_u64..) {
        let at = Moment { now: NOW, nonce: number * 100 };
        for request in all_requests(&*provider, &key, at)? {
            requests.push(request_of(&request)?);
        }
        tokens.push(token_of(&*provider, &key, at)?);
        for request in provider.purge(std::slice::from_ref(&key), "", at)? {
            purges.push(purge_of(&request)?);
        }
    }
    Ok(json!({ "requests": requests, "tokens": tokens, "purges": purges }))
}

/// Everything that is asked of NetStorage for one object.
fn all_requests(
    provider: &dyn Provider,
    key: &ObjectKey,
    at: Moment,
) -> anyhow::Result<Vec<CloudRequest>> {
    let plan = provider.part_rules().plan(5)?;
    let piece = Piece::of(plan.part(1).context("a file has a part")?, b"bytes");
    let upload = Upload {
        key: key.clone(),
        sha256: piece.sha256,
        disposition: String::new(),
        plan,
        reference: None,
        create_only: false,
    };
    let mut all = provider.folders(key, at);
    all.extend([provider.ask(key, at), provider.read(key, at), provider.remove(key, at)]);
    all.push(provider.piece(&upload, &piece, at)?);
    all.push(provider.list(Below::Everything, &Cursor::START, at)?);
    Ok(all)
}

fn request_of(request: &CloudRequest) -> anyhow::Result<Value> {
    let header = |name: &str| {
        request.header(name).with_context(|| format!("a request for NetStorage has no {name}"))
    };
    Ok(json!({
        "path": request.path,
        "action": header("x-akamai-acs-action")?,
        "data": header("x-akamai-acs-auth-data")?,
        "sign": header("x-akamai-acs-auth-sign")?,
    }))
}

fn token_of(provider: &dyn Provider, key: &ObjectKey, at: Moment) -> anyhow::Result<Value> {
    let name = FileName::new("a b+é&50%#.pkg")?;
    let url = provider.url(&UrlFor { key, size: 5, name: &name, client: None, at, life: LIFE })?;
    let (_, token) = url.reveal().split_once("?__token__=").context("an address has a token")?;
    let field = |name: &str| {
        let found = token.split('~').find_map(|field| field.strip_prefix(name));
        found.with_context(|| format!("the token has no {name}"))
    };
    Ok(json!({
        "acl": field("acl=")?,
        "starts": field("st=")?.parse::<i64>()?,
        "ends": field("exp=")?.parse::<i64>()?,
        "token": token,
    }))
}

fn purge_of(request: &CloudRequest) -> anyhow::Result<Value> {
    let Body::Bytes(body) = &request.body else { anyhow::bail!("a purge has no body") };
    Ok(json!({
        "host": request.endpoint.authority(),
        "path": request.path,
        "body": String::from_utf8(body.clone())?,
        "authorization": request.header("authorization").context("a purge is not signed")?,
    }))
}
