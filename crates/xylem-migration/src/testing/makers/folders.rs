//! Folders that are one package or application.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use super::super::contents::Folder;
use super::super::{Expected, Making, not, renamed, taken};
use crate::path::SourcePath;
use crate::plan::ItemKind::Package;
use crate::reason::ReasonCode;
use crate::report::Outcome::Refused;

impl Making {
    pub(super) fn bundle(&mut self) -> io::Result<()> {
        let n = self.n();
        for (name, is_package) in
            [(format!("Bundle {n}.pkg"), true), (format!("App {n}.app"), false)]
        {
            let folder = Folder::bundle(self.seed.number(), is_package);
            let zipped = taken(Package, format!("{name}.zip"));
            self.folder(self.at("Packages", &name), &name, &folder, zipped)?;
        }
        let path = self.at("Packages", format!("Leads out {n}.pkg"));
        Folder::bundle(1, true).write_to(&self.below(&path))?;
        symlink("../../..", self.below(&path).join("Contents/out"))?;
        self.expect(path, not(Refused, ReasonCode::BundleRefused));
        Ok(())
    }

    pub(super) fn nested(&mut self) -> io::Result<()> {
        let n = self.n();
        let mut suite = Folder::bundle(self.seed.number(), true);
        for part in ["One.pkg", "Two.pkg"] {
            let part = format!("Contents/Packages/{part}");
            suite.put(&part, Folder::bundle(self.seed.number(), true));
        }
        let (path, name) =
            (self.at("Packages", format!("Suite: {n}.mpkg")), format!("Suite- {n}.mpkg"));
        self.folder(path, &name, &suite, renamed(Package, format!("{name}.zip")))?;
        let path = self.at("Packages", format!("Nothing {n}.pkg"));
        fs::create_dir_all(self.below(&path).join("Contents"))?;
        self.expect(path, not(Refused, ReasonCode::BundleRefused));
        Ok(())
    }

    /// A folder that is zipped; in its archive it has this name.
    pub(super) fn folder(
        &mut self,
        path: SourcePath,
        name: &str,
        folder: &Folder,
        expected: Expected,
    ) -> io::Result<()> {
        folder.write_to(&self.below(&path))?;
        self.expect(path, expected.holding(&folder.archive(name)?));
        Ok(())
    }
}
