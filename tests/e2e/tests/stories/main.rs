//! End to end, with real processes, real TLS, real files.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on must fail")]

mod authorities;
mod certificates;
mod clones;
mod cloud;
mod cloud_folder;
mod cloud_principal;
mod commands;
mod comparison;
mod digests;
mod hand_over;
mod inspection;
mod loss;
mod manifests;
mod marks;
mod records;
mod restore;
mod rot;
mod scripts;
mod selection;
mod upload;
mod webdav;
