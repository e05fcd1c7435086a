//! Packages that lead through every decoder.

use std::fs::File;
use std::os::unix::fs::FileExt;

use xylem_artifact::ChecksumStyle;
use xylem_artifact::build::{
    ComponentBuilder, PackageBuilder, PayloadFormat, ProductBuilder, Signer, Source,
};

/// Each with a name; the one called `damaged` is to be refused.
pub(crate) fn all() -> Vec<(String, File)> {
    let mut all = Vec::new();
    for format in [PayloadFormat::Gzip, PayloadFormat::Plain, PayloadFormat::Pbzx] {
        for style in [ChecksumStyle::Md5, ChecksumStyle::Sha1, ChecksumStyle::Sha256] {
            let component = component("org.example.a").payload_format(format);
            let package = PackageBuilder::component(component).checksum_style(style);
            all.push((format!("{format:?} with {style:?}"), write(&package)));
        }
    }
    let product = ProductBuilder::new("A", "org.example", "1")
        .with(component("org.example.a"))
        .with(component("org.example.b"));
    all.push(("product".to_owned(), write(&PackageBuilder::product(product))));
    let signed = PackageBuilder::component(component("org.example.a")).signed_by(signer());
    all.push(("signed".to_owned(), write(&signed)));
    let damaged = write(&PackageBuilder::component(component("org.example.a")));
    let end = damaged.metadata().unwrap().len();
    damaged.write_all_at(b"damaged", end - 7).unwrap();
    all.push(("damaged".to_owned(), damaged));
    all
}

fn component(identifier: &str) -> ComponentBuilder {
    ComponentBuilder::new(identifier, "1")
        .file("content", 0o644, Source::random(1, 1 << 20))
        .script("preinstall", "#!/bin/sh\n".repeat(10_000))
}

fn signer() -> Signer {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let signer = || Signer::new(&key.serialize_der(), vec![certificate.der().to_vec()]).unwrap();
    signer().timestamp(signer(), "20250102030405Z")
}

fn write(package: &PackageBuilder) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pkg");
    package.write_to(&path).unwrap();
    File::options().read(true).write(true).open(&path).unwrap()
}
