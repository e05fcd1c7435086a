//! What Swift and nginx read before they start: settings, rings, ports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::authority::Authority;
use super::seaweed::free;
use super::swift::{PASSWORD, USER};
use crate::run::run;

/// What a proxy server does with a request, one after the other (the order that Swift's own sample has).
const PIPELINE: [&str; 16] = [
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "cache",
    "listing_formats",
    "bulk",
    "tempurl",
    "s3api",
    "tempauth",
    "copy",
    "container_quotas",
    "account_quotas",
    "slo",
    "dlo",
    "versioned_writes",
    "symlink",
];

/// How long Swift's servers wait for one another, seconds. Theirs are for clusters with other replicas
/// to turn to; a listing that was not told of an object in time is told by a program that does not run.
const TIMEOUT_SECONDS: u32 = 60;

/// How often the one replica may be late before nobody is asked any more.
const FORGIVEN_ERRORS: u32 = 1_000_000;

/// Ports of this machine.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) tls: u16,
    pub(super) proxy: u16,
    pub(super) cache: u16,
    account: u16,
    container: u16,
    object: u16,
}

impl Ports {
    /// Ports that were free a moment ago.
    pub(super) fn free() -> anyhow::Result<Self> {
        Ok(Self {
            tls: free()?,
            proxy: free()?,
            cache: free()?,
            account: free()?,
            container: free()?,
            object: free()?,
        })
    }

    /// Those of the servers that keep something, by their names.
    pub(super) const fn storage(&self) -> [(&'static str, u16); 3] {
        [("account", self.account), ("container", self.container), ("object", self.object)]
    }
}

/// Files that were written.
#[derive(Debug)]
pub(super) struct Files {
    /// Where `swift.conf` and the rings are.
    pub(super) folder: PathBuf,
    pub(super) nginx: PathBuf,
}

impl Files {
    /// Writes all of them into a folder.
    pub(super) fn write(
        below: &Path,
        ports: &Ports,
        max_file: u64,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let (folder, devices) = (below.join("etc"), below.join("srv"));
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(devices.join("d1"))?;
        let shared = format!(
            "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n\
             [storage-policy:0]\nname = default\ndefault = yes\n\
             [swift-constraints]\nmax_file_size = {max_file}\n"
        );
        fs::write(folder.join("swift.conf"), shared)?;
        let files = Self { nginx: folder.join("nginx.conf"), folder };
        for (name, port) in ports.storage() {
            files.ring(name, port)?;
            fs::write(files.server(name), files.storage(name, port, &devices))?;
        }
        fs::write(files.server("proxy"), files.proxy(ports))?;
        fs::write(&files.nginx, nginx(below, ports, authority))?;
        Ok(files)
    }

    /// The settings of one server.
    pub(super) fn server(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-server.conf"))
    }

    /// One replica on one device: sixteen partitions are the fewest that there may be and enough.
    fn ring(&self, name: &str, port: u16) -> anyhow::Result<()> {
        let builder = format!("{name}.builder");
        let device = format!("add --region 1 --zone 1 --ip 127.0.0.1 --port {port}");
        let device = format!("{device} --device d1 --weight 1");
        for words in ["create 4 1 0", &device, "rebalance"] {
            let mut command = Command::new("swift-ring-builder");
            command.current_dir(&self.folder).arg(&builder).args(words.split(' '));
            run(&mut command)?.require(&format!("swift-ring-builder {builder} {words}"))?;
        }
        Ok(())
    }

    fn start_of(&self, port: u16) -> String {
        format!(
            "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\nuser = root\n\
             swift_dir = {}\nconn_timeout = {TIMEOUT_SECONDS}\nnode_timeout = {TIMEOUT_SECONDS}\n\
             container_update_timeout = {TIMEOUT_SECONDS}\n",
            self.folder.display()
        )
    }

    fn storage(&self, name: &str, port: u16, devices: &Path) -> String {
        format!(
            "{}devices = {}\nmount_check = false\n[pipeline:main]\npipeline = {name}-server\n\
             [app:{name}-server]\nuse = egg:swift#{name}\n",
            self.start_of(port),
            devices.display()
        )
    }

    fn proxy(&self, ports: &Ports) -> String {
        let mut text = self.start_of(ports.proxy);
        text += &format!("[pipeline:main]\npipeline = {} proxy-server\n", PIPELINE.join(" "));
        for name in PIPELINE {
            let egg = if name == "cache" { "memcache" } else { name };
            text += &format!("[filter:{name}]\nuse = egg:swift#{egg}\n{}", settings(name, ports));
        }
        text += "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n";
        text += "allow_account_management = true\n";
        text + &format!("error_suppression_limit = {FORGIVEN_ERRORS}\n")
    }
}

/// What is set of one step of the pipeline beside its name.
fn settings(name: &str, ports: &Ports) -> String {
    match name {
        "cache" => format!("memcache_servers = 127.0.0.1:{}\n", ports.cache),
        "tempurl" => "allowed_digests = sha1 sha256 sha512\n".to_owned(),
        "s3api" => "location = us-east-1\n".to_owned(),
        "tempauth" => {
            let user = USER.replace(':', "_");
            // TLS has ended before it: it would name the storage without.
            format!("storage_url_scheme = https\nuser_{user} = {PASSWORD} .admin\n")
        }
        "slo" => "min_segment_size = 1\n".to_owned(),
        _ => String::new(),
    }
}

/// Ends TLS, and changes nothing: both ways as it comes, however large.
fn nginx(below: &Path, ports: &Ports, authority: &Authority) -> String {
    let own = below.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places: Vec<String> =
        kinds.iter().map(|kind| format!("  {kind}_temp_path {own}/nginx-{kind};\n")).collect();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {own}/nginx.pid;\n\
         error_log {own}/nginx-errors.log;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n{}  server {{\n    listen 127.0.0.1:{} ssl;\n\
         \x20   ssl_certificate {};\n    ssl_certificate_key {};\n    client_max_body_size 0;\n\
         \x20   location / {{\n      proxy_pass http://127.0.0.1:{};\n      proxy_http_version 1.1;\n\
         \x20     proxy_set_header Host $http_host;\n      proxy_set_header Connection \"\";\n\
         \x20     proxy_request_buffering off;\n      proxy_buffering off;\n\
         \x20     proxy_read_timeout 300s;\n    }}\n  }}\n}}\n",
        places.concat(),
        ports.tls,
        authority.chain.display(),
        authority.key.display(),
        ports.proxy,
    )
}
