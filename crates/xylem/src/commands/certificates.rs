//! Certificates that an administrator brings along.

use std::path::Path;

use serde_json::json;
use xylem_api::certificates::{SetPublicChain, ShownCertificate};
use xylem_api::tree::ChangeDistributionServer;
use xylem_runtime::{RealFs, read_bounded};

use super::servers::detail;
use crate::Failure;
use crate::access::Access;
use crate::cli::{CertificateCommand, ChainOptions, DsCertificateCommand};
use crate::output::{Output, facts};

/// Largest file of certificates or of a key that is read.
const MAX_BYTES: u64 = 64 << 10;

pub(super) async fn run(
    command: CertificateCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    let shown = match command {
        CertificateCommand::Show => admin.certificate().await?,
        CertificateCommand::Set(files) => admin.set_certificate(&read(&files)?).await?,
        CertificateCommand::Forget => admin.forget_certificate().await?,
    };
    output.value(&shown, |shown| facts(&rows(shown)))
}

pub(super) async fn of_server(
    command: DsCertificateCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    let server = match command {
        DsCertificateCommand::Set { name, files } => {
            admin.set_certificate_of(&name, &read(&files)?).await?
        }
        DsCertificateCommand::Forget { name } => admin.forget_certificate_of(&name).await?,
        DsCertificateCommand::Acme { name, directory, contact, ca, off: _ } => {
            let ca_pem = ca.as_deref().map(text).transpose()?;
            let acme = directory.map(|directory| {
                let contact = contact.unwrap_or_default();
                json!({ "directory": directory, "contact": contact, "ca_pem": ca_pem })
            });
            let settings = Some(json!({ "acme": acme }));
            let change = ChangeDistributionServer { settings, ..Default::default() };
            admin.change_distribution_server(&name, &change).await?
        }
    };
    output.value(&server, detail)
}

/// What is said of a certificate.
pub(super) fn rows(shown: &ShownCertificate) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("Certificate", format!("{}, from {}", shown.subject, shown.source)),
        ("Signed by", shown.issuer.clone()),
        ("Good until", shown.not_after.to_string()),
        ("SHA-256", shown.fingerprint.clone()),
    ];
    if let Some(problem) = &shown.problem {
        rows.push(("Problem", problem.clone()));
    }
    rows
}

fn read(files: &ChainOptions) -> Result<SetPublicChain, Failure> {
    Ok(SetPublicChain { chain_pem: text(&files.chain)?, key_pem: text(&files.key)? })
}

/// Reads a file of PEM text.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::configuration(format!("cannot read {}: {problem}", file.display()))
    };
    let bytes = read_bounded(&RealFs, file, MAX_BYTES).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes).map_err(|_| unreadable(&"it is no PEM text"))
}
