//! `xylem package manifest`, `xylem app manifest`, `xylem ebook manifest`.

use xylem_api::manifests::{Manifest, NewManifest};
use xylem_model::FileKind;

use crate::Failure;
use crate::access::Access;
use crate::cli::ManifestOptions;
use crate::output::{Output, facts};

/// Has a manifest made, and prints it.
pub(super) async fn show(
    options: ManifestOptions,
    kind: FileKind,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let ManifestOptions { name, server, site, hours, md5, plist } = options;
    let asked = NewManifest { server, site, hours, md5 };
    let manifest = access.admin.make_manifest(kind, &name, &asked).await?;
    match plist {
        true => output.exactly(&manifest, |manifest| &manifest.plist),
        false => output.value(&manifest, in_words),
    }
}

fn in_words(manifest: &Manifest) -> String {
    let mut rows = vec![
        ("Server", manifest.server.clone()),
        ("Good until", manifest.expires_at.to_string()),
        ("File", manifest.url.clone()),
    ];
    rows.extend(manifest.manifest_url.clone().map(|url| ("Manifest", url)));
    rows.extend(manifest.install_link.clone().map(|link| ("Install", link)));
    format!("{}\n{}", facts(&rows), manifest.plist)
}
