//! The report as one page that stands alone: no script, no style or picture from elsewhere, fit for print.

use super::view::ReportView;
use super::{Align, Bars, Block, Table, prose};

const STYLE: &str = "\
:root{color-scheme:light}\
*{box-sizing:border-box}\
body{margin:0 auto;padding:24px 20px 48px;max-width:60rem;background:#fff;color:#111;\
font:17px/1.5 \"Times New Roman\",\"Liberation Serif\",serif}\
p{margin:.5em 0;text-align:justify;text-indent:2em}\
h1{font-size:1.35em;text-align:center;margin:1.2em 0 .3em}\
h2{font-size:1.12em;margin:1.5em 0 .4em}\
h3{font-size:1em;margin:1.1em 0 .3em}\
.draft,.to{text-align:center;text-indent:0}\
.draft{display:inline-block;border:1px solid #8a1f17;color:#8a1f17;padding:.15em .8em;font-weight:bold}\
.top{text-align:center}\
.scroll{overflow-x:auto;margin:1em 0}\
table{border-collapse:collapse;width:100%;font-size:.88em;line-height:1.3}\
caption{font-weight:bold;text-align:left;padding:.3em 0}\
th,td{border:1px solid #767676;padding:.25em .45em;vertical-align:middle;text-align:left;font-weight:normal}\
thead th{background:#ededed;text-align:center;font-weight:bold}\
.r{text-align:right;font-variant-numeric:tabular-nums}.m{text-align:center}\
.total td,.total th{font-weight:bold;background:#f6f6f6}\
.wide table{font-size:.78em}\
figure{margin:1.2em 0}figcaption{font-weight:bold;text-align:center;margin-bottom:.3em}\
svg{display:block;width:100%;max-width:46rem;height:auto;margin:0 auto}\
@page{size:A4;margin:20mm 15mm 20mm 30mm}\
@page wide{size:A4 landscape}\
@media print{body{max-width:none;padding:0;font-size:13pt}.wide{page:wide;break-before:page}.scroll{overflow:visible}\
thead{display:table-header-group}tr,figure{break-inside:avoid}h2,h3{break-after:avoid}}";

/// A text as HTML; what no document may hold is left out.
fn escape(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    crate::render::escape(&kept)
}

/// The page.
#[must_use]
pub fn write(view: &ReportView) -> String {
    let title = prose::title(view);
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n",
    );
    out.push_str(&format!(
        "<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&title)
    ));
    out.push_str(&format!(
        "<div class=\"top\"><p class=\"draft\">{}</p></div>\n<h1>BÁO CÁO<br/>{}</h1>\n",
        escape(&prose::draft(view)),
        escape(&title)
    ));
    let chairman = [view.papers.chairman()];
    let to = match view.papers.report.to.as_slice() {
        [] => &chairman,
        to => to,
    };
    out.push_str(&format!("<p class=\"to\">Kính gửi: {}.</p>\n", escape(&to.join("; "))));
    for (n, block) in prose::report(view).iter().enumerate() {
        out.push_str(&laid_out(block, n));
    }
    let owed = view.obligations.as_ref().filter(|o| !o.is_empty());
    let annexes = [
        Some(prose::balance(view)),
        prose::overdue(view).filter(|table| !table.rows.is_empty()),
        owed.map(|owed| prose::obligations(owed)),
        Some(prose::formulas(view)),
    ];
    let numbers = super::ROMAN.iter();
    for (number, table) in numbers.zip(annexes.iter().flatten()) {
        out.push_str(&format!(
            "<section class=\"wide\">\n<h2>Phụ lục {number}</h2>\n{}</section>\n",
            tabled(table)
        ));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn laid_out(block: &Block, n: usize) -> String {
    match block {
        Block::Heading(text) => format!("<h2>{}</h2>\n", escape(text)),
        Block::Subheading(text) => format!("<h3>{}</h3>\n", escape(text)),
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Note(text) => format!("<p><em>{}</em></p>\n", escape(text)),
        Block::Table(table) => tabled(table),
        Block::Bars(bars) => drawn(bars, n),
    }
}

fn tabled(table: &Table) -> String {
    let mut out = format!(
        "<div class=\"scroll\"><table>\n<caption>{}</caption>\n<thead><tr>",
        escape(&table.caption)
    );
    for column in &table.columns {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(&column.title)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    // What a row is about: the first column of words.
    let head = table.columns.iter().position(|c| c.align == Align::Left);
    for row in &table.rows {
        out.push_str(if row.is_total { "<tr class=\"total\">" } else { "<tr>" });
        for (n, (text, column)) in row.cells.iter().zip(&table.columns).enumerate() {
            let text = escape(text);
            out.push_str(&match column.align {
                _ if Some(n) == head => format!("<th scope=\"row\">{text}</th>"),
                Align::Left => format!("<td>{text}</td>"),
                Align::Middle => format!("<td class=\"m\">{text}</td>"),
                Align::Right => format!("<td class=\"r\">{text}</td>"),
            });
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

/// Geometry of a chart, in its own units.
const WIDTH: u64 = 720;
const LABEL: u64 = 270;
const VALUE: u64 = 90;
const ROW: u64 = 26;
/// Characters of a label.
const MOST_LABEL: usize = 38;

fn drawn(bars: &Bars, n: usize) -> String {
    let room = WIDTH - LABEL - VALUE;
    let most = bars.most().max(1);
    let rows = u64::try_from(bars.rows.len()).unwrap_or(0);
    let has_key = bars.series.len() > 1;
    let height = rows * ROW + if has_key { 30 } else { 4 };
    let spoken: Vec<String> = bars
        .rows
        .iter()
        .map(|bar| format!("{}: {}", bar.label, shown(bars, bar)))
        .collect();
    let mut out = format!(
        "<figure><figcaption id=\"c{n}\">{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"c{n} d{n}\" font-family=\"inherit\" font-size=\"15\">\n<desc id=\"d{n}\">{}</desc>\n",
        escape(&bars.title),
        escape(&spoken.join("; "))
    );
    for (y, bar) in (0u64..).map(|row| row * ROW).zip(&bars.rows) {
        out.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LABEL - 8,
            y + 17,
            escape(&shortened(&bar.label))
        ));
        let mut x = LABEL;
        for (value, series) in bar.values.iter().zip(&bars.series) {
            let width = (value.unwrap_or(0) * room).div_ceil(most);
            if width > 0 {
                out.push_str(&format!(
                    "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{}\" fill=\"#{}\"/>",
                    y + 4,
                    ROW - 8,
                    series.color
                ));
            }
            x += width;
        }
        let numbers: Vec<String> = bar.values.iter().map(|n| prose::cell(*n)).collect();
        out.push_str(&format!(
            "<text x=\"{}\" y=\"{}\">{}</text>\n",
            x + 6,
            y + 17,
            numbers.join(" + ")
        ));
    }
    if has_key {
        let y = rows * ROW + 8;
        for (x, series) in (0u64..).map(|n| LABEL + n * 120).zip(&bars.series) {
            out.push_str(&format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"16\" height=\"14\" fill=\"#{}\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
                series.color,
                x + 22,
                y + 12,
                series.name
            ));
        }
    }
    out.push_str("</svg></figure>\n");
    out
}

/// What has room beside a bar.
fn shortened(label: &str) -> String {
    match label.char_indices().nth(MOST_LABEL) {
        None => label.to_owned(),
        Some((end, _)) => format!("{}…", label.get(..end).unwrap_or(label).trim_end()),
    }
}

/// A bar in words.
fn shown(bars: &Bars, bar: &super::Bar) -> String {
    let parts = bar.values.iter().zip(&bars.series);
    let parts: Vec<String> = parts
        .map(|(n, series)| match bars.series.len() {
            1 => prose::cell(*n),
            _ => format!("{} {}", prose::cell(*n), series.name),
        })
        .collect();
    parts.join(", ")
}
