//! Logs, metrics, error-chain printing.
