use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn scanned(folder: &Path, limits: Limits) -> io::Result<(Layout, Vec<(String, Sorted)>)> {
    let tree = Tree::open(folder).unwrap();
    let (layout, found) = scan(&tree, limits, &mut |_| {})?;
    Ok((layout, found.into_iter().map(|it| (it.path.to_string(), it.sorted)).collect()))
}

fn code(sorted: &Sorted) -> Option<ReasonCode> {
    match sorted {
        Sorted::Leave(reason) | Sorted::Refuse(reason) => Some(reason.code),
        _ => None,
    }
}

#[test]
fn everything_gets_a_line_in_one_order() {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in [
        ("packages/b.pkg", &b"x"[..]),
        ("packages/B.PKG", b"x"),
        ("packages/Old.pkg/Contents/Info.plist", b"x"),
        ("packages/b.pkg.bom", b"x"),
        ("packages/empty.pkg", b""),
        ("packages/deep/er/a.dmg", b"x"),
        ("SCRIPTS/setup", b"echo"),
        ("CompiledConfigurations/image.dmg", b"x"),
        (".Trashes/501/a.pkg", b"x"),
        (".hidden/a.pkg", b"x"),
    ] {
        write(folder.path(), path, bytes);
    }
    symlink("/etc", folder.path().join("packages/etc")).unwrap();
    let (layout, found) = scanned(folder.path(), Limits::default()).unwrap();
    assert_eq!(layout, Layout::CasperShare);
    let shown: Vec<(&str, Option<ReasonCode>)> =
        found.iter().map(|(path, sorted)| (path.as_str(), code(sorted))).collect();
    assert_eq!(
        shown,
        [
            (".Trashes", Some(ReasonCode::SideFile)),
            (".hidden", Some(ReasonCode::Hidden)),
            ("CompiledConfigurations/image.dmg", Some(ReasonCode::KnownFolder)),
            ("SCRIPTS/setup", None),
            ("packages/B.PKG", None),
            ("packages/Old.pkg", None),
            ("packages/b.pkg", None),
            ("packages/b.pkg.bom", Some(ReasonCode::SideFile)),
            ("packages/deep/er/a.dmg", None),
            ("packages/empty.pkg", Some(ReasonCode::Empty)),
            ("packages/etc", Some(ReasonCode::SymbolicLink)),
        ]
    );
    assert_eq!(found[3].1, Sorted::Script);
    assert_eq!(found[5].1, Sorted::Package);
}

#[test]
fn too_much_and_too_deep_have_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a/b/c/d.pkg", b"x");
    write(folder.path(), "a/e.pkg", b"x");
    let (_, found) = scanned(folder.path(), Limits { depth: 3, entries: 100 }).unwrap();
    let shown: Vec<(&str, Option<ReasonCode>)> =
        found.iter().map(|(path, sorted)| (path.as_str(), code(sorted))).collect();
    assert_eq!(shown, [("a/b/c", Some(ReasonCode::TooDeep)), ("a/e.pkg", None)]);
    assert!(scanned(folder.path(), Limits { depth: 64, entries: 4 }).is_err());
}
