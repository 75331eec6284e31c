//! A table that somebody filled in, a workbook or a CSV file, as lines of text cells. All sizes are limited before and
//! while it is read, so that no file costs more than it may, whatever it says of itself.

use std::io::{Cursor, Read as _, Seek};
use std::path::Path;

use calamine::{DataRef, Reader as _, SheetType, Xlsx};

use super::problem::{Problem, Severity};
use crate::domain::text::nfc;

/// The longest file.
const FILE: u64 = 8 << 20;
/// What a workbook may become when it is unpacked, in bytes and in parts.
const UNPACKED: u64 = 64 << 20;
const PARTS: usize = 1000;
const LINES: usize = 5000;
const COLUMNS: usize = 64;
const CELL: usize = 2000;

/// One line: its number in the file, from 1, and its cells in NFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) cells: Vec<String>,
}

/// A table that could be what is looked for: a sheet, or a CSV file under one separator.
#[derive(Debug)]
pub(super) struct Sheet {
    /// What the sheet of a workbook is called.
    pub(super) title: Option<String>,
    /// The file, and the sheet of a workbook.
    name: String,
    is_workbook: bool,
    pub(super) lines: Vec<Line>,
    /// Cells that hold what is no text.
    pub(super) faults: Vec<Fault>,
    /// Why the rest of it was not read.
    pub(super) refused: Option<String>,
}

/// What is wrong with a cell. Lines count from 1, columns from 0.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Sheet {
    fn new(name: &str, title: Option<&str>) -> Self {
        Self {
            title: title.map(str::to_owned),
            name: title.map_or(name.to_owned(), |title| format!("{name}, sheet “{title}”")),
            is_workbook: title.is_some(),
            lines: Vec::new(),
            faults: Vec::new(),
            refused: None,
        }
    }

    /// A fault by its place, as whoever filled in the table finds it.
    pub(super) fn problem(&self, fault: Fault) -> Problem {
        let Fault {
            line,
            column,
            message,
            hint,
        } = fault;
        let (file, line) = match self.is_workbook {
            true => (format!("{}, cell {}{line}", self.name, letters(column)), None),
            false => (self.name.clone(), Some(line)),
        };
        let message = match self.is_workbook {
            true => message,
            false => format!("column {}: {message}", column + 1),
        };
        Problem {
            file,
            line,
            column: None,
            severity: Severity::Error,
            message,
            hint: Some(hint),
        }
    }
}

/// A column as a spreadsheet names it: A … Z, AA ….
fn letters(column: usize) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).unwrap_or(0));
    match column / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letters(more - 1)),
    }
}

/// What a cell is that holds a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// A fault: only texts are expected.
    Refused,
    /// Its day, such as 2021-09-28.
    Taken,
}

/// Reads a file by what it is, not by its name.
pub(super) fn read(path: &Path, dates: Dates) -> Result<Vec<Sheet>, Problem> {
    let name = path.display().to_string();
    let refuse = |message: String, hint: &str| Problem {
        file: name.clone(),
        line: None,
        column: None,
        severity: Severity::Error,
        message,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| refuse(format!("cannot be read: {e}"), ""))?;
    file.take(FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| refuse(format!("cannot be read: {e}"), ""))?;
    if bytes.len() as u64 > FILE {
        return Err(refuse(
            format!("is longer than {} MB", FILE >> 20),
            "such a table has some hundred lines; remove pictures and other sheets",
        ));
    }
    match &bytes[..] {
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Err(refuse(
            "is an old workbook (.xls), or one with a password".to_owned(),
            "save it as .xlsx without a password",
        )),
        [b'P', b'K', ..] => workbook(&name, bytes, dates).map_err(|message| refuse(message, "")),
        _ => csv(&name, &bytes).map_err(|(message, hint)| refuse(message, hint)),
    }
}

fn workbook(name: &str, bytes: Vec<u8>, dates: Dates) -> Result<Vec<Sheet>, String> {
    measure(Cursor::new(&bytes[..]))?;
    let broken = |error: calamine::XlsxError| format!("is no workbook that can be read: {error}");
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let mut sheets = Vec::new();
    // A sheet of another kind is a chart or a dialog, which have no cells.
    let tables = book.sheets_metadata().iter();
    let titles: Vec<String> = tables
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .collect();
    for title in titles {
        let damaged = |error: calamine::XlsxError| format!("sheet “{title}” cannot be read: {error}");
        let mut sheet = Sheet::new(name, Some(&title));
        // Cell by cell: a sheet of two cells in far corners would be a table of billions.
        let mut cells = book.worksheet_cells_reader(&title).map_err(damaged)?;
        while let Some(cell) = cells.next_cell().map_err(damaged)? {
            let (row, column) = cell.get_position();
            let (row, column) = (row as usize, column as usize);
            let text = match cell.get_value() {
                DataRef::Empty => continue,
                DataRef::String(text) => nfc(text),
                DataRef::SharedString(text) => nfc(text),
                DataRef::Int(number) => number.to_string(),
                DataRef::Float(number) => number.to_string(),
                DataRef::Bool(true) => "true".to_owned(),
                DataRef::Bool(false) => "false".to_owned(),
                DataRef::DateTime(at) if dates == Dates::Taken && at.is_datetime() => {
                    let (year, month, day, ..) = at.to_ymd_hms_milli();
                    format!("{year:04}-{month:02}-{day:02}")
                }
                DataRef::DateTimeIso(at) if dates == Dates::Taken => {
                    at.split('T').next().unwrap_or_default().to_owned()
                }
                other => {
                    let what = match other {
                        DataRef::Error(_) => "the cell shows an error of its formula",
                        _ => "the cell holds a date or a time",
                    };
                    sheet.faults.push(Fault {
                        line: row + 1,
                        column,
                        message: what.to_owned(),
                        hint: "write it as text".to_owned(),
                    });
                    continue;
                }
            };
            if text.is_empty() {
                continue;
            }
            if row >= LINES || column >= COLUMNS {
                return Err(format!(
                    "sheet “{title}” has something in {}{}; more than {LINES} lines or {COLUMNS} columns are not read",
                    letters(column),
                    row + 1
                ));
            }
            put(&mut sheet, row + 1, column, text);
        }
        sheet.lines.sort_by_key(|line| line.number);
        sheets.push(sheet);
    }
    Ok(sheets)
}

fn put(sheet: &mut Sheet, number: usize, column: usize, text: String) {
    let text = bounded(sheet, number, column, text);
    if sheet.lines.last().is_none_or(|line| line.number != number) {
        sheet.lines.push(Line {
            number,
            cells: Vec::new(),
        });
    }
    if let Some(line) = sheet.lines.last_mut() {
        if line.cells.len() <= column {
            line.cells.resize(column + 1, String::new());
        }
        if let Some(cell) = line.cells.get_mut(column) {
            *cell = text;
        }
    }
}

/// The text, unless it is too long or holds what no text has: then that is noted.
fn bounded(sheet: &mut Sheet, number: usize, column: usize, text: String) -> String {
    let why = if text.len() > CELL {
        "the cell is too long"
    } else if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        "the cell holds control characters"
    } else {
        return text;
    };
    sheet.faults.push(Fault {
        line: number,
        column,
        message: why.to_owned(),
        hint: "write it anew".to_owned(),
    });
    String::new()
}

/// Unpacks all parts into nothing, since what a part says of its own length proves nothing.
fn measure(file: impl std::io::Read + Seek) -> Result<(), String> {
    let broken = |error: &dyn std::fmt::Display| format!("is no workbook that can be read: {error}");
    let mut archive = zip::ZipArchive::new(file).map_err(|e| broken(&e))?;
    if archive.len() > PARTS {
        return Err(format!("has more than {PARTS} parts"));
    }
    let mut left = UNPACKED;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|e| broken(&e))?;
        let length = std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|e| broken(&e))?;
        left = left
            .checked_sub(length)
            .ok_or_else(|| format!("becomes more than {} MB when it is unpacked", UNPACKED >> 20))?;
    }
    Ok(())
}

/// The file under each separator that it may have.
fn csv(name: &str, bytes: &[u8]) -> Result<Vec<Sheet>, (String, &'static str)> {
    const AS_UTF8: &str = "save it as “CSV UTF-8”, or as .xlsx";
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(("is UTF-16, not UTF-8".to_owned(), AS_UTF8));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let message = format!("line {line} is not UTF-8, perhaps Windows-1258 or another old encoding");
        (message, AS_UTF8)
    })?;
    let separators = b";,\t".iter();
    Ok(separators.map(|separator| separated(name, text, *separator)).collect())
}

/// The file under one separator. Where it may be the wrong one, what it makes of the lines is no fault of the file: only
/// the header tells.
fn separated(name: &str, text: &str, separator: u8) -> Sheet {
    let mut sheet = Sheet::new(name, None);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                sheet.refused = Some(format!("cannot be read: {error}"));
                break;
            }
        };
        let number = record
            .position()
            .map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        for (column, cell) in record.iter().take(COLUMNS).enumerate() {
            let cell = nfc(cell);
            if !cell.is_empty() {
                put(&mut sheet, number, column, cell);
            }
        }
        if sheet.lines.len() > LINES || record.len() > COLUMNS {
            sheet.refused = Some(format!("has more than {LINES} lines or {COLUMNS} columns"));
            break;
        }
    }
    sheet
}
