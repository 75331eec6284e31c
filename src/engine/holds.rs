//! Holds: which silences and acknowledgements keep a notice back, and how a unit acknowledges a ticket.
//!
//! Composing asks it of every notice that is due, `explain` of those that wait.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::recipients::unit_of;
use super::{TurnError, context, explain};
use crate::config::{self, Config};
use crate::domain::Moment;
use crate::domain::directory::Unit;
use crate::domain::evaluate;
use crate::domain::facts;
use crate::domain::hold::{Acknowledgement, Held, Holds, Lookup, Matter, Silence};
use crate::domain::notice::{Notice, TellingKey, Wait};
use crate::domain::ticket::{Memory, Ticket};
use crate::domain::time::Span;
use crate::store::holds::KeptSilence;
use crate::store::{Store, StoreError};

/// How long an acknowledgement holds at most, and where nothing else is said.
const AT_MOST: Span = Span::WorkingDays(3);

/// What is kept as it holds under a configuration.
pub(super) fn read(config: &Config, silences: Vec<KeptSilence>, acknowledgements: Vec<Acknowledgement>) -> Holds {
    let silences = silences.into_iter().filter_map(|kept| read_silence(config, kept));
    Holds {
        silences: silences.collect(),
        acknowledgements,
    }
}

fn read_silence(config: &Config, kept: KeptSilence) -> Option<Silence> {
    let text = kept.scope.conditions.as_deref().unwrap_or_default();
    match config::conditions(text, &config.directory) {
        Ok((matcher, _)) => Some(Silence {
            id: kept.id,
            until: kept.over_at(),
            from: kept.from,
            scope: kept.scope,
            matcher,
            by: kept.author,
            reason: kept.reason,
        }),
        Err(problems) => {
            tracing::error!(silence = kept.id, %problems, "the silence {} cannot be read and holds nothing; end it and write it anew: {problems}", kept.id);
            None
        }
    }
}

/// What holds a notice of a ticket back at an instant.
pub(super) fn held<'h>(
    holds: &'h Holds,
    config: &Config,
    (ticket, memory): (&Ticket, &Memory),
    key: &TellingKey,
    (role, start): (&str, &str),
    now: Moment,
) -> Option<Held<'h>> {
    let on = config.calendars.base().date_of(now);
    let matter = Matter {
        ticket,
        memory,
        rule: &key.rule,
        occurrence: &key.occurrence,
        unit: unit_of(config, role, start, ticket, on),
    };
    let lookup = Lookup {
        rules: &config.rules,
        directory: &config.directory,
        on,
    };
    holds.of(matter, lookup, now)
}

/// Whether a notice comes out of a hold: then it goes with the next digest, not in between.
pub(super) fn was_held(notice: &Notice) -> bool {
    matches!(notice.wait, Wait::Silence(_) | Wait::Acknowledgement(_))
}

/// How long a unit asks not to be reminded.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// Counted from the instant of the acknowledgement by the unit's calendar, as in a ladder.
    Span(Span),
    At(Moment),
    /// As long as may be.
    Most,
}

/// Why a ticket could not be acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    #[error("ticket {0} is not known")]
    UnknownTicket(String),
    #[error("`{0}` is not a unit of agencies.toml")]
    UnknownUnit(String),
    #[error("the ticket's agency is not known; name the unit that acknowledges it with --unit")]
    NoAgency,
    #[error("an acknowledgement holds at most three working days: until {0}")]
    TooLong(String),
    #[error("an acknowledgement until {0} would be over already")]
    Over(String),
    #[error("nothing about {ticket} falls due for {unit} before {until}: there is nothing to hold")]
    Nothing {
        ticket: String,
        unit: String,
        until: String,
    },
    #[error("{unit} acknowledged {ticket} on {at}, until {until}, and the matter is the same: once is all")]
    Already {
        ticket: String,
        unit: String,
        at: String,
        until: String,
    },
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An acknowledgement as somebody gives it.
#[derive(Debug, Clone)]
pub struct Acknowledging<'a> {
    pub code: &'a str,
    /// By id or any word of the directory; the ticket's agency where it is not given.
    pub unit: Option<&'a str>,
    pub until: Until,
    pub by: &'a str,
    pub note: Option<&'a str>,
}

/// Keeps an acknowledgement: the steps to the unit about what concerns the ticket now wait until it is over. It covers
/// each occurrence in which a step to the unit has fallen due or falls due before its end.
pub async fn acknowledge(
    config: &Config,
    store: &Store,
    given: Acknowledging<'_>,
    now: Moment,
) -> Result<Acknowledgement, AckError> {
    let Acknowledging { code, by, note, .. } = given;
    let Some(explained) = explain(config, store, code, now).await? else {
        return Err(AckError::UnknownTicket(code.to_owned()));
    };
    let (ticket, memory) = (&explained.past.ticket, &explained.past.memory);
    let on = config.calendars.base().date_of(now);
    let unit = acknowledging_unit(config, given.unit, (ticket, memory), on)?;
    let calendar = config.calendars.of(&unit.id);
    let shown = |at: Moment| at.with_timezone(&calendar.zone()).format("%Y-%m-%d %H:%M").to_string();
    let most = facts::gap_over(now, AT_MOST, calendar);
    let until = match given.until {
        Until::Most => most,
        Until::Span(span) => facts::gap_over(now, span, calendar),
        Until::At(at) => at,
    };
    if until > most {
        return Err(AckError::TooLong(shown(most)));
    }
    if until <= now {
        return Err(AckError::Over(shown(until)));
    }
    let meta = store.meta().await.map_err(AckError::Store)?;
    let ahead = evaluate::ahead(ticket, memory, &context(config, &meta, now), until, now);
    let to_unit = |role: &str, start: &str| unit_of(config, role, start, ticket, on) == Some(unit.id.as_str());
    let concerned = ahead
        .into_iter()
        .filter(|(_, notices)| notices.iter().any(|n| to_unit(&n.role, &n.start)));
    let concerned: BTreeSet<String> = concerned.map(|(occurrence, _)| occurrence).collect();
    if concerned.is_empty() {
        return Err(AckError::Nothing {
            ticket: code.to_owned(),
            unit: unit.id.clone(),
            until: shown(until),
        });
    }
    let mut tx = store.begin().await?;
    let codes = [code.to_owned()];
    let before = tx.acknowledgements(&codes).await?;
    let before = |occurrence: &str| {
        let same = |a: &&Acknowledgement| a.unit == unit.id && a.occurrence == occurrence;
        before.iter().find(same)
    };
    let new = |occurrence: &String| Acknowledgement {
        id: 0,
        ticket: code.to_owned(),
        unit: unit.id.clone(),
        occurrence: occurrence.clone(),
        at: now,
        until,
        by: by.to_owned(),
        note: note.map(str::to_owned),
    };
    let list: Vec<Acknowledgement> = concerned.iter().filter(|o| before(o).is_none()).map(new).collect();
    let Some(first) = list.first() else {
        let earlier = concerned
            .iter()
            .find_map(|o| before(o))
            .map_or((now, until), |e| (e.at, e.until));
        return Err(AckError::Already {
            ticket: code.to_owned(),
            unit: unit.id.clone(),
            at: shown(earlier.0),
            until: shown(earlier.1),
        });
    };
    tx.acknowledge(&list).await?;
    tx.commit().await?;
    Ok(first.clone())
}

fn acknowledging_unit<'a>(
    config: &'a Config,
    word: Option<&str>,
    (ticket, memory): (&Ticket, &'a Memory),
    on: NaiveDate,
) -> Result<&'a Unit, AckError> {
    let directory = &config.directory;
    match (word, memory.agency.as_deref()) {
        (Some(word), _) => directory
            .find(word, on)
            .ok_or_else(|| AckError::UnknownUnit(word.to_owned())),
        (None, Some(agency)) => directory
            .current(agency, ticket.category(), ticket.area.as_deref(), on)
            .ok_or(AckError::NoAgency),
        (None, None) => Err(AckError::NoAgency),
    }
}
