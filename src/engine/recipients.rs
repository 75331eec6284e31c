//! Recipients, computed once per unit, role and turn, not per ticket.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Base, Desk, Recipient, Role};
use crate::domain::notice::{COMPETENCE, SETTLED};
use crate::domain::rule::{Digest, When};
use crate::domain::schedule::Schedule;
use crate::domain::ticket::Ticket;

/// Role, start, category, area and whether the ticket is sensitive.
type Asked = (String, String, Option<String>, Option<String>, bool);

/// Resolves roles of notices; remembers answers for one date.
pub(super) struct Recipients<'a> {
    config: &'a Config,
    on: NaiveDate,
    known: HashMap<Asked, Recipient>,
}

impl<'a> Recipients<'a> {
    pub(super) fn new(config: &'a Config, now: Moment) -> Recipients<'a> {
        Recipients {
            config,
            on: config.calendars.base().date_of(now),
            known: HashMap::new(),
        }
    }

    /// Whom a notice reaches today: the role as kept, from the id that it starts from. Of a sensitive ticket only heads
    /// hear, also where the notice was decided before it was one.
    pub(super) fn of(&mut self, role: &str, start: &str, ticket: &Ticket) -> Recipient {
        let key = (
            role.to_owned(),
            start.to_owned(),
            ticket.category().map(str::to_owned),
            ticket.area.clone(),
            ticket.is_sensitive(),
        );
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        // A role that is in the store was read once; one that can't be read any more reaches ops.
        let (parent, desk) = role
            .parse::<Role>()
            .map_or((false, Desk::Contact), |r| (r.base == Base::AgencyParent, r.desk));
        let desk = if ticket.is_sensitive() { Desk::Head } else { desk };
        let found =
            self.config
                .directory
                .recipient(start, parent, desk, ticket.category(), ticket.area.as_deref(), self.on);
        self.known.insert(key, found.clone());
        found
    }

    /// Whether a notice has to wait for another day: nothing goes above contact on the last working day before a long
    /// closure and on the first after it (`spec.md` §3).
    pub(super) fn is_kept_back(&self, role: &str, unit: &str, now: Moment) -> bool {
        let calendar = self.config.calendars.of(unit);
        calendar.is_quiet_day(calendar.date_of(now)) && role.parse::<Role>().is_ok_and(|r| r.is_above_contact())
    }

    /// The clock of a recipient's messages.
    pub(super) fn schedule(&self, unit: &str, last_composed: Option<Moment>) -> Schedule<'a> {
        Schedule {
            calendar: self.config.calendars.of(unit),
            digest_at: self.config.delivery.digest_at,
            last_composed,
        }
    }
}

/// Whether a role is told of a conduct or confidential ticket at all.
pub(super) fn hears_of_sensitive(role: &str) -> bool {
    role.parse::<Role>()
        .is_ok_and(|r| !matches!(r.base, Base::CoAgencies | Base::Ops))
}

/// How a telling is bundled: by its rule; endings and competence go into the digest; sensitive tickets go alone.
pub(super) fn digest_of<'a>(config: &'a Config, rule: &str, ticket: &Ticket) -> &'a Digest {
    if ticket.is_sensitive() {
        return &Digest::Ticket;
    }
    match rule {
        SETTLED | COMPETENCE => &Digest::Day,
        id => config.rules.named(id).map_or(&Digest::Day, |r| &r.digest),
    }
}

/// Whether a weekly digest's ticket goes into the daily one, by the facts in `also_when`.
pub(super) fn goes_daily(digest: &Digest, holds: impl Fn(When) -> bool) -> bool {
    match digest {
        Digest::Week { also_when } => also_when.iter().any(|w| holds(*w)),
        Digest::Day | Digest::Ticket => false,
    }
}
