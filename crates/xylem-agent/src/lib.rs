//! The program of a managed Mac.
