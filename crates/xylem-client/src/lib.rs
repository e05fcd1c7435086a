//! Typed clients of the management server and of distribution servers.
