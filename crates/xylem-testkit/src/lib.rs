//! The whole system in one process or many, for tests only.
