//! Stories with the real programs.
