//! What a turn shows of itself while it goes on, and how it is asked to end early.
//!
//! The engine beats with each batch, page and attempt; whoever watches sees from the beats that work goes forward. Asked
//! to stop, a turn ends at the next such place: what was done stays done, and what was not comes with a later turn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by a turn and whoever watches it.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    stops: AtomicBool,
}

impl Pulse {
    /// Something was done.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was done.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Asks the turn to end at the next place where it can.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Whether the turn was asked to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}
