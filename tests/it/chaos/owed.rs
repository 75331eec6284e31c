//! What is owed, reckoned from what the script did to the ticket database and from the rules as the test wrote them.
//!
//! Nothing of the crate is asked. The script sees to it that nothing here hangs on who was quicker: what ends, ends
//! before it is late or after everybody who was to be told of it had been.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The Office.
pub const OFFICE: usize = 0;

/// How many units there are beside the Office, counted from 1.
pub const UNITS: usize = 20;

/// Units that post into a system of their own; so does the Office.
pub fn has_endpoint(unit: usize) -> bool {
    unit.is_multiple_of(2)
}

/// Units without a head: what is for theirs goes to their contact by mail.
pub fn has_head(unit: usize) -> bool {
    !unit.is_multiple_of(5) || unit == OFFICE
}

/// A unit whose contact has a box that the mail server refuses for good; what would go there is dead and counts as told.
pub const WITHOUT_BOX: usize = 19;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Desk {
    Contact,
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    Mail,
    Post,
}

/// Something that one desk has to read of one ticket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    pub ticket: String,
    /// `rule/step`.
    pub step: String,
    pub unit: usize,
    pub desk: Desk,
    pub by: By,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { ticket, step, .. } = self;
        write!(
            f,
            "{ticket} {step} to U{:02}/{:?} by {:?}",
            self.unit, self.desk, self.by
        )
    }
}

/// How often each line is to be read.
pub type Owed = BTreeMap<Line, usize>;

/// By which rule a ticket is chased; the word stands in its column `category`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Late, it climbs: contact and helpers, head, the Office, the head of the Office, and he again.
    Climb,
    /// Late, its contact is told; the head's turn would be in six hours.
    Chase,
    /// Late, it stands in the day's digest.
    List,
    /// Told as soon as it is there, by post.
    New,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Climb => "climb",
            Kind::Chase => "chase",
            Kind::List => "list",
            Kind::New => "new",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    Rejected,
    Void,
    /// The deadline was moved to another day.
    Extended,
}

impl Ending {
    fn step(self) -> &'static str {
        match self {
            Ending::Done => "@settled/done",
            Ending::Rejected => "@settled/rejected",
            Ending::Void => "@settled/void",
            Ending::Extended => "@settled/extended",
        }
    }
}

/// What the script did to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Made {
        kind: Kind,
        unit: usize,
        helpers: Vec<usize>,
        /// Its deadline is not within the run.
        never_late: bool,
    },
    /// Ended before it was late.
    Averted(Ending),
    Ended(Ending),
    Reopened,
    Transferred(usize),
}

/// What is owed of one ticket, or of all.
#[derive(Debug, Default)]
pub struct OfTicket {
    /// As soon as it can be.
    pub at_once: Owed,
    /// With the digest, which is made once and after all that happened here.
    pub in_digest: Owed,
    /// What nobody can be told, by single mails.
    pub dead: usize,
    /// The same, with the digest.
    pub dead_in_digest: usize,
}

impl OfTicket {
    /// All of it, once the digest is made.
    pub fn in_all(mut self) -> Owed {
        self.at_once.append(&mut self.in_digest);
        self.at_once
    }

    /// Messages that nobody takes: of each ticket its own, and one digest.
    pub fn dead_messages(&self) -> usize {
        self.dead + self.dead_in_digest.min(1)
    }
}

/// Who was told of a matter: unit, desk, channel.
type Told = BTreeSet<(usize, Desk, By)>;

struct Reckoning<'a> {
    ticket: &'a str,
    owed: OfTicket,
    told: Told,
}

/// The desk of a unit that a mail for its head reaches.
fn mailed_head(unit: usize) -> Desk {
    if has_head(unit) { Desk::Head } else { Desk::Contact }
}

impl Reckoning<'_> {
    fn line(&self, step: &str, (unit, desk, by): (usize, Desk, By)) -> Line {
        Line {
            ticket: self.ticket.to_owned(),
            step: step.to_owned(),
            unit,
            desk,
            by,
        }
    }

    fn at_once(&mut self, step: &str, to: (usize, Desk, By)) {
        if to == (WITHOUT_BOX, Desk::Contact, By::Mail) {
            self.owed.dead += 1;
            return;
        }
        *self.owed.at_once.entry(self.line(step, to)).or_default() += 1;
        self.told.insert(to);
    }

    fn in_digest(&mut self, step: &str, to: (usize, Desk)) {
        if to == (WITHOUT_BOX, Desk::Contact) {
            self.owed.dead_in_digest += 1;
            return;
        }
        let line = self.line(step, (to.0, to.1, By::Mail));
        self.owed.in_digest.insert(line, 1);
    }

    fn posted(&mut self, step: &str, unit: usize, desk: Desk) {
        if has_endpoint(unit) {
            self.at_once(step, (unit, desk, By::Post));
        }
    }

    fn climb(&mut self, unit: usize, helpers: &[usize]) {
        self.at_once("climb/L1", (unit, Desk::Contact, By::Mail));
        for helper in helpers {
            self.at_once("climb/L1", (*helper, Desk::Contact, By::Mail));
        }
        self.at_once("climb/L2", (unit, mailed_head(unit), By::Mail));
        self.posted("climb/L2", unit, Desk::Head);
        self.at_once("climb/L3", (OFFICE, Desk::Contact, By::Mail));
        self.posted("climb/L3", OFFICE, Desk::Contact);
        for _ in 0..2 {
            self.at_once("climb/L4", (OFFICE, Desk::Head, By::Mail));
        }
    }

    fn chase(&mut self, unit: usize) {
        self.at_once("chase/L1", (unit, Desk::Contact, By::Mail));
        self.posted("chase/L1", unit, Desk::Contact);
    }

    fn received(&mut self, unit: usize) {
        let by = if has_endpoint(unit) { By::Post } else { By::Mail };
        self.at_once("new/N1", (unit, Desk::Contact, by));
    }

    /// Systems hear of an ending at once, desks with the digest.
    fn end_by_post(&mut self, step: &str) {
        for to in self.told.clone() {
            if to.2 == By::Post {
                self.at_once(step, to);
            }
        }
    }

    fn end_by_mail(&mut self, step: &str) {
        for (unit, desk, by) in self.told.clone() {
            if by == By::Mail {
                self.in_digest(step, (unit, desk));
            }
        }
    }
}

/// What a ticket's life owes to whom.
pub fn owed(ticket: &str, acts: &[Act]) -> OfTicket {
    let mut r = Reckoning {
        ticket,
        owed: OfTicket::default(),
        told: Told::new(),
    };
    let Some(Act::Made {
        kind,
        unit,
        helpers,
        never_late,
    }) = acts.first()
    else {
        panic!("{ticket} was never made: {acts:?}");
    };
    let (kind, mut unit) = (*kind, *unit);
    if *never_late || acts.iter().any(|act| matches!(act, Act::Averted(_))) {
        return r.owed;
    }
    match kind {
        Kind::Climb => r.climb(unit, helpers),
        Kind::Chase => r.chase(unit),
        Kind::New => r.received(unit),
        Kind::List => {}
    }
    let (mut ended, mut transfers) = (None, 0);
    for act in &acts[1..] {
        match act {
            Act::Ended(how) => {
                r.end_by_post(how.step());
                ended = Some(*how);
            }
            // A ladder begins anew; that it had ended is not worth a letter any more.
            Act::Reopened => {
                ended = None;
                r.chase(unit);
            }
            // Who had it is told that it has moved on, and another ladder begins.
            Act::Transferred(to) => {
                r.end_by_post("@settled/transferred");
                r.end_by_mail("@settled/transferred");
                r.told.clear();
                transfers += 1;
                unit = *to;
                r.chase(unit);
            }
            Act::Made { .. } | Act::Averted(_) => panic!("{ticket}: {acts:?}"),
        }
    }
    match (kind, ended) {
        (Kind::List, None) => r.in_digest("list/L1", (unit, Desk::Contact)),
        (Kind::List, Some(_)) => {}
        (_, Some(how)) => r.end_by_mail(how.step()),
        // Nobody seems to be competent.
        (_, None) if transfers > 1 => r.in_digest("@competence/office", (OFFICE, Desk::Contact)),
        (_, None) => {}
    }
    r.owed
}
