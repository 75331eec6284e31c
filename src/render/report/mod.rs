//! The monthly papers out of one view ([`view`]): `.docx` in the layout of Nghị định 30/2020 ([`paper`]), `.xlsx`
//! ([`workbook`]) and a page ([`page`]).
//!
//! Pure: same view, same bytes. What they say is put together once, as blocks ([`prose`]); each form lays them out.

pub mod page;
pub mod paper;
pub(super) mod prose;
pub mod view;
mod wml;
pub mod workbook;

/// Numbers of parts and annexes.
const ROMAN: [&str; 8] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII"];

/// A piece of a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    /// `I. KẾT QUẢ TIẾP NHẬN`
    Heading(String),
    /// `1. Theo kênh tiếp nhận`
    Subheading(String),
    Text(String),
    /// For whoever completes the draft.
    Note(String),
    Table(Table),
    Bars(Bars),
}

/// A table with a header row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    /// What it shows; not always printed, but read out.
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    title: String,
    /// Share of the width.
    width: u32,
    align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Middle,
    Right,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    cells: Vec<String>,
    /// A sum of the others.
    is_total: bool,
}

/// Bars, one a row, of stacked parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bars {
    title: String,
    /// What the parts are; a single one needs no key.
    series: Vec<Series>,
    rows: Vec<Bar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Series {
    name: &'static str,
    /// `RRGGBB`; told apart in grey print too.
    color: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bar {
    label: String,
    /// As many as there are series; `None` = unknown.
    values: Vec<Option<u64>>,
}

impl Bars {
    /// The longest bar.
    fn most(&self) -> u64 {
        let sums = self.rows.iter().map(|row| row.values.iter().flatten().sum());
        sums.max().unwrap_or(0)
    }
}
