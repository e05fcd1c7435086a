//! curl, rclone, cadaver and a davfs2 mount on the published folders, with a package of 3 GiB.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use xylem_artifact::build::{ComponentBuilder, PackageBuilder, PayloadFormat, Source};
use xylem_bench::debian;
use xylem_bench::publish::content_of_file;
use xylem_bench::shell::{finish, require_root};
use xylem_model::{ContentId, FileKind};

use super::CLIENTS;
use super::account::{Share, USER, share};
use crate::pair::stage;

/// Size of the file in the package.
const BYTES: u64 = 3 << 30;

/// What comes out of each tool is what went in.
pub(crate) fn tools() -> anyhow::Result<()> {
    require_root("a davfs2 mount")?;
    debian::require(CLIENTS)?;
    stage(async |scratch| {
        let share = share(scratch).await?;
        let file = scratch.path().join("Large.pkg");
        let made = file.clone();
        let content = tokio::task::spawn_blocking(move || {
            package(&made)?;
            content_of_file(&made)
        });
        let content = content.await??;
        let Share { fleet, password, url, relay } = share;
        let (folder, ca) = (scratch.path().to_owned(), fleet.ca_file());
        let trial = Trial { folder, password, url, relay: relay.url(), ca, file, content };
        let mut figures = String::new();
        for (name, tool) in TOOLS {
            let (begun, doing) = (Instant::now(), trial.clone());
            // On a thread of its own: the relay needs this one's runtime.
            let done = tokio::task::spawn_blocking(move || tool(&doing)).await?;
            done.with_context(|| name.to_owned())?;
            figures += &format!(" {name}_s={:.1}", begun.elapsed().as_secs_f64());
            let file = fleet.access().admin.file(FileKind::Package, &format!("{name}.pkg")).await?;
            ensure!(file.file.current.content == content, "{name} published something else");
        }
        fleet.stop().await;
        println!("SERVING tools bytes={}{figures} differing=0", fs::metadata(&trial.file)?.len());
        Ok(())
    })
}

type Tool = fn(&Trial) -> anyhow::Result<()>;

/// Each uploads the package under its own name, and downloads it again.
const TOOLS: [(&str, Tool); 4] =
    [("curl", curl), ("rclone", rclone), ("cadaver", cadaver), ("davfs2", davfs2)];

#[derive(Clone)]
struct Trial {
    folder: PathBuf,
    password: String,
    url: String,
    relay: String,
    ca: PathBuf,
    file: PathBuf,
    content: ContentId,
}

impl Trial {
    /// What was downloaded is the package; it is removed.
    fn is_back(&self, copy: &Path) -> anyhow::Result<()> {
        ensure!(content_of_file(copy)? == self.content, "{} differs", copy.display());
        Ok(fs::remove_file(copy)?)
    }

    fn text(&self, name: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        Ok(path.to_str().context("the path is not Unicode")?.to_owned())
    }

    fn secret(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        self.text(name)
    }

    fn ca(&self) -> anyhow::Result<String> {
        Ok(self.ca.to_str().context("the path is not Unicode")?.to_owned())
    }
}

fn curl(trial: &Trial) -> anyhow::Result<()> {
    let (url, ca) = (format!("{}/Packages/curl.pkg", trial.url), trial.ca()?);
    let login = trial.secret("curl.netrc", &netrc(trial, &trial.url)?)?;
    let (file, copy) = (trial.text("Large.pkg")?, trial.text("curl.out")?);
    let common = ["-sSf", "--cacert", &ca, "--netrc-file", &login];
    finish(Command::new("curl").args(common).args(["-T", &file, &url]), "curl -T")?;
    finish(Command::new("curl").args(common).args(["-o", &copy, &url]), "curl -o")?;
    trial.is_back(Path::new(&copy))
}

/// `machine HOST login USER password PASSWORD`.
fn netrc(trial: &Trial, url: &str) -> anyhow::Result<String> {
    let (_, rest) = url.split_once("://").context("a URL")?;
    let host = rest.split(':').next().context("a host")?;
    Ok(format!("machine {host}\nlogin {USER}\npassword {}\n", trial.password))
}

fn rclone(trial: &Trial) -> anyhow::Result<()> {
    let hidden =
        finish(Command::new("rclone").args(["obscure", &trial.password]), "rclone obscure")?;
    let url = &trial.url;
    let text = format!(
        "[share]\ntype = webdav\nurl = {url}\nvendor = other\nuser = {USER}\npass = {}\n",
        hidden.trim()
    );
    let (config, ca) = (trial.secret("rclone.conf", &text)?, trial.ca()?);
    let source = trial.folder.join("rclone");
    fs::create_dir_all(&source)?;
    fs::hard_link(&trial.file, source.join("rclone.pkg"))?;
    let source = trial.text("rclone")?;
    let common = ["--config", &config, "--ca-cert", &ca, "--include", "rclone.pkg"];
    for words in [["copy", &source, "share:Packages"], ["check", &source, "share:Packages"]] {
        let mut command = Command::new("rclone");
        command.args(words).args(common);
        if words.first() == Some(&"check") {
            // Bytes, not only sizes.
            command.arg("--download");
        }
        finish(&mut command, &format!("rclone {}", words.join(" ")))?;
    }
    Ok(())
}

/// cadaver trusts the system's authorities only, and so speaks to the relay.
fn cadaver(trial: &Trial) -> anyhow::Result<()> {
    let url = trial.relay.clone();
    let home = trial.folder.join("home");
    fs::create_dir_all(&home)?;
    trial.secret("home/.netrc", &netrc(trial, &url)?)?;
    let (file, copy) = (trial.text("Large.pkg")?, trial.text("cadaver.out")?);
    let lines = format!(
        "open {url}/Packages/\nput {file} first.pkg\nmove first.pkg cadaver.pkg\nls\n\
         get cadaver.pkg {copy}\nquit\n"
    );
    let script = trial.secret("cadaver.rc", &lines)?;
    let mut command = Command::new("cadaver");
    let said = finish(command.env("HOME", &home).args(["-r", &script]), "cadaver")?;
    ensure!(!said.contains("failed"), "{said}");
    trial.is_back(Path::new(&copy))
}

fn davfs2(trial: &Trial) -> anyhow::Result<()> {
    let (url, at) = (&trial.url, trial.folder.join("mount"));
    fs::create_dir_all(&at)?;
    let login = format!("{url}/ {USER} {}\n", trial.password);
    let secrets = trial.secret("davfs2.secrets", &login)?;
    // Part of it runs as a user of its own, who must get at the certificate.
    fs::set_permissions(&trial.folder, fs::Permissions::from_mode(0o711))?;
    fs::copy(&trial.ca, trial.folder.join("davfs2.pem"))?;
    let text = format!(
        "secrets {secrets}\ntrust_ca_cert {}\nuse_locks 1\nask_auth 0\ndelay_upload 0\n",
        trial.text("davfs2.pem")?
    );
    let config = trial.secret("davfs2.conf", &text)?;
    let mount = |trial: &Trial| {
        let (options, at) = (format!("conf={config}"), trial.text("mount")?);
        let words = ["-t", "davfs", "-o", &options, &format!("{url}/"), &at];
        finish(Command::new("mount").args(words), "mount -t davfs").map(drop)
    };
    // Returns once everything has been sent.
    let unmount =
        || finish(Command::new("umount").arg(&at), "umount of the davfs2 mount").map(drop);
    mount(trial)?;
    let copied = fs::copy(&trial.file, at.join("Packages/davfs2.pkg"));
    unmount()?;
    copied.context("copying into the mount")?;
    // Mounted anew, so that nothing comes out of its cache.
    finish(Command::new("sh").args(["-c", "rm -rf /var/cache/davfs2/*"]), "rm")?;
    mount(trial)?;
    let read = content_of_file(&at.join("Packages/davfs2.pkg"));
    unmount()?;
    finish(Command::new("sh").args(["-c", "rm -rf /var/cache/davfs2/*"]), "rm")?;
    ensure!(read? == trial.content, "what the mount gives differs");
    Ok(())
}

fn package(path: &Path) -> anyhow::Result<()> {
    let component = ComponentBuilder::new("org.example.large", "1.0")
        .install_location("/Library/Example")
        .payload_format(PayloadFormat::Plain)
        .file("large.bin", 0o644, Source::random(7, BYTES));
    PackageBuilder::component(component).write_to(path)?;
    Ok(())
}
