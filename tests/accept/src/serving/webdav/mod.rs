//! WebDAV, as others' tools see it.

mod account;
mod litmus;
mod relay;
mod tools;

use xylem_bench::debian::Tool;

pub(super) use litmus::litmus;
pub(super) use tools::tools;

/// Others' clients.
const CLIENTS: &[Tool] = &[
    Tool::new("cadaver", "cadaver"),
    Tool::new("curl", "curl"),
    Tool::new("litmus", "litmus"),
    Tool::new("mount.davfs", "davfs2"),
    Tool::new("rclone", "rclone"),
];
