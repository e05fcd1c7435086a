//! `cargo xtask bench NAME`: measures, prints every round, and fails where a goal is missed.

#![expect(clippy::print_stderr, reason = "a person reads why nothing was measured")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::options::Options;
use xylem_bench::{chain, latency, memory, put, replicate, serve};

const USAGE: &str = "\
usage: xylem-bench NAME [OPTION…]

  replicate   one hop, against rsync, rclone and curl from nginx
  chain       six hops, against one hop and a chain of rsync
  latency     1 MiB from the answered upload to the sixth hop
  serve       what a server's processors do for a GiB, against nginx
  put         writing a file by WebDAV, against Apache and rclone
  memory      what a server takes, idle and at work

  --rounds N     how often each contender runs (5)
  --size MIB     size of the large file (1024)
  --files N      how many small files (10000)
  --uploads N    how many uploads are timed (200)
  --rate MBIT    rate of links (200)
  --folder DIR   where data goes; on a disk
  --only ROW     one row of replicate (one-hop, loopback, many-files, unchanged) or of serve
                 (1, 8, 64, ranges, small)
  --programs DIR the folder of xylem and xylem-agent; this program's own where left out

exit codes: 0 all goals met, 1 one missed, 2 it could not be measured";

fn main() -> ExitCode {
    match bench() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("not measured: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn bench() -> anyhow::Result<bool> {
    let mut words = std::env::args().skip(1);
    let name = words.next().context(USAGE)?;
    let options = Options::parse(words).context(USAGE)?;
    let programs = Programs::beside(&xylem(&options)?).map_err(Failure::into_error)?;
    let run = match name.as_str() {
        "replicate" => replicate::run,
        "chain" => chain::run,
        "latency" => latency::run,
        "serve" => serve::run,
        "put" => put::run,
        "memory" => memory::run,
        _ => bail!("no bench called {name}\n\n{USAGE}"),
    };
    options.print_deviations();
    run(&programs, &options)
}

/// The program that is measured.
fn xylem(options: &Options) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &options.programs {
        return Ok(folder.join("xylem"));
    }
    let here = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(here.with_file_name("xylem"))
}
