//! The services that peers need, in the foreground, so that they end with us.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::room::Host;

/// A running service; it is asked to end when this is dropped.
pub(super) struct Service(Child);

impl Service {
    pub(super) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let what = format!("cannot start {command:?}");
        Ok(Self(command.spawn().context(what)?))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// nginx that gives the files of a folder away.
pub(super) fn nginx(
    host: &Host,
    folder: &Path,
    source: &Path,
    port: &str,
) -> anyhow::Result<Service> {
    let (own, address) = (folder.display(), host.address());
    let config = folder.join("nginx.conf");
    // `user root`, because the folders of a run are root's; `keepalive_requests` because a child
    // that takes ten thousand files is not to be hung up on.
    let text = format!(
        "daemon off;\nuser root;\nworker_processes auto;\npid {own}/nginx.pid;\n\
         error_log {own}/nginx-errors.log;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n\
         \x20 keepalive_requests 1000000;\n  server {{\n    listen {address}:{port} ssl;\n\
         \x20   ssl_certificate {own}/cert.pem;\n    ssl_certificate_key {own}/key.pem;\n\
         \x20   ssl_protocols TLSv1.3;\n\
         \x20   ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;\n\
         \x20   ssl_session_cache shared:tls:1m;\n    root {};\n    autoindex on;\n  }}\n}}\n",
        source.display()
    );
    fs::write(&config, text)?;
    let mut command = host.command("nginx");
    command.arg("-c").arg(&config).arg("-p").arg(folder);
    Service::start(command, &folder.join("nginx.log"))
}

/// rsync's daemon, which only the tunnel reaches.
pub(super) fn rsync_daemon(
    host: &Host,
    folder: &Path,
    source: &Path,
    port: &str,
) -> anyhow::Result<Service> {
    let config = folder.join("rsyncd.conf");
    let text = format!(
        "use chroot = no\nuid = 0\ngid = 0\nlog file = {}/rsyncd.log\n\
         [packages]\npath = {}\nread only = yes\n",
        folder.display(),
        source.display()
    );
    fs::write(&config, text)?;
    let mut command = host.command("rsync");
    command.args(["--daemon", "--no-detach", "--address", "127.0.0.1", "--port", port]);
    command.arg("--config").arg(&config);
    Service::start(command, &folder.join("rsyncd-out.log"))
}

/// The tunnel's end on the parent.
pub(super) fn tunnel_exit(
    host: &Host,
    folder: &Path,
    port: &str,
    daemon: &str,
) -> anyhow::Result<Service> {
    let (own, address) = (folder.display(), host.address());
    let section = format!(
        "accept = {address}:{port}\nconnect = 127.0.0.1:{daemon}\ncert = {own}/cert.pem\n\
         key = {own}/key.pem\n"
    );
    stunnel(host, folder, "exit", &section)
}

/// The tunnel's end on the child, which checks whom it speaks to.
pub(super) fn tunnel_entry(
    host: &Host,
    folder: &Path,
    port: &str,
    parent: &Host,
    exit: &str,
) -> anyhow::Result<Service> {
    let (own, address) = (folder.display(), parent.address());
    let section = format!(
        "client = yes\naccept = 127.0.0.1:{port}\nconnect = {address}:{exit}\n\
         CAfile = {own}/cert.pem\nverifyPeer = yes\ncheckIP = {address}\n"
    );
    stunnel(host, folder, "entry", &section)
}

fn stunnel(host: &Host, folder: &Path, name: &str, section: &str) -> anyhow::Result<Service> {
    let config = folder.join(format!("stunnel-{name}.conf"));
    let text = format!(
        "foreground = yes\npid =\nsyslog = no\ndebug = err\n[rsync]\nsslVersion = TLSv1.3\n\
         ciphersuites = TLS_AES_256_GCM_SHA384\n{section}"
    );
    fs::write(&config, text)?;
    let mut command = host.command("stunnel");
    command.arg(&config);
    Service::start(command, &folder.join(format!("stunnel-{name}.log")))
}
