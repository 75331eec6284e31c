//! Which obligations a ticket stands under at a period's cut-off: the counts of the narrative by unit, as lists.

use super::{Count, Life, Owner};
use crate::domain::obligation::{CARDS, Kind, Member};
use crate::domain::ticket::{Status, Ticket};

impl Count<'_> {
    /// The obligations that a ticket stands under (`spec.md` §7.3): received in the period and flagged; open at the cut-off;
    /// rated unsatisfied in the period and not excluded at its source; about identity cards and open, under the unit that
    /// answers for these. What no unit owes stands under none.
    #[must_use]
    pub fn members(&self, life: &Life, cards_unit: Option<&str>) -> Vec<Member> {
        let (cut_off, known) = (self.cut_off(), self.bounds.known);
        let at_end = life.before(cut_off, known).filter(|s| s.status != Status::Void);
        let Some(at_end) = at_end else { return Vec::new() };
        let ticket = at_end.ticket;
        let member = |unit: &str, kind: Kind| Member {
            unit: unit.to_owned(),
            kind,
            code: ticket.code.clone(),
        };
        let owner = match self.rows(ticket, cut_off).owner {
            Owner::Unit(id) => Some(id),
            Owner::Unassigned | Owner::Operator => None,
        };
        let mut found = Vec::new();
        if ticket.received_at >= self.bounds.start && ticket.is_flagged() {
            // Who is complained about has to look into it, whoever answers.
            let subject = self.subject(ticket).or_else(|| owner.clone());
            found.extend(subject.map(|unit| member(&unit, Kind::Review)));
        }
        let is_open = at_end.status.is_open();
        if let Some(unit) = &owner {
            if is_open {
                found.push(member(unit, Kind::FollowUp));
            }
            let rated = at_end.rated.filter(|rated| self.bounds.start <= rated.at);
            if rated.is_some_and(|r| r.rating.is_unsatisfied() && !r.is_excluded) {
                found.push(member(unit, Kind::Explanation));
            }
        }
        let is_card = is_open && ticket.level != Some(1) && ticket.category() == Some(CARDS);
        if let Some(unit) = cards_unit.filter(|_| is_card) {
            found.push(member(unit, Kind::CardResults));
            found.push(member(unit, Kind::CitizenInformation));
        }
        found
    }

    /// The unit that a complaint about a person is about.
    fn subject(&self, ticket: &Ticket) -> Option<String> {
        let on = self.context.calendars.base().date_of(self.last());
        let word = ticket.subject_agency.as_deref().filter(|_| ticket.is_conduct())?;
        self.context.directory.find(word, on).map(|unit| unit.id.clone())
    }
}
