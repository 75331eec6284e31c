//! The one place that reads the system clock. Everything below the command line takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Moment;

/// The present instant, to the microsecond.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros())
        .ok()
        .and_then(chrono::DateTime::from_timestamp_micros)
        .unwrap_or(Moment::UNIX_EPOCH)
}
