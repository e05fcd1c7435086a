//! One maker for each thing that can be wrong, with what has to come of it.

mod folders;
mod scripts;

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::contents::Folder;
use super::{Expected, Making, contents, not, os, renamed, taken};
use crate::path::SourcePath;
use crate::plan::ItemKind::{App, Ebook, Package};
use crate::reason::ReasonCode;
use crate::report::Outcome::{LeftOut, Refused, Same};

/// How many paths each turn makes at most.
const MOST: usize = 3;

/// Characters that names may not have, with what becomes of them.
const BAD: [(&str, &str); 14] = [
    (":", "-"),
    ("?", "_"),
    ("<", "("),
    (">", ")"),
    ("\\", "-"),
    ("*", "_"),
    ("|", "-"),
    ("\"", "'"),
    ("[", "("),
    ("]", ")"),
    ("\u{201c}", "'"),
    ("\u{201d}", "'"),
    ("\n", "_"),
    ("\u{202e}", ""),
];

type Maker = fn(&mut Making) -> io::Result<()>;

const MAKERS: [Maker; 21] = [
    Making::good,
    Making::bad_character,
    Making::edges,
    Making::device,
    Making::no_unicode,
    Making::long,
    Making::unicode_twins,
    Making::case_twins,
    Making::duplicates,
    Making::one_content,
    Making::bundle,
    Making::nested,
    Making::side_files,
    Making::scripts,
    Making::encodings,
    Making::apple_scripts,
    Making::no_files,
    Making::wrong,
    Making::others,
    Making::known_folders,
    Making::damaged,
];

impl Making {
    /// What a share has once.
    pub(super) fn once(&mut self) -> io::Result<()> {
        for folder in [".Trashes", ".Spotlight-V100", "Packages/.TemporaryItems"] {
            self.write(&SourcePath::from(folder).join(b"inside.pkg"), b"x")?;
            self.expect(folder.into(), not(LeftOut, ReasonCode::SideFile));
        }
        for file in [".DS_Store", "Packages/.DS_Store", "Packages/INDEX", "Scripts/Icon\r"] {
            self.write(&file.into(), b"x")?;
            self.expect(file.into(), not(LeftOut, ReasonCode::SideFile));
        }
        self.unreadable()
    }

    /// Makes what is due, if so many paths may still be made.
    pub(super) fn next(&mut self, turn: usize, left: usize) -> io::Result<()> {
        self.round = turn / MAKERS.len();
        let maker = MAKERS.get(turn % MAKERS.len()).filter(|_| left >= MOST);
        maker.map_or(Self::good as Maker, |maker| *maker)(self)
    }

    fn n(&self) -> String {
        format!("{:04}", self.number)
    }

    fn package(&mut self, path: SourcePath, expected: Expected) -> io::Result<()> {
        let bytes = contents::package(self.seed.number())?;
        self.file(path, &bytes, expected)
    }

    fn file(&mut self, path: SourcePath, bytes: &[u8], expected: Expected) -> io::Result<()> {
        self.write(&path, bytes)?;
        self.expect(path, expected.holding(bytes));
        Ok(())
    }

    /// A place in a folder of the share.
    fn at(&self, folder: &str, name: impl AsRef<[u8]>) -> SourcePath {
        SourcePath::from(folder).join(name.as_ref())
    }

    fn below(&self, path: &SourcePath) -> PathBuf {
        path.below(&self.folder)
    }

    fn good(&mut self) -> io::Result<()> {
        let name = format!("Tool {} \u{26a1} 100%.pkg", self.n());
        self.package(self.at("Packages", &name), taken(Package, name))
    }

    fn bad_character(&mut self) -> io::Result<()> {
        // In turn, so that a large share has them all.
        for (bad, good) in BAD.iter().cycle().skip(2 * self.round).take(2) {
            self.number += 1;
            let name = format!("Suite{bad}{}.pkg", self.n());
            let mended = format!("Suite{good}{}.pkg", self.n());
            self.package(self.at("Packages", name), renamed(Package, mended))?;
        }
        Ok(())
    }

    fn edges(&mut self) -> io::Result<()> {
        for edge in [" {}", ".{}", "{} ."] {
            self.number += 1;
            let good = format!("Edge {}.pkg", self.n());
            let name = edge.replace("{}", &good);
            self.package(self.at("Packages", name), renamed(Package, good))?;
        }
        Ok(())
    }

    fn device(&mut self) -> io::Result<()> {
        let n = self.n();
        let good = renamed(Package, format!("Con_.{n}.pkg"));
        self.package(self.at("Packages", format!("Con.{n}.pkg")), good)
    }

    fn no_unicode(&mut self) -> io::Result<()> {
        let n = self.n();
        let name = [b"Caf\xe9 ", n.as_bytes(), b".pkg"].concat();
        self.package(self.at("Packages", name), renamed(Package, format!("Caf_ {n}.pkg")))
    }

    /// As long as file systems allow; with the archive's ending it is too long.
    fn long(&mut self) -> io::Result<()> {
        let n = self.n();
        let name = format!("{n} {}.pkg", "\u{e9}".repeat(123));
        self.package(self.at("Packages", &name), taken(Package, name))?;
        let name = format!("{n} {}.pkg", "l".repeat(246));
        let cut = renamed(Package, format!("{n} {}.pkg.zip", "l".repeat(242)));
        let folder = Folder::bundle(self.seed.number(), true);
        self.folder(self.at("Packages", &name), &name, &folder, cut)
    }

    fn unicode_twins(&mut self) -> io::Result<()> {
        let n = self.n();
        let second = renamed(Package, format!("\u{c4}pfel {n} (2).pkg"));
        self.package(self.at("Packages", format!("A\u{308}pfel {n}.pkg")), second)?;
        let name = format!("\u{c4}pfel {n}.pkg");
        self.package(self.at("Packages", &name), taken(Package, name))?;
        let composed = renamed(Package, format!("\u{dc}ber {n}.pkg"));
        self.package(self.at("Packages", format!("U\u{308}ber {n}.pkg")), composed)
    }

    fn case_twins(&mut self) -> io::Result<()> {
        let n = self.n();
        let name = format!("TWIN {n}.pkg");
        self.package(self.at("Packages", &name), taken(Package, name))?;
        let second = renamed(Package, format!("Twin {n} (2).pkg"));
        self.package(self.at("Packages", format!("Twin {n}.pkg")), second)
    }

    /// One name in three folders, twice with the same content.
    fn duplicates(&mut self) -> io::Result<()> {
        let name = format!("Double {}.pkg", self.n());
        let bytes = contents::package(self.seed.number())?;
        let first = self.at("Packages/Old", &name);
        let same = Expected {
            outcome: Same,
            kind: None,
            same_as: Some(first.to_string()),
            ..taken(Package, &name)
        };
        self.file(first, &bytes, taken(Package, &name))?;
        self.file(self.at("Packages/Older", &name), &bytes, same)?;
        let other = renamed(Package, name.replace(".pkg", " (2).pkg"));
        self.package(self.at("Packages/Oldest", &name), other)
    }

    fn one_content(&mut self) -> io::Result<()> {
        let bytes = contents::package(self.seed.number())?;
        for end in ["a", "b"] {
            let name = format!("Shared {} {end}.pkg", self.n());
            self.file(self.at("Packages", &name), &bytes, taken(Package, name))?;
        }
        Ok(())
    }

    fn side_files(&mut self) -> io::Result<()> {
        let name = format!("Beside {}.pkg", self.n());
        self.package(self.at("Packages", &name), taken(Package, &name))?;
        for side in [format!("._{name}"), format!("{name}.bom")] {
            let path = self.at("Packages", side);
            self.file(path, b"side", not(LeftOut, ReasonCode::SideFile))?;
        }
        Ok(())
    }

    fn no_files(&mut self) -> io::Result<()> {
        let n = self.n();
        let path = self.at("Packages", format!("Elsewhere {n}.pkg"));
        symlink("/etc/hostname", self.below(&path))?;
        self.expect(path, not(Refused, ReasonCode::SymbolicLink));
        let path = self.at("Packages", format!("Pipe {n}.pkg"));
        special(&self.below(&path))?;
        self.expect(path, not(LeftOut, ReasonCode::SpecialFile));
        let path = self.at("Packages", format!("Unfinished {n}.dmg"));
        self.file(path, b"", not(LeftOut, ReasonCode::Empty))
    }

    fn wrong(&mut self) -> io::Result<()> {
        let n = self.n();
        for (name, bytes, code) in [
            ("page.pkg", &b"<!DOCTYPE html><title>404</title>"[..], ReasonCode::WrongContent),
            ("image.iso", b"CD001", ReasonCode::Unsupported),
            ("read me.txt", b"Hello\n", ReasonCode::NotDistributed),
        ] {
            let path = self.at("Packages", format!("{n} {name}"));
            self.file(path, bytes, not(Refused, code))?;
        }
        Ok(())
    }

    fn others(&mut self) -> io::Result<()> {
        let (n, number) = (self.n(), self.seed.number());
        let name = format!("Image {n}.dmg");
        self.file(self.at("Packages", &name), &contents::image(number), taken(Package, name))?;
        let name = format!("Book {n}.pdf");
        self.file(self.at("eBooks", &name), &contents::pdf(number), taken(Ebook, name))?;
        let name = format!("Mobile {n}.ipa");
        self.file(self.at("Apps", &name), &contents::mobile_app(number)?, taken(App, name))
    }

    fn known_folders(&mut self) -> io::Result<()> {
        let n = self.n();
        for folder in ["CompiledConfigurations", "OS X Installers", "Receipts"] {
            let path = self.at(folder, format!("Image {n}.dmg"));
            let number = self.seed.number();
            self.file(path, &contents::image(number), not(LeftOut, ReasonCode::KnownFolder))?;
        }
        Ok(())
    }

    /// What a glance takes for what its name says, and the server does not.
    fn damaged(&mut self) -> io::Result<()> {
        let (n, number) = (self.n(), self.seed.number());
        for (name, bytes) in [
            (format!("Half {n}.pkg"), contents::half_a_package(number)?),
            (format!("Notes {n}.zip"), contents::archive_of_notes(number)?),
        ] {
            let path = self.at("Packages", &name);
            self.write(&path, &bytes)?;
            self.expect_refusal(path, taken(Package, name).holding(&bytes));
        }
        Ok(())
    }

    /// Who may read everything finds nothing unreadable: then there is no such file.
    fn unreadable(&mut self) -> io::Result<()> {
        let path = self.at("Packages", "Secret.pkg");
        let whole = self.folder.join(os(path.as_bytes()));
        let bytes = contents::package(self.seed.number())?;
        self.write(&path, &bytes)?;
        fs::set_permissions(&whole, fs::Permissions::from_mode(0o000))?;
        if fs::File::open(&whole).is_ok() {
            return fs::remove_file(&whole);
        }
        self.expect(path, not(Refused, ReasonCode::Unreadable));
        Ok(())
    }
}

/// Something that is no file and holds up whoever opens it.
#[cfg(target_os = "linux")]
fn special(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode};
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

/// Pipes cannot be made everywhere without a program; sockets can.
#[cfg(not(target_os = "linux"))]
fn special(path: &Path) -> io::Result<()> {
    std::os::unix::net::UnixListener::bind(path).map(drop)
}
