//! Recipients, computed once per unit, role and turn, not per ticket.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::calendar::Calendar;
use crate::domain::directory::{Base, Desk, Endpoint, Recipient, Role, Rung, Wanted};
use crate::domain::notice::{COMPETENCE, NewNotice, NewTelling, Notice, NoticeState, SETTLED, Telling, TellingKey};
use crate::domain::rule::{Channel, Digest, When};
use crate::domain::schedule::Schedule;
use crate::domain::ticket::Ticket;
use crate::store::endpoints::DisabledEndpoints;

/// Role, start, rung, category, area and whether the ticket is sensitive.
type Asked = (String, String, Rung, Option<String>, Option<String>, bool);

/// Whom a notice is for and by which channel, as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Addressed<'a> {
    /// Its telling.
    pub(super) key: &'a TellingKey,
    pub(super) role: &'a str,
    pub(super) start: &'a str,
    channel: Channel,
    /// Its telling reaches the same role by mail.
    has_mail: bool,
    /// Where it tells of an ending: of what the same role was told.
    ends: Vec<&'a TellingKey>,
}

impl<'a> Addressed<'a> {
    /// One of a telling's notices, where so much of the ticket was told.
    pub(super) fn known(telling: &'a Telling, notice: &'a Notice, told: &'a [Telling]) -> Addressed<'a> {
        let same = |n: &Notice| n.channel == Channel::Email && (&n.role, &n.start) == (&notice.role, &notice.start);
        Addressed {
            key: &telling.key,
            role: &notice.role,
            start: &notice.start,
            channel: notice.channel,
            has_mail: telling.notices.iter().any(same),
            ends: ended(&telling.key, (&notice.role, &notice.start), told),
        }
    }

    /// One of the notices of a telling that is to be made.
    pub(super) fn new(telling: &'a NewTelling, notice: &'a NewNotice, told: &'a [Telling]) -> Addressed<'a> {
        let same = |n: &NewNotice| n.channel == Channel::Email && (&n.role, &n.start) == (&notice.role, &notice.start);
        Addressed {
            key: &telling.key,
            role: &notice.role,
            start: &notice.start,
            channel: notice.channel,
            has_mail: telling.notices.iter().any(same),
            ends: ended(&telling.key, (&notice.role, &notice.start), told),
        }
    }
}

/// What a role has been told of a ticket that an ending speaks of; nothing for what is no ending.
fn ended<'a>(key: &TellingKey, (role, start): (&str, &str), told: &'a [Telling]) -> Vec<&'a TellingKey> {
    if key.rule != SETTLED {
        return Vec::new();
    }
    let has_heard = |n: &Notice| n.state == NoticeState::Accepted && n.role == role && n.start == start;
    let heard = told.iter().filter(|t| t.key.rule != SETTLED && t.key.mode == key.mode);
    heard
        .filter(|t| t.notices.iter().any(has_heard))
        .map(|t| &t.key)
        .collect()
}

/// How a notice goes out.
pub(super) enum Way<'a> {
    Mail(Recipient),
    /// To the endpoint, whose id is the recipient's only address.
    Post(Recipient, &'a Endpoint),
    /// Not by webhook; its telling goes to the same role by mail.
    MailOnly(NoPost),
}

/// Why a notice does not go by webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPost {
    Sensitive,
    NoEndpoint,
    Disabled,
}

impl std::fmt::Display for NoPost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NoPost::Sensitive => "a conduct or confidential ticket goes to heads by mail only",
            NoPost::NoEndpoint => "the unit has no webhook today",
            NoPost::Disabled => "the unit's webhook wants no more",
        })
    }
}

/// Resolves roles of notices; remembers answers for one date.
pub(super) struct Recipients<'a> {
    config: &'a Config,
    disabled: DisabledEndpoints,
    on: NaiveDate,
    known: HashMap<Asked, Recipient>,
}

impl<'a> Recipients<'a> {
    pub(super) fn new(config: &'a Config, disabled: DisabledEndpoints, now: Moment) -> Recipients<'a> {
        Recipients {
            config,
            disabled,
            on: config.calendars.base().date_of(now),
            known: HashMap::new(),
        }
    }

    /// How a notice goes out today. What would go by webhook but cannot goes by mail, so that nobody is left untold,
    /// unless the same telling does so anyhow.
    pub(super) fn way(&mut self, to: &Addressed<'_>, ticket: &Ticket) -> Way<'a> {
        match to.channel {
            Channel::Email => Way::Mail(self.of(to, ticket)),
            Channel::Webhook => match self.endpoint(to, ticket) {
                Ok((recipient, endpoint)) => Way::Post(recipient, endpoint),
                Err(why) if to.has_mail => Way::MailOnly(why),
                Err(_) => Way::Mail(self.of(to, ticket)),
            },
        }
    }

    /// The first of the unit's endpoints that is valid today and takes messages; several are for a change from one to
    /// the next.
    fn endpoint(&self, to: &Addressed<'_>, ticket: &Ticket) -> Result<(Recipient, &'a Endpoint), NoPost> {
        if ticket.is_sensitive() {
            return Err(NoPost::Sensitive);
        }
        let wanted = wanted(to.role, rung(self.config, to));
        let desk = wanted.desk;
        let directory = &self.config.directory;
        let unit = directory
            .reached(to.start, wanted, ticket.category(), ticket.area.as_deref(), self.on)
            .ok_or(NoPost::NoEndpoint)?;
        let endpoints = directory.endpoints(&unit.id, self.on);
        let takes = endpoints.iter().find(|e| self.disabled.of(e).is_none());
        let endpoint = *takes.ok_or(match endpoints.is_empty() {
            true => NoPost::NoEndpoint,
            false => NoPost::Disabled,
        })?;
        let recipient = Recipient {
            unit: unit.id.clone(),
            desk,
            wanted: desk,
            addresses: vec![endpoint.id.clone()],
            for_want_of_contact: false,
            stands_in_for: None,
        };
        Ok((recipient, endpoint))
    }

    /// Whom a notice reaches today by mail: the role as kept, from the id that it starts from. Of a sensitive ticket only heads
    /// hear, also where the notice was decided before it was one.
    fn of(&mut self, to: &Addressed<'_>, ticket: &Ticket) -> Recipient {
        let rung = rung(self.config, to);
        let key = (
            to.role.to_owned(),
            to.start.to_owned(),
            rung,
            ticket.category().map(str::to_owned),
            ticket.area.clone(),
            ticket.is_sensitive(),
        );
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let wanted = wanted(to.role, rung);
        let (category, area) = (ticket.category(), ticket.area.as_deref());
        let directory = &self.config.directory;
        let found = match ticket.is_sensitive() {
            true => directory.head_alone(to.start, wanted, category, area, self.on),
            false => directory.recipient(to.start, wanted, category, area, self.on),
        };
        self.known.insert(key, found.clone());
        found
    }
}

/// Where a notice stands in its ladder. What is built in has none; nor has what left the rules, which lapses. An ending
/// reaches whom that reached which it ends.
fn rung(config: &Config, to: &Addressed<'_>) -> Rung {
    let of_step = |key: &TellingKey| {
        let steps = config.rules.named(&key.rule).map(|rule| &rule.steps);
        match steps.and_then(|steps| steps.iter().position(|step| step.id == key.step)) {
            None | Some(0) => Rung::First,
            Some(_) => Rung::Above,
        }
    };
    match to.ends.is_empty() {
        true => of_step(to.key),
        false if to.ends.iter().all(|key| of_step(key) == Rung::Above) => Rung::Above,
        false => Rung::First,
    }
}

/// Whether a notice has to wait for another day: nothing goes above contact on the last working day before a long closure
/// and on the first after it (`spec.md` §3).
pub(super) fn is_kept_back(config: &Config, role: &str, unit: &str, now: Moment) -> bool {
    let calendar = config.calendars.of(unit);
    calendar.is_quiet_day(calendar.date_of(now)) && role.parse::<Role>().is_ok_and(|r| r.is_above_contact())
}

/// Until when a notice that is not urgent waits then, where it [is kept back](is_kept_back).
pub(super) fn kept_back_until(
    config: &Config,
    role: &str,
    unit: &str,
    awaits_digest: bool,
    now: Moment,
) -> Option<Moment> {
    let schedule = schedule(config, unit, None);
    is_kept_back(config, role, unit, now).then(|| match awaits_digest {
        true => schedule.digest_after(now),
        false => schedule.opening_after(now),
    })
}

/// Why a notice's mail goes to another desk than the one that was asked for, where it does.
pub(super) fn why_another(
    config: &Config,
    to: &Addressed<'_>,
    ticket: &Ticket,
    recipient: &Recipient,
    on: NaiveDate,
) -> Option<String> {
    let mut why = ways(config, to.role, to.start, ticket, on);
    why.extend(why_another_desk(config, to, ticket, recipient, on));
    (!why.is_empty()).then(|| why.join("; "))
}

/// How what the starting unit answered for came to the one that is written to.
fn ways(config: &Config, role: &str, start: &str, ticket: &Ticket, on: NaiveDate) -> Vec<String> {
    let directory = &config.directory;
    let passed_on = |id| directory.passed_on(id, ticket.category(), ticket.area.as_deref(), on);
    let Some((unit, mut way)) = passed_on(start) else {
        return Vec::new();
    };
    if wanted(role, Rung::First).parent {
        let above = unit.parent(on).and_then(passed_on);
        way.extend(above.into_iter().flat_map(|(_, way)| way));
    }
    way.iter().map(ToString::to_string).collect()
}

/// Why the unit that answers is not written to at all.
fn why_refused(config: &Config, role: &str, start: &str, ticket: &Ticket, on: NaiveDate) -> String {
    let current = |id| {
        config
            .directory
            .current(id, ticket.category(), ticket.area.as_deref(), on)
    };
    let unit = current(start).and_then(|unit| match wanted(role, Rung::First).parent {
        true => unit.parent(on).and_then(current),
        false => Some(unit),
    });
    match unit {
        Some(unit) if unit.external => format!("{} is outside the province's power and never written to", unit.id),
        Some(unit) => format!("the head of {} is written to only with `allow_top`", unit.id),
        None => format!("no unit answers for {start}"),
    }
}

fn why_another_desk(
    config: &Config,
    to: &Addressed<'_>,
    ticket: &Ticket,
    recipient: &Recipient,
    on: NaiveDate,
) -> Option<String> {
    if recipient.stands_in_for.is_some() || !(recipient.for_want_of_contact || recipient.desk != recipient.wanted) {
        return None;
    }
    let unit = unit_of(config, to.role, to.start, ticket, on).and_then(|id| config.directory.unit(id));
    let Some(unit) = unit else {
        return Some(why_refused(config, to.role, to.start, ticket, on));
    };
    let is_above = rung(config, to) == Rung::Above;
    let desks = recipient.wanted.fallbacks().iter();
    let tried = desks.take_while(|desk| recipient.for_want_of_contact || **desk != recipient.desk);
    let wanting = tried.map(|desk| {
        let of_desk = || unit.contacts.iter().filter(|c| c.desk == *desk);
        let suspended = of_desk().filter_map(|c| c.suspended_until).filter(|until| *until > on);
        let word = desk.word();
        match suspended.min() {
            _ if is_above && of_desk().any(|c| c.is_usable(on) && !c.is_confirmed()) => {
                format!("nobody has confirmed the address of {word}, so it gets no step above the first")
            }
            Some(until) => format!("{word} suspended until {until}, since mail came back"),
            None => format!("no address of {word}"),
        }
    });
    Some(format!("{}: {}", unit.id, wanting.collect::<Vec<_>>().join(", ")))
}

/// The unit that a notice reaches at a date, whether or not it has an address.
pub(super) fn unit_of<'a>(
    config: &'a Config,
    role: &str,
    start: &'a str,
    ticket: &Ticket,
    on: NaiveDate,
) -> Option<&'a str> {
    let (category, area) = (ticket.category(), ticket.area.as_deref());
    let wanted = wanted(role, Rung::First);
    let unit = config.directory.reached(start, wanted, category, area, on)?;
    Some(&unit.id)
}

/// The clock of a recipient's messages.
pub(super) fn schedule<'a>(config: &'a Config, unit: &str, last_composed: Option<Moment>) -> Schedule<'a> {
    by_calendar(config, config.calendars.of(unit), last_composed)
}

fn by_calendar<'a>(config: &'a Config, calendar: &'a Calendar, last_composed: Option<Moment>) -> Schedule<'a> {
    Schedule {
        calendar,
        digest_at: config.delivery.digest_at,
        last_composed,
    }
}

/// Whether anybody's digest falls due after an instant, until another of the same day or the next.
pub(super) fn has_digest_within(config: &Config, after: Moment, until: Moment) -> bool {
    let mut calendars = config.calendars.all();
    calendars.any(|calendar| by_calendar(config, calendar, None).has_digest_within(after, until))
}

/// What a role asks of the unit that answers. A role that is in the store was read once; one that can't be read any more
/// reaches ops.
fn wanted(role: &str, rung: Rung) -> Wanted {
    let (parent, desk) = role
        .parse::<Role>()
        .map_or((false, Desk::Contact), |r| (r.base == Base::AgencyParent, r.desk));
    Wanted { parent, desk, rung }
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
