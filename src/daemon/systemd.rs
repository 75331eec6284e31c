//! What systemd is told, where it has started us; elsewhere nothing of this does anything.

use sd_notify::NotifyState;

pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Ready comes after it.
pub(super) fn reloading() {
    notify(&[NotifyState::Reloading]);
}

pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
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
