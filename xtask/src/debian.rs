//! What a fresh Debian or Ubuntu machine still needs, as data.

use std::process::{Command, Stdio};

use crate::failure::{Attempting, Failure, Outcome};

/// A Debian package that some command cannot do without.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name in Debian 12 and in Ubuntu LTS.
    name: &'static str,
    /// What needs it.
    reason: &'static str,
}

/// Needed by `cargo xtask test`.
pub(crate) const FOR_TESTS: &[Package] = &[
    Package {
        name: "postgresql",
        reason: "the database tests start a PostgreSQL server of their own, next to SQLite",
    },
    Package { name: "mariadb-server", reason: "and a MariaDB server" },
    Package { name: "pebble", reason: "a story gets certificates from an ACME authority" },
];

/// Needed by `cargo xtask cut`.
pub(crate) const FOR_CUTS: &[Package] = &[
    Package { name: "e2fsprogs", reason: "power cuts happen on an ext4 volume of their own" },
    Package {
        name: "mount",
        reason: "power cuts happen on volumes that are mounted, and unmounted",
    },
    Package { name: "util-linux", reason: "power cuts happen in a mount namespace of their own" },
    Package { name: "xfsprogs", reason: "power cuts happen on xfs too, and xfs_io makes them" },
];

/// Needed by `cargo xtask nth`.
pub(crate) const FOR_FAILING_CALLS: &[Package] =
    &[Package { name: "strace", reason: "it lets the Nth system call of a program fail" }];

/// Needed by `cargo xtask fuzz`.
pub(crate) const FOR_FUZZING: &[Package] =
    &[Package { name: "g++", reason: "libFuzzer, which drives the fuzz targets, is C++" }];

/// Makes sure that all of `packages` are there: installs what is missing when we are root,
/// and otherwise says exactly what to type.
pub(crate) fn require(packages: &[Package]) -> Outcome {
    if !succeeds(Command::new("dpkg-query").arg("--version")) {
        for package in packages {
            eprintln!(
                "not a Debian machine: `{}` must be there ({})",
                package.name, package.reason
            );
        }
        return Ok(());
    }
    let missing: Vec<&Package> = packages.iter().filter(|one| !is_installed(one.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.reason);
    }
    let names: Vec<&str> = missing.iter().map(|one| one.name).collect();
    if is_root() {
        install(&names)
    } else {
        Err(Failure::failed(format!(
            "please run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
            names.join(" ")
        )))
    }
}

fn is_installed(name: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", name])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

/// Whether we may install, mount and trace.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn install(names: &[&str]) -> Outcome {
    apt_get(&["update"])?;
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend_from_slice(names);
    apt_get(&words)
}

fn apt_get(words: &[&str]) -> Outcome {
    let attempt = format!("run `apt-get {}`", words.join(" "));
    let status = Command::new("apt-get")
        .args(words)
        // Nobody is there to answer questions in CI.
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .attempting(&attempt)?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::failed(format!("could not {attempt}: {status}")))
    }
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
