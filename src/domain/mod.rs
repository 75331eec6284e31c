//! The pure part: what a ticket, a deadline, a ladder and a telling are, and what follows from them at an instant.
//!
//! No I/O, no clock and no async lives here; time is an argument of type [`Moment`]. Everything that decides whether
//! somebody is told something is below this module, so that the daemon, `once`, `explain` and the tests cannot differ.

pub mod alarm;
pub mod audit;
pub mod calendar;
pub mod calendars;
pub mod change;
pub mod deadline;
pub mod directory;
pub mod evaluate;
pub mod facts;
pub mod figures;
pub mod hold;
pub mod instant;
pub mod matcher;
pub mod monthly;
pub mod notice;
pub mod obligation;
pub mod papers;
pub mod register;
pub mod rule;
pub mod schedule;
pub mod scrub;
pub mod summary;
pub mod text;
pub mod ticket;
pub mod time;
pub mod wording;

pub use time::Moment;
