//! Tables that a template writes itself, for sections whose rows are no tickets.
//!
//! Its block `tables` has lines `{{ title|bang }}` and `{{ [cell, …]|hang }}`, the first row of a table being its head.
//! What is made of them is the same in text and HTML, and a cell stays a cell whatever stands in it.

use minijinja::{Environment, Error, ErrorKind, Value};
use serde::Serialize;

use super::language::wrap;

/// Widest line of a text.
const WIDTH: usize = 76;

const TITLE: char = '\u{1d}';
const ROW: char = '\u{1e}';
const CELL: char = '\u{1f}';

/// A table with what both layouts need of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// By column: all its cells are numbers.
    numeric: Vec<bool>,
    /// Several columns are words: in the text each cell has a line of its own, and there is no head.
    is_list: bool,
    /// As it stands in the text, without its title.
    text: String,
}

pub(super) fn add_filters(env: &mut Environment<'static>) {
    env.add_filter("bang", |title: &str| format!("{TITLE}{}", plain(title)));
    env.add_filter("hang", |cells: Value| {
        let cells = cells
            .try_iter()
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "a row is a list of cells"))?;
        let cells: Vec<String> = cells.map(|cell| plain(&cell.to_string())).collect();
        Ok::<_, Error>(format!("{ROW}{}", cells.join(&CELL.to_string())))
    });
}

/// A text in one line.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Reads what the block wrote; tables without a row are left out.
pub(super) fn read(block: &str) -> Vec<Table> {
    let mut tables: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for line in block.lines() {
        let line = line.trim_matches(' ');
        if let Some(title) = line.strip_prefix(TITLE) {
            tables.push((title.to_owned(), Vec::new()));
        } else if let (Some(cells), Some((_, rows))) = (line.strip_prefix(ROW), tables.last_mut()) {
            rows.push(cells.split(CELL).map(str::to_owned).collect());
        }
    }
    let tables = tables.into_iter().filter(|(_, rows)| rows.len() > 1);
    tables.map(|(title, rows)| Table::new(title, rows)).collect()
}

fn is_number(cell: &str) -> bool {
    cell.chars().all(|c| c.is_ascii_digit() || ".,–+-%".contains(c))
}

impl Table {
    fn new(title: String, mut rows: Vec<Vec<String>>) -> Table {
        let head = rows.remove(0);
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(head.len());
        let numeric: Vec<bool> = (0..columns)
            .map(|column| {
                rows.iter()
                    .filter_map(|row| row.get(column))
                    .all(|cell| is_number(cell))
            })
            .collect();
        let is_list = numeric.iter().filter(|is_number| !**is_number).count() > 1;
        let text = match is_list {
            false => in_columns(&head, &rows, &numeric),
            true => rows.iter().map(|row| one_by_one(row)).collect(),
        };
        Table {
            title,
            head,
            rows,
            numeric,
            is_list,
            text,
        }
    }
}

/// A row's cells one under the other.
fn one_by_one(row: &[String]) -> String {
    let cells = row.iter().enumerate();
    let cells = cells.map(|(n, cell)| {
        format!(
            "{}{}\n",
            if n == 0 { "- " } else { "  " },
            wrap(cell, WIDTH - 2, Some(4))
        )
    });
    cells.collect()
}

/// Numbers one under the other. A name that is too long has a line of its own above them.
fn in_columns(head: &[String], rows: &[Vec<String>], numeric: &[bool]) -> String {
    let widest = |column: usize| {
        let cells = std::iter::once(head).chain(rows.iter().map(Vec::as_slice));
        cells
            .filter_map(|row| Some(row.get(column)?.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..numeric.len()).map(widest).collect();
    let numbers: usize = widths
        .iter()
        .zip(numeric)
        .filter(|(_, is_number)| **is_number)
        .map(|(w, _)| w + 2)
        .sum();
    for (width, _) in widths.iter_mut().zip(numeric).filter(|(_, is_number)| !**is_number) {
        *width = (*width).min(WIDTH.saturating_sub(numbers));
    }
    let mut text = String::new();
    for row in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for ((cell, width), is_number) in row.iter().zip(&widths).zip(numeric) {
            let length = cell.chars().count();
            let fill = " ".repeat(width.saturating_sub(length));
            match is_number {
                true => line.push_str(&format!("  {fill}{cell}")),
                false if length > *width => line.push_str(&format!("{cell}\n{}", " ".repeat(*width))),
                false => line.push_str(&format!("{cell}{fill}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(template: &str) -> Vec<Table> {
        let mut env = Environment::new();
        add_filters(&mut env);
        read(&env.render_str(template, ()).expect("a template"))
    }

    #[test]
    fn numbers_stand_under_each_other_and_long_names_above_them() {
        let long = "Ủy ban nhân dân thành phố Hồng Ngự và các phường, xã trực thuộc quản lý trên địa bàn";
        let tables = written(&format!(
            "{{{{ 'Theo cơ quan'|bang }}}}\n{{{{ ['Cơ quan', 'Mở', 'Quá hạn']|hang }}}}\n\n{{{{ ['Sở Y tế', '1.024', '7']|hang }}}}\n\
             {{{{ ['{long}', '3', '–']|hang }}}}"
        ));
        let [table] = tables.as_slice() else {
            panic!("{tables:?}")
        };
        assert_eq!(table.title, "Theo cơ quan");
        assert_eq!(table.numeric, [false, true, true]);
        let lines: Vec<&str> = table.text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[1].starts_with("Sở Y tế ") && lines[1].ends_with("  1.024        7"),
            "{}",
            table.text
        );
        assert_eq!(lines[2], long);
        assert!(lines[3].ends_with("      3        –"), "{}", table.text);
        assert!(lines.iter().filter(|l| **l != long).all(|l| l.chars().count() <= WIDTH));
    }

    #[test]
    fn a_cell_stays_a_cell_whatever_stands_in_it() {
        let tables = written("{{ 'a'|bang }}\n{{ ['b\n\x1d', 'c\x1fd']|hang }}\n{{ ['e | f', '<b>\n\x1eg']|hang }}");
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].head, ["b", "c d"]);
        assert_eq!(tables[0].rows, [["e | f", "<b> g"]]);
    }

    #[test]
    fn a_table_without_rows_is_left_out() {
        assert_eq!(written("{{ 'a'|bang }}\n{{ ['b']|hang }}"), []);
        assert_eq!(written(""), []);
    }
}
