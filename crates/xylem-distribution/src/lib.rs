//! Distribution server: enroll, sync, ingest, serve.
