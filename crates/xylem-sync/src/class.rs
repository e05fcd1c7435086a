//! What goes before what.

use xylem_model::Priority;

/// Files up to this size go before larger ones: 8 MiB. They are what policies wait for, and they
/// cost a large file next to nothing.
pub const SMALL_BYTES: u64 = 8 << 20;

/// A class of transfer. Whatever is in a hurry is less: classes sort in the order they go.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Said to be urgent.
    Urgent,
    /// Of at most [`SMALL_BYTES`].
    Small,
    /// Large, and nothing said.
    Normal,
    /// Large, and nobody waits for it.
    Bulk,
}

impl Class {
    /// Every class, in the order they go.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::Small, Self::Normal, Self::Bulk];

    /// The class of a file.
    pub const fn of(priority: Priority, size: u64) -> Self {
        match priority {
            Priority::Urgent => Self::Urgent,
            _ if size <= SMALL_BYTES => Self::Small,
            Priority::Normal => Self::Normal,
            Priority::Bulk => Self::Bulk,
        }
    }

    /// Its place in [`ALL`](Self::ALL).
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urgent_files_go_before_small_ones() {
        assert_eq!(Class::of(Priority::Bulk, SMALL_BYTES), Class::Small);
        assert_eq!(Class::of(Priority::Bulk, SMALL_BYTES + 1), Class::Bulk);
        assert_eq!(Class::of(Priority::Urgent, 1 << 40), Class::Urgent);
        assert!(Class::Urgent < Class::Small && Class::Small < Class::Normal);
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), place);
        }
    }
}
