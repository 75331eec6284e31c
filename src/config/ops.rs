//! `[ops]`: what those who run dondoc hear of it, when, and by which other way where a mail cannot carry it.

use chrono::TimeDelta;

use super::read::Section;
use super::settings::OpsSettings;

pub(super) fn by_default() -> OpsSettings {
    OpsSettings {
        tell: true,
        at_any_hour: false,
        source_down_after: TimeDelta::minutes(15),
        command: Vec::new(),
    }
}

pub(super) fn read_ops(s: &mut Section<'_>) -> OpsSettings {
    let default = by_default();
    OpsSettings {
        tell: s.or("tell", default.tell),
        at_any_hour: s.or("at_any_hour", default.at_any_hour),
        source_down_after: s.or("source_down_after", default.source_down_after),
        command: s.or("command", default.command),
    }
}
