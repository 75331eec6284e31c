//! What the register has of a period, for its report: the directive, what is owed by it, and what the Office excluded.
//!
//! It stands as it is now, also where the figures are those of an earlier revision: what is owed is never frozen.

use super::Report;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::figures::{Figure, Owner};
use crate::domain::obligation::{Directive, Exclusion, Kind, Obligation, exclusions};
use crate::domain::text::vi_sort_key;
use crate::domain::time::Period;
use crate::render::report::view::{DirectiveView, DocumentView, ObligationView};
use crate::store::{Store, StoreError};

/// The register of a period.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// The one in force.
    pub directive: Option<Directive>,
    pub obligations: Vec<Obligation>,
    /// Unsatisfied tickets that the Office decided to exclude; those excluded at the source are not among them.
    pub excluded: u64,
    /// Proposed for exclusion, not decided.
    pub pending: u64,
}

impl Register {
    pub(super) async fn of(store: &Store, period: Period) -> Result<Register, StoreError> {
        let entries = store.entries(period).await?;
        let decided = exclusions(&entries);
        let count = |how: Exclusion| decided.values().filter(|is| **is == how).count();
        Ok(Register {
            directive: store.directive(period).await?,
            obligations: store.obligations(period).await?,
            excluded: count(Exclusion::Excluded) as u64,
            pending: count(Exclusion::Pending) as u64,
        })
    }
}

impl Report {
    /// Unsatisfied tickets that are excluded: at the source by the cut-off, or by a decision of the Office.
    #[must_use]
    pub fn excluded(&self) -> Option<u64> {
        let at_source = u64::try_from(Figure::Excluded.value(&self.figures)?).ok()?;
        Some(at_source + self.register.as_ref().map_or(0, |register| register.excluded))
    }

    /// Those proposed for exclusion and not decided.
    #[must_use]
    pub fn exclusion_pending(&self) -> Option<u64> {
        self.register.as_ref().map(|register| register.pending)
    }

    /// How many unsatisfied tickets an owner has explained by a document; nothing is known before anything is owed.
    pub(super) fn explained(&self, owner: &Owner) -> Option<u64> {
        let register = self.register.as_ref().filter(|r| !r.obligations.is_empty())?;
        let Owner::Unit(unit) = owner else { return Some(0) };
        let mut own = register.obligations.iter();
        let own = own.find(|o| o.id.kind == Kind::Explanation && o.id.unit == *unit && o.reply.is_some());
        Some(own.map_or(0, |o| o.progress.tickets.saturating_sub(o.progress.excluded)))
    }

    pub(super) fn directive(&self) -> Option<DirectiveView> {
        self.register.as_ref()?.directive.as_ref().map(DirectiveView::from)
    }

    /// What is owed as it stands at an instant, by unit and kind; unknown before anything is owed.
    pub(super) fn obligations(&self, config: &Config, at: Moment) -> Option<Vec<ObligationView>> {
        let register = self.register.as_ref().filter(|r| !r.obligations.is_empty())?;
        let (reading, cal) = (config.monthly.reading, config.calendars.base());
        let view = |o: &Obligation| ObligationView {
            unit: self.owner_name(&Owner::Unit(o.id.unit.clone()), config),
            kind: o.id.kind,
            tickets: o.progress.tickets,
            settled: Some(o.progress.settled),
            before: o.id.kind.has_deadline().then_some(o.directive.reply_before),
            state: o.state(reading, cal, at),
            document: o.reply.as_ref().map(|reply| DocumentView {
                number: reply.number.clone(),
                date: reply.date,
                received_on: reply.reached_on,
            }),
        };
        let mut views: Vec<ObligationView> = register.obligations.iter().map(view).collect();
        views.sort_by_cached_key(|o| (vi_sort_key(&o.unit), o.kind));
        Some(views)
    }
}
