//! Listeners, TLS, limits, error envelope.
