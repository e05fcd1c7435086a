//! Every port as `sslyze` sees it.

use std::process::Command;

use anyhow::ensure;

use super::{TREE, fleet};
use crate::pair::stage;
use crate::run::run;

/// The scanner, from the Python package index.
const SSLYZE: &str = "sslyze==6.3.1";

/// What it says of a port that is as Mozilla wants it, and of one whose chain leads nowhere.
const COMPLIANT: &str = "OK - Compliant.";
const UNTRUSTED: &str = "Certificate path validation failed";

/// The management server's port and a distribution server's of each depth, by Mozilla's
/// intermediate configuration, believing our root; and one of them without that, to see a fault found.
pub(crate) fn scan() -> anyhow::Result<()> {
    stage(async |scratch| {
        let tools = scratch.path().join("tools");
        let mut make = Command::new("python3");
        run(make.args(["-m", "venv"]).arg(&tools))?.require("python3 -m venv")?;
        let mut install = Command::new(tools.join("bin/pip"));
        run(install.args(["install", "--quiet", SSLYZE]))?.require("pip install")?;
        let fleet = fleet(scratch).await?;
        let mut addresses = vec![fleet.access().admin.server().to_string()];
        for (name, _) in TREE {
            addresses.push(fleet.url_of(name)?);
        }
        let mut compliant = 0;
        for address in &addresses {
            let mut scan = Command::new(tools.join("bin/sslyze"));
            scan.args(["--mozilla_config", "intermediate", "--certinfo_ca_file"]);
            scan.arg(fleet.ca_file()).arg(address.trim_start_matches("https://"));
            let found = run(&mut scan)?;
            let is_compliant = found.success && found.stdout.contains(COMPLIANT);
            if !is_compliant {
                println!("{}", found.stdout);
            }
            compliant += usize::from(is_compliant);
        }
        // A check that finds nothing wrong with an unknown authority is none.
        let mut foreign = Command::new(tools.join("bin/sslyze"));
        foreign.args(["--mozilla_config", "intermediate"]);
        let foreign = run(foreign.arg(fleet.url_of("root")?.trim_start_matches("https://")))?;
        fleet.stop().await;
        let ports = addresses.len();
        println!(
            "TREE sslyze ports={ports} compliant={compliant} planted=1 caught={}",
            u8::from(foreign.stdout.contains(UNTRUSTED))
        );
        ensure!(compliant == ports, "{} ports are not as they should be", ports - compliant);
        ensure!(
            foreign.stdout.contains(UNTRUSTED),
            "it believes any authority:\n{}",
            foreign.stdout
        );
        Ok(())
    })
}
