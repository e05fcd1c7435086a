//! What a package holds, found without any code of ours: 7z unpacks the archive, GNU cpio the
//! payload, xz the blocks of a pbzx payload.

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

use crate::run::run;

/// Unpacks every component's payload of a package below `target`, as an installer would.
pub(crate) fn unpack(package: &Path, scratch: &Path, target: &Path) -> anyhow::Result<()> {
    let archive = scratch.join("archive");
    fs::create_dir_all(&archive)?;
    // -snz- leaves zone marks alone; 7z would else unpack a lone payload by itself.
    run(Command::new("7z")
        .args(["x", "-y", "-txar"])
        .arg(format!("-o{}", archive.display()))
        .arg(package))?
    .require("7z")?;
    for component in components(&archive)? {
        let info = fs::read_to_string(component.join("PackageInfo"))?;
        let payload = component.join("Payload");
        if !payload.exists() || fs::metadata(&payload)?.len() == 0 {
            continue;
        }
        let location = attribute(&info, "install-location").unwrap_or_default();
        let into = target.join(location.trim_start_matches('/'));
        fs::create_dir_all(&into)?;
        let archive = scratch.join("payload.cpio");
        expand(&payload, &archive)?;
        if fs::metadata(&archive)?.len() > 0 {
            extract(&archive, &into)?;
        }
        fs::remove_file(&archive)?;
    }
    Ok(())
}

/// Folders with a `PackageInfo`.
fn components(archive: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if archive.join("PackageInfo").exists() {
        found.push(archive.to_owned());
    }
    for entry in fs::read_dir(archive)? {
        let path = entry?.path();
        if path.join("PackageInfo").exists() {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "7z finds no component in {}", archive.display());
    found.sort();
    Ok(found)
}

fn attribute(xml: &str, name: &str) -> Option<String> {
    let rest = xml.split_once(&format!("{name}=\""))?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

fn expand(payload: &Path, archive: &Path) -> anyhow::Result<()> {
    let mut magic = [0; 4];
    File::open(payload)?.read_exact(&mut magic)?;
    match &magic {
        [0x1f, 0x8b, ..] => {
            let out = File::create(archive)?;
            let status =
                Command::new("gzip").arg("-dc").stdin(File::open(payload)?).stdout(out).status()?;
            ensure!(status.success(), "gzip failed");
        }
        b"pbzx" => expand_pbzx(payload, archive)?,
        b"0707" => {
            fs::copy(payload, archive)?;
        }
        _ => bail!("unknown payload {magic:?}"),
    }
    Ok(())
}

/// Block by block through the xz program; a block whose two lengths agree is stored.
fn expand_pbzx(payload: &Path, archive: &Path) -> anyhow::Result<()> {
    let mut from = File::open(payload)?;
    let mut to = File::create(archive)?;
    let mut head = [0; 12];
    from.read_exact(&mut head)?;
    let mut lengths = [0; 16];
    while from.read_exact(&mut lengths).is_ok() {
        let (expanded, stored) = lengths.split_at(8);
        let expanded = u64::from_be_bytes(expanded.try_into()?);
        let stored = u64::from_be_bytes(stored.try_into()?);
        let mut block = vec![0; usize::try_from(stored)?];
        from.read_exact(&mut block)?;
        if stored == expanded {
            to.write_all(&block)?;
            continue;
        }
        let mut xz =
            Command::new("xz").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = xz.stdin.take().context("xz has no input")?;
        let feeding = std::thread::spawn(move || input.write_all(&block));
        let plain = xz.wait_with_output()?;
        feeding.join().map_err(|_| anyhow::anyhow!("feeding xz failed"))??;
        ensure!(plain.stdout.len() as u64 == expanded, "xz gave another length");
        to.write_all(&plain.stdout)?;
    }
    Ok(())
}

fn extract(archive: &Path, into: &Path) -> anyhow::Result<()> {
    run(Command::new("cpio")
        .args(["-idmu", "--quiet", "--no-absolute-filenames", "--no-preserve-owner"])
        .stdin(File::open(archive)?)
        .current_dir(into))?
    .require("cpio")?;
    Ok(())
}
