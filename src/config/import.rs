//! A directory of agencies out of a table that somebody filled in: its headers and words in Vietnamese or English, every
//! fault named by its cell. What comes out is either all of it, as the text of `agencies.toml`, or a list of all faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use chrono::NaiveTime;

use super::mail::official;
use super::problem::{Problem, Problems, did_you_mean};
use super::sheet::{self, Line, Sheet};
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

/// The headers by which a column is known, folded; the first of each is that of the template.
const HEADERS: [(Field, &[&str]); 15] = [
    (Field::Id, &["ma don vi", "ma", "ma co quan", "id", "code"]),
    (
        Field::Name,
        &[
            "ten don vi",
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
        &["ten viet tat", "viet tat", "ten tat", "short", "short name"],
    ),
    (
        Field::Parent,
        &[
            "don vi cap tren",
            "cap tren",
            "co quan cap tren",
            "co quan chu quan",
            "truc thuoc",
            "parent",
        ],
    ),
    (Field::Role, &["vai tro", "chuc trach", "role", "desk"]),
    (
        Field::Address,
        &[
            "thu dien tu",
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
        &[
            "thu dien tu dau moi",
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
        &[
            "thu dien tu van thu",
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
        &[
            "thu dien tu lanh dao",
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
        &["ten goi khac", "ten khac", "aliases", "alias", "other names"],
    ),
    (Field::Fields, &["linh vuc", "fields", "field"]),
    (Field::Areas, &["ma dia ban", "dia ban", "areas", "area"]),
    (
        Field::External,
        &["ngoai tinh", "ben ngoai", "don vi ngoai", "external"],
    ),
    (Field::Hours, &["gio lam viec", "office hours", "hours"]),
    (
        Field::Ignored,
        &["stt", "tt", "so thu tu", "ghi chu", "note", "notes", "no"],
    ),
];

/// The headers of the template, as they are written there.
pub const TEMPLATE: [&str; 12] = [
    "Mã đơn vị",
    "Tên đơn vị",
    "Tên viết tắt",
    "Đơn vị cấp trên",
    "Thư điện tử đầu mối",
    "Thư điện tử văn thư",
    "Thư điện tử lãnh đạo",
    "Tên gọi khác",
    "Lĩnh vực",
    "Mã địa bàn",
    "Ngoài tỉnh",
    "Giờ làm việc",
];

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
    let sheets = sheet::read(path).map_err(|problem| Problems(vec![problem]))?;
    let found = sheets
        .iter()
        .filter_map(|sheet| Some((sheet, header(sheet)?)))
        .max_by_key(|(_, header)| header.columns.len() + header.problems.len());
    let Some((sheet, header)) = found else {
        let problem = Problem {
            file: path.display().to_string(),
            line: None,
            column: None,
            severity: super::Severity::Error,
            message: format!("no line of the first {TITLES} is a header with the names of the units"),
            hint: Some("write the headers of `dondoc init --directory-template FILE.xlsx`".to_owned()),
        };
        return Err(Problems(vec![problem]));
    };
    let mut rows = Rows {
        sheet,
        domains,
        columns: &header.columns,
        problems: sheet.problems.iter().chain(&header.problems).cloned().collect(),
        units: Vec::new(),
    };
    for line in sheet.lines.iter().filter(|line| line.number > header.last) {
        rows.take(line);
    }
    rows.finish(header.last)
}

struct Header {
    columns: BTreeMap<usize, Field>,
    /// The number of its last line.
    last: usize,
    problems: Vec<Problem>,
}

fn field(text: &str) -> Option<Field> {
    let folded = fold(text);
    let known = HEADERS.iter().find(|(_, words)| words.contains(&folded.as_str()));
    known.map(|(field, _)| *field)
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
        problems: Vec::new(),
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
        let mut wrong = |message: String, hint: Option<String>| {
            header.problems.push(sheet.problem(number, column, message, hint));
        };
        match field(&text) {
            None => {
                let words = HEADERS.iter().flat_map(|(_, words)| words.iter().copied());
                let hint = did_you_mean(&fold(&text), words)
                    .unwrap_or_else(|| "delete the column, or give it a header of the template".to_owned());
                wrong(format!("the header `{}` is not known", one_line(&text)), Some(hint));
            }
            Some(Field::Ignored) => {}
            Some(field) if header.columns.values().any(|known| *known == field) => {
                wrong(
                    format!("the header `{}` means what another column does", one_line(&text)),
                    Some("keep one of them".to_owned()),
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
}

struct Rows<'a> {
    sheet: &'a Sheet,
    domains: &'a [String],
    columns: &'a BTreeMap<usize, Field>,
    problems: Vec<Problem>,
    units: Vec<Taken>,
}

impl Rows<'_> {
    fn wrong(&mut self, line: usize, column: usize, message: String, hint: impl Into<String>) {
        let problem = self.sheet.problem(line, column, message, Some(hint.into()));
        self.problems.push(problem);
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
        let mut says_anything = false;
        for (column, cell) in cells {
            let Some(field) = self.columns.get(&column).copied() else {
                continue;
            };
            says_anything = true;
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
        self.add(line, unit, parent);
    }

    /// Puts a line where it belongs: in a table with roles, what names the unit above (or none) is a further box of it.
    fn add(&mut self, line: &Line, unit: Unit, parent: Option<(usize, String)>) {
        let name_column = self.column(Field::Name);
        let has_roles = self.columns.values().any(|field| *field == Field::Role);
        if has_roles
            && let Some(last) = self.units.last_mut()
            && (unit.name.is_empty() || fold(&unit.name) == fold(&last.unit.name))
            && (unit.id.is_empty() || unit.id == last.unit.id)
        {
            last.unit.contacts.extend(unit.contacts);
            return;
        }
        if unit.name.is_empty() {
            let message = "the unit has no name".to_owned();
            self.wrong(line.number, name_column, message, "write it, or empty the line");
            return;
        }
        if unit.external && !unit.contacts.is_empty() {
            let message = format!("`{}` is external and has an address", unit.name);
            self.wrong(
                line.number,
                self.column(Field::External),
                message,
                "an external unit is never mailed: keep one of both",
            );
        }
        let same = self
            .units
            .iter()
            .find(|other| fold(&other.unit.name) == fold(&unit.name));
        if let Some(first) = same.map(|other| other.line) {
            let message = format!("`{}` is also the name in line {first}", unit.name);
            self.wrong(
                line.number,
                name_column,
                message,
                "give each a name of its own, or keep one line",
            );
            return;
        }
        self.units.push(Taken {
            has_id: !unit.id.is_empty(),
            line: line.number,
            unit,
            parent,
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

    fn finish(mut self, header: usize) -> Result<Vec<Unit>, Problems> {
        self.name_ids();
        self.find_parents();
        self.break_circles();
        if self.units.is_empty() && self.problems.is_empty() {
            self.wrong(
                header,
                self.column(Field::Name),
                "no unit stands below the header".to_owned(),
                "write one a line",
            );
        }
        match self.problems.is_empty() {
            true => Ok(self.units.into_iter().map(|taken| taken.unit).collect()),
            false => Err(Problems(self.problems)),
        }
    }

    /// An id that is missing is the short name, else the name, without accents. It depends on nothing else in the table,
    /// so that it stays the same when lines are added; where two would be one, ops have to say.
    fn name_ids(&mut self) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut clashes = Vec::new();
        for taken in &mut self.units {
            if !taken.has_id {
                let short = taken.unit.short.as_deref().map(slug).filter(|id| !id.is_empty());
                taken.unit.id = short.unwrap_or_else(|| slug(&taken.unit.name));
            }
            let id = &taken.unit.id;
            match seen.get(id) {
                _ if id.is_empty() => clashes.push((taken.line, "no id can be made of the name".to_owned())),
                Some(first) => clashes.push((taken.line, format!("the id `{id}` is also that of line {first}"))),
                None => {
                    seen.insert(id.clone(), taken.line);
                }
            }
        }
        let at = match self.columns.values().any(|field| *field == Field::Id) {
            true => self.column(Field::Id),
            false => self.column(Field::Name),
        };
        for (line, message) in clashes {
            self.wrong(line, at, message, "write an id of its own into the column `Mã đơn vị`");
        }
    }

    fn find_parents(&mut self) {
        let mut by_word: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Taken { unit, .. } in &self.units {
            let words = [&unit.id, &unit.name]
                .into_iter()
                .chain(&unit.short)
                .chain(&unit.aliases);
            for word in words {
                by_word.entry(fold(word)).or_default().insert(unit.id.clone());
            }
        }
        let mut faults = Vec::new();
        for taken in &mut self.units {
            let Some((column, text)) = &taken.parent else {
                continue;
            };
            let means = by_word
                .get(&fold(text))
                .map(|ids| ids.iter().collect::<Vec<_>>())
                .unwrap_or_default();
            match means[..] {
                [one] => taken.unit.parent = Some(one.clone()),
                [] => {
                    let hint = did_you_mean(&fold(text), by_word.keys().map(String::as_str))
                        .unwrap_or_else(|| "write the name or id of a unit in this table".to_owned());
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

    fn break_circles(&mut self) {
        let parents: BTreeMap<&str, &str> = self
            .units
            .iter()
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
            .filter(|taken| is_in_circle(&taken.unit.id))
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

/// `Sở Y tế` becomes `SO-Y-TE`.
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
