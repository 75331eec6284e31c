//! A directory of agencies out of a table that somebody filled in: its headers and words in Vietnamese or English, every
//! fault named by its cell. What comes out is either all of it, as the text of `agencies.toml`, or a list of all faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use chrono::NaiveTime;

use super::mail::official;
use super::problem::{Problem, Problems, most_like};
use super::sheet::{self, Dates, Fault, Line, Sheet};
use crate::domain::directory::Desk;
use crate::domain::text::{fold, unaccented};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Id,
    Name,
    Short,
    Parent,
    /// The desk of `Address`, in a table with a line for each box.
    Role,
    Address,
    Contact,
    Clerk,
    Head,
    Aliases,
    Fields,
    Areas,
    External,
    Hours,
    /// Running numbers and notes, which are for the reader of the table.
    Ignored,
}

/// The headers by which a column is known: as the template has it, and others that people write, folded.
const HEADERS: [(Field, &str, &[&str]); 15] = [
    (Field::Id, "Mã đơn vị", &["ma", "ma co quan", "id", "code"]),
    (
        Field::Name,
        "Tên đơn vị",
        &[
            "ten",
            "ten co quan",
            "don vi",
            "co quan",
            "ten co quan, don vi",
            "co quan, don vi",
            "name",
            "unit",
            "agency",
        ],
    ),
    (
        Field::Short,
        "Tên viết tắt",
        &["viet tat", "ten tat", "short", "short name"],
    ),
    (
        Field::Parent,
        "Đơn vị cấp trên",
        &[
            "cap tren",
            "co quan cap tren",
            "co quan chu quan",
            "truc thuoc",
            "parent",
        ],
    ),
    (Field::Role, "Vai trò", &["chuc trach", "role", "desk"]),
    (
        Field::Address,
        "Thư điện tử",
        &[
            "dia chi thu dien tu",
            "hop thu",
            "email",
            "e-mail",
            "mail",
            "dia chi email",
            "address",
            "mail address",
        ],
    ),
    (
        Field::Contact,
        "Thư điện tử đầu mối",
        &[
            "dau moi",
            "email dau moi",
            "hop thu dau moi",
            "contact",
            "contact's mail",
            "contact mail",
        ],
    ),
    (
        Field::Clerk,
        "Thư điện tử văn thư",
        &[
            "van thu",
            "email van thu",
            "hop thu van thu",
            "clerk",
            "clerk's mail",
            "clerk mail",
        ],
    ),
    (
        Field::Head,
        "Thư điện tử lãnh đạo",
        &[
            "lanh dao",
            "email lanh dao",
            "hop thu lanh dao",
            "head",
            "head's mail",
            "head mail",
        ],
    ),
    (
        Field::Aliases,
        "Tên gọi khác",
        &["ten khac", "aliases", "alias", "other names"],
    ),
    (Field::Fields, "Lĩnh vực", &["fields", "field"]),
    (Field::Areas, "Mã địa bàn", &["dia ban", "areas", "area"]),
    (
        Field::External,
        "Ngoài tỉnh",
        &["ben ngoai", "don vi ngoai", "external"],
    ),
    (Field::Hours, "Giờ làm việc", &["office hours", "hours"]),
    (
        Field::Ignored,
        "Ghi chú",
        &["stt", "tt", "so thu tu", "note", "notes", "no"],
    ),
];

/// The headers of the template, which has a line for each unit.
pub fn template() -> impl Iterator<Item = &'static str> {
    let columns = HEADERS
        .iter()
        .filter(|(field, ..)| !matches!(field, Field::Role | Field::Address | Field::Ignored));
    columns.map(|(_, header, _)| *header)
}

/// The header may stand below titles, so far down.
const TITLES: usize = 20;

/// One unit as it goes into `agencies.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    pub id: String,
    pub name: String,
    pub short: Option<String>,
    pub aliases: Vec<String>,
    pub parent: Option<String>,
    pub contacts: Vec<(Desk, String)>,
    pub fields: Vec<String>,
    pub areas: Vec<String>,
    pub external: bool,
    /// Office hours from Monday to Friday.
    pub hours: Option<Vec<String>>,
}

/// Reads a table: the first sheet, or the separator, under which there is a header.
///
/// # Errors
/// All that is wrong in it, by cells.
pub fn read(path: &Path, domains: &[String]) -> Result<Vec<Unit>, Problems> {
    let sheets = sheet::read(path, Dates::Refused).map_err(|problem| Problems(vec![problem]))?;
    let found = sheets
        .iter()
        .filter_map(|sheet| Some((sheet, header(sheet)?)))
        .max_by_key(|(_, header)| header.columns.len() + header.faults.len());
    let refuse = |message: String, hint: Option<&str>| {
        Problems(vec![Problem {
            file: path.display().to_string(),
            line: None,
            column: None,
            severity: super::Severity::Error,
            message,
            hint: hint.map(str::to_owned),
        }])
    };
    let Some((sheet, header)) = found else {
        return Err(refuse(
            format!("no line of the first {TITLES} is a header with the names of the units"),
            Some("write the headers of `dondoc init --directory-template FILE.xlsx`"),
        ));
    };
    if let Some(why) = &sheet.refused {
        return Err(refuse(why.clone(), None));
    }
    let mut rows = Rows {
        domains,
        columns: &header.columns,
        faults: sheet.faults.iter().chain(&header.faults).cloned().collect(),
        units: Vec::new(),
    };
    for line in sheet.lines.iter().filter(|line| line.number > header.last) {
        rows.take(line);
    }
    rows.finish(header.last).map_err(|mut faults| {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        Problems(faults.into_iter().map(|fault| sheet.problem(fault)).collect())
    })
}

struct Header {
    columns: BTreeMap<usize, Field>,
    /// The number of its last line.
    last: usize,
    faults: Vec<Fault>,
}

fn field(text: &str) -> Option<Field> {
    let folded = fold(text);
    let known = HEADERS
        .iter()
        .find(|(_, header, words)| fold(header) == folded || words.contains(&folded.as_str()));
    known.map(|(field, ..)| *field)
}

/// The header of the template that was probably meant by an unknown one.
fn meant(text: &str) -> Option<String> {
    let templates: Vec<String> = HEADERS.iter().map(|(_, header, _)| fold(header)).collect();
    let words = HEADERS.iter().flat_map(|(.., words)| words.iter().copied());
    let word = most_like(&fold(text), words.chain(templates.iter().map(String::as_str)), 0.75)?;
    let field = field(word)?;
    let (_, header, _) = HEADERS.iter().find(|(known, ..)| *known == field)?;
    Some(format!("did you mean `{header}`?"))
}

/// The first line with a column of names and another that is known. Merged cells put a second line below it, whose
/// words then stand for those above.
fn header(sheet: &Sheet) -> Option<Header> {
    let known = |line: &Line| line.cells.iter().filter_map(|cell| field(cell)).collect::<Vec<_>>();
    let at = sheet.lines.iter().take(TITLES).position(|line| {
        let fields = known(line);
        fields.contains(&Field::Name) && line.cells.iter().filter(|cell| !cell.is_empty()).count() > 1
    })?;
    let first = sheet.lines.get(at)?;
    let second = sheet.lines.get(at + 1).filter(|line| {
        let mut words = line.cells.iter().filter(|cell| !cell.is_empty()).peekable();
        words.peek().is_some() && words.all(|cell| field(cell).is_some())
    });
    let mut header = Header {
        columns: BTreeMap::new(),
        last: second.map_or(first.number, |line| line.number),
        faults: Vec::new(),
    };
    let width = second.map_or(0, |line| line.cells.len()).max(first.cells.len());
    for column in 0..width {
        let of = |line: &Line| {
            let cell = line.cells.get(column).filter(|cell| !cell.is_empty());
            cell.map(|cell| (line.number, cell.clone()))
        };
        let Some((number, text)) = second.and_then(of).or_else(|| of(first)) else {
            continue;
        };
        let mut wrong = |message: String, hint: String| {
            header.faults.push(Fault {
                line: number,
                column,
                message,
                hint,
            });
        };
        match field(&text) {
            None => {
                let hint =
                    meant(&text).unwrap_or_else(|| "delete the column, or give it a header of the template".to_owned());
                wrong(format!("the header `{}` is not known", one_line(&text)), hint);
            }
            Some(Field::Ignored) => {}
            Some(field) if header.columns.values().any(|known| *known == field) => {
                wrong(
                    format!("the header `{}` means what another column does", one_line(&text)),
                    "keep one of them".to_owned(),
                );
            }
            Some(field) => {
                header.columns.insert(column, field);
            }
        }
    }
    Some(header)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(text: &str) -> Vec<String> {
    text.split([';', '\n', '|'])
        .map(one_line)
        .filter(|item| !item.is_empty())
        .collect()
}

/// A unit with the places that its faults are told by.
struct Taken {
    unit: Unit,
    line: usize,
    parent: Option<(usize, String)>,
    /// The id was written, not derived.
    has_id: bool,
    /// The unit before it that has the same name.
    repeats: Option<usize>,
}

impl Taken {
    /// An id that is missing is the short name, else the initials of the name. It depends on nothing else in the table, so
    /// that it stays the same when lines are added; where two would be one, ops have to say.
    fn id(&self) -> String {
        if self.has_id {
            return self.unit.id.clone();
        }
        let short = self.unit.short.as_deref().map(slug).filter(|id| !id.is_empty());
        short.unwrap_or_else(|| initials(&self.unit.name))
    }

    /// What others may name it by.
    fn words(&self) -> impl Iterator<Item = &String> {
        let words = [&self.unit.id, &self.unit.name]
            .into_iter()
            .chain(&self.unit.short)
            .chain(&self.unit.aliases);
        words.filter(|word| !word.is_empty())
    }
}

struct Rows<'a> {
    domains: &'a [String],
    columns: &'a BTreeMap<usize, Field>,
    faults: Vec<Fault>,
    units: Vec<Taken>,
}

impl Rows<'_> {
    fn wrong(&mut self, line: usize, column: usize, message: String, hint: impl Into<String>) {
        self.faults.push(Fault {
            line,
            column,
            message,
            hint: hint.into(),
        });
    }

    fn column(&self, field: Field) -> usize {
        self.columns
            .iter()
            .find(|(_, f)| **f == field)
            .map_or(0, |(column, _)| *column)
    }

    fn take(&mut self, line: &Line) {
        let mut unit = Unit::default();
        let (mut parent, mut role, mut addresses) = (None, Desk::Contact, Vec::new());
        let cells = line.cells.iter().enumerate().filter(|(_, text)| !text.is_empty());
        let (mut says_anything, mut has_name) = (false, false);
        for (column, cell) in cells {
            let Some(field) = self.columns.get(&column).copied() else {
                continue;
            };
            says_anything = true;
            has_name |= field == Field::Name;
            let text = one_line(cell);
            let is_mail = matches!(field, Field::Address | Field::Contact | Field::Clerk | Field::Head);
            if text.contains('@') && !is_mail {
                let message = format!("`{text}` is a mail address in a column for something else");
                self.wrong(
                    line.number,
                    column,
                    message,
                    "move it into the column of the desk that reads it",
                );
                continue;
            }
            match field {
                Field::Id => match is_id(&text) {
                    true => unit.id = text,
                    false => {
                        let message = format!("`{text}` cannot be an id");
                        self.wrong(
                            line.number,
                            column,
                            message,
                            "write letters without accents, digits, `-`, `_` or `.`",
                        );
                    }
                },
                Field::Name => unit.name = text,
                Field::Short => unit.short = Some(text),
                Field::Parent => parent = Some((column, text)),
                Field::Role => match desk(&text) {
                    Some(desk) => role = desk,
                    None => {
                        let message = format!("`{text}` is no role");
                        self.wrong(line.number, column, message, "write đầu mối, văn thư or lãnh đạo");
                    }
                },
                Field::Address => {
                    addresses.extend(self.mails(line.number, column, cell).into_iter().map(|m| (None, m)))
                }
                Field::Contact | Field::Clerk | Field::Head => {
                    let desk = match field {
                        Field::Clerk => Desk::Clerk,
                        Field::Head => Desk::Head,
                        _ => Desk::Contact,
                    };
                    let mails = self.mails(line.number, column, cell);
                    addresses.extend(mails.into_iter().map(|mail| (Some(desk), mail)));
                }
                Field::Aliases => unit.aliases = list(cell),
                Field::Fields => unit.fields = list(cell),
                Field::Areas => unit.areas = list(cell),
                Field::External => match fold(&text).as_str() {
                    "x" | "co" | "yes" | "true" | "1" => unit.external = true,
                    "khong" | "no" | "false" | "0" | "" => {}
                    _ => {
                        let message = format!("`{text}` is neither yes nor no");
                        self.wrong(line.number, column, message, "write x, or leave it empty");
                    }
                },
                Field::Hours => match hours(&text) {
                    Ok(hours) => unit.hours = Some(hours),
                    Err(why) => self.wrong(line.number, column, why, HOURS_HINT),
                },
                Field::Ignored => {}
            }
        }
        if !says_anything {
            return;
        }
        unit.contacts = addresses
            .into_iter()
            .map(|(desk, mail)| (desk.unwrap_or(role), mail))
            .collect();
        if !self.is_further_box(line.number, &unit, parent.as_ref()) {
            self.add(line.number, unit, parent, has_name);
        }
    }

    /// In a table with roles, a line that names a unit above it (or none) is a further box of that unit, and has nothing
    /// else to say.
    fn is_further_box(&mut self, line: usize, unit: &Unit, parent: Option<&(usize, String)>) -> bool {
        let has_roles = self.columns.values().any(|field| *field == Field::Role);
        let found = match unit.name.is_empty() {
            true => self.units.last_mut(),
            false => self
                .units
                .iter_mut()
                .find(|other| fold(&other.unit.name) == fold(&unit.name)),
        };
        let found = found.filter(|other| has_roles && (unit.id.is_empty() || unit.id == other.unit.id));
        let Some(Taken {
            unit: of,
            parent: under,
            line: first,
            ..
        }) = found
        else {
            return false;
        };
        of.contacts.extend(unit.contacts.iter().cloned());
        let differs = |new: &[String], old: &[String]| !new.is_empty() && new != old;
        let text = |parent: &(usize, String)| fold(&parent.1);
        let others = [
            (Field::Short, unit.short.is_some() && unit.short != of.short),
            (
                Field::Parent,
                parent.is_some() && parent.map(text) != under.as_ref().map(text),
            ),
            (Field::Aliases, differs(&unit.aliases, &of.aliases)),
            (Field::Fields, differs(&unit.fields, &of.fields)),
            (Field::Areas, differs(&unit.areas, &of.areas)),
            (Field::External, unit.external && !of.external),
            (Field::Hours, unit.hours.is_some() && unit.hours != of.hours),
        ];
        let (name, first) = (of.name.clone(), *first);
        for (field, _) in others.into_iter().filter(|(_, is_other)| *is_other) {
            let message = format!("line {first} says something else of `{name}`");
            self.wrong(
                line,
                self.column(field),
                message,
                "write it in one of its lines, or the same in all",
            );
        }
        true
    }

    fn add(&mut self, line: usize, unit: Unit, parent: Option<(usize, String)>, has_name: bool) {
        let name_column = self.column(Field::Name);
        let repeats = match unit.name.is_empty() {
            true => None,
            false => self
                .units
                .iter()
                .position(|other| fold(&other.unit.name) == fold(&unit.name)),
        };
        if !has_name {
            let message = "the unit has no name".to_owned();
            self.wrong(line, name_column, message, "write it, or empty the line");
        }
        if let Some(first) = repeats.and_then(|at| self.units.get(at)).map(|other| other.line) {
            let message = format!("`{}` is also the name in line {first}", unit.name);
            self.wrong(
                line,
                name_column,
                message,
                "give each a name of its own, or keep one line",
            );
        }
        self.units.push(Taken {
            has_id: !unit.id.is_empty(),
            line,
            unit,
            parent,
            repeats,
        });
    }

    fn mails(&mut self, line: usize, column: usize, cell: &str) -> Vec<String> {
        let mut found = Vec::new();
        for word in cell.split([';', ',', '\n', ' ']).filter(|word| !word.is_empty()) {
            match official(word.trim_start_matches("mailto:"), self.domains) {
                Ok(mail) => found.push(mail),
                Err((message, hint)) => self.wrong(line, column, message, hint),
            }
        }
        found
    }

    fn finish(mut self, header: usize) -> Result<Vec<Unit>, Vec<Fault>> {
        self.refuse_external_boxes();
        let clash = self.name_ids();
        self.find_parents();
        if !clash {
            self.refuse_circles();
        }
        if self.units.is_empty() && self.faults.is_empty() {
            self.wrong(
                header,
                self.column(Field::Name),
                "no unit stands below the header".to_owned(),
                "write one a line",
            );
        }
        match self.faults.is_empty() {
            true => Ok(self.units.into_iter().map(|taken| taken.unit).collect()),
            false => Err(self.faults),
        }
    }

    fn refuse_external_boxes(&mut self) {
        let external = self
            .units
            .iter()
            .filter(|taken| taken.unit.external && !taken.unit.contacts.is_empty());
        let found: Vec<_> = external.map(|taken| (taken.line, taken.unit.name.clone())).collect();
        for (line, name) in found {
            let message = format!("`{name}` is external and has an address");
            let hint = "an external unit is never mailed: keep one of both";
            self.wrong(line, self.column(Field::External), message, hint);
        }
    }

    /// Gives each unit its id, and tells whether two would have the same. The first that has it in writing keeps it.
    fn name_ids(&mut self) -> bool {
        let id_column = self.columns.values().any(|field| *field == Field::Id);
        let id_column = self.column(if id_column { Field::Id } else { Field::Name });
        let mut called: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut at_fault = Vec::new();
        for (at, taken) in self.units.iter_mut().enumerate() {
            taken.unit.id = taken.id();
            if taken.unit.id.is_empty() && !taken.unit.name.is_empty() {
                at_fault.push((taken.line, "no id can be made of the name".to_owned()));
            }
            // Without an id of its own a line with the name of another is a fault already.
            if taken.has_id || taken.repeats.is_none() {
                called.entry(taken.unit.id.clone()).or_default().push(at);
            }
        }
        called.remove("");
        let mut clash = false;
        for (id, units) in &called {
            let mut units: Vec<&Taken> = units.iter().filter_map(|at| self.units.get(*at)).collect();
            units.sort_by_key(|taken| !taken.has_id);
            let Some((first, others)) = units.split_first() else {
                continue;
            };
            clash |= !others.is_empty();
            for other in others {
                at_fault.push((other.line, format!("the id `{id}` is also that of line {}", first.line)));
            }
            // The initials of one must not be what another is called: a ticket with that word would reach neither.
            let is_called = |taken: &&Taken| {
                let is_other = taken.line != first.line && taken.repeats.is_none();
                is_other && taken.words().any(|word| fold(word) == fold(id))
            };
            if others.is_empty()
                && !first.has_id
                && let Some(other) = self.units.iter().find(is_called)
            {
                at_fault.push((
                    first.line,
                    format!("the id `{id}` is also a name of line {}", other.line),
                ));
            }
        }
        let hint = "give it a short name in the column `Tên viết tắt`, or an id of its own in `Mã đơn vị`";
        for (line, message) in at_fault {
            self.wrong(line, id_column, message, hint);
        }
        clash
    }

    fn find_parents(&mut self) {
        // By what they may be called, folded: as it is written, and the units.
        let mut by_word: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for taken in &self.units {
            let first = taken.repeats.and_then(|at| self.units.get(at)).unwrap_or(taken);
            for word in taken.words() {
                let (_, ids) = by_word
                    .entry(fold(word))
                    .or_insert_with(|| (word.clone(), BTreeSet::new()));
                ids.insert(first.unit.id.clone());
            }
        }
        let mut faults = Vec::new();
        for taken in &mut self.units {
            let Some((column, text)) = &taken.parent else {
                continue;
            };
            let means = by_word
                .get(&fold(text))
                .map(|(_, ids)| ids.iter().collect::<Vec<_>>())
                .unwrap_or_default();
            match means[..] {
                [one] => taken.unit.parent = Some(one.clone()),
                [] => {
                    let hint = most_like(&fold(text), by_word.keys().map(String::as_str), 0.6)
                        .and_then(|word| by_word.get(word))
                        .map_or(
                            "write the name or id of a unit in this table".to_owned(),
                            |(written, _)| format!("did you mean `{written}`?"),
                        );
                    faults.push((taken.line, *column, format!("no unit is named `{text}`"), hint));
                }
                _ => {
                    let hint = "write its id".to_owned();
                    faults.push((taken.line, *column, format!("`{text}` means more than one unit"), hint));
                }
            }
        }
        for (line, column, message, hint) in faults {
            self.wrong(line, column, message, hint);
        }
    }

    fn refuse_circles(&mut self) {
        let parents: BTreeMap<&str, &str> = self
            .units
            .iter()
            .filter(|taken| taken.repeats.is_none())
            .filter_map(|t| Some((t.unit.id.as_str(), t.unit.parent.as_deref()?)))
            .collect();
        let is_in_circle = |id: &str| {
            let mut above = parents.get(id);
            let mut steps = 0;
            while let Some(at) = above.filter(|at| **at != id && steps <= parents.len()) {
                steps += 1;
                above = parents.get(at);
            }
            above.is_some_and(|at| *at == id)
        };
        let circles: Vec<(usize, String)> = self
            .units
            .iter()
            .filter(|taken| taken.repeats.is_none() && is_in_circle(&taken.unit.id))
            .map(|taken| (taken.line, taken.unit.name.clone()))
            .collect();
        let column = self.column(Field::Parent);
        for (line, name) in circles {
            self.wrong(
                line,
                column,
                format!("`{name}` is among its own parents"),
                "name the unit above it",
            );
        }
    }
}

fn is_id(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// `Sở Kế hoạch và Đầu tư` becomes `SKHDT`, `UBND xã Mỹ An` `UBNDXMA` and `Phường 11` `P11`; a single word stays whole.
fn initials(name: &str) -> String {
    let capitals = name == name.to_uppercase();
    let words: Vec<&str> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && word.to_lowercase() != "và")
        .collect();
    let is_whole = |word: &str| {
        let is_abbreviated = !capitals && word.chars().count() > 1 && word == word.to_uppercase();
        is_abbreviated || word.starts_with(|c: char| c.is_ascii_digit())
    };
    match words[..] {
        [] | [_] => slug(name),
        _ => words
            .iter()
            .map(|word| {
                slug(word)
                    .chars()
                    .take(if is_whole(word) { usize::MAX } else { 1 })
                    .collect::<String>()
            })
            .collect(),
    }
}

/// `SLĐ-TB&XH` becomes `SLD-TB-XH`.
fn slug(text: &str) -> String {
    let plain = unaccented(text).to_ascii_uppercase();
    let words = plain
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn desk(text: &str) -> Option<Desk> {
    match fold(text).as_str() {
        "dau moi" | "contact" => Some(Desk::Contact),
        "van thu" | "clerk" => Some(Desk::Clerk),
        "lanh dao" | "thu truong" | "head" => Some(Desk::Head),
        _ => None,
    }
}

pub const HOURS_HINT: &str = "write the hours of Monday to Friday, such as 07:00-11:30, 13:30-17:00";

/// `7h00-11h30, 13:30–17:00` as the intervals of a day, in order and apart.
///
/// # Errors
/// Why it is none.
pub fn hours(text: &str) -> Result<Vec<String>, String> {
    let time = |word: &str| {
        let word = word.trim().to_lowercase().replace(['h', 'g'], ":");
        NaiveTime::parse_from_str(&word, "%H:%M").ok()
    };
    let mut intervals = Vec::new();
    let mut last = NaiveTime::MIN;
    for part in text.split([',', ';']).filter(|part| !part.trim().is_empty()) {
        let interval = part
            .split_once(['-', '–'])
            .and_then(|(from, until)| Some((time(from)?, time(until)?)));
        let Some((from, until)) = interval.filter(|(from, until)| from < until && *from >= last) else {
            return Err(format!(
                "`{}` is no interval of a day after the one before it",
                part.trim()
            ));
        };
        intervals.push(format!("{}-{}", from.format("%H:%M"), until.format("%H:%M")));
        last = until;
    }
    match intervals.is_empty() {
        true => Err("no hours are given".to_owned()),
        false => Ok(intervals),
    }
}

/// Units as entries of `agencies.toml`.
#[must_use]
pub fn to_toml(units: &[Unit]) -> String {
    let mut text = String::new();
    for unit in units {
        // Writing into a text cannot fail.
        let mut put = |key: &str, value: String| _ = writeln!(text, "{key} = {value}");
        put("[[unit]]\nid", quoted(&unit.id));
        put("name", quoted(&unit.name));
        unit.short.iter().for_each(|short| put("short", quoted(short)));
        for (key, values) in [
            ("aliases", &unit.aliases),
            ("fields", &unit.fields),
            ("areas", &unit.areas),
        ] {
            if !values.is_empty() {
                put(key, quoted_list(values));
            }
        }
        unit.parent.iter().for_each(|parent| put("parent", quoted(parent)));
        if unit.external {
            put("external", "true".to_owned());
        }
        if let Some(hours) = &unit.hours {
            let days = ["mon", "tue", "wed", "thu", "fri"].map(|day| format!("{day} = {}", quoted_list(hours)));
            put("hours", format!("{{ {} }}", days.join(", ")));
        }
        if !unit.contacts.is_empty() {
            let contact = |(desk, mail): &(Desk, String)| {
                format!("  {{ role = \"{}\", address = {} }},\n", desk.word(), quoted(mail))
            };
            put(
                "contacts",
                format!("[\n{}]", unit.contacts.iter().map(contact).collect::<String>()),
            );
        }
        text.push('\n');
    }
    text
}

/// Text as a TOML string.
#[must_use]
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn quoted_list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}
