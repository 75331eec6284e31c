//! The agencies: who they are, by which words the source names them, who answers for them at a date, and whom a role
//! reaches. Recipients never climb by falling back: a missing role goes sideways, then to ops.

use std::collections::{BTreeSet, HashMap};

use chrono::{NaiveDate, TimeDelta};

use super::text::fold;

/// A value with half-open validity in local dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T> {
    pub value: T,
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
}

impl<T> Dated<T> {
    #[must_use]
    pub fn holds(&self, on: NaiveDate) -> bool {
        self.from.is_none_or(|f| f <= on) && self.until.is_none_or(|u| on < u)
    }
}

/// The desk of a unit that a message is for. Falls back head → clerk → contact, clerk → contact, then ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desk {
    Contact,
    Clerk,
    Head,
}

impl Desk {
    /// The desks to try in order: sideways only.
    #[must_use]
    pub fn fallbacks(self) -> &'static [Desk] {
        match self {
            Desk::Head => &[Desk::Head, Desk::Clerk, Desk::Contact],
            Desk::Clerk => &[Desk::Clerk, Desk::Contact],
            Desk::Contact => &[Desk::Contact],
        }
    }

    /// The word used in rule files, logs and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Desk::Contact => "contact",
            Desk::Clerk => "clerk",
            Desk::Head => "head",
        }
    }
}

/// From where a role starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    Agency,
    SubjectAgency,
    CoAgencies,
    AgencyParent,
    Office,
    Ops,
    Unit(String),
}

/// A role as written in a step: `agency:contact`, `agency.parent:head`, `office`, `ops`, `id:CAT:head`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role {
    pub base: Base,
    pub desk: Desk,
}

/// Why a role could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a role; write agency, subject_agency, co_agencies, agency.parent, office, ops or id:UNIT, then :contact, :head or :clerk"
)]
pub struct BadRole(pub String);

impl std::str::FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        let bad = || BadRole(text.to_owned());
        let (base, desk) = match text.rsplit_once(':') {
            Some((base, "contact")) => (base, Desk::Contact),
            Some((base, "head")) => (base, Desk::Head),
            Some((base, "clerk")) => (base, Desk::Clerk),
            Some(("id", _)) | None => (text, Desk::Contact),
            Some(_) => return Err(bad()),
        };
        let base = match base {
            "agency" => Base::Agency,
            "subject_agency" => Base::SubjectAgency,
            "co_agencies" => Base::CoAgencies,
            "agency.parent" => Base::AgencyParent,
            "office" => Base::Office,
            "ops" => Base::Ops,
            _ => Base::Unit(
                base.strip_prefix("id:")
                    .filter(|id| !id.is_empty() && !id.contains(':'))
                    .ok_or_else(bad)?
                    .to_owned(),
            ),
        };
        Ok(Role { base, desk })
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let base = match &self.base {
            Base::Agency => "agency",
            Base::SubjectAgency => "subject_agency",
            Base::CoAgencies => "co_agencies",
            Base::AgencyParent => "agency.parent",
            Base::Office => "office",
            Base::Ops => "ops",
            Base::Unit(id) => return write!(f, "id:{id}:{}", self.desk.word()),
        };
        write!(f, "{base}:{}", self.desk.word())
    }
}

impl Role {
    /// Any recipient but contact or clerk of the agency or a co-agency, and ops (`spec.md` §4, Climbing).
    #[must_use]
    pub fn is_above_contact(&self) -> bool {
        match self.base {
            Base::Ops => false,
            Base::Agency | Base::CoAgencies | Base::SubjectAgency => self.desk == Desk::Head,
            _ => true,
        }
    }
}

/// Where a message stands in the ladder of its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rung {
    /// A rule's first step, or what has no ladder.
    First,
    /// A later step, which is written only to addresses that somebody has confirmed.
    Above,
}

/// What is asked of the unit that answers for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Its parent instead of itself.
    pub parent: bool,
    pub desk: Desk,
    pub rung: Rung,
}

impl From<Desk> for Wanted {
    /// The unit's own desk, of what has no ladder.
    fn from(desk: Desk) -> Wanted {
        Wanted {
            parent: false,
            desk,
            rung: Rung::First,
        }
    }
}

/// One address of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub desk: Desk,
    pub address: String,
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    /// When somebody last confirmed that this address is read.
    pub confirmed: Option<NaiveDate>,
    /// Bounced: not used until this date.
    pub suspended_until: Option<NaiveDate>,
}

impl Contact {
    /// Whether the address may be used at a date: valid, and not suspended by a bounce.
    #[must_use]
    pub fn is_usable(&self, on: NaiveDate) -> bool {
        self.is_valid(on) && self.suspended_until.is_none_or(|until| until <= on)
    }

    /// What is known at a date of whether the address is read.
    #[must_use]
    pub fn confirmation(&self, on: NaiveDate) -> Confirmation {
        match self.confirmed {
            None => Confirmation::Missing,
            Some(day) if on - day > CONFIRMED_FOR => Confirmation::Old(day),
            Some(day) => Confirmation::Given(day),
        }
    }

    /// Whether somebody has confirmed that the address is read, whenever: past days are rehearsed by what is known today.
    /// A confirmation does not lapse: that one is old is said to ops, and no reason to leave a head untold.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }

    /// Whether the directory lists it at a date.
    #[must_use]
    pub fn is_valid(&self, on: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= on) && self.until.is_none_or(|until| on < until)
    }
}

/// What is known of whether an address is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Nobody has confirmed it yet.
    Missing,
    /// Confirmed so long ago that somebody should be asked again.
    Old(NaiveDate),
    Given(NaiveDate),
}

impl Confirmation {
    /// Whether somebody should be asked.
    #[must_use]
    pub fn is_wanting(self) -> bool {
        !matches!(self, Confirmation::Given(_))
    }

    /// The word used in lists and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Confirmation::Missing => "unconfirmed",
            Confirmation::Old(_) => "old",
            Confirmation::Given(_) => "confirmed",
        }
    }
}

/// After so long a confirmation is old.
const CONFIRMED_FOR: TimeDelta = TimeDelta::days(365);

/// A desk is away for some days, half-open, and somebody stands in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    pub desk: Desk,
    pub from: NaiveDate,
    pub until: NaiveDate,
    pub deputy: Deputy,
}

/// Who stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deputy {
    Address {
        address: String,
        /// Set by a bounce; until then the desk's own contacts serve.
        suspended_until: Option<NaiveDate>,
    },
    /// A desk of any unit, by its own addresses.
    Desk { unit: String, desk: Desk },
}

/// A system of a unit's own that messages are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// One in the whole directory.
    pub id: String,
    /// `https`, or `http` to this machine itself.
    pub url: String,
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    /// Keeps to the unit's office hours, as mail does.
    pub window: bool,
}

impl Endpoint {
    /// Whether it is posted to at a date.
    #[must_use]
    pub fn is_valid(&self, on: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= on) && self.until.is_none_or(|until| on < until)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub id: String,
    /// Earlier ids of the same unit.
    pub was: Vec<String>,
    pub names: Vec<Dated<String>>,
    pub short: Option<String>,
    pub aliases: Vec<String>,
    pub parents: Vec<Dated<String>>,
    /// Localities and fields that the unit answers for; empty = not limited.
    pub areas: Vec<String>,
    pub fields: Vec<String>,
    pub contacts: Vec<Contact>,
    pub absences: Vec<Absence>,
    pub endpoints: Vec<Endpoint>,
    pub valid_from: Option<NaiveDate>,
    pub valid_until: Option<NaiveDate>,
    /// Outside the province's power: shown as "waiting on", never mailed.
    pub external: bool,
    /// Place in lists, as written in the file.
    pub order: usize,
}

impl Unit {
    /// Whether the unit exists at a date.
    #[must_use]
    pub fn is_valid(&self, on: NaiveDate) -> bool {
        self.valid_from.is_none_or(|from| from <= on) && !self.has_ended(on)
    }

    /// Whether the unit's last day is past.
    #[must_use]
    pub fn has_ended(&self, on: NaiveDate) -> bool {
        self.valid_until.is_some_and(|until| until <= on)
    }

    /// The name at a date; the last one known where none is valid.
    #[must_use]
    pub fn name(&self, on: NaiveDate) -> &str {
        let named = self.names.iter().find(|n| n.holds(on)).or(self.names.last());
        named.map_or(self.id.as_str(), |n| n.value.as_str())
    }

    /// Every word that means this unit, as written: id, earlier ids, names of all times, short name, aliases.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id)
            .chain(&self.was)
            .chain(self.names.iter().map(|name| &name.value))
            .chain(&self.short)
            .chain(&self.aliases)
            .map(String::as_str)
    }

    /// The parent's id at a date; the last one known where none is valid.
    #[must_use]
    pub fn parent(&self, on: NaiveDate) -> Option<&str> {
        let parent = self.parents.iter().find(|p| p.holds(on)).or(self.parents.last())?;
        Some(&parent.value)
    }

    /// Whether the folded word means this unit at the date; names of other times do not count.
    fn is_called(&self, folded: &str, on: NaiveDate) -> bool {
        let past_names = self
            .names
            .iter()
            .filter(|name| !name.holds(on))
            .map(|name| name.value.as_str());
        let lapsed: Vec<&str> = past_names.collect();
        self.is_valid(on) && self.words().any(|word| !lapsed.contains(&word) && fold(word) == folded)
    }

    /// The absence of a desk at a date.
    fn absence(&self, desk: Desk, on: NaiveDate) -> Option<&Absence> {
        let mut absences = self.absences.iter();
        absences.find(|a| a.desk == desk && (a.from..a.until).contains(&on))
    }

    /// Whether a desk has an address at a date, be it one that a mail came back from.
    fn has_named(&self, desk: Desk, on: NaiveDate) -> bool {
        self.contacts.iter().any(|c| c.desk == desk && c.is_valid(on))
    }

    /// Addresses of a desk that a message from this rung may be written to at a date: those that are confirmed, and for a
    /// first step all where none is. So a desk's letters of a day all go to the same boxes.
    fn addresses(&self, desk: Desk, rung: Rung, on: NaiveDate) -> Vec<String> {
        let usable = || self.contacts.iter().filter(|c| c.desk == desk && c.is_usable(on));
        let confirmed: Vec<String> = usable()
            .filter(|c| c.is_confirmed())
            .map(|c| c.address.clone())
            .collect();
        match confirmed.is_empty() && rung == Rung::First {
            true => usable().map(|c| c.address.clone()).collect(),
            false => confirmed,
        }
    }
}

/// A dated succession, by field and area where given (`domain.md` §3.3): from `on`, `from`'s matters go to `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    pub from: String,
    pub on: NaiveDate,
    pub fields: Vec<String>,
    pub areas: Vec<String>,
    pub to: String,
}

/// The whole directory; built and checked by `config`. Made by [`Directory::new`], which indexes it.
#[derive(Debug, Clone)]
pub struct Directory {
    pub units: Vec<Unit>,
    pub successors: Vec<Successor>,
    /// The province's head unit; its head is refused as a recipient unless `allow_top`.
    pub root: String,
    /// Văn phòng UBND.
    pub office: String,
    /// Ops' addresses at the hotline.
    pub ops: Vec<String>,
    pub allow_top: bool,
    index: Index,
}

/// Positions in `units`.
#[derive(Debug, Clone, Default)]
struct Index {
    by_id: HashMap<String, usize>,
    /// Earlier ids.
    by_was: HashMap<String, usize>,
    /// Every word of every unit, folded; several units may share one.
    by_word: HashMap<String, Vec<usize>>,
}

impl Index {
    fn new(units: &[Unit]) -> Index {
        let mut index = Index::default();
        for (at, unit) in units.iter().enumerate() {
            index.by_id.entry(unit.id.clone()).or_insert(at);
            for was in &unit.was {
                index.by_was.entry(was.clone()).or_insert(at);
            }
            for word in unit.words() {
                let shared = index.by_word.entry(fold(word)).or_default();
                if !shared.contains(&at) {
                    shared.push(at);
                }
            }
        }
        index
    }
}

/// Whom a role reaches at a date.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient {
    /// Id of the unit that receives, after successors, parents and deputies; [`OPS`] for ops.
    pub unit: String,
    /// The desk whose address is used.
    pub desk: Desk,
    /// The desk that was asked for; differs where the role fell back ("Kính gửi: Thủ trưởng …").
    pub wanted: Desk,
    /// Addresses of the desk; one message has them all in its envelope.
    pub addresses: Vec<String>,
    /// True where no contact was found and ops stands in.
    pub for_want_of_contact: bool,
    /// The unit whose desk is away, where its deputy reads it.
    pub stands_in_for: Option<String>,
}

/// The pseudo-unit of ops in recipients and notices.
pub const OPS: &str = "@ops";

/// A matter went from one unit to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing<'a> {
    pub from: &'a Unit,
    pub to: &'a Unit,
    pub on: NaiveDate,
    /// The successor that is competent; otherwise that cannot be told, and the parent has to assign it.
    pub is_decided: bool,
}

impl<'a> Passing<'a> {
    fn new(from: &'a Unit, to: &'a Unit, on: NaiveDate, is_decided: bool) -> Passing<'a> {
        Passing {
            from,
            to,
            on,
            is_decided,
        }
    }
}

impl std::fmt::Display for Passing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to, on) = (&self.from.id, &self.to.id, self.on);
        match self.is_decided {
            true => write!(f, "{to} took over from {from} on {on}"),
            false => write!(
                f,
                "since {on} it cannot be told who took over from {from}: {to}, above it, has to assign it"
            ),
        }
    }
}

/// What a dated succession says about one ticket of a unit.
enum Handover<'a> {
    /// Nothing left the unit for others.
    Stays,
    To(&'a Successor),
    /// Several took over and the ticket does not tell which.
    Undecided(NaiveDate),
}

impl Directory {
    /// Indexes the units. Ids are expected to be unique and successors' ends known; of a duplicate the first counts.
    #[must_use]
    pub fn new(
        units: Vec<Unit>,
        successors: Vec<Successor>,
        root: String,
        office: String,
        ops: Vec<String>,
        allow_top: bool,
    ) -> Directory {
        let index = Index::new(&units);
        Directory {
            units,
            successors,
            root,
            office,
            ops,
            allow_top,
            index,
        }
    }

    /// The unit with this id, or that had it earlier.
    #[must_use]
    pub fn unit(&self, id: &str) -> Option<&Unit> {
        let at = self.index.by_id.get(id).or_else(|| self.index.by_was.get(id))?;
        self.units.get(*at)
    }

    /// The unit of a locality below another unit at a date, such as the police of a commune.
    #[must_use]
    pub fn local(&self, above: &str, area: &str, on: NaiveDate) -> Option<&Unit> {
        let is_local = |u: &&Unit| u.areas.iter().any(|a| a == area) && u.is_valid(on) && u.parent(on) == Some(above);
        self.units.iter().find(is_local)
    }

    /// Whether a unit stands directly below another at a date.
    #[must_use]
    pub fn is_below(&self, id: &str, above: &str, on: NaiveDate) -> bool {
        self.unit(id).is_some_and(|unit| unit.parent(on) == Some(above))
    }

    /// The addresses that are in use at a date, with their units, in the order of the file; not of those who are never
    /// written to.
    pub fn contacts(&self, on: NaiveDate) -> impl Iterator<Item = (&Unit, &Contact)> {
        let units = self.units.iter().filter(move |unit| unit.is_valid(on));
        units.flat_map(move |unit| {
            let valid = unit.contacts.iter().filter(move |contact| contact.is_valid(on));
            let written_to = valid.filter(move |contact| !self.is_refused(unit, contact.desk));
            written_to.map(move |contact| (unit, contact))
        })
    }

    /// The systems of a unit that are posted to at a date.
    #[must_use]
    pub fn endpoints(&self, unit: &str, on: NaiveDate) -> Vec<&Endpoint> {
        let found = self.unit(unit).into_iter().flat_map(|unit| &unit.endpoints);
        found.filter(|endpoint| endpoint.is_valid(on)).collect()
    }

    /// The unit a source word means at a date: by id, `was`, alias, short name or (folded) name.
    ///
    /// A word of a unit that has ended, or a name it no longer bears, is still understood where no unit of that day
    /// answers to it: old tickets keep old words. `None` where two units answer to it.
    #[must_use]
    pub fn find(&self, word: &str, on: NaiveDate) -> Option<&Unit> {
        if let Some(unit) = self.unit(word.trim()) {
            return Some(unit);
        }
        let folded = fold(word);
        let known: Vec<&Unit> = self
            .index
            .by_word
            .get(&folded)?
            .iter()
            .filter_map(|at| self.units.get(*at))
            .collect();
        // Where no other bears the word, the day decides nothing.
        if let [unit] = known.as_slice() {
            return Some(unit);
        }
        let of_the_day: Vec<&Unit> = known
            .iter()
            .copied()
            .filter(|unit| unit.is_called(&folded, on))
            .collect();
        match of_the_day.as_slice() {
            [unit] => Some(unit),
            _ => None,
        }
    }

    /// The unit that answers at a date for what was `id`'s, following dated successors by field and area; where they
    /// cannot be decided, the parent. Never loops.
    #[must_use]
    pub fn current<'a>(
        &'a self,
        id: &'a str,
        category: Option<&str>,
        area: Option<&str>,
        on: NaiveDate,
    ) -> Option<&'a Unit> {
        self.passed_on(id, category, area, on).map(|(unit, _)| unit)
    }

    /// The same with the way by which the matter came there.
    #[must_use]
    pub fn passed_on<'a>(
        &'a self,
        id: &'a str,
        category: Option<&str>,
        area: Option<&str>,
        on: NaiveDate,
    ) -> Option<(&'a Unit, Vec<Passing<'a>>)> {
        let mut unit = self.unit(id)?;
        let mut way = Vec::new();
        // A matter that came to a unit on some day is not touched by what that unit gave away before.
        let mut since = NaiveDate::MIN;
        let mut seen = BTreeSet::new();
        while seen.insert((unit.id.as_str(), since)) {
            match self.handover(unit, category, area, since, on) {
                Handover::To(successor) => {
                    let to = self.unit(&successor.to)?;
                    way.push(Passing::new(unit, to, successor.on, true));
                    (unit, since) = (to, successor.on);
                }
                Handover::Undecided(day) => {
                    let to = self.unit(unit.parent(on)?)?;
                    way.push(Passing::new(unit, to, day, false));
                    (unit, since) = (to, day);
                }
                Handover::Stays => match unit.valid_until.filter(|until| *until <= on) {
                    Some(ended) => {
                        let to = self.unit(unit.parent(on)?)?;
                        way.push(Passing::new(unit, to, ended, false));
                        (unit, since) = (to, since.max(ended));
                    }
                    None => return Some((unit, way)),
                },
            }
        }
        None
    }

    /// The first handover of the unit's matters in `[since, on]` that concerns this ticket. The most specific
    /// succession of that day counts; one that asks for a field or area the ticket does not have does not.
    fn handover(
        &self,
        unit: &Unit,
        category: Option<&str>,
        area: Option<&str>,
        since: NaiveDate,
        on: NaiveDate,
    ) -> Handover<'_> {
        let concerned = |s: &&Successor| {
            self.is_same(&s.from, unit)
                && (since..=on).contains(&s.on)
                && (s.fields.is_empty() || category.is_some_and(|c| names(&s.fields, c)))
                && (s.areas.is_empty() || area.is_some_and(|a| names(&s.areas, a)))
        };
        let found: Vec<&Successor> = self.successors.iter().filter(concerned).collect();
        let Some(day) = found.iter().map(|s| s.on).min() else {
            return Handover::Stays;
        };
        let of_day = || found.iter().copied().filter(|s| s.on == day);
        let sharpest = of_day().map(specificity).max();
        let mut best = of_day().filter(|s| Some(specificity(s)) == sharpest);
        match (best.next(), best.next()) {
            (Some(first), None) => Handover::To(first),
            (Some(first), Some(other)) if first.to == other.to && best.all(|s| s.to == first.to) => Handover::To(first),
            _ => Handover::Undecided(day),
        }
    }

    fn is_same(&self, id: &str, unit: &Unit) -> bool {
        self.unit(id).is_some_and(|known| known.id == unit.id)
    }

    /// True where `new` took over from `old` along dated successors or a `was`: no transfer. The parent of a unit that
    /// has ended counts too, because it answers where no successor can be told.
    #[must_use]
    pub fn is_succession(&self, old: &str, new: &str, on: NaiveDate) -> bool {
        let (Some(old), Some(new)) = (self.unit(old), self.unit(new)) else {
            return false;
        };
        let mut reached = BTreeSet::new();
        let mut open = vec![old];
        while let Some(unit) = open.pop() {
            if !reached.insert(unit.id.as_str()) {
                continue;
            }
            let heirs = self
                .successors
                .iter()
                .filter(|s| s.on <= on && self.is_same(&s.from, unit))
                .map(|s| s.to.as_str());
            let parent = unit.parent(on).filter(|_| unit.has_ended(on));
            open.extend(heirs.chain(parent).filter_map(|id| self.unit(id)));
        }
        reached.contains(new.id.as_str())
    }

    /// Whom a desk of the unit that answers for `start` reaches at a date.
    ///
    /// Ops stands in for an unknown unit, one outside the province's power, one without a usable address (above the first
    /// step: a confirmed one), and for the province's head unless `allow_top`.
    #[must_use]
    pub fn recipient(
        &self,
        start: &str,
        wanted: impl Into<Wanted>,
        category: Option<&str>,
        area: Option<&str>,
        on: NaiveDate,
    ) -> Recipient {
        let wanted = wanted.into();
        if start == OPS {
            return self.ops_recipient(wanted.desk, false);
        }
        self.reached(start, wanted, category, area, on)
            .and_then(|unit| self.desk_of(unit, wanted, on))
            .unwrap_or_else(|| self.ops_recipient(wanted.desk, true))
    }

    /// Whom a conduct or confidential ticket reaches: the head, or who reads for the head where the directory names none.
    /// A head who cannot be written to for a while, or whose address nobody has confirmed, is stood in for by ops, not by a
    /// desk that the ticket may be about.
    #[must_use]
    pub fn head_alone(
        &self,
        start: &str,
        wanted: Wanted,
        category: Option<&str>,
        area: Option<&str>,
        on: NaiveDate,
    ) -> Recipient {
        let wanted = Wanted {
            desk: Desk::Head,
            ..wanted
        };
        let unit = self.reached(start, wanted, category, area, on);
        let first_named = unit.and_then(|unit| {
            let mut desks = wanted.desk.fallbacks().iter();
            let desk = desks.find(|desk| self.is_named(unit, **desk, on))?;
            self.at_desk(unit, *desk, wanted, on)
        });
        first_named.unwrap_or_else(|| self.ops_recipient(wanted.desk, start != OPS))
    }

    /// The unit that [`Directory::recipient`] writes to, whether or not it has an address: a webhook needs none.
    #[must_use]
    pub fn reached<'a>(
        &'a self,
        start: &'a str,
        wanted: impl Into<Wanted>,
        category: Option<&str>,
        area: Option<&str>,
        on: NaiveDate,
    ) -> Option<&'a Unit> {
        let Wanted { parent, desk, .. } = wanted.into();
        let answering = self.current(start, category, area, on)?;
        let unit = match parent {
            true => self.current(answering.parent(on)?, category, area, on)?,
            false => answering,
        };
        (!self.is_refused(unit, desk)).then_some(unit)
    }

    /// Whether nobody writes to a desk of a unit: it is outside the province's power, or the province's head.
    fn is_refused(&self, unit: &Unit, desk: Desk) -> bool {
        unit.external || (desk == Desk::Head && self.is_same(&self.root, unit) && !self.allow_top)
    }

    fn desk_of(&self, unit: &Unit, wanted: Wanted, on: NaiveDate) -> Option<Recipient> {
        let mut desks = wanted.desk.fallbacks().iter();
        desks.find_map(|desk| self.at_desk(unit, *desk, wanted, on))
    }

    /// Who is reached at one desk of a unit.
    fn at_desk(&self, unit: &Unit, desk: Desk, wanted: Wanted, on: NaiveDate) -> Option<Recipient> {
        if let Some(deputy) = self.deputy_of(unit, desk, wanted, on) {
            return Some(deputy);
        }
        let addresses = unit.addresses(desk, wanted.rung, on);
        (!addresses.is_empty()).then(|| Recipient {
            unit: unit.id.clone(),
            desk,
            wanted: wanted.desk,
            addresses,
            for_want_of_contact: false,
            stands_in_for: None,
        })
    }

    /// Whether the directory names anybody for a desk at a date, be it one who is not written to for a while.
    fn is_named(&self, unit: &Unit, desk: Desk, on: NaiveDate) -> bool {
        let deputy = unit.absence(desk, on).map(|away| &away.deputy);
        unit.has_named(desk, on)
            || deputy.is_some_and(|deputy| match deputy {
                Deputy::Address { .. } => true,
                Deputy::Desk { unit: other, desk: at } => self
                    .reached(other, *at, None, None, on)
                    .is_some_and(|other| other.has_named(*at, on)),
            })
    }

    /// Who stands in for a desk that is away at a date. A deputy who is nobody's recipient, or has no usable address,
    /// stands in for nobody: the desk's own addresses and then the next desk serve. An address that ops name as a deputy's
    /// needs no confirmation: they wrote it down for these days.
    fn deputy_of(&self, unit: &Unit, desk: Desk, wanted: Wanted, on: NaiveDate) -> Option<Recipient> {
        let away = unit.absence(desk, on)?;
        let (by, at, addresses) = match &away.deputy {
            Deputy::Address {
                address,
                suspended_until,
            } => {
                let is_usable = suspended_until.is_none_or(|until| until <= on);
                (unit, desk, is_usable.then(|| address.clone()).into_iter().collect())
            }
            Deputy::Desk { unit: other, desk: at } => {
                let other = self.reached(other, *at, None, None, on)?;
                (other, *at, other.addresses(*at, wanted.rung, on))
            }
        };
        (!addresses.is_empty()).then(|| Recipient {
            unit: by.id.clone(),
            desk: at,
            wanted: wanted.desk,
            addresses,
            for_want_of_contact: false,
            stands_in_for: Some(unit.id.clone()),
        })
    }

    fn ops_recipient(&self, wanted: Desk, for_want_of_contact: bool) -> Recipient {
        let addresses = self.ops.clone();
        Recipient {
            unit: OPS.to_owned(),
            desk: Desk::Contact,
            wanted,
            addresses,
            for_want_of_contact,
            stands_in_for: None,
        }
    }
}

fn names(list: &[String], word: &str) -> bool {
    let folded = fold(word);
    list.iter().any(|entry| fold(entry) == folded)
}

fn specificity(successor: &Successor) -> usize {
    usize::from(!successor.fields.is_empty()) + usize::from(!successor.areas.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn named(id: &str, name: &str, parent: &str) -> Unit {
        let parents = if parent.is_empty() {
            Vec::new()
        } else {
            vec![always(parent)]
        };
        Unit {
            id: id.into(),
            was: Vec::new(),
            names: vec![always(name)],
            short: None,
            aliases: Vec::new(),
            parents,
            areas: Vec::new(),
            fields: Vec::new(),
            contacts: vec![contact(Desk::Contact, &format!("{}@x.example", id.to_lowercase()))],
            absences: Vec::new(),
            endpoints: Vec::new(),
            valid_from: None,
            valid_until: None,
            external: false,
            order: 0,
        }
    }

    fn always(value: &str) -> Dated<String> {
        Dated {
            value: value.into(),
            from: None,
            until: None,
        }
    }

    fn contact(desk: Desk, address: &str) -> Contact {
        Contact {
            desk,
            address: address.into(),
            from: None,
            until: None,
            confirmed: None,
            suspended_until: None,
        }
    }

    fn succession(from: &str, on: &str, fields: &[&str], areas: &[&str], to: &str) -> Successor {
        let owned = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect();
        Successor {
            from: from.into(),
            on: day(on),
            fields: owned(fields),
            areas: owned(areas),
            to: to.into(),
        }
    }

    fn ends(until: &str, unit: Unit) -> Unit {
        Unit {
            valid_until: Some(day(until)),
            ..unit
        }
    }

    fn begins(from: &str, unit: Unit) -> Unit {
        Unit {
            valid_from: Some(day(from)),
            ..unit
        }
    }

    /// Province, police and departments through both reforms of 2025: the district police ended on 1 March (card work
    /// to the communes), departments merged, districts ended on 1 July.
    fn province() -> Directory {
        let mut units = vec![
            named("UBND", "Ủy ban nhân dân tỉnh", ""),
            named("VP", "Văn phòng Ủy ban nhân dân tỉnh", "UBND"),
            named("CAT", "Công an tỉnh", "UBND"),
            ends("2025-03-01", named("CAH-866", "Công an thành phố Cao Lãnh", "CAT")),
            begins("2025-07-01", named("CAP-MT", "Công an phường Mỹ Trà", "CAT")),
            begins("2025-07-01", named("CAP-MN", "Công an phường Mỹ Ngãi", "CAT")),
            ends("2025-07-01", named("866", "Ủy ban nhân dân thành phố Cao Lãnh", "UBND")),
            ends("2025-07-01", named("873", "Ủy ban nhân dân huyện Cao Lãnh", "UBND")),
            begins("2025-07-01", named("P-MT", "Ủy ban nhân dân phường Mỹ Trà", "UBND")),
            begins("2025-07-01", named("P-CL", "Ủy ban nhân dân phường Cao Lãnh", "UBND")),
            ends(
                "2025-03-01",
                named("SLD", "Sở Lao động - Thương binh và Xã hội", "UBND"),
            ),
            named("SNV", "Sở Nội vụ", "UBND"),
            named("SYT", "Sở Y tế", "UBND"),
            ends("2025-03-01", named("SGTVT", "Sở Giao thông vận tải", "UBND")),
            named("SXD", "Sở Xây dựng", "UBND"),
            Unit {
                external: true,
                contacts: Vec::new(),
                ..named("C06", "Cục Cảnh sát QLHC về TTXH", "")
            },
        ];
        units[0].contacts.push(contact(Desk::Head, "chutich@x.example"));
        units[2].contacts.push(contact(Desk::Clerk, "vanthu.cat@x.example"));
        units[6].names = vec![
            Dated {
                value: "Ủy ban nhân dân thị xã Cao Lãnh".into(),
                from: None,
                until: Some(day("2007-01-16")),
            },
            Dated {
                value: "Ủy ban nhân dân thành phố Cao Lãnh".into(),
                from: Some(day("2007-01-16")),
                until: None,
            },
        ];
        let successors = vec![
            succession("CAH-866", "2025-07-01", &[], &["my_tra"], "CAP-MT"),
            succession("CAH-866", "2025-07-01", &[], &["my_ngai"], "CAP-MN"),
            succession("866", "2025-07-01", &[], &["my_tra"], "P-MT"),
            succession("866", "2025-07-01", &[], &["cao_lanh"], "P-CL"),
            succession("SLD", "2025-03-01", &[], &[], "SNV"),
            succession("SLD", "2025-03-01", &["Bảo trợ xã hội"], &[], "SYT"),
            succession("SGTVT", "2025-03-01", &[], &[], "SXD"),
            succession("SGTVT", "2025-03-01", &["giấy phép lái xe"], &[], "CAT"),
        ];
        with(units, successors)
    }

    fn with(units: Vec<Unit>, successors: Vec<Successor>) -> Directory {
        Directory::new(
            units,
            successors,
            "UBND".into(),
            "VP".into(),
            vec!["ops@x.example".into()],
            false,
        )
    }

    fn current(directory: &Directory, id: &str, category: &str, area: &str, on: &str) -> Option<String> {
        let category = (!category.is_empty()).then_some(category);
        let area = (!area.is_empty()).then_some(area);
        directory
            .current(id, category, area, day(on))
            .map(|unit| unit.id.clone())
    }

    #[test]
    fn a_unit_is_found_by_id_and_by_any_spelling_of_its_name() {
        let directory = province();
        let find = |word: &str| directory.find(word, day("2021-09-01")).map(|unit| unit.id.as_str());
        assert_eq!(find("CAT"), Some("CAT"));
        assert_eq!(find("cat"), Some("CAT"));
        assert_eq!(find("Uỷ ban nhân dân  THÀNH PHỐ Cao Lãnh"), Some("866"));
        assert_eq!(
            find("Ủy ban nhân dân huyện Cao Lãnh"),
            Some("873"),
            "the city is not the district"
        );
        assert_eq!(find("Cao Lãnh"), None);
        assert_eq!(find("Sở Thủy sản"), None);
    }

    #[test]
    fn old_tickets_keep_old_words() {
        let directory = province();
        let find = |word: &str, on: &str| directory.find(word, day(on)).map(|unit| unit.id.as_str());
        assert_eq!(
            find("Ủy ban nhân dân thị xã Cao Lãnh", "2021-09-01"),
            Some("866"),
            "a name of before 2007"
        );
        assert_eq!(
            find("Công an thành phố Cao Lãnh", "2025-08-01"),
            Some("CAH-866"),
            "a unit that has ended"
        );
    }

    #[test]
    fn a_word_that_two_units_of_the_day_answer_to_is_nobodys() {
        let mut units = province().units;
        units[3].aliases = vec!["CA Cao Lãnh".into()];
        units[4].aliases = vec!["ca cao lanh".into()];
        units[5].aliases = vec!["CA  Cao Lãnh".into()];
        let directory = with(units, Vec::new());
        let find = |on: &str| directory.find("CA Cao Lãnh", day(on)).map(|unit| unit.id.as_str());
        assert_eq!(find("2021-09-01"), Some("CAH-866"), "the others do not exist yet");
        assert_eq!(find("2025-08-01"), None);
    }

    #[test]
    fn an_earlier_id_still_means_the_unit() {
        let mut units = province().units;
        units[12].was = vec!["SoYTe".into()];
        let directory = with(units, Vec::new());
        assert_eq!(directory.unit("SoYTe").map(|u| u.id.as_str()), Some("SYT"));
        assert_eq!(
            directory.find("SoYTe", day("2021-09-01")).map(|u| u.id.as_str()),
            Some("SYT")
        );
        assert!(directory.is_succession("SoYTe", "SYT", day("2021-09-01")));
    }

    #[test]
    fn departments_that_merged_in_march_2025_are_followed_by_field() {
        let directory = province();
        assert_eq!(
            current(&directory, "SLD", "bảo trợ xã hội", "", "2025-02-28").as_deref(),
            Some("SLD")
        );
        assert_eq!(
            current(&directory, "SLD", "bảo trợ xã hội", "", "2025-03-01").as_deref(),
            Some("SYT")
        );
        assert_eq!(
            current(&directory, "SLD", "việc làm", "", "2025-03-01").as_deref(),
            Some("SNV")
        );
        assert_eq!(current(&directory, "SLD", "", "", "2025-03-01").as_deref(), Some("SNV"));
        assert_eq!(
            current(&directory, "SGTVT", "giấy phép lái xe", "", "2025-03-01").as_deref(),
            Some("CAT")
        );
    }

    #[test]
    fn districts_that_ended_in_july_2025_are_followed_by_locality() {
        let directory = province();
        assert_eq!(
            current(&directory, "866", "", "my_tra", "2025-06-30").as_deref(),
            Some("866")
        );
        assert_eq!(
            current(&directory, "866", "", "my_tra", "2025-07-01").as_deref(),
            Some("P-MT")
        );
        assert_eq!(
            current(&directory, "866", "", "cao_lanh", "2025-07-01").as_deref(),
            Some("P-CL")
        );
    }

    #[test]
    fn where_the_successor_cannot_be_told_the_parent_answers() {
        let directory = province();
        assert_eq!(
            current(&directory, "866", "", "", "2025-07-01").as_deref(),
            Some("UBND"),
            "no locality"
        );
        assert_eq!(
            current(&directory, "873", "", "my_tra", "2025-07-01").as_deref(),
            Some("UBND"),
            "no succession"
        );
        assert_eq!(
            current(&directory, "CAH-866", "cccd", "my_tra", "2025-03-01").as_deref(),
            Some("CAT"),
            "from March to June nobody but the provincial police"
        );
        assert_eq!(
            current(&directory, "CAH-866", "cccd", "my_tra", "2025-07-01").as_deref(),
            Some("CAP-MT")
        );
    }

    #[test]
    fn two_equal_claims_on_one_day_go_to_the_parent() {
        let mut successors = province().successors;
        successors.push(succession("866", "2025-07-01", &[], &["my_tra"], "P-CL"));
        let directory = with(province().units, successors);
        assert_eq!(
            current(&directory, "866", "", "my_tra", "2025-07-01").as_deref(),
            Some("UBND")
        );
    }

    #[test]
    fn a_field_may_leave_a_unit_that_goes_on() {
        let successors = vec![succession("SXD", "2025-03-01", &["giấy phép lái xe"], &[], "CAT")];
        let directory = with(province().units, successors);
        assert_eq!(
            current(&directory, "SXD", "giấy phép lái xe", "", "2025-03-01").as_deref(),
            Some("CAT")
        );
        assert_eq!(
            current(&directory, "SXD", "quy hoạch", "", "2025-03-01").as_deref(),
            Some("SXD")
        );
        assert_eq!(current(&directory, "SXD", "", "", "2025-03-01").as_deref(), Some("SXD"));
    }

    #[test]
    fn circles_end() {
        let there_and_back = vec![
            succession("SNV", "2022-01-01", &[], &[], "SYT"),
            succession("SYT", "2023-01-01", &[], &[], "SNV"),
        ];
        let directory = with(province().units, there_and_back);
        assert_eq!(current(&directory, "SNV", "", "", "2022-06-01").as_deref(), Some("SYT"));
        assert_eq!(
            current(&directory, "SNV", "", "", "2023-06-01").as_deref(),
            Some("SNV"),
            "split and merged again"
        );

        let one_day = vec![
            succession("SNV", "2022-01-01", &[], &[], "SYT"),
            succession("SYT", "2022-01-01", &[], &[], "SNV"),
        ];
        assert_eq!(
            current(&with(province().units, one_day), "SNV", "", "", "2023-06-01"),
            None
        );

        let mut own_parent = province().units;
        own_parent[7].parents = vec![always("873")];
        assert_eq!(
            current(&with(own_parent, Vec::new()), "873", "", "", "2025-08-01"),
            None
        );
    }

    #[test]
    fn a_change_along_a_succession_is_no_transfer() {
        let directory = province();
        assert!(directory.is_succession("SLD", "SYT", day("2025-03-01")));
        assert!(!directory.is_succession("SLD", "SYT", day("2025-02-28")), "not yet");
        assert!(
            !directory.is_succession("SYT", "SLD", day("2025-03-01")),
            "not backwards"
        );
        assert!(
            directory.is_succession("CAH-866", "CAT", day("2025-03-01")),
            "the parent of an ended unit"
        );
        assert!(
            !directory.is_succession("CAH-866", "CAT", day("2021-09-01")),
            "the parent of a living one"
        );
        assert!(!directory.is_succession("SLD", "nobody", day("2025-03-01")));
    }

    fn reach(directory: &Directory, start: &str, parent: bool, desk: Desk) -> Recipient {
        let wanted = Wanted {
            parent,
            desk,
            rung: Rung::First,
        };
        directory.recipient(start, wanted, None, None, day("2021-09-01"))
    }

    #[test]
    fn a_missing_desk_falls_back_sideways_and_says_so() {
        let directory = province();
        let head = reach(&directory, "CAT", false, Desk::Head);
        assert_eq!(
            (head.unit.as_str(), head.desk, head.wanted),
            ("CAT", Desk::Clerk, Desk::Head)
        );
        assert_eq!(head.addresses, ["vanthu.cat@x.example"]);
        assert_eq!(reach(&directory, "SNV", false, Desk::Head).desk, Desk::Contact);
        assert_eq!(
            reach(&directory, "CAT", false, Desk::Contact).addresses,
            ["cat@x.example"]
        );
    }

    #[test]
    fn nothing_falls_back_upward() {
        let mut units = province().units;
        units[2].contacts = vec![contact(Desk::Head, "gdca@x.example")];
        units[3].contacts.clear();
        let directory = with(units, Vec::new());
        for start in ["CAT", "CAH-866"] {
            let contact = reach(&directory, start, false, Desk::Contact);
            assert_eq!(contact.unit, OPS, "{start}: neither its own head nor its parent");
            assert!(contact.for_want_of_contact);
            assert_eq!(contact.addresses, ["ops@x.example"]);
        }
    }

    #[test]
    fn the_head_of_the_province_is_reached_only_where_allowed() {
        let mut directory = province();
        let refused = reach(&directory, "UBND", false, Desk::Head);
        assert_eq!((refused.unit.as_str(), refused.for_want_of_contact), (OPS, true));
        assert_eq!(
            reach(&directory, "CAT", true, Desk::Head).unit,
            OPS,
            "nor by way of the parent"
        );
        assert_eq!(reach(&directory, "CAT", true, Desk::Contact).unit, "UBND");
        directory.allow_top = true;
        assert_eq!(
            reach(&directory, "UBND", false, Desk::Head).addresses,
            ["chutich@x.example"]
        );
    }

    #[test]
    fn outside_and_unknown_units_are_never_mailed() {
        let directory = province();
        for start in ["C06", "nobody"] {
            let recipient = reach(&directory, start, false, Desk::Contact);
            assert_eq!((recipient.unit.as_str(), recipient.for_want_of_contact), (OPS, true));
        }
        assert!(
            !reach(&directory, OPS, false, Desk::Contact).for_want_of_contact,
            "ops itself wants no contact"
        );
    }

    #[test]
    fn addresses_count_only_while_valid_and_not_suspended() {
        let mut units = province().units;
        units[11].contacts = vec![
            Contact {
                until: Some(day("2021-09-01")),
                ..contact(Desk::Contact, "old@x.example")
            },
            Contact {
                from: Some(day("2021-09-01")),
                ..contact(Desk::Contact, "new@x.example")
            },
            Contact {
                suspended_until: Some(day("2021-09-02")),
                ..contact(Desk::Contact, "bounced@x.example")
            },
            contact(Desk::Contact, "second@x.example"),
        ];
        let directory = with(units, Vec::new());
        let addresses = |on: &str| directory.recipient("SNV", Desk::Contact, None, None, day(on)).addresses;
        assert_eq!(addresses("2021-09-01"), ["new@x.example", "second@x.example"]);
        assert_eq!(
            addresses("2021-09-02"),
            ["new@x.example", "bounced@x.example", "second@x.example"]
        );
    }

    #[test]
    fn above_the_first_step_only_confirmed_addresses_are_written_to() {
        let mut units = province().units;
        let confirmed = |desk, address, on: &str| Contact {
            confirmed: Some(day(on)),
            ..contact(desk, address)
        };
        units[2].contacts = vec![
            contact(Desk::Head, "gdca@x.example"),
            contact(Desk::Clerk, "vanthu.cat@x.example"),
            confirmed(Desk::Contact, "daumoi.cat@x.example", "2026-08-01"),
            contact(Desk::Contact, "trucban.cat@x.example"),
        ];
        units[11].absences = vec![Absence {
            desk: Desk::Contact,
            from: day("2021-09-01"),
            until: day("2021-09-03"),
            deputy: Deputy::Desk {
                unit: "CAT".into(),
                desk: Desk::Contact,
            },
        }];
        let directory = with(units, Vec::new());
        let ask = |rung, desk, parent| Wanted { parent, desk, rung };
        let reach = |start: &str, wanted, on: &str| {
            let found = directory.recipient(start, wanted, None, None, day(on));
            (found.unit, found.addresses.join("+"), found.for_want_of_contact)
        };
        let cat = |addresses: &str| ("CAT".to_owned(), addresses.to_owned(), false);
        let ops = || (OPS.to_owned(), "ops@x.example".to_owned(), true);
        let (first, above) = (Rung::First, Rung::Above);
        assert_eq!(
            reach("CAT", ask(first, Desk::Head, false), "2021-09-01"),
            cat("gdca@x.example")
        );
        assert_eq!(
            reach("CAT", ask(above, Desk::Head, false), "2021-09-01"),
            cat("daumoi.cat@x.example"),
            "whenever it was confirmed: past days are rehearsed too"
        );
        assert_eq!(
            reach("CAT", ask(first, Desk::Contact, false), "2021-09-01"),
            cat("daumoi.cat@x.example"),
            "a desk's boxes are the same for all steps"
        );
        assert_eq!(
            reach("SNV", ask(above, Desk::Contact, false), "2021-09-01"),
            cat("daumoi.cat@x.example"),
            "the deputy's desk is held to the same"
        );
        assert_eq!(reach("SNV", ask(above, Desk::Contact, false), "2021-09-03"), ops());
        assert_eq!(
            reach("CAH-866", ask(above, Desk::Contact, true), "2021-09-01"),
            cat("daumoi.cat@x.example")
        );
        let alone = directory.head_alone("CAT", ask(above, Desk::Head, false), None, None, day("2021-09-02"));
        assert_eq!(
            (alone.unit.as_str(), alone.for_want_of_contact),
            (OPS, true),
            "never another desk"
        );
    }

    #[test]
    fn who_stands_in_for_a_desk_that_is_away_reads_its_mail_on_those_days_only() {
        let mut units = province().units;
        let away = |desk, deputy| Absence {
            desk,
            from: day("2021-09-06"),
            until: day("2021-09-18"),
            deputy,
        };
        let by = |address: &str| Deputy::Address {
            address: address.into(),
            suspended_until: Some(day("2021-09-07")),
        };
        let other = |unit: &str, desk| Deputy::Desk {
            unit: unit.into(),
            desk,
        };
        // The police have no head of their own: the clerk reads for him, and is away too.
        units[2].absences = vec![away(Desk::Clerk, by("pho.cat@x.example"))];
        units[11].absences = vec![away(Desk::Contact, other("SYT", Desk::Contact))];
        units[12].absences = vec![away(Desk::Contact, other("UBND", Desk::Head))];
        let directory = with(units, Vec::new());
        let reach = |start: &str, desk, on: &str| {
            let r = directory.recipient(start, desk, None, None, day(on));
            (r.unit, r.desk, r.addresses.join("+"), r.stands_in_for)
        };
        let (cat, snv) = (Some("CAT".to_owned()), Some("SNV".to_owned()));
        let clerk = ("CAT".to_owned(), Desk::Clerk);
        assert_eq!(
            reach("CAT", Desk::Head, "2021-09-06"),
            (clerk.0.clone(), clerk.1, "vanthu.cat@x.example".into(), None),
            "a mail came back from the deputy"
        );
        assert_eq!(
            reach("CAT", Desk::Head, "2021-09-17"),
            (clerk.0.clone(), clerk.1, "pho.cat@x.example".into(), cat)
        );
        assert_eq!(
            reach("CAT", Desk::Head, "2021-09-18"),
            (clerk.0, clerk.1, "vanthu.cat@x.example".into(), None)
        );
        assert_eq!(
            reach("SNV", Desk::Contact, "2021-09-06"),
            ("SYT".into(), Desk::Contact, "syt@x.example".into(), snv)
        );
        assert_eq!(
            reach("SYT", Desk::Contact, "2021-09-06"),
            ("SYT".into(), Desk::Contact, "syt@x.example".into(), None),
            "the head of the province stands in for nobody"
        );
    }

    #[test]
    fn mail_for_an_ended_unit_reaches_its_successor() {
        let directory = province();
        let recipient = directory.recipient("866", Desk::Contact, None, Some("my_tra"), day("2025-07-01"));
        assert_eq!(recipient.addresses, ["p-mt@x.example"]);
    }
}
