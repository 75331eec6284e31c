//! Who is left alone for a while because nothing gets through: the mail server, and each endpoint for itself.
//!
//! After a batch of which everything failed for a reason that is the other side's, nothing is tried there until an instant;
//! then one message finds out. What it brings decides about the rest. A message that fails again and again while there is
//! no other says little of others: it never lengthens their rest. Each process has its own: what it cannot reach another
//! may. Nothing here is about a message's own retries, nor does a restart remember it.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::domain::Moment;

/// The longest that one is left alone at a time.
const LONGEST: TimeDelta = TimeDelta::minutes(15);

/// The breakers of a process.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    pub(super) mail_server: Breaker,
    /// By id.
    pub(super) endpoints: HashMap<String, Breaker>,
}

/// Closed while all is well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    /// Batches in a row of which nothing got through; those of a message that fails alone count once.
    failures: usize,
    /// The messages in them.
    vain: HashSet<String>,
    rests: Option<Rest>,
    /// Why, once ops are to hear of it.
    told: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rest {
    from: Moment,
    until: Moment,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    All,
    /// One message, to find out.
    One,
    Nothing {
        until: Moment,
    },
}

impl Breaker {
    /// What may be sent at an instant. A rest is over as well where the clock went back behind its beginning.
    pub(super) fn gate(&self, now: Moment) -> Gate {
        match self.rests {
            None => Gate::All,
            Some(Rest { from, until }) if (from..until).contains(&now) => Gate::Nothing { until },
            Some(_) => Gate::One,
        }
    }

    /// Nothing of a batch got through: rests by the same spans as a message that is tried again, but not before what the
    /// other side asked for.
    pub(super) fn failed<'a>(
        &mut self,
        messages: impl Iterator<Item = &'a str>,
        retry: &[TimeDelta],
        not_before: Option<Moment>,
        now: Moment,
    ) {
        let had_failed = !self.vain.is_empty();
        self.vain.extend(messages.map(str::to_owned));
        let is_alone = had_failed && self.vain.len() == 1;
        let rest = span(retry, if is_alone { 0 } else { self.failures }).min(LONGEST);
        self.failures += usize::from(!is_alone);
        let until = not_before.map_or(now + rest, |named| named.max(now + rest));
        self.rests = Some(Rest { from: now, until });
    }

    /// Batches in a row of which nothing got through; those of a message that fails alone count once.
    pub(super) fn failures(&self) -> usize {
        self.failures
    }

    /// How many messages have failed since something got through.
    pub(super) fn messages(&self) -> usize {
        self.vain.len()
    }

    /// Ops are to hear of it until something gets through.
    pub(super) fn tell(&mut self, why: String) {
        self.told = Some(why);
    }

    pub(super) fn told(&self) -> Option<&String> {
        self.told.as_ref()
    }

    /// Something got through.
    pub(super) fn succeeded(&mut self) {
        *self = Breaker::default();
    }
}

/// The span after so many failures, the last one on and on.
pub(super) fn span(spans: &[TimeDelta], failures: usize) -> TimeDelta {
    let span = spans.get(failures).or(spans.last());
    span.copied().unwrap_or(TimeDelta::hours(1))
}
