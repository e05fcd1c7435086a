//! Files that are there already are not fetched.

use std::fs;
use std::os::unix::fs::symlink;

use xylem_distribution::{SeedError, seed};

use crate::fleet::{Fleet, noise};
use crate::parent::{Manner, Parent};

#[tokio::test]
async fn what_a_folder_has_is_taken_by_digest_and_the_rest_is_fetched() {
    let mut fleet = Fleet::new().await;
    let child = fleet.add("child").await;
    let (small, large, other) = (noise(1, 5_000), noise(2, 3 << 20), noise(3, 7_000));
    let parent = Parent::start(&fleet, &large, Manner::Good, None).await;
    parent.give_besides(&other);
    fleet.management.place(parent.id, &[]);
    fleet.management.place(child, &[parent.id]);
    let contents = [("Small.pkg", &small), ("Large.pkg", &large), ("Other.pkg", &other)]
        .map(|(name, bytes)| fleet.management.publish(name, bytes).content);

    let folder = tempfile::tempdir().unwrap();
    let packages = folder.path().join("CasperShare/Packages");
    fs::create_dir_all(&packages).unwrap();
    fs::write(packages.join("an old name.pkg"), &small).unwrap();
    fs::write(folder.path().join("again"), &small).unwrap();
    fs::write(packages.join("Large.pkg"), &large).unwrap();
    // Of the right size, and something else; side files; a link that leads nowhere.
    fs::write(packages.join("Other.pkg"), noise(4, 7_000)).unwrap();
    fs::write(packages.join("Wrong.pkg"), noise(5, 3 << 20)).unwrap();
    fs::write(packages.join(".DS_Store"), b"").unwrap();
    symlink("/nowhere", packages.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(packages.join("socket")).unwrap();

    let data = fleet.server(0).data.clone();
    let seeded = seed(&fleet.environment, &data, folder.path(), |_, _| {}).await.unwrap();
    assert_eq!((seeded.taken, seeded.taken_bytes), (2, 5_000 + (3 << 20)));
    assert_eq!((seeded.files, seeded.passed_over, seeded.problem_count), (6, 4, 0));
    assert_eq!((seeded.missing, seeded.missing_bytes), (1, 7_000));
    assert_eq!(fs::read_dir(data.join("repo/staged")).unwrap().count(), 0, "nothing is left");
    fleet.start(0).await;
    for content in &contents {
        fleet.held(0, content).await;
    }
    assert_eq!((parent.offsets(), parent.batches()), (vec![], 1), "one came over the link");
    let told = seed(&fleet.environment, &data, folder.path(), |_, _| {}).await.unwrap_err();
    assert!(told.to_string().contains("running"), "{told}");
}

#[tokio::test]
async fn a_server_that_was_never_told_what_it_is_to_hold_is_not_seeded() {
    let mut fleet = Fleet::new().await;
    fleet.add("child").await;
    fleet.management.change(|world| world.away = true);
    let (folder, data) = (tempfile::tempdir().unwrap(), fleet.server(0).data.clone());
    let told = seed(&fleet.environment, &data, folder.path(), |_, _| {}).await.unwrap_err();
    assert!(matches!(told, SeedError::Unknown(_)), "{told}");
    fleet.management.change(|world| world.away = false);
    let nowhere = folder.path().join("nowhere");
    let told = seed(&fleet.environment, &data, &nowhere, |_, _| {}).await.unwrap_err();
    assert!(told.to_string().contains("nowhere"), "{told}");
}
