//! Stories with the real programs; see `tests/it`.
