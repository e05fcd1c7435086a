//! Shares of others that one can write to: Apache's mod_dav, and `rclone serve webdav`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{certificate, cpu_of, until_it_works};
use crate::fleet::free_port;
use crate::room::Host;
use crate::shell::run;

/// Where Debian puts Apache's modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Whom Apache's workers are: it refuses to have root's.
const APACHE_USER: &str = "www-data";

/// One share.
pub struct Share {
    /// Its name in what is printed.
    pub name: &'static str,
    /// Where files are written to, without a slash at the end.
    pub url: String,
    /// Where they then lie.
    pub folder: PathBuf,
    service: Service,
}

impl Share {
    /// Seconds of processors that it has used.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_of(std::slice::from_ref(&self.service))
    }
}

/// Starts both, with one certificate, which lies in `folder`.
///
/// # Errors
/// When one does not come up.
pub async fn start(host: &Host, folder: &Path) -> anyhow::Result<Vec<Share>> {
    fs::create_dir_all(folder)?;
    certificate(folder, host.address())?;
    let shares = vec![apache(host, folder)?, rclone(host, folder)?];
    for share in &shares {
        let line = format!("curl --silent --cacert {}/cert.pem {}/", folder.display(), share.url);
        until_it_works(host, &line).await?;
    }
    Ok(shares)
}

/// Apache with `mod_dav_fs`, as its manual sets it up.
fn apache(host: &Host, folder: &Path) -> anyhow::Result<Share> {
    let (own, address, port) = (folder.join("apache"), host.address(), free_port()?);
    let files = own.join("files");
    fs::create_dir_all(&files)?;
    let id = |what: &str| -> anyhow::Result<u32> {
        Ok(run(&format!("id {what} {APACHE_USER}"))?.trim().parse()?)
    };
    let (user, group) = (id("-u")?, id("-g")?);
    for mine in [&own, &files] {
        chown(mine, Some(user), Some(group))?;
    }
    // Its workers must get there from the outside.
    for above in folder.ancestors().take(2) {
        fs::set_permissions(above, fs::Permissions::from_mode(0o711))?;
    }
    let modules: String = [
        ("mpm_event_module", "mod_mpm_event.so"),
        ("authz_core_module", "mod_authz_core.so"),
        ("dav_module", "mod_dav.so"),
        ("dav_fs_module", "mod_dav_fs.so"),
        ("ssl_module", "mod_ssl.so"),
    ]
    .map(|(name, file)| format!("LoadModule {name} {MODULES}/{file}\n"))
    .concat();
    let (at, certs) = (own.display(), folder.display());
    let text = format!(
        "ServerRoot {at}\nServerName parent\nPidFile {at}/pid\nErrorLog {at}/errors.log\n\
         {modules}User {APACHE_USER}\nGroup {APACHE_USER}\nListen {address}:{port}\n\
         DocumentRoot {at}/files\nDavLockDB {at}/locks\nSSLEngine on\nSSLProtocol TLSv1.3\n\
         SSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384\nSSLCertificateFile {certs}/cert.pem\n\
         SSLCertificateKeyFile {certs}/key.pem\n\
         <Directory {at}/files>\n  Dav On\n  Require all granted\n</Directory>\n"
    );
    let config = own.join("apache.conf");
    fs::write(&config, text)?;
    let mut command = host.command("apache2");
    command.arg("-f").arg(&config).arg("-DFOREGROUND");
    let service = Service::start(command, &folder.join("apache.log"))?;
    Ok(Share { name: "apache", url: format!("https://{address}:{port}"), folder: files, service })
}

fn rclone(host: &Host, folder: &Path) -> anyhow::Result<Share> {
    let (files, address, port) = (folder.join("rclone"), host.address(), free_port()?);
    fs::create_dir_all(&files)?;
    let mut command = host.command("rclone");
    command.args(["serve", "webdav", "--config", "/dev/null"]).arg(&files);
    command.args(["--addr", &format!("{address}:{port}")]);
    command.arg("--cert").arg(folder.join("cert.pem")).arg("--key").arg(folder.join("key.pem"));
    let service = Service::start(command, &folder.join("rclone.log"))?;
    Ok(Share { name: "rclone", url: format!("https://{address}:{port}"), folder: files, service })
}
