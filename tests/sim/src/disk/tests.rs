//! The simulated disk does what a real one does, also where turmoil alone would not.

use super::*;

/// Where the files of these tests lie.
const FOLDER: &str = "/folder";

/// Runs something on a machine with an empty disk, on which nothing is synced by chance.
fn on_a_machine(work: fn(&SimFs, &Machine, &Path) -> io::Result<()>) {
    let mut sim = turmoil::Builder::new().build();
    sim.client("machine", async move {
        let machine = Machine::new(None);
        let fs = SimFs::new(1, &machine);
        let folder = Path::new(FOLDER);
        fs.create_dir_all(folder)?;
        fs.sync_dir(Path::new("/"))?;
        work(&fs, &machine, &folder.join("file"))?;
        Ok(())
    });
    sim.run().unwrap();
}

fn write_durably(fs: &SimFs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = fs.create_new(path)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    fs.sync_dir(Path::new(FOLDER))
}

fn content(fs: &SimFs, path: &Path) -> io::Result<Vec<u8>> {
    xylem_runtime::read_bounded(fs, path, 1 << 20)
}

#[test]
fn a_name_freed_by_a_removal_is_taken_by_a_file_that_stays() {
    on_a_machine(|fs, _, path| {
        write_durably(fs, path, b"the first")?;
        fs.remove_file(path)?;
        write_durably(fs, path, b"the second")?;
        assert_eq!(content(fs, path)?, b"the second");
        Ok(())
    });
}

#[test]
fn a_name_freed_by_a_new_name_is_taken_by_a_file_that_stays() {
    on_a_machine(|fs, _, path| {
        let other = path.with_extension("other");
        write_durably(fs, path, b"the first")?;
        fs.rename(path, &other)?;
        write_durably(fs, path, b"the second")?;
        assert_eq!(content(fs, path)?, b"the second");
        assert_eq!(content(fs, &other)?, b"the first");
        Ok(())
    });
}

#[test]
fn what_an_earlier_file_of_the_name_held_is_gone() {
    on_a_machine(|fs, _, path| {
        fs.create_new(path)?.write_all_at(b"never synced", 0)?;
        fs.remove_file(path)?;
        let file = fs.create_new(path)?;
        assert_eq!(file.len()?, 0);
        file.write_all_at(b"new", 0)?;
        assert_eq!(content(fs, path)?, b"new");
        Ok(())
    });
}

#[test]
fn a_full_disk_takes_what_fits_into_the_last_block() {
    on_a_machine(|fs, machine, path| {
        let file = fs.create_new(path)?;
        file.write_all_at(b"begun", 0)?;
        machine.set_full(true);
        let refused = file.write_all_at(&[7; 5000], 5).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.len()?, BLOCK_BYTES);
        file.write_all_at(b"B", 0)?;
        file.set_len(6)?;
        assert_eq!(content(fs, path)?, b"Begun\x07");
        machine.set_full(false);
        file.write_all_at(&[8; 5000], 5)?;
        assert_eq!(file.len()?, 5005);
        Ok(())
    });
}
