//! Papers as `.docx`, in the layout of Nghị định 30/2020 (`domain.md` §5.1). They are drafts: number, date and signature
//! stay empty, and every page says so.

use super::view::ReportView;
use super::wml::{Cell, El, Grid, Jc, Package, Page, Para, Run, mm, run};
use super::{Align, Bars, Block, Table, prose};
use crate::domain::Moment;
use crate::domain::papers::Paper;

/// The media type of a document.
pub const MEDIA_TYPE: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

const FONT: &str = "Times New Roman";
/// Sizes in points.
const BODY: u32 = 14;
const HEAD: u32 = 12;
const IN_TABLE: u32 = 12;
const IN_ANNEX: u32 = 11;
const WIDE: u32 = 10;

const PORTRAIT: Page = Page {
    is_landscape: false,
    top: 20,
    right: 15,
    bottom: 20,
    left: 30,
    header: 10,
    numbers_first: false,
};
const LANDSCAPE: Page = Page {
    is_landscape: true,
    numbers_first: true,
    ..PORTRAIT
};

/// Of the first line, and of items.
const FIRST_LINE: i32 = 567;
/// Steps of a bar.
const STEPS: u32 = 40;

/// Which of the papers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The monthly report to the Chairman.
    Report,
    /// The draft of the Chairman's directive.
    Directive,
    /// The letter that urges agencies on.
    Urging,
}

/// A paper, written at an instant.
///
/// # Errors
/// When the container cannot be written, such as beyond 4 GB.
pub fn write(view: &ReportView, kind: Kind, at: Moment) -> Result<Vec<u8>, zip::result::ZipError> {
    let papers = &view.papers;
    let (paper, title, blocks) = match kind {
        Kind::Report => (&papers.report, prose::title(view), prose::report(view)),
        Kind::Directive => (
            &papers.directive,
            prose::directive_subject(view),
            prose::directive(view),
        ),
        Kind::Urging => (&papers.urging, prose::urging_subject(view), prose::urging(view)),
    };
    let mut body = vec![head(view, kind, paper, &title)];
    body.push(
        Para::of([run(prose::draft(view)).bold().italic().size(12)])
            .jc(Jc::Center)
            .space(8, 8)
            .element(),
    );
    if kind == Kind::Report {
        body.push(centered(run("BÁO CÁO").bold()).space(6, 0).element());
        body.push(centered(run(title.clone()).bold()).space(0, 0).element());
        body.push(rule(PORTRAIT.text_width() * 3 / 8));
    }
    body.extend(addressees(&to(view, kind, paper)));
    for (n, block) in blocks.iter().enumerate() {
        // A signature never stands on a page without text.
        body.extend(laid_out(block, n + 2 >= blocks.len()));
    }
    body.push(gap());
    body.push(signature(paper));
    let annexes = annexes(view, kind, paper);
    if annexes.is_empty() {
        body.push(spacer());
        body.push(PORTRAIT.properties());
    } else {
        body.push(ends(PORTRAIT));
        body.extend(annexes);
        body.push(LANDSCAPE.properties());
    }
    Package {
        title: &title,
        author: &papers.bureau(),
        at,
        footer: &prose::draft(view),
        font: FONT,
        size: BODY,
        number_size: 13,
    }
    .write(body)
}

/// To whom it goes, a line each.
fn to(view: &ReportView, kind: Kind, paper: &Paper) -> Vec<String> {
    if !paper.to.is_empty() {
        return paper.to.clone();
    }
    let all = || vec!["Các cơ quan, đơn vị, địa phương".to_owned()];
    match kind {
        Kind::Report => vec![view.papers.chairman()],
        Kind::Directive => all(),
        Kind::Urging => Some(prose::urged_units(view))
            .filter(|units| !units.is_empty())
            .unwrap_or_else(all),
    }
}

fn centered(text: Run) -> Para {
    Para::of([text]).jc(Jc::Center)
}

/// A line under text that is so wide, in a column of the text's width.
fn rule_in(column: u32, width: u32) -> Para {
    let aside = column.saturating_sub(width) / 2;
    Para {
        rule: true,
        indent: (aside, aside, 0),
        mark_size: Some(8),
        // Clear of what hangs below the line above.
        space: (3, 0),
        ..Para::default()
    }
}

fn rule(width: u32) -> El {
    rule_in(PORTRAIT.text_width(), width).element()
}

/// A line that takes no room; Word wants a paragraph behind a table.
fn spacer() -> El {
    Para {
        mark_size: Some(4),
        ..Para::default()
    }
    .element()
}

/// Room before the signature, on its page.
fn gap() -> El {
    Para {
        mark_size: Some(16),
        keep_next: true,
        ..Para::default()
    }
    .element()
}

/// The end of a section.
fn ends(page: Page) -> El {
    super::wml::el("w:p").child(super::wml::el("w:pPr").child(page.properties()))
}

/// National heading and agency, number and date, side by side.
fn head(view: &ReportView, kind: Kind, paper: &Paper, subject: &str) -> El {
    let papers = &view.papers;
    let text = PORTRAIT.text_width();
    let left = text * 45 / 100;
    let right = text - left;
    let superior = papers.superior.lines().map(|line| run(line).size(HEAD));
    let office = papers.office.lines().map(|line| run(line).bold().size(HEAD));
    let issuer: Vec<Para> = match kind {
        // The Chairman's own: no agency above.
        Kind::Directive => superior.map(|line| centered(line.bold())).collect(),
        Kind::Report | Kind::Urging => superior.chain(office).map(centered).collect(),
    };
    let nation = vec![
        centered(run("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM").bold().size(HEAD)),
        centered(run("Độc lập - Tự do - Hạnh phúc").bold().size(13)),
        // As long as the line above it.
        rule_in(right, mm(57)),
    ];
    let mut number = vec![centered(run(format!("Số:            /{}", paper.symbol)).size(13)).space(4, 0)];
    if kind != Kind::Report {
        number.push(centered(run(subject).size(12)).space(2, 0));
    }
    let year = view.drawn_at.format("%Y");
    let date = format!("{}, ngày ...... tháng ...... năm {year}", papers.place);
    let date = vec![centered(run(date).italic().size(13)).space(4, 0)];
    let cell = |paragraphs: Vec<Para>| Cell {
        paragraphs,
        ..Cell::default()
    };
    let issuer = issuer.into_iter().chain([rule_in(left, mm(24))]).collect();
    Grid {
        columns: vec![left, right],
        has_borders: false,
        caption: None,
        header: None,
        rows: vec![vec![cell(issuer), cell(nation)], vec![cell(number), cell(date)]],
        padding: 0,
    }
    .element()
}

/// «Kính gửi».
fn addressees(to: &[String]) -> Vec<El> {
    let [several @ .., last] = to else {
        return Vec::new();
    };
    if several.is_empty() {
        let line = centered(run(format!("Kính gửi: {last}.")).size(BODY));
        return vec![line.space(8, 10).element()];
    }
    let aside = mm(35);
    let line = |text: String| Para {
        runs: vec![run(text)],
        indent: (aside + mm(5), 0, -i32::try_from(mm(4)).unwrap_or(0)),
        ..Para::default()
    };
    let mut lines = vec![
        Para {
            indent: (mm(20), 0, 0),
            keep_next: true,
            ..Para::of([run("Kính gửi:")])
        }
        .space(8, 0)
        .element(),
    ];
    lines.extend(several.iter().map(|to| line(format!("- {to};")).element()));
    lines.push(line(format!("- {last}.")).space(0, 10).element());
    lines
}

fn laid_out(block: &Block, keep_next: bool) -> Vec<El> {
    let body = |text: &str| Para {
        indent: (0, 0, FIRST_LINE),
        keep_next,
        ..Para::of([run(text)]).jc(Jc::Both).space(3, 3)
    };
    match block {
        Block::Heading(text) | Block::Subheading(text) => {
            let style = match block {
                Block::Heading(_) => "Heading1",
                _ => "Heading2",
            };
            let para = Para {
                style: Some(style),
                keep_next: true,
                ..body(text)
            };
            vec![para.space(6, 3).element()]
        }
        Block::Text(text) => vec![body(text).element()],
        Block::Note(text) => {
            let mut para = body(text);
            para.runs = vec![run(text).italic()];
            vec![para.element()]
        }
        Block::Table(table) => vec![ruled(table, PORTRAIT.text_width(), IN_TABLE, true), spacer()],
        Block::Bars(bars) => chart(bars),
    }
}

/// A table with borders, its header on every page that it goes over, which `is_kept` on one it does not.
fn ruled(table: &Table, width: u32, size: u32, is_kept: bool) -> El {
    let shares: u32 = table.columns.iter().map(|c| c.width).sum();
    let columns = table.columns.iter().map(|c| width * c.width / shares.max(1)).collect();
    let cell = |run: Run, jc: Jc, keep_next: bool| Cell {
        paragraphs: vec![Para {
            keep_next,
            ..Para::of([run]).jc(jc).space(1, 1)
        }],
        is_middle: true,
        ..Cell::default()
    };
    let last = table.rows.len().saturating_sub(1);
    let header = table
        .columns
        .iter()
        .map(|c| Cell {
            fill: Some("EDEDED"),
            ..cell(run(&c.title).bold().size(size), Jc::Center, true)
        })
        .collect();
    let rows = table.rows.iter().enumerate().map(|(n, row)| {
        let cells = row.cells.iter().zip(&table.columns).map(|(text, column)| {
            let text = run(text).size(size);
            let text = if row.is_total { text.bold() } else { text };
            let jc = match column.align {
                Align::Left => Jc::Left,
                Align::Middle => Jc::Center,
                Align::Right => Jc::Right,
            };
            cell(text, jc, is_kept && n < last)
        });
        cells.collect()
    });
    Grid {
        columns,
        has_borders: true,
        caption: Some(table.caption.clone()),
        header: Some(header),
        rows: rows.collect(),
        padding: 60,
    }
    .element()
}

/// Bars as cells of a table: sharp on paper and for those who read aloud, and no picture to be made.
fn chart(bars: &Bars) -> Vec<El> {
    let width = PORTRAIT.text_width();
    let (label, value) = (width * 38 / 100, width * 14 / 100);
    let step = (width - label - value) / STEPS;
    let most = bars.most().max(1);
    let text = |text: String, jc: Jc| Cell {
        paragraphs: vec![Para {
            // With its bars and their key on one page.
            keep_next: true,
            ..Para::of([run(text).size(11)]).jc(jc)
        }],
        is_middle: true,
        ..Cell::default()
    };
    let rows = bars.rows.iter().map(|bar| {
        let mut cells = vec![text(bar.label.clone(), Jc::Right)];
        let mut left = STEPS;
        for (n, series) in bar.values.iter().zip(&bars.series) {
            let n = n.unwrap_or(0);
            let steps = (n * u64::from(STEPS)).div_ceil(most);
            let steps = u32::try_from(steps).unwrap_or(STEPS).min(left);
            if steps > 0 {
                cells.push(Cell {
                    span: steps,
                    fill: Some(series.color),
                    is_bar: true,
                    ..Cell::default()
                });
            }
            left -= steps;
        }
        if left > 0 {
            cells.push(Cell {
                span: left,
                is_bar: true,
                ..Cell::default()
            });
        }
        let shown: Vec<String> = bar.values.iter().map(|n| prose::cell(*n)).collect();
        cells.push(text(shown.join(" + "), Jc::Left));
        cells
    });
    let columns = [label].into_iter().chain((0..STEPS).map(|_| step)).chain([value]);
    let grid = Grid {
        columns: columns.collect(),
        has_borders: false,
        caption: Some(bars.title.clone()),
        header: None,
        rows: rows.collect(),
        padding: 60,
    };
    let title = Para {
        keep_next: true,
        ..centered(run(&bars.title).bold().size(12)).space(6, 3)
    };
    let mut out = vec![title.element(), grid.element()];
    let key = bars.series.iter().enumerate().flat_map(|(n, series)| {
        let swatch = Run {
            fill: Some(series.color),
            ..run("\u{a0}\u{a0}\u{a0}\u{a0}").size(10)
        };
        let gap = if n == 0 { "" } else { "\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}" };
        [run(gap).size(10), swatch, run(format!(" {}", series.name)).size(11)]
    });
    match bars.series.len() {
        0 | 1 => out.push(spacer()),
        _ => out.push(Para::of(key).jc(Jc::Center).space(3, 6).element()),
    }
    out
}

/// «Nơi nhận» on the left, who signs on the right; the signature stays empty.
fn signature(paper: &Paper) -> El {
    let text = PORTRAIT.text_width();
    let left = text / 2;
    let small = |text: String| Para::of([run(text).size(11)]);
    let mut copies = vec![Para::of([run("Nơi nhận:").bold().italic().size(12)])];
    let last = paper.copies.len();
    copies.extend((1..).zip(&paper.copies).map(|(n, copy)| {
        let end = if n == last { "." } else { ";" };
        small(format!("- {copy}{end}"))
    }));
    let signer = paper.signer.iter().map(|line| Para {
        keep_next: true,
        ..centered(run(line).bold())
    });
    let blank = (0..4).map(|_| Para::default());
    let cell = |paragraphs: Vec<Para>| Cell {
        paragraphs,
        ..Cell::default()
    };
    Grid {
        columns: vec![left, text - left],
        has_borders: false,
        caption: None,
        header: None,
        rows: vec![vec![cell(copies), cell(signer.chain(blank).collect())]],
        padding: 0,
    }
    .element()
}

/// The annexes across the page, each from a new one.
fn annexes(view: &ReportView, kind: Kind, paper: &Paper) -> Vec<El> {
    let (of, tables) = match kind {
        Kind::Directive => return Vec::new(),
        Kind::Report => ("Báo cáo", report_annexes(view)),
        Kind::Urging => ("Công văn", urging_annexes(view)),
    };
    let year = view.drawn_at.format("%Y");
    let belongs = format!(
        "(Kèm theo {of} số          /{} ngày ...... tháng ...... năm {year} của {})",
        paper.symbol,
        view.papers.bureau()
    );
    let alone = tables.len() == 1;
    let mut out = Vec::new();
    for (n, (table, size)) in tables.iter().enumerate() {
        let number = if alone {
            "Phụ lục".to_owned()
        } else {
            format!("Phụ lục {}", super::ROMAN.get(n).unwrap_or(&""))
        };
        let first = Para {
            page_break_before: n > 0,
            style: Some("Heading1"),
            keep_next: true,
            ..centered(run(number).bold())
        };
        out.push(first.element());
        out.push(centered(run(table.caption.to_uppercase()).bold()).element());
        out.push(centered(run(&belongs).italic()).space(0, 8).element());
        if table.rows.is_empty() {
            out.push(centered(run("Không có.")).element());
        } else {
            out.push(ruled(table, LANDSCAPE.text_width(), *size, false));
        }
        out.push(spacer());
    }
    out
}

fn report_annexes(view: &ReportView) -> Vec<(Table, u32)> {
    let overdue = prose::overdue(view).map(|table| (table, IN_ANNEX));
    let obligations = view
        .obligations
        .as_ref()
        .filter(|owed| !owed.is_empty())
        .map(|owed| (prose::obligations(owed), IN_ANNEX));
    [(prose::balance(view), WIDE)]
        .into_iter()
        .chain(overdue)
        .chain(obligations)
        .chain([(prose::formulas(view), IN_ANNEX)])
        .collect()
}

fn urging_annexes(view: &ReportView) -> Vec<(Table, u32)> {
    let overdue = prose::overdue(view).filter(|table| !table.rows.is_empty());
    overdue.into_iter().map(|table| (table, IN_ANNEX)).collect()
}

/// A file name in ASCII: old mail programs show nothing else right.
#[must_use]
pub fn file_name(view: &ReportView, kind: Kind) -> String {
    let what = match kind {
        Kind::Report => "Du thao bao cao",
        Kind::Directive => "Du thao van ban chi dao",
        Kind::Urging => "Du thao cong van don doc",
    };
    let period = view.period.key.replace('/', "-");
    format!("{what} - {period}.docx")
}
