//! What systemd is told, where it has started us; elsewhere nothing of this does anything.

use std::time::Duration;

use sd_notify::NotifyState;

/// From progress to where the watchdog hears of it, and some more.
const MARGIN: Duration = Duration::from_secs(5);

pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Ready comes after it.
pub(super) fn reloading() {
    notify(&[NotifyState::Reloading]);
}

/// It takes up to `limit` to stop, also where that is longer than `TimeoutStopSec`.
pub(super) fn stopping(limit: Duration) {
    notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros(limit))]);
}

/// A watchdog that would bite while a single answer is waited for, as the settings allow, is set to more than that.
pub(super) fn outlast(longest_wait: Duration) {
    let needed = longest_wait + MARGIN;
    if let Some(set) = sd_notify::watchdog_enabled().filter(|set| *set < needed) {
        let (set, needed_s) = (set.as_secs(), needed.as_secs());
        tracing::warn!(
            "WatchdogSec is {set} s, but by the settings a single answer may take longer; the watchdog is set to {needed_s} s"
        );
        notify(&[NotifyState::WatchdogUsec(micros(needed))]);
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

pub(super) fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

pub(super) fn feed_watchdog() {
    notify(&[NotifyState::Watchdog]);
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how things are");
    }
}
