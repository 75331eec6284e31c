//! `[audit]`: when everything that is owed is gone through, and how late something may be before it is amiss.

use chrono::{NaiveTime, TimeDelta};

use super::read::{Node, Read, Section};
use super::settings::AuditSettings;
use super::shape::{self, Shape, Written};
use crate::domain::time::Span;

pub(super) fn by_default() -> AuditSettings {
    AuditSettings {
        at: NaiveTime::from_hms_opt(2, 30, 0),
        grace: Span::WorkingTime(TimeDelta::hours(4)),
    }
}

pub(super) fn read_audit(s: &mut Section<'_>) -> AuditSettings {
    let default = by_default();
    AuditSettings {
        at: read_at(s, default.at),
        grace: s.or("grace", Grace(default.grace)).0,
    }
}

/// A time of day, or off.
fn read_at(s: &mut Section<'_>, default: Option<NaiveTime>) -> Option<NaiveTime> {
    if let Some(default) = &default {
        s.defaults_to("at", default);
    }
    match s.get("at") {
        None => default,
        Some(node) if node.is_word("off") => None,
        Some(node) => node.read().or(default),
    }
}

/// A length of time, by office hours or by the clock. Days as ladders count them begin and end with office hours, so that
/// a night's audit would see nothing of the day before.
struct Grace(Span);

impl Written for Grace {
    fn written(&self) -> serde_json::Value {
        self.0.written()
    }
}

impl Read for Grace {
    fn shape() -> Shape {
        Shape::Like(shape::SPAN)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        match Span::read(node)? {
            span @ (Span::WorkingTime(time) | Span::Elapsed(time)) if time > TimeDelta::zero() => Some(Grace(span)),
            other => {
                node.error_hint(
                    format!("`{other}` is not a length of time"),
                    "write hours such as `4wh` (office hours) or `12h`".to_owned(),
                );
                None
            }
        }
    }
}
