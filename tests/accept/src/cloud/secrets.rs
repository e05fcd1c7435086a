//! Ten secrets go through our programs; then everything that these wrote or said is searched.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use xylem_bench::debian::{self, Tool};
use xylem_bench::publish::{plain_disk, write_random};
use xylem_model::Priority;

use super::agent::Mac;
use super::authority::HOST;
use super::ground::{Ground, path};
use super::rows::present;
use super::seaweed::{BUCKET, KEY_ID, REGION, SECRET, Seaweed};
use super::weather::{Refusal, Sky, Weather};
use crate::pair::{ROOT, stage};
use crate::run::run;

/// Secrets that are planted; the signatures of all requests come to them.
const PLANTED: usize = 10;

/// Other secrets that hold one after the other, or never.
const SECOND: &str = "planted-second-secret-of-the-store";
const WRONG_SET: &str = "planted-wrong-secret-that-is-set";
const WRONG_KEYS: &str = "planted-wrong-secret-of-keys";
const NETSTORAGE: &str = "planted-key-of-netstorage";
const TOKEN: &str = "aabbccddeeff00112233445566778899";
const SALT: &str = "planted-salt-of-the-edge";
const OTHER_NETSTORAGE: &str = "planted-other-key-of-netstorage";
const IN_A_STORM: &str = "planted-secret-while-it-storms";

/// Bytes of a file that goes in parts, and how long it may take.
const BYTES: u64 = 48 << 20;
const LIMIT: Duration = Duration::from_secs(720);

/// How long it storms.
const STORM: Duration = Duration::from_secs(10);

/// Bytes that are searched at once.
const BLOCK_BYTES: usize = 1 << 20;

/// Secrets by their names, in every form that is looked for.
type Secrets = BTreeMap<String, String>;

/// None of them is anywhere, and one that is written on purpose is found.
pub(super) fn secrets() -> anyhow::Result<()> {
    stage(async |scratch| {
        let ground = Ground::lay(scratch, Seaweed::start).await?;
        let weather = Weather::over(&ground.authority, ground.store.plain_port)?;
        let (planted, heard) = (Secrets::new(), String::new());
        let mut planting = Planting { ground: &ground, weather: &weather, planted, heard };
        planting.plant().await?;
        let Planting { mut planted, mut heard, .. } = planting;
        ensure!(planted.len() == PLANTED, "{} secrets were planted", planted.len());
        listen(&ground, &mut heard).await?;
        let signatures = weather.signatures();
        ensure!(!signatures.is_empty(), "no request was signed");
        let named = signatures.iter().map(|it| (format!("signature {it}"), it.clone()));
        planted.extend(named);
        let written = ground.written();
        fs::write(written.join("heard"), &heard)?;
        let dump = dump(&written)?;
        ground.fleet.stop().await;

        let found = search(&written, &planted)?;
        let mutant = written.join("mutant");
        fs::write(&mutant, format!("{}{SECRET}", "x".repeat(BLOCK_BYTES - 5)))?;
        let noticed = search(&written, &planted)?.len() > found.len();
        println!(
            "CLOUD secrets provider=s3 planted={PLANTED} signatures={} heard_bytes={} \
             dump_bytes={dump} found={} mutant_noticed={}",
            signatures.len(),
            heard.len(),
            found.len(),
            u8::from(noticed)
        );
        ensure!(found.is_empty(), "secrets are told: {found:?}");
        ensure!(noticed, "the search finds not even what was written on purpose");
        Ok(())
    })
}

/// What was planted, and what was said to it.
struct Planting<'a> {
    ground: &'a Ground<Seaweed>,
    weather: &'a Weather,
    planted: Secrets,
    heard: String,
}

impl Planting<'_> {
    /// Has our programs see each secret, in what succeeds and in what fails.
    async fn plant(&mut self) -> anyhow::Result<()> {
        self.keys_of_the_store().await?;
        self.keys_of_others().await?;
        self.in_a_storm().await?;
        let token = fs::read_to_string(self.ground.fleet.token_file())?;
        ensure!(!self.heard.contains(token.trim()), "the administrator's token is told");
        Ok(())
    }

    /// A secret in a file, which is named to a command.
    fn file(&mut self, name: &str, secret: &str) -> anyhow::Result<String> {
        self.planted.insert(name.to_owned(), secret.to_owned());
        self.ground.secret_file(name, secret)
    }

    async fn say(&mut self, words: &[String]) -> anyhow::Result<()> {
        self.heard += &said(self.ground, words).await?;
        Ok(())
    }

    /// Sets other keys, whatever comes of it.
    async fn set_keys(&mut self, name: &str, secret: &str) -> anyhow::Result<()> {
        let file = self.file(name, secret)?;
        let words = ["cloud", "keys", "s3", "--key-id", KEY_ID, "--secret-file", &file];
        self.say(&owned(&words)).await
    }

    async fn keys_of_the_store(&mut self) -> anyhow::Result<()> {
        self.file("set", SECRET)?;
        self.heard += &self.ground.set_cloud(self.weather.port).await?;
        self.ground.store.set_keys(KEY_ID, SECOND).await?;
        self.set_keys("second", SECOND).await?;
        self.set_keys("wrong-keys", WRONG_KEYS).await?;
        let file = self.file("wrong-set", WRONG_SET)?;
        let words = s3_words(self.ground, self.weather.port, &file)?;
        self.say(&words).await
    }

    /// Keys that are refused, since nothing of their kind is there.
    async fn keys_of_others(&mut self) -> anyhow::Result<()> {
        let edge = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_pem();
        let line = edge.lines().nth(1).context("a key has lines")?;
        self.planted.insert("edge".to_owned(), line.to_owned());
        let private = self.ground.secret_file("edge", &edge)?;
        let (secret, url) =
            (self.file("second", SECOND)?, format!("https://{HOST}:{}", self.weather.port));
        let mut words = s3_words(self.ground, self.weather.port, &secret)?;
        let more = ["--cloudfront", &url, "--key-pair", "KPLANTED", "--private-key-file", &private];
        words.extend(owned(&more));
        self.say(&words).await?;

        let key = self.file("netstorage", NETSTORAGE)?;
        let (token, salt) = (self.file("token", TOKEN)?, self.file("salt", SALT)?);
        let keys = ["--key-file", &key, "--token-secret-file", &token, "--token-salt-file", &salt];
        let place = ["--upload-host", &url, "--account", "planted", "--cp-code", "5"];
        let delivery =
            ["--delivery-url", &url, "--ca", path(&self.ground.authority.ca)?, "--replace"];
        let words = [&["cloud", "set", "akamai"], &place[..], &delivery, &keys].concat();
        self.say(&owned(&words)).await?;
        let other = self.file("other-netstorage", OTHER_NETSTORAGE)?;
        let keys = ["--key-file", &other, "--token-secret-file", &token];
        self.say(&owned(&[&["cloud", "keys", "akamai"], &keys[..]].concat())).await
    }

    /// While it storms everything is told as an error; then files get there, and to an agent.
    async fn in_a_storm(&mut self) -> anyhow::Result<()> {
        let answer = Refusal { status: "503 Slow Down", code: "SlowDown", message: "Slow down." };
        self.weather.turn(Sky::Refused { answer, percent: 50 });
        self.set_keys("while-it-storms", IN_A_STORM).await?;
        let file = self.ground.folder().join("parts.dmg");
        write_random(&file, 9, BYTES)?;
        let parts = self.ground.fleet.upload(&file, Priority::Normal).await?.content;
        tokio::time::sleep(STORM).await;
        self.weather.turn(Sky::Cut { percent: 50, within: 4 << 20 });
        tokio::time::sleep(STORM).await;
        self.weather.turn(Sky::Clear);
        self.say(&owned(&["cloud", "test"])).await?;
        let small = plain_disk("small", 64 << 10);
        let small = self.ground.fleet.send("small.dmg", small, Priority::Normal).await?.content;
        present(&self.ground.fleet, &[parts, small], LIMIT).await?;
        let mac = Mac::of(self.ground);
        mac.enroll().await?;
        mac.fetch("parts.dmg").await?;
        Ok(())
    }
}

/// Asks for everything that can be asked for.
async fn listen(ground: &Ground<Seaweed>, heard: &mut String) -> anyhow::Result<()> {
    for words in [
        &["cloud", "show"][..],
        &["cloud", "show", "--json"],
        &["cloud", "files"],
        &["cloud", "files", "--json"],
        &["cloud", "usage", "--json"],
        &["cloud", "test", "--json"],
        &["cloud", "policy"],
        &["audit", "--json"],
        &["status", "--json"],
        &["ds", "show", ROOT, "--json"],
        &["package", "placement", "parts.dmg", "--json"],
    ] {
        *heard += &said(ground, &owned(words)).await?;
    }
    *heard += &format!("{:?}", ground.fleet.counted_by(ROOT)?);
    *heard += &format!("{:?}", ground.fleet.counted_by_server()?);
    Ok(())
}

/// Writes the database as text beside the others; gives how long it is.
fn dump(written: &Path) -> anyhow::Result<u64> {
    debian::require(&[Tool::new("sqlite3", "sqlite3")])?;
    let data = written.join("server");
    let mut databases = fs::read_dir(&data)?.flatten().map(|entry| entry.path());
    let is_database = |path: &PathBuf| {
        let mut first = [0; 15];
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
        read.is_ok() && &first == b"SQLite format 3"
    };
    let database = databases.find(is_database);
    let database = database.with_context(|| format!("no database in {}", data.display()))?;
    let text = run(Command::new("sqlite3").arg(&database).arg(".dump"))?.require(".dump")?.stdout;
    ensure!(text.contains("cloud_points"), "the dump has no cloud");
    fs::write(written.join("dump.sql"), &text)?;
    Ok(text.len() as u64)
}

/// Files below a folder with one of the secrets in them, and which.
fn search(folder: &Path, secrets: &Secrets) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            found.extend(search(&path, secrets)?);
        } else if kind.is_file() {
            let names = contained(&path, secrets)?;
            found.extend(names.into_iter().map(|name| format!("{name} in {}", path.display())));
        }
    }
    Ok(found)
}

/// Which of the secrets are in a file, a block at a time with the end of the one before.
fn contained(path: &Path, secrets: &Secrets) -> anyhow::Result<Vec<String>> {
    let longest = secrets.values().map(String::len).max().unwrap_or(0);
    let mut file = fs::File::open(path)?;
    let (mut window, mut block): (Vec<u8>, _) = (Vec::new(), vec![0; BLOCK_BYTES]);
    let mut found = Vec::new();
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(found);
        }
        window.extend_from_slice(block.get(..read).unwrap_or_default());
        // Text alone can hold one, and a search through text is quick.
        let text = String::from_utf8_lossy(&window);
        let here = secrets.iter().filter(|(_, secret)| text.contains(secret.as_str()));
        found.extend(here.map(|(name, _)| name.clone()));
        let kept = window.len().saturating_sub(longest);
        window.drain(..kept);
    }
}

fn s3_words(ground: &Ground<Seaweed>, port: u16, secret_file: &str) -> anyhow::Result<Vec<String>> {
    let endpoint = format!("https://{HOST}:{port}");
    let ca = path(&ground.authority.ca)?;
    let place = ["--bucket", BUCKET, "--region", REGION, "--endpoint", &endpoint, "--ca", ca];
    let keys = ["--path-style", "--key-id", KEY_ID, "--secret-file", secret_file, "--replace"];
    Ok(owned(&[&["cloud", "set", "s3"], &place[..], &keys].concat()))
}

/// What a command says on both of its outputs.
async fn said(ground: &Ground<Seaweed>, words: &[String]) -> anyhow::Result<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = ground.fleet.command(&words).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(format!("{words:?}\n{}\n{}\n", text(&done.stdout), text(&done.stderr)))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_across_two_blocks_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::from([("planted".to_owned(), "PLANTED-SECRET".to_owned())]);
        let file = folder.path().join("file");
        for before in [0, BLOCK_BYTES - 7, BLOCK_BYTES, 3 * BLOCK_BYTES - 1] {
            fs::write(&file, [vec![0xff; before], b"PLANTED-SECRET".to_vec()].concat()).unwrap();
            assert_eq!(search(folder.path(), &secrets).unwrap().len(), 1, "{before}");
        }
        fs::write(&file, b"PLANTED-SECRE").unwrap();
        assert!(search(folder.path(), &secrets).unwrap().is_empty());
    }
}
