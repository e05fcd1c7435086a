//! nginx as the edge: TLS, a cache of slices, and a question to the verifier with each request.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::super::authority::Authority;

/// Bytes of one slice: what is asked of the bucket, and kept, at once.
const SLICE: &str = "4m";

/// Most that is kept: the largest file of a run does not fit, and need not.
const CACHE: &str = "1g";

/// Where, and how many bytes of a file there are looked at for its key.
const CACHE_FOLDER: &str = "cache";
const MAX_HEAD_BYTES: u64 = 8 << 10;

/// What it wrote down of each request: status, bytes, path.
const ACCESS_LOG: &str = "access.log";

/// Where it listens, and where the verifier does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) own: u16,
    pub(super) verifier: u16,
}

/// Writes the configuration; gives the command that runs it in the foreground.
pub(super) fn command(
    folder: &Path,
    authority: &Authority,
    ports: Ports,
    bucket: &str,
) -> anyhow::Result<Command> {
    let own = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {own}/{kind};\n"))
        .concat();
    let (chain, key) = (authority.chain.display(), authority.key.display());
    let Ports { own: port, verifier } = ports;
    // The cache knows nothing of signatures: they are looked at before it is asked. `user root`,
    // because the folders of a run are root's.
    let text = format!(
        "daemon off;\nuser root;\nworker_processes 2;\npid {own}/nginx.pid;\n\
         error_log {own}/errors.log;\nevents {{ worker_connections 1024; }}\nhttp {{\n{temporary}\
         \x20 log_format plain '$status $body_bytes_sent $uri';\n\
         \x20 access_log {own}/{ACCESS_LOG} plain;\n\
         \x20 proxy_cache_path {own}/{CACHE_FOLDER} levels=1:2 keys_zone=edge:10m max_size={CACHE} \
         inactive=1d use_temp_path=off;\n\
         \x20 server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {chain};\n\
         \x20   ssl_certificate_key {key};\n\
         \x20   location = /_verify {{\n      internal;\n\
         \x20     proxy_pass http://127.0.0.1:{verifier};\n\
         \x20     proxy_pass_request_body off;\n      proxy_set_header Content-Length \"\";\n\
         \x20     proxy_set_header X-Original-URI $request_uri;\n\
         \x20     proxy_set_header X-Real-IP $remote_addr;\n    }}\n\
         \x20   location / {{\n      limit_except GET HEAD {{ deny all; }}\n\
         \x20     auth_request /_verify;\n\
         \x20     auth_request_set $at $upstream_http_x_origin;\n\
         \x20     slice {SLICE};\n      proxy_cache edge;\n\
         \x20     proxy_cache_key $uri$slice_range;\n      proxy_cache_valid 200 206 1d;\n\
         \x20     proxy_ignore_headers Cache-Control Expires Vary;\n\
         \x20     add_header X-Cache $upstream_cache_status;\n\
         \x20     proxy_http_version 1.1;\n      proxy_set_header Range $slice_range;\n\
         \x20     proxy_set_header Host {bucket};\n      proxy_pass http://{bucket}$at;\n\
         \x20   }}\n  }}\n}}\n"
    );
    let config = folder.join("nginx.conf");
    fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&config).arg("-p").arg(folder);
    command.arg("-e").arg(folder.join("errors.log"));
    Ok(command)
}

/// Bytes of objects that were given out so far, by what it wrote down.
pub(super) fn given_bytes(folder: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(folder.join(ACCESS_LOG))?;
    Ok(text.lines().filter_map(given).sum())
}

/// Takes objects out of its cache, by their paths; gives how many slices went. It asks the bucket
/// for what it does not find in its folder.
pub(super) fn forget(folder: &Path, paths: &[String]) -> anyhow::Result<usize> {
    forget_below(&folder.join(CACHE_FOLDER), paths)
}

fn forget_below(folder: &Path, paths: &[String]) -> anyhow::Result<usize> {
    let mut gone = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gone += forget_below(&path, paths)?;
        } else if is_slice_of(&path, paths)? {
            fs::remove_file(&path)?;
            gone += 1;
        }
    }
    Ok(gone)
}

/// Whether a file of the cache is of one of these paths: it has its key in front.
fn is_slice_of(file: &Path, paths: &[String]) -> anyhow::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(file)?.take(MAX_HEAD_BYTES).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    let key = head.split("\nKEY: ").nth(1).and_then(|rest| rest.lines().next());
    let key = key.and_then(|key| key.rsplit_once("bytes=")).map(|(path, _)| path);
    Ok(key.is_some_and(|key| paths.iter().any(|path| path == key)))
}

/// Bytes that a line tells of, where something was given.
fn given(line: &str) -> Option<u64> {
    let mut words = line.split(' ');
    let status = words.next().filter(|status| matches!(*status, "200" | "206"));
    status.and_then(|_| words.next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_what_is_named_go_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join(CACHE_FOLDER).join("a/bc");
        fs::create_dir_all(&below).unwrap();
        for (name, key) in [("1", "/macs/abbytes=0-9"), ("2", "/macs/abcbytes=0-9"), ("3", "")] {
            fs::write(below.join(name), format!("\u{5}\0\nKEY: {key}\nHTTP/1.1 206\n")).unwrap();
        }
        let paths = ["/macs/ab".to_owned(), "/macs/none".to_owned()];
        assert_eq!(forget(folder.path(), &paths).unwrap(), 1);
        let left = |name| below.join(name).exists();
        assert_eq!(["1", "2", "3"].map(left), [false, true, true]);
    }

    #[test]
    fn what_was_refused_was_not_given() {
        assert_eq!(given("206 16384 /macs/a b"), Some(16_384));
        assert_eq!(given("200 7 /"), Some(7));
        assert_eq!(given("403 153 /macs"), None);
        assert_eq!(given(""), None);
    }
}
