//! Manifests: read as a device's management reads them, and all that they name fetched as a device
//! fetches it, with nothing but the address.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::Request;
use plist::{Dictionary, Value};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, date_time_ymd};
use xylem::Failure;
use xylem::system::{Programs, System};
use xylem_api::manifests::{Manifest, NewManifest};
use xylem_artifact::build::{
    ComponentBuilder, PackageBuilder, PayloadFormat, ProductBuilder, Signer, Source,
};
use xylem_client::{AdminClient, BaseUrl, ClientError, Transport, empty_body};
use xylem_model::FileKind;
use xylem_pki::{TrustAnchors, client_config};
use xylem_runtime::{Environment, RealFs};
use xylem_trust::{Envelope, SigningKey, Ticket};

use crate::run::programs;

/// The distribution server.
const SERVER: &str = "root";

/// Bytes in a large package: its last part is a short one.
const LARGE_BYTES: u64 = 25 << 20;

/// How long digests may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What Apple's schema says of keys that it has not removed: the name, the type, whether it must be
/// there (`other/manifesturl.yaml`, `mdm/commands/media.install.yaml` of Apple's device-management).
type Schema = [(&'static str, &'static str, bool)];
const ASSET: &Schema = &[
    ("kind", "string", true),
    ("url", "string", true),
    ("md5-size", "integer", false),
    ("md5s", "strings", false),
    ("sha256-size", "integer", false),
    ("sha256s", "strings", false),
    ("needs-shine", "boolean", false),
];
const METADATA: &Schema = &[
    ("kind", "string", true),
    ("bundle-identifier", "string", true),
    ("bundle-version", "string", false),
    ("title", "string", true),
    ("subtitle", "string", false),
];
const BOOK: &Schema = &[
    ("RequestType", "string", true),
    ("MediaType", "string", true),
    ("MediaURL", "string", true),
    ("PersistentID", "string", true),
    ("Kind", "string", false),
    ("Title", "string", false),
    ("Author", "string", false),
    ("Version", "string", false),
];

/// The values that the schema allows for some of them.
const VALUES: &[(&str, &[&str])] = &[
    ("kind", &["software-package", "software"]),
    ("RequestType", &["InstallMedia"]),
    ("MediaType", &["Book"]),
    ("Kind", &["pdf", "epub", "ibooks"]),
];

/// What was looked at.
#[derive(Debug, Default)]
struct Figures {
    lists: usize,
    keys: usize,
    parts: usize,
    bytes: usize,
    refused: usize,
}

/// Uploads fixtures of each kind, and checks everything in their manifests.
pub(super) fn manifests(fixtures: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let figures = runtime.block_on(async {
        let program = programs()?.join("xylem");
        let programs = Programs::beside(&program).map_err(Failure::into_error)?;
        let system = System::start(programs, folder.path().join("system")).await;
        let mut system = system.map_err(Failure::into_error)?;
        let played = play(&mut system, fixtures, folder.path()).await;
        system.stop().await;
        played
    })?;
    let Figures { lists, keys, parts, bytes, refused } = figures;
    println!(
        "ARTIFACTS manifests lists={lists} keys={keys} parts={parts} bytes={bytes} refused={refused}"
    );
    Ok(())
}

async fn play(system: &mut System, fixtures: &Path, folder: &Path) -> anyhow::Result<Figures> {
    let added = system.add_distribution_server(SERVER, None, None, None).await;
    added.map_err(Failure::into_error)?;
    let files = [
        (FileKind::App, fixtures.join("real/ipa-provisioned-fastlane.ipa")),
        (FileKind::Package, fixtures.join("generated/pkg-product-signed-rsa-cms.pkg")),
        (FileKind::Package, large_package(folder)?),
        (FileKind::Ebook, fixtures.join("real/epub3-developers-reference-debian.epub")),
        (FileKind::Ebook, fixtures.join("generated/pdf-generated.pdf")),
    ];
    let unfit = fixtures.join("generated/pkg-component-gzip.pkg");
    for (kind, file) in files.iter().chain([&(FileKind::Package, unfit.clone())]) {
        upload(system, *kind, file).await?;
    }
    let device = Device::new(system)?;
    let admin = &system.access().admin;
    let mut figures = Figures::default();
    for (kind, file) in &files {
        for md5 in [false, true] {
            let manifest = made(admin, *kind, &name(file)?, md5).await?;
            check(&device, *kind, file, &manifest, md5, &mut figures).await?;
        }
    }
    let (unfit, plain) = (name(&unfit)?, NewManifest::default());
    let refused = admin.make_manifest(FileKind::Package, &unfit, &plain).await;
    let refused = refused.err().context("a component package has a manifest")?.to_string();
    ensure!(refused.contains("productbuild"), "{refused}");
    figures.refused += 1;
    Ok(figures)
}

async fn upload(system: &System, kind: FileKind, file: &Path) -> anyhow::Result<()> {
    let file = file.to_str().context("a path that is no text")?;
    let sent = system.xylem(&[kind.as_str(), "upload", file]).await;
    sent.map_err(Failure::into_error)?;
    Ok(())
}

fn name(file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    Ok(name.context("a file without a name")?.to_owned())
}

/// The manifest, once the digests are there.
async fn made(
    admin: &AdminClient,
    kind: FileKind,
    name: &str,
    md5: bool,
) -> anyhow::Result<Manifest> {
    let begun = std::time::Instant::now();
    loop {
        let hours = Some(1);
        let asked = NewManifest { md5, hours, ..NewManifest::default() };
        match admin.make_manifest(kind, name, &asked).await {
            Ok(manifest) => return Ok(manifest),
            Err(error) if begun.elapsed() > LIMIT => bail!("{name}: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn check(
    device: &Device,
    kind: FileKind,
    file: &Path,
    manifest: &Manifest,
    md5: bool,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let bytes = std::fs::read(file)?;
    figures.lists += 1;
    if kind == FileKind::Ebook {
        let command = read(manifest.plist.as_bytes())?;
        figures.keys += keys(&command, BOOK)?;
        ensure!(text(&command, "MediaURL")? == manifest.url, "the book is elsewhere");
        figures.bytes += device.whole(&manifest.url, &bytes).await?;
        return device.refused(&manifest.url).await.map(|()| figures.refused += 2);
    }
    let url = manifest.manifest_url.as_deref().context("no address of the manifest")?;
    let (fetched, media) = device.get(url, None).await?;
    ensure!(media == "application/xml", "a manifest is sent as {media}");
    device.refused(url).await?;
    let root = read(&fetched)?;
    let item = only(&root, "items")?;
    let asset = only(item, "assets")?;
    let metadata = item.get("metadata").and_then(Value::as_dictionary).context("no metadata")?;
    figures.keys += keys(asset, ASSET)? + keys(metadata, METADATA)?;
    let kinds = (text(asset, "kind")?, text(metadata, "kind")?);
    ensure!(kinds == ("software-package", "software"), "they are of the kinds {kinds:?}");
    ensure!(manifest.install_link.is_some() == (kind == FileKind::App), "no link, or one too many");
    if let Some(link) = &manifest.install_link {
        let target = link.strip_prefix("itms-services://?action=download-manifest&url=");
        let target = target.context("the link installs nothing")?;
        let target = percent_encoding::percent_decode_str(target).decode_utf8()?;
        ensure!(target == url, "the link leads to {target}");
    }
    let told = read(manifest.plist.as_bytes())?;
    let told = only(only(&told, "items")?, "assets")?;
    ensure!(without_url(told) == without_url(asset), "another manifest is shown than fetched");
    let url = text(asset, "url")?;
    figures.parts += device.parts(url, asset, bytes.len() as u64, md5).await?;
    figures.bytes += device.whole(url, &bytes).await?;
    device.refused(url).await?;
    figures.refused += 4;
    Ok(())
}

/// Each address is made anew.
fn without_url(asset: &Dictionary) -> Dictionary {
    let mut rest = asset.clone();
    rest.remove("url");
    rest
}

fn read(xml: &[u8]) -> anyhow::Result<Dictionary> {
    Value::from_reader_xml(xml)?.into_dictionary().context("the root is no dictionary")
}

fn only<'a>(of: &'a Dictionary, key: &str) -> anyhow::Result<&'a Dictionary> {
    match of.get(key).and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => one.as_dictionary().context("no dictionary"),
        _ => bail!("`{key}` is no array of one"),
    }
}

fn text<'a>(of: &'a Dictionary, key: &str) -> anyhow::Result<&'a str> {
    of.get(key).and_then(Value::as_string).with_context(|| format!("`{key}` is no text"))
}

/// Checks keys and types; says how many keys there are.
fn keys(found: &Dictionary, schema: &Schema) -> anyhow::Result<usize> {
    for (key, value) in found {
        let is = match value {
            Value::String(_) => "string",
            Value::Integer(_) => "integer",
            Value::Boolean(_) => "boolean",
            Value::Array(all) if all.iter().all(|one| one.as_string().is_some()) => "strings",
            _ => "another",
        };
        let known = schema.iter().find(|(name, ..)| name == key);
        let (_, wanted, _) = known.with_context(|| format!("`{key}` is not in the schema"))?;
        ensure!(is == *wanted, "`{key}` is of type {is}, and {wanted} was expected");
        let allowed = VALUES.iter().find(|(name, _)| name == key).map(|(_, allowed)| *allowed);
        if let Some(allowed) = allowed {
            let told = value.as_string().unwrap_or_default();
            ensure!(allowed.contains(&told), "`{key}` is `{told}`, and must be one of {allowed:?}");
        }
    }
    for (key, _, required) in schema {
        ensure!(!required || found.contains_key(key), "`{key}` is lacking");
    }
    Ok(found.len())
}

/// Somebody without a certificate.
struct Device {
    transport: Transport,
}

impl Device {
    fn new(system: &System) -> anyhow::Result<Self> {
        let environment = Environment::real();
        let anchors = TrustAnchors::read(&RealFs, &system.ca_file())?;
        let tls = client_config(&anchors, None, Arc::clone(&environment.clock))?;
        Ok(Self { transport: Transport::new(environment, tls) })
    }

    /// What is at an address, or a part of it; and its media type.
    async fn get(&self, url: &str, range: Option<(u64, u64)>) -> anyhow::Result<(Bytes, String)> {
        let (server, path) = parts_of(url)?;
        let mut request = Request::get(path);
        if let Some((first, last)) = range {
            request = request.header("range", format!("bytes={first}-{last}"));
        }
        let answer = self.transport.send(&server, request.body(empty_body())?).await?;
        let expected = if range.is_some() { 206 } else { 200 };
        ensure!(answer.status().as_u16() == expected, "{url}: status {}", answer.status());
        let media = answer.headers().get("content-type").context("no media type")?;
        let media = media.to_str()?.to_owned();
        Ok((answer.into_body().collect(256 << 20).await?, media))
    }

    /// Fetches all of a file at once.
    async fn whole(&self, url: &str, expected: &[u8]) -> anyhow::Result<usize> {
        let (bytes, media) = self.get(url, None).await?;
        ensure!(media == "application/octet-stream", "a file is sent as {media}");
        ensure!(bytes == expected, "other bytes are served");
        Ok(bytes.len())
    }

    /// Fetches each part of a file by itself, and computes its digest from what is served.
    async fn parts(
        &self,
        url: &str,
        asset: &Dictionary,
        size: u64,
        md5: bool,
    ) -> anyhow::Result<usize> {
        let (length, list) = if md5 { ("md5-size", "md5s") } else { ("sha256-size", "sha256s") };
        let length = asset.get(length).and_then(Value::as_unsigned_integer).context("no size")?;
        let told = asset.get(list).and_then(Value::as_array).context("no digests")?;
        ensure!(length == 10_485_760 && told.len() as u64 == size.div_ceil(length));
        for (number, told) in told.iter().enumerate() {
            let first = number as u64 * length;
            let last = size.min(first + length) - 1;
            let (bytes, _) = self.get(url, Some((first, last))).await?;
            let computed = match md5 {
                true => hex::encode(md5_of(&bytes)),
                false => hex::encode(digest(&SHA256, &bytes)),
            };
            ensure!(told.as_string() == Some(&*computed), "part {number} has another digest");
        }
        Ok(told.len())
    }

    /// Makes sure that an address without its ticket, and one with a ticket that says the same and
    /// that another key signed, give nothing.
    async fn refused(&self, url: &str) -> anyhow::Result<()> {
        let (bare, ticket) = url.split_once("?ticket=").context("no ticket")?;
        let same: Ticket = serde_json::from_slice(&Envelope::from_header(ticket)?.payload)?;
        let rogue = SigningKey::from_seed(&[7; 32])?;
        let forged = Envelope::sign(&same, &[&rogue])?.to_header();
        for (url, expected) in [
            // What lacks its ticket is no question at all, or one from nobody.
            (bare.to_owned(), &[400, 401][..]),
            (format!("{bare}?ticket={forged}"), &[403]),
        ] {
            match self.get(&url, None).await {
                Ok(_) => bail!("{url} was answered"),
                Err(error) => match error.downcast_ref::<ClientError>() {
                    Some(ClientError::Answer { status, .. }) if expected.contains(status) => {}
                    _ => bail!("{url} is not refused: {error:#}"),
                },
            }
        }
        Ok(())
    }
}

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

fn parts_of(url: &str) -> anyhow::Result<(BaseUrl, String)> {
    let rest = url.strip_prefix("https://").context("no https address")?;
    let (host, path) = rest.split_once('/').context("an address without a path")?;
    Ok((format!("https://{host}").parse()?, format!("/{path}")))
}

/// A signed product archive of several parts.
fn large_package(folder: &Path) -> anyhow::Result<PathBuf> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let mut certificate = CertificateParams::default();
    certificate.distinguished_name.push(DnType::CommonName, "Installer");
    certificate.not_before = date_time_ymd(2020, 1, 1);
    certificate.not_after = date_time_ymd(2040, 1, 1);
    let certificate = certificate.self_signed(&key)?.der().to_vec();
    let component = ComponentBuilder::new("org.example.large.part", "1.0")
        .in_folder("large.pkg")
        .payload_format(PayloadFormat::Plain)
        .file("large.bin", 0o644, Source::random(1, LARGE_BYTES));
    let product = ProductBuilder::new("Large", "org.example.large", "1.0").with(component);
    let path = folder.join("Large.pkg");
    PackageBuilder::product(product)
        .signed_by(Signer::new(&key.serialize_der(), vec![certificate])?)
        .write_to(&path)?;
    Ok(path)
}
