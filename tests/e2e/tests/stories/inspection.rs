//! The child process that looks into uploads.

use std::fs::File;

use xylem_artifact::Form;
use xylem_artifact::child::{Limits, run_inspector};
use xylem_testkit::{package_of, programs};

/// The limits of the child once left its allocator short in one run of a hundred.
#[test]
fn a_good_package_passes_inspection_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let package = package_of(folder.path(), "A.pkg", 1, 3 << 20);
    let size = std::fs::metadata(&package).unwrap().len();
    for run in 0..300 {
        let file = File::open(&package).unwrap();
        let limits = Limits::for_file_bytes(size);
        let found =
            run_inspector(&programs().xylem, &[xylem::INSPECT], Form::FlatPackage, file, &limits);
        assert!(found.is_ok(), "run {run}: {found:?}");
    }
}
