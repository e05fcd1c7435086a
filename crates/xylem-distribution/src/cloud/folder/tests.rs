//! The folder on a real disk, asked as the management server asks; and a program that dies at any
//! step.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use xylem_client::{CloudClient, full_body};
use xylem_cloud::{
    Below, CloudSettings, Cursor, FaultKind, Leftover, Marker, Moment, Named, ObjectKey, PartPlan,
    Piece, Prefix, Provider, Secrets, StoredPiece, Upload, UploadRef, UrlFor, provider_of,
};
use xylem_model::{ContentId, FileName};

use super::*;

/// What a program that died answers: nobody hears it.
const DEAD: u16 = 599;
/// Bytes of a part of the tests.
const PART: u64 = 1000;

/// For how many steps a program lives.
#[derive(Debug)]
pub(super) struct Life(AtomicI64);

impl Default for Life {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Life {
    pub(super) fn step(&self) -> Result<(), Refused> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 => Ok(()),
            _ => Err(Refused::new(DEAD, "the program has died".to_owned())),
        }
    }
}

struct World {
    root: PathBuf,
    _folder: tempfile::TempDir,
    settings: CloudSettings,
    keys: Secrets,
}

/// One life of the program.
struct Running<'a> {
    world: &'a World,
    client: CloudClient,
    keeper: Keeper,
}

/// Why a step of a story was not the last one: a fault, or death.
type Done<T> = Result<T, xylem_cloud::Fault>;

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("copies");
        std::fs::create_dir(&root).unwrap();
        let settings = serde_json::from_str(r#"{"provider":"folder","prefix":"macs"}"#).unwrap();
        let keys = serde_json::from_str(r#"{"provider":"folder"}"#).unwrap();
        Self { root, _folder: folder, settings, keys }
    }

    /// With a marker, as one that was set.
    fn marked() -> Self {
        let world = Self::new();
        std::fs::create_dir(world.root.join("macs")).unwrap();
        std::fs::write(world.root.join("macs/xylem.json"), Marker::of("a").to_json()).unwrap();
        world
    }

    fn start(&self) -> Running<'_> {
        let keeper = Keeper::new(Environment::real(), Some(self.root.clone()));
        let client = CloudClient::by_courier(Arc::new(keeper.clone()));
        Running { world: self, client, keeper }
    }

    /// One that dies before step `at`, counted from 0.
    fn start_dying(&self, at: i64) -> Running<'_> {
        let running = self.start();
        running.life().0.store(at, Ordering::SeqCst);
        running
    }

    fn prefix(&self) -> &Prefix {
        self.settings.prefix()
    }

    fn object(&self, bytes: &[u8]) -> PathBuf {
        self.root.join(self.prefix().content(&ContentId::of(bytes)).as_str())
    }

    fn staged(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.root.join("macs/staging")) else {
            return Vec::new();
        };
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn moment(nonce: u64) -> Moment {
    Moment { now: Environment::real().clock.now(), nonce }
}

fn noise(seed: u8, size: u64) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ seed).collect()
}

fn upload_of(key: ObjectKey, bytes: &[u8], parts: bool) -> Upload {
    let size = bytes.len() as u64;
    let plan = PartPlan::again(size, parts.then(|| PART.try_into().unwrap()));
    let sha256 = Piece::of(PartPlan::again(size, None).part(1).unwrap(), bytes).sha256;
    let disposition = String::new();
    Upload { key, sha256, disposition, plan, reference: None, create_only: true }
}

impl Running<'_> {
    fn life(&self) -> &Life {
        &self.keeper.folder.as_ref().unwrap().life
    }

    fn provider(&self) -> Box<dyn Provider + '_> {
        provider_of(&self.world.settings, &self.world.keys, None).unwrap()
    }

    async fn send(&self, request: &CloudRequest) -> CloudAnswer {
        self.client.send(request).await.unwrap()
    }

    fn key(&self, bytes: &[u8]) -> ObjectKey {
        self.world.prefix().content(&ContentId::of(bytes))
    }

    async fn write(&self, upload: &Upload, number: u32, bytes: &[u8]) -> Done<StoredPiece> {
        let part = upload.plan.part(number).unwrap();
        let range = part.offset as usize..(part.offset + part.bytes) as usize;
        let own = &bytes[range];
        let piece = Piece::of(part, own);
        let request = self.provider().piece(upload, &piece, moment(1))?;
        let answer = self.client.send_piece(&request, full_body(own.to_vec())).await.unwrap();
        let tag = self.provider().piece_answered(upload, &piece, &answer)?;
        Ok(StoredPiece { piece, tag })
    }

    async fn put(&self, bytes: &[u8]) -> Done<()> {
        self.write(&upload_of(self.key(bytes), bytes, false), 1, bytes).await.map(drop)
    }

    async fn begin(&self, bytes: &[u8], nonce: u64) -> Done<Upload> {
        let upload = upload_of(self.key(bytes), bytes, true);
        let provider = self.provider();
        let answer = self.send(&provider.begin(&upload, moment(nonce)).unwrap()).await;
        let reference = Some(provider.begun(&upload, &answer)?);
        Ok(Upload { reference, ..upload })
    }

    async fn finish(&self, upload: &Upload, pieces: &[StoredPiece]) -> Done<()> {
        let provider = self.provider();
        let answer = self.send(&provider.finish(upload, pieces, moment(1)).unwrap()).await;
        provider.finished(upload, &answer)
    }

    async fn put_in_parts(&self, bytes: &[u8], nonce: u64) -> Done<()> {
        let upload = self.begin(bytes, nonce).await?;
        let mut pieces = Vec::new();
        for number in 1..=upload.plan.count() {
            pieces.push(self.write(&upload, number, bytes).await?);
        }
        self.finish(&upload, &pieces).await
    }

    async fn size(&self, key: &ObjectKey) -> Done<Option<u64>> {
        let answer = self.send(&self.provider().ask(key, moment(1))).await;
        Ok(self.provider().found(key, &answer)?.map(|found| found.size))
    }

    async fn remove(&self, key: &ObjectKey) -> Done<()> {
        let answer = self.send(&self.provider().remove(key, moment(1))).await;
        self.provider().removed(key, &answer)
    }

    async fn leftovers(&self) -> Vec<Leftover> {
        let request = self.provider().leftovers(None, &Cursor::START, moment(1)).unwrap().unwrap();
        let answer = self.send(&request).await;
        self.provider().leftovers_listed(None, &Cursor::START, &answer).unwrap().items
    }

    /// What a sweep does.
    async fn sweep(&self) {
        for leftover in self.leftovers().await {
            let answer = self.send(&self.provider().discard(&leftover, moment(1)).unwrap()).await;
            self.provider().removed(leftover.key(), &answer).unwrap();
        }
    }

    async fn names(&self, below: Below) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), Cursor::START);
        loop {
            let request = self.provider().list(below, &cursor, moment(1)).unwrap();
            let answer = self.send(&request).await;
            let page = self.provider().listed(below, &cursor, &answer).unwrap();
            names.extend(page.items.into_iter().map(|object| object.key.as_str().to_owned()));
            match page.next {
                Some(next) => cursor = next,
                None => return names,
            }
        }
    }
}

fn kind<T: std::fmt::Debug>(done: Done<T>) -> FaultKind {
    done.unwrap_err().kind
}

#[tokio::test]
async fn files_lie_there_as_they_are_and_are_found_read_and_deleted() {
    let world = World::marked();
    let running = world.start();
    let (small, large) = (noise(1, 10), noise(2, 3 * PART + 1));
    running.put(&small).await.unwrap();
    running.put_in_parts(&large, 7).await.unwrap();
    running.put(b"").await.unwrap();
    for bytes in [&small[..], &large, b""] {
        assert_eq!(std::fs::read(world.object(bytes)).unwrap(), bytes);
        assert_eq!(running.size(&running.key(bytes)).await.unwrap(), Some(bytes.len() as u64));
    }
    assert_eq!(world.staged(), Vec::<String>::new());
    let names = running.names(Below::Contents).await;
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!((names.len(), &names), (3, &sorted));

    // As the root looks at what it sent.
    let key = running.key(&large);
    let name = FileName::new("a.pkg").unwrap();
    let life = Duration::from_secs(60);
    let wanted = UrlFor { key: &key, size: 1, name: &name, client: None, at: moment(1), life };
    let url = running.provider().url(&wanted).unwrap();
    let end = running.send(&url.get().with_range(2999, 5000)).await;
    assert_eq!((end.status, end.header("content-range")), (206, Some("bytes 2999-3000/3001")));
    assert_eq!(end.body, large[2999..]);
    assert_eq!(running.send(&url.get().with_range(3001, 3002)).await.status, 416);

    assert_eq!(kind(running.put(&small).await), FaultKind::Exists);
    running.remove(&key).await.unwrap();
    running.remove(&key).await.unwrap();
    assert_eq!(running.size(&key).await.unwrap(), None);
    assert!(!world.object(&large).exists() && world.object(&small).exists());
}

#[tokio::test]
async fn an_upload_goes_on_at_its_mark_after_a_new_start() {
    let world = World::marked();
    let bytes = noise(3, 2 * PART + 5);
    let upload = world.start().begin(&bytes, 9).await.unwrap();
    let first = world.start().write(&upload, 1, &bytes).await.unwrap();
    assert_eq!(world.staged().len(), 1);
    let again = world.start();
    let lost = again.finish(&upload, std::slice::from_ref(&first)).await;
    assert_eq!(kind(lost), FaultKind::UploadLost, "parts are lacking");
    let third = again.write(&upload, 3, &bytes).await.unwrap();
    let second = again.write(&upload, 2, &bytes).await.unwrap();
    again.finish(&upload, &[first, second, third]).await.unwrap();
    assert_eq!(std::fs::read(world.object(&bytes)).unwrap(), bytes);
    assert!(world.staged().is_empty());
    let gone = again.write(&upload, 1, &bytes).await;
    assert_eq!(kind(gone), FaultKind::UploadLost);
}

#[tokio::test]
async fn bytes_that_came_otherwise_are_not_kept() {
    let world = World::marked();
    let running = world.start();
    let bytes = noise(4, 100);
    let upload = upload_of(running.key(&bytes), &bytes, false);
    let piece = Piece::of(upload.plan.part(1).unwrap(), &bytes);
    let request = running.provider().piece(&upload, &piece, moment(1)).unwrap();
    let mut wrong = bytes.clone();
    wrong[50] ^= 1;
    let answer = running.client.send_piece(&request, full_body(wrong)).await.unwrap();
    let told = running.provider().piece_answered(&upload, &piece, &answer);
    assert_eq!(kind(told), FaultKind::Line);
    assert!(!world.object(&bytes).exists() && world.staged().is_empty());
}

#[tokio::test]
async fn links_and_files_of_others_are_neither_followed_nor_deleted() {
    let world = World::marked();
    let running = world.start();
    let outside = world.root.parent().unwrap().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), b"precious").unwrap();
    let bytes = noise(5, 10);
    let (key, path) = (running.key(&bytes), world.object(&bytes));
    running.put(&noise(6, 10)).await.unwrap();

    // In the place of the object, and of its folder.
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(outside.join("precious"), &path).unwrap();
    assert_eq!(kind(running.size(&key).await), FaultKind::Unexpected);
    assert_eq!(kind(running.put(&bytes).await), FaultKind::Unexpected);
    let told = running.remove(&key).await.unwrap_err();
    assert!(told.to_string().contains("links are not followed"), "{told}");
    assert!(path.is_symlink());
    let names = running.names(Below::Contents).await;
    assert!(names.contains(&format!("{key}/")), "shown as another's: {names:?}");
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir(path.parent().unwrap()).unwrap();
    symlink(&outside, path.parent().unwrap()).unwrap();
    assert_eq!(kind(running.put(&bytes).await), FaultKind::Unexpected);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    std::fs::remove_file(path.parent().unwrap()).unwrap();

    // Among what is staged.
    for (name, is_link) in [("notes.txt", false), ("a.00000000000000ab", false), ("link", true)] {
        let path = world.root.join("macs/staging").join(name);
        match is_link {
            true => symlink(outside.join("precious"), path).unwrap(),
            false => std::fs::write(path, b"mine").unwrap(),
        }
    }
    running.sweep().await;
    assert_eq!(world.staged().len(), 3);
    assert_eq!(std::fs::read(outside.join("precious")).unwrap(), b"precious");

    // What lies beside ours is told by its name, and our own folders are not.
    std::fs::write(world.root.join("macs/readme"), b"mine").unwrap();
    std::fs::create_dir(world.root.join("macs/photos")).unwrap();
    let others = running.names(Below::Everything).await;
    let foreign = |name: &&String| world.prefix().read(name) == Named::Foreign;
    let others: Vec<_> = others.iter().filter(foreign).map(String::as_str).collect();
    assert_eq!(others, ["macs/photos/", "macs/readme"]);
}

#[tokio::test]
async fn a_folder_that_is_gone_not_set_or_read_only_says_so() {
    let world = World::new();
    let running = world.start();
    let bytes = noise(7, 10);
    let told = running.put(&bytes).await.unwrap_err();
    assert_eq!(told.kind, FaultKind::Place);
    assert!(told.to_string().contains("xylem.json"), "another disk, or none: {told}");
    assert_eq!(std::fs::read_dir(&world.root).unwrap().count(), 0);

    std::fs::remove_dir(&world.root).unwrap();
    let told = running.size(&running.key(&bytes)).await.unwrap_err();
    assert_eq!(told.kind, FaultKind::Place);
    assert!(told.to_string().contains("mounted"), "{told}");
    assert!(!world.root.exists(), "it is never made");

    let none = Keeper::new(Environment::real(), None);
    let client = CloudClient::by_courier(Arc::new(none));
    let key = running.key(&bytes);
    let answer = client.send(&running.provider().ask(&key, moment(1))).await.unwrap();
    let told = running.provider().found(&key, &answer).unwrap_err();
    assert!(told.to_string().contains("cloud_folder"), "{told}");
}

#[tokio::test]
async fn what_is_not_there_counts_as_lost_only_where_the_marker_is() {
    let world = World::marked();
    let running = world.start();
    let bytes = noise(11, 10);
    let key = running.key(&bytes);
    running.put(&bytes).await.unwrap();
    // The disk is away, and its mount point is an empty folder.
    let away = world.root.with_extension("away");
    std::fs::rename(&world.root, &away).unwrap();
    std::fs::create_dir(&world.root).unwrap();
    let told = running.size(&key).await.unwrap_err();
    assert_eq!(told.kind, FaultKind::Place);
    assert!(told.to_string().contains("mounted"), "{told}");
    assert_eq!(kind(running.remove(&key).await), FaultKind::Place);
    let provider = running.provider();
    let answer = running.send(&provider.read(&key, moment(1))).await;
    assert_eq!(provider.read_answered(&key, &answer).unwrap_err().kind, FaultKind::Place);
    // Whose the folder is can be asked, and nothing was made.
    assert_eq!(running.size(&world.prefix().marker()).await.unwrap(), None);
    assert_eq!(std::fs::read_dir(&world.root).unwrap().count(), 0);

    std::fs::remove_dir(&world.root).unwrap();
    std::fs::rename(&away, &world.root).unwrap();
    assert_eq!(running.size(&key).await.unwrap(), Some(10));
    std::fs::remove_file(world.object(&bytes)).unwrap();
    assert_eq!(running.size(&key).await.unwrap(), None, "the marker is there, and it is not");
}

#[test]
fn what_is_opened_is_no_link_whatever_was_looked_at_before() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, b"precious").unwrap();
    symlink(&file, &link).unwrap();
    let open = |path: &Path| {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).custom_flags(disk::NOT_FOLLOWED).open(path)
    };
    assert!(open(&file).is_ok());
    assert!(open(&link).is_err());
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_told_from_one_that_is_gone() {
    let world = World::marked();
    let running = world.start();
    let folder = world.root.join("macs");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o555)).unwrap();
    if std::fs::write(folder.join("x"), b"").is_ok() {
        // Whoever may do everything is refused nothing.
        return;
    }
    let told = running.put(&noise(8, 10)).await.unwrap_err();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(told.kind, FaultKind::Rights);
    assert!(told.to_string().contains("let the root's account write"), "{told}");
}

#[tokio::test]
async fn a_full_disk_says_so() {
    // What is written there never fits.
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let world = World::marked();
    let folder = Folder::new(world.root.clone());
    let file = std::fs::OpenOptions::new().write(true).open(full).unwrap();
    let refused = folder.write(&file, b"a", 0).unwrap_err();
    assert_eq!(refused.status, 507);
    assert!(refused.why.contains("make room"), "{}", refused.why);
}

#[tokio::test]
async fn a_listing_goes_on_page_by_page() {
    let world = World::marked();
    let probes = world.root.join("macs/probe");
    std::fs::create_dir(&probes).unwrap();
    for number in 0..300 {
        let name = format!("0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-{number:03}");
        std::fs::write(probes.join(name), b"").unwrap();
    }
    let names = world.start().names(Below::Everything).await;
    let probes = names.iter().filter(|name| world.prefix().read(name) == Named::Probe).count();
    assert_eq!((probes, names.len()), (300, 301));
}

/// Everything that changes the disk, as the management server has it done again after a death.
async fn story(running: &Running<'_>, small: &[u8], large: &[u8], nonce: u64) -> Done<()> {
    for bytes in [small, large] {
        match running.size(&running.key(bytes)).await? {
            Some(size) => assert_eq!(size, bytes.len() as u64, "nothing appears by half"),
            None if bytes.len() as u64 > PART => running.put_in_parts(bytes, nonce).await?,
            None => running.put(bytes).await?,
        }
    }
    let marker = running.world.prefix().marker();
    let json = Marker::of("b").to_json();
    let upload = Upload { create_only: false, ..upload_of(marker, &json, false) };
    running.write(&upload, 1, &json).await?;
    running.remove(&running.key(small)).await
}

#[tokio::test]
async fn a_program_that_dies_at_any_step_leaves_whole_files_and_what_a_sweep_removes() {
    let (small, large) = (noise(9, 10), noise(10, 2 * PART + 7));
    let mut deaths = 0;
    loop {
        let world = World::marked();
        let is_over = {
            let dying = world.start_dying(deaths);
            story(&dying, &small, &large, 1).await.is_ok()
        };
        for bytes in [&small, &large] {
            if let Ok(found) = std::fs::read(world.object(bytes)) {
                assert_eq!(&found, bytes, "at step {deaths}");
            }
        }
        let marker = std::fs::read(world.root.join("macs/xylem.json")).unwrap();
        assert!(Marker::parse(&marker).is_ok(), "at step {deaths}");

        let again = world.start();
        story(&again, &small, &large, 2).await.unwrap();
        again.sweep().await;
        assert_eq!(world.staged(), Vec::<String>::new(), "at step {deaths}");
        assert_eq!(std::fs::read(world.object(&large)).unwrap(), large, "at step {deaths}");
        assert!(!world.object(&small).exists(), "at step {deaths}");
        if is_over {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 20, "it died at {deaths} steps alone");
}

#[test]
fn ids_of_uploads_have_the_form_that_is_listed() {
    let world = World::marked();
    let running = world.start();
    let request = running.provider().ask(&running.key(b"a"), moment(1));
    let Some(FolderWork::Ask(object)) = FolderWork::read(&request) else { panic!() };
    let upload = running.keeper.new_upload(&object);
    assert!(UploadRef::new(upload.id()).is_some() && upload.id().len() == 16);
    assert_eq!(object.numbered(MARKER_UPLOAD).id(), "0000000000000000");
}
