//! What decides about replication, without doing it.
//!
//! Pure questions; no disk, no network, no clock:
//!
//! * [`Holdings`]: what is each distribution server to hold? The management server asks it, signs
//!   the answer as a head, and every peer enforces it.
//! * [`plan`]: what is a server to do next, given what it should hold, what it has and what went
//!   wrong lately? The distribution server asks it again after every change and acts; it keeps no
//!   memory between two plans, so nothing depends on having seen an event.
//! * [`Class`] and [`LinkShare`]: what goes first, and who may send next on a link.
//! * [`parent_order`]: which parent is asked first.
//! * [`TokenBucket`] and [`WeeklyRate`]: how fast bytes may go, at this hour.
//! * [`ServerSettings`]: what an administrator decides of one distribution server.

mod bucket;
mod calendar;
mod class;
mod holding;
mod parents;
mod plan;
mod rate_text;
mod rates;
mod selection;
mod settings;
mod share;

pub use bucket::TokenBucket;
pub use calendar::{RateWindow, TimeOfDay, TimeOfDayError, Weekday, WeeklyRate, Zone, ZoneError};
pub use class::{Class, SMALL_BYTES};
pub use holding::{Choice, Holding, Holdings, Why};
pub use parents::{ParentChoice, parent_order};
pub use plan::{
    BATCHED_BYTES, Fetch, Limits, Plan, ROOT_REMOVAL_GRACE, Reality, Unwanted, Wanted, plan,
};
pub use rate_text::RateTextError;
pub use rates::{DirectionRates, RateLimits};
pub use selection::{
    FileFacts, MAX_CHOICES, MAX_RULES, NamePattern, Rule, Selection, SelectionError,
};
pub use settings::{AcmeSettings, ServerSettings, SettingsError};
pub use share::LinkShare;
