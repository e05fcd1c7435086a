//! Names of members, once checked.

use crate::error::ArtifactError;
use crate::text::shown;

/// Longest path, in bytes: `PATH_MAX` of macOS.
pub(crate) const MAX_PATH_BYTES: usize = 1024;
/// Deepest nesting of folders.
pub(crate) const MAX_NESTING: usize = 64;

/// Checks a name as it stands in the archive; the slash that ends a folder's is dropped.
pub(super) fn parse(raw: &[u8]) -> Result<String, ArtifactError> {
    let unsafe_name =
        |reason| ArtifactError::UnsafeName { name: shown(&String::from_utf8_lossy(raw)), reason };
    if raw.contains(&b'\\') {
        return Err(unsafe_name("a backslash separates folders on some systems"));
    }
    // Old tools write other encodings. Such a name can only be shown; no other can look like it,
    // since none has a backslash.
    let full = match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => raw.escape_ascii().to_string(),
    };
    let name = full.strip_suffix('/').unwrap_or(&full);
    check(raw.len(), name).map_err(unsafe_name)?;
    Ok(name.to_owned())
}

fn check(raw_bytes: usize, name: &str) -> Result<(), &'static str> {
    if raw_bytes > MAX_PATH_BYTES {
        return Err("its path is longer than 1024 bytes");
    }
    if name.starts_with('/') {
        return Err("its path is absolute");
    }
    if name.contains('\0') {
        return Err("it contains NUL");
    }
    for (depth, part) in name.split('/').enumerate() {
        match part {
            "" => return Err("its path has an empty part"),
            "." => return Err("its path has a part `.`"),
            ".." => return Err("its path has a part `..`"),
            _ if depth >= MAX_NESTING => return Err("it lies more than 64 folders deep"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a link stays inside the archive: `target` may go up at its start alone, and only as far
/// as `link`, a checked name, lies deep.
///
/// No member lies behind a link, so the folders around a link are folders; and since no target goes
/// up after it has gone down, this holds also where a link leads through others.
pub(super) fn stays_inside(link: &str, target: &[u8]) -> bool {
    let Ok(target) = std::str::from_utf8(target) else { return false };
    if target.is_empty() || target.starts_with('/') || target.contains(['\0', '\\']) {
        return false;
    }
    let depth = link.matches('/').count();
    let mut parts = target.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut ups = 0;
    let mut rest = parts.by_ref().skip_while(|part| {
        let up = *part == "..";
        ups += usize::from(up);
        up
    });
    let goes_up_again = rest.any(|part| part == "..");
    !goes_up_again && ups <= depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for (raw, name) in [
            (&b"a/b.txt"[..], "a/b.txt"),
            (b"a/b/", "a/b"),
            (b"Icon\r", "Icon\r"),
            (b"a/...", "a/..."),
            ("Büro".as_bytes(), "Büro"),
            (b"B\x81ro", "B\\x81ro"),
        ] {
            assert_eq!(parse(raw).unwrap(), name);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let (long, deep) = ("n".repeat(MAX_PATH_BYTES + 1), "d/".repeat(MAX_NESTING) + "f");
        for raw in [
            "", "/", "/a", "//a", "a//b", "./a", "a/./b", "..", "../a", "a/..", "a/../b", "a/../",
            "a\0b", "a\\b", "..\\a", "C:\\a", &long, &deep,
        ] {
            assert!(parse(raw.as_bytes()).is_err(), "{raw:?}");
        }
        assert!(parse(b"\xff\\..\\a").is_err());
    }

    #[test]
    fn links_stay_inside() {
        for (link, target, inside) in [
            ("a", "b", true),
            ("a", "b/c", true),
            ("a/b", "../c", true),
            ("a/b/c", "../../d", true),
            ("a/b", "./../c", true),
            ("a", "../b", false),
            ("a/b", "../../c", false),
            ("a/b/c", "d/../../..", false),
            ("a/b", "c/..", false),
            ("a", "/etc", false),
            ("a", "", false),
            ("a", "b\0", false),
            ("a/b", "..\\c", false),
        ] {
            assert_eq!(stays_inside(link, target.as_bytes()), inside, "{link} -> {target}");
        }
        assert!(!stays_inside("a", b"\xff"));
    }
}
