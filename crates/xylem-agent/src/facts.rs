//! What this computer is.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::plist;

/// Where macOS says which version it is, below the root of its volume.
const MAC_VERSION_FILE: &str = "System/Library/CoreServices/SystemVersion.plist";

/// The tool that knows a Mac's serial number.
const IOREG: &str = "/usr/sbin/ioreg";

/// The processor's architecture in Apple's words: `arm64`, `x86_64`.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

/// The operating system below a root, with its version: `macOS 14.3.1`, or what `os-release`
/// (freedesktop.org) says of this machine.
pub(crate) fn operating_system(root: Option<&Path>) -> String {
    if let Some(version) = mac_version(root.unwrap_or(Path::new("/"))) {
        return format!("macOS {version}");
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .unwrap_or_else(|| std::env::consts::OS.to_owned())
}

/// The version of the macOS that is installed below a root.
pub(crate) fn mac_version(root: &Path) -> Option<String> {
    let entries = plist::read(&root.join(MAC_VERSION_FILE));
    plist::value(&entries, "ProductVersion").map(str::to_owned)
}

/// The name that this computer has for itself, without a domain.
pub fn host_name() -> Option<String> {
    let name = xylem_runtime::host_name()?;
    let short = name.split('.').next().unwrap_or_default();
    (!short.is_empty()).then(|| short.to_owned())
}

/// The hardware's serial number, where this is a Mac or the system lets us read it.
pub fn serial_number() -> Option<String> {
    let text = if Path::new(IOREG).exists() {
        let mut command = Command::new(IOREG);
        command.args(["-rd1", "-c", "IOPlatformExpertDevice"]).stdin(Stdio::null());
        serial_of_ioreg(&String::from_utf8_lossy(&command.output().ok()?.stdout))?
    } else {
        std::fs::read_to_string("/sys/class/dmi/id/product_serial").ok()?
    };
    let serial = text.trim();
    (!serial.is_empty()).then(|| serial.to_owned())
}

/// Finds `"IOPlatformSerialNumber" = "…"`.
fn serial_of_ioreg(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("\"IOPlatformSerialNumber\" = \"")?;
    rest.split_once('"').map(|(serial, _)| serial.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_of_a_mounted_volume_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(MAC_VERSION_FILE);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let plist = "<plist><dict><key>ProductVersion</key><string>14.3.1</string></dict></plist>";
        std::fs::write(&file, plist).unwrap();
        assert_eq!(operating_system(Some(root.path())), "macOS 14.3.1");
        assert!(!operating_system(None).is_empty());
    }

    #[test]
    fn a_serial_number_is_found_in_what_ioreg_prints() {
        let output =
            "  {\n    \"model\" = <\"Mac14,2\">\n    \"IOPlatformSerialNumber\" = \"C02XYZ\"\n  }";
        assert_eq!(serial_of_ioreg(output).as_deref(), Some("C02XYZ"));
        assert_eq!(serial_of_ioreg(""), None);
    }
}
