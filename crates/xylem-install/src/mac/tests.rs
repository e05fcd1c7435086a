//! [`MacInstaller`] against stand-ins for Apple's tools that take exactly what the real ones take
//! and refuse everything else with exit code 64.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xylem_artifact::build::{ComponentBuilder, Source};

use super::*;
use crate::testing::{Scene, picture};

/// What the stand-in for `installer` does once its arguments are found right.
const SUCCESS: &str = r#"
echo "installer: Package name is Example"
echo "installer: Installing at base path $4"
echo "installer:PHASE:Preparing for installation…"
echo "installer:STATUS:"
echo "installer:%12.340000"
echo "installer:PHASE:Running package scripts…"
printf 'script output \377\n' >&2
echo "2.0" > "$STATE/org.example.tool"
echo "installer:%100.000000"
echo "installer: The install was successful."
exit 0
"#;

struct Tools {
    scene: Scene,
    state: PathBuf,
}

impl Tools {
    fn new() -> Self {
        let scene = Scene::new();
        let state = scene.folder.path().join("receipts");
        fs::create_dir(&state).unwrap();
        scene.build(ComponentBuilder::new("org.example.tool", "2.0").file(
            "a",
            0o644,
            Source::bytes("a"),
        ));
        Self { scene, state }
    }

    /// Installs with a stand-in whose last part is `behaviour`.
    fn install(&self, behaviour: &str, limit: Duration) -> Result<InstallReport, InstallError> {
        self.install_request(behaviour, limit, &self.scene.request())
    }

    fn install_request(
        &self,
        behaviour: &str,
        limit: Duration,
        request: &InstallRequest,
    ) -> Result<InstallReport, InstallError> {
        let installer = self.script("installer", &format!("{STRICT_INSTALLER}{behaviour}"));
        let pkgutil = self.script("pkgutil", STRICT_PKGUTIL);
        let before = picture(&request.work_dir);
        let result = MacInstaller::with_tools(installer, pkgutil, limit).install(request);
        assert_eq!(picture(&request.work_dir), before, "the work folder is left as it was");
        result
    }

    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.scene.folder.path().join(name);
        let state = self.state.display();
        let target = self.scene.target();
        let body = format!(
            "#!/bin/sh\nSTATE='{state}'\nTARGET='{}'\n{STRICT_ENVIRONMENT}{body}",
            target.display()
        );
        fs::write(&path, body).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

/// Shells add `PWD`, `OLDPWD`, `SHLVL` and `_` by themselves.
const STRICT_ENVIRONMENT: &str = r#"
refuse() { echo "stand-in: $1" >&2; exit 64; }
found=$(/usr/bin/env | /usr/bin/grep -v -E '^(PWD|OLDPWD|SHLVL|_)=' | LC_ALL=C /usr/bin/sort | /usr/bin/tr '\n' ' ')
expected="HOME=/var/root PATH=/usr/bin:/bin:/usr/sbin:/sbin USER=root "
[ "$found" = "$expected" ] || refuse "environment: $found"
[ "$(pwd)" = / ] || refuse "working directory: $(pwd)"
if read -r line; then refuse "input: $line"; fi
"#;

const STRICT_INSTALLER: &str = r#"
[ $# -eq 5 ] || refuse "$# arguments: $*"
[ "$1" = -pkg ] || refuse "first argument: $1"
[ "$3" = -target ] || refuse "third argument: $3"
[ "$5" = -verboseR ] || refuse "fifth argument: $5"
case "$2" in /*/"Example Package.pkg") ;; *) refuse "package: $2" ;; esac
[ -f "$2" ] && [ ! -L "$2" ] || refuse "no package at $2"
[ "$(/usr/bin/head -c 4 "$2")" = 'xar!' ] || refuse "not a package: $2"
[ "$4" = "$TARGET" ] || refuse "target: $4"
[ -d "$4" ] || refuse "no volume at $4"
"#;

const STRICT_PKGUTIL: &str = r#"
[ $# -eq 4 ] || refuse "$# arguments: $*"
[ "$1" = --volume ] && [ "$2" = "$TARGET" ] || refuse "volume: $1 $2"
[ "$3" = --pkg-info-plist ] || refuse "command: $3"
if [ ! -f "$STATE/$4" ]; then
    echo "No receipt for '$4' found at '/'." >&2
    exit 1
fi
cat << END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>install-location</key>
	<string>/</string>
	<key>install-time</key>
	<integer>1767225600</integer>
	<key>pkg-version</key>
	<string>$(cat "$STATE/$4")</string>
	<key>pkgid</key>
	<string>$4</string>
</dict>
</plist>
END
"#;

const ENOUGH: Duration = Duration::from_secs(120);

#[test]
fn the_tool_gets_its_exact_arguments_and_its_lines_are_kept() {
    let tools = Tools::new();
    fs::write(tools.state.join("org.example.tool"), "1.0").unwrap();
    let report = tools.install(SUCCESS, ENOUGH).unwrap();
    assert_eq!(report.result, InstallResult::Installed);
    assert_eq!(
        report.receipts,
        [ReceiptChange {
            identifier: "org.example.tool".to_owned(),
            before: Some("1.0".to_owned()),
            after: Some("2.0".to_owned()),
        }]
    );
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    for line in ["installer:%12.340000", "installer: The install was successful."] {
        assert!(report.log.iter().any(|found| found == line), "{line}");
    }
    assert!(report.log.iter().any(|line| line == "script output \u{fffd}"));
}

#[test]
fn a_first_installation_has_no_receipt_before() {
    let report = Tools::new().install(SUCCESS, ENOUGH).unwrap();
    assert_eq!(report.receipts[0].before, None);
    assert_eq!(report.receipts[0].after.as_deref(), Some("2.0"));
}

#[test]
fn the_stand_in_refuses_what_the_tool_would_not_understand() {
    let tools = Tools::new();
    let installer = tools.script("installer", &format!("{STRICT_INSTALLER}{SUCCESS}"));
    let package = tools.scene.package_path();
    let named = tools.scene.folder.path().join("Example Package.pkg");
    fs::copy(&package, &named).unwrap();
    let (named, target) = (named.to_str().unwrap(), tools.scene.target());
    let target = target.to_str().unwrap();
    let code = |arguments: &[&str], variable: Option<&str>| {
        let mut command = clean_command(&installer);
        command.args(arguments).stdin(std::process::Stdio::null());
        command.envs(variable.map(|name| (name, "1")));
        command.output().unwrap().status.code()
    };
    let good = ["-pkg", named, "-target", target, "-verboseR"];
    assert_eq!(code(&good, None), Some(0));
    assert_eq!(code(&good, Some("XYLEM_TOKEN")), Some(64));
    assert_eq!(code(&good[..4], None), Some(64));
    assert_eq!(code(&["-target", target, "-pkg", named, "-verboseR"], None), Some(64));
    assert_eq!(code(&["-pkg", "/dev/fd/3", "-target", target, "-verboseR"], None), Some(64));
    assert_eq!(code(&["-pkg", named, "-target", "/nonexistent", "-verboseR"], None), Some(64));
}

#[test]
fn exit_codes_other_than_zero_are_failures_with_the_telling_line() {
    let tools = Tools::new();
    let failing = "echo 'installer:PHASE:Preparing…'\n\
                   echo 'installer: The install failed. (The Installer encountered an error.)'\n\
                   echo noise >&2\nexit 1\n";
    let error = tools.install(failing, ENOUGH).unwrap_err();
    assert_eq!((error.result_word(), error.installer_code()), ("installer-failed", Some(1)));
    assert!(error.to_string().contains("The install failed."), "{error}");
    assert_eq!(error.output().len(), 3);

    let error = tools.install("kill -9 $$\n", ENOUGH).unwrap_err();
    assert_eq!((error.result_word(), error.installer_code()), ("installer-failed", None));
    assert!(error.to_string().contains("it printed nothing"), "{error}");
}

#[test]
fn an_untrusted_signature_has_its_own_word() {
    let untrusted = "echo 'installer: Package name is X'\n\
                     echo 'installer: Certificate used to sign package is not trusted. \
                     Use -allowUntrusted to override.'\nexit 1\n";
    let error = Tools::new().install(untrusted, ENOUGH).unwrap_err();
    assert_eq!(error.result_word(), "untrusted");
}

#[test]
fn success_that_is_not_said_and_receipts_that_are_missing_are_warned_of() {
    let report = Tools::new().install("printf '\\000\\001garbage'; exit 0\n", ENOUGH).unwrap();
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    assert_eq!(report.receipts[0].after, None);
}

#[test]
fn a_tool_that_hangs_is_killed() {
    let tools = Tools::new();
    let hanging = "echo 'installer:PHASE:Waiting for other installations to complete…'\n\
                   sleep 1000\ntouch \"$STATE/survived\"\n";
    // Long enough for the stand-in to look at its arguments, far less than it sleeps.
    let error = tools.install(hanging, Duration::from_secs(3)).unwrap_err();
    assert_eq!(error.result_word(), "timeout");
    assert!(error.output()[0].contains("Waiting for other installations"), "{error:?}");
    assert!(!tools.state.join("survived").exists());
}

#[test]
fn a_package_exchanged_while_the_tool_runs_is_noticed() {
    for exchange in ["echo x >> \"$2\"", "cp \"$2\" \"$2.new\"; mv \"$2.new\" \"$2\"", "rm \"$2\""]
    {
        let error = Tools::new().install(&format!("{exchange}\n{SUCCESS}"), ENOUGH).unwrap_err();
        assert!(matches!(error, InstallError::PackageChanged { .. }), "{exchange}: {error}");
        assert_eq!(error.result_word(), "hash-mismatch");
    }
}

#[test]
fn another_file_at_the_packages_path_is_never_handed_on() {
    let tools = Tools::new();
    let mut request = tools.scene.request();
    let verified = fs::read(tools.scene.package_path()).unwrap();
    fs::remove_file(tools.scene.package_path()).unwrap();
    fs::write(tools.scene.package_path(), b"xar! but not what was verified").unwrap();
    let same_bytes = format!(
        "[ \"$(wc -c < \"$2\" | tr -d ' ')\" = {} ] || refuse \"another file\"\n{SUCCESS}",
        verified.len()
    );
    tools.install_request(&same_bytes, ENOUGH, &request).unwrap();
    // Nor is a path needed at all.
    request.package_path = None;
    tools.install_request(&same_bytes, ENOUGH, &request).unwrap();
}

#[test]
fn a_work_folder_open_to_others_is_refused() {
    let tools = Tools::new();
    let request = tools.scene.request();
    fs::set_permissions(&request.work_dir, fs::Permissions::from_mode(0o755)).unwrap();
    let error = tools.install_request(SUCCESS, ENOUGH, &request).unwrap_err();
    assert_eq!(error.result_word(), "refused");
    assert!(error.to_string().contains("0700"), "{error}");
}

#[test]
fn tools_that_are_missing_are_named() {
    let tools = Tools::new();
    let installer =
        MacInstaller::with_tools("/nonexistent/installer", "/nonexistent/pkgutil", ENOUGH);
    let error = installer.install(&tools.scene.request()).unwrap_err();
    assert_eq!(error.result_word(), "installer-failed");
    assert!(error.to_string().contains("/nonexistent/pkgutil"), "{error}");
    assert_eq!(MacInstaller::new().installer, Path::new("/usr/sbin/installer"));
}
