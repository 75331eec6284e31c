//! The monthly papers as others read them: what the decree asks of a `.docx`, what a workbook adds up to, what a page
//! may hold, and that nothing that somebody wrote becomes more than text.

mod sample;
mod stories;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use dondoc::render::report::paper::{self, Kind};
use dondoc::render::report::view::{BalanceRow, FiguresView, ReportView, RowKind, Standing};
use dondoc::render::report::{page, workbook};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

use crate::cli::{dondoc, json as from_dondoc, said};
use crate::readers;
use crate::world::{FIVE_DAYS, LADDER, World};

const KINDS: [Kind; 3] = [Kind::Report, Kind::Directive, Kind::Urging];
const W: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

fn docx(view: &ReportView, kind: Kind) -> Vec<u8> {
    paper::write(view, kind, sample::written_at().and_utc()).expect("a paper")
}

fn parts(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a container");
    let mut parts = BTreeMap::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).expect("a part");
        let mut text = String::new();
        part.read_to_string(&mut text).expect("a text");
        parts.insert(part.name().expect("a name").into_owned(), text);
    }
    parts
}

fn all<'a>(node: Node<'a, 'a>, name: &str) -> Vec<Node<'a, 'a>> {
    node.descendants().filter(|n| n.has_tag_name((W, name))).collect()
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|n| n.has_tag_name((W, name)))
}

fn value<'a>(node: Node<'a, 'a>, attribute: &str) -> &'a str {
    node.attribute((W, attribute)).unwrap_or_default()
}

fn number(node: Node<'_, '_>, attribute: &str) -> u32 {
    value(node, attribute).parse().expect("a number")
}

fn text(node: Node<'_, '_>) -> String {
    all_texts(node).concat()
}

fn all_texts(node: Node<'_, '_>) -> Vec<String> {
    let texts = node.descendants().filter(|n| n.has_tag_name((W, "t")));
    texts.filter_map(|t| t.text().map(str::to_owned)).collect()
}

/// Every paragraph with text that stands in no table.
fn paragraphs(document: &Document<'_>) -> Vec<String> {
    let body = child(document.root_element(), "body").expect("a body");
    let texts = body.children().filter(|n| n.has_tag_name((W, "p"))).map(text);
    texts.filter(|t| !t.is_empty()).collect()
}

/// How the run that says something looks: size in half points, bold, italic.
fn look(document: &Document<'_>, says: &str) -> (u32, bool, bool) {
    let runs = all(document.root_element(), "r");
    let found = runs.into_iter().find(|r| text(*r).contains(says));
    let properties = found
        .and_then(|run| child(run, "rPr"))
        .unwrap_or_else(|| panic!("`{says}` stands there"));
    let size = child(properties, "sz").map_or(28, |sz| number(sz, "val"));
    (size, child(properties, "b").is_some(), child(properties, "i").is_some())
}

#[test]
fn a_paper_has_the_decrees_pages_margins_fonts_and_numbers() {
    for kind in KINDS {
        let parts = parts(&docx(&sample::august(), kind));
        let document = Document::parse(&parts["word/document.xml"]).expect("XML");
        let sections: Vec<(u32, u32, String)> = all(document.root_element(), "sectPr")
            .into_iter()
            .map(|section| {
                let size = child(section, "pgSz").expect("a size");
                let margins = child(section, "pgMar").expect("margins");
                // 20 to 25 mm above and below, 30 to 35 on the left, 15 to 20 on the right.
                for (side, least, most) in [
                    ("top", 1134, 1418),
                    ("bottom", 1134, 1418),
                    ("left", 1701, 1985),
                    ("right", 850, 1134),
                ] {
                    let margin = number(margins, side);
                    assert!((least..=most).contains(&margin), "{kind:?} {side} {margin}");
                }
                assert!(number(margins, "header") < number(margins, "top"));
                (number(size, "w"), number(size, "h"), value(size, "orient").to_owned())
            })
            .collect();
        let portrait = (11906, 16838, String::new());
        let landscape = (16838, 11906, "landscape".to_owned());
        let expected = match kind {
            Kind::Directive => vec![portrait],
            Kind::Report | Kind::Urging => vec![portrait, landscape],
        };
        assert_eq!(sections, expected, "{kind:?}");

        // The number stands in the top margin, from the second page on: the first section's first page has another header.
        let firsts: Vec<bool> = all(document.root_element(), "sectPr")
            .into_iter()
            .map(|section| child(section, "titlePg").is_some())
            .collect();
        assert_eq!(firsts, [true, false][..firsts.len()]);
        let header = Document::parse(&parts["word/header1.xml"]).expect("XML");
        let code = all(header.root_element(), "instrText");
        assert_eq!(code.len(), 1);
        assert_eq!(code[0].text(), Some(" PAGE "));
        assert_eq!(value(all(header.root_element(), "jc")[0], "val"), "center");
        let sizes: BTreeSet<&str> = all(header.root_element(), "sz")
            .iter()
            .map(|sz| value(*sz, "val"))
            .collect();
        assert_eq!(sizes, BTreeSet::from(["26"]));
        let first = Document::parse(&parts["word/header2.xml"]).expect("XML");
        assert_eq!(all(first.root_element(), "r").len(), 0);

        let styles = Document::parse(&parts["word/styles.xml"]).expect("XML");
        let fonts: BTreeSet<&str> = all(styles.root_element(), "rFonts")
            .iter()
            .flat_map(|f| f.attributes().map(|a| a.value()))
            .collect();
        assert_eq!(fonts, BTreeSet::from(["Times New Roman"]));
        assert_eq!(number(all(styles.root_element(), "sz")[0], "val"), 28);
        let own_fonts = parts.values().map(|part| part.matches("<w:rFonts").count());
        assert_eq!(own_fonts.sum::<usize>(), 1, "no part has a font of its own");
        assert!(!parts["word/document.xml"].contains("<w:color "), "all text is black");
    }
}

#[test]
fn each_part_of_a_paper_looks_as_the_decree_says() {
    let view = sample::august();
    for kind in KINDS {
        let parts = parts(&docx(&view, kind));
        let document = Document::parse(&parts["word/document.xml"]).expect("XML");
        for (says, as_it_is) in [
            ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", (24, true, false)),
            ("Độc lập - Tự do - Hạnh phúc", (26, true, false)),
            ("TỈNH ĐỒNG THÁP", (24, kind == Kind::Directive, false)),
            ("Số:            /", (26, false, false)),
            ("Đồng Tháp, ngày ......", (26, false, true)),
            (
                "DỰ THẢO – trích xuất tự động lúc 07:05 ngày 01/9/2021",
                (24, true, true),
            ),
            ("Nơi nhận:", (24, true, true)),
            ("- Như trên;", (22, false, false)),
            ("- Lưu: VT, KSTT.", (22, false, false)),
        ] {
            assert_eq!(look(&document, says), as_it_is, "{kind:?} {says}");
        }
        let body: Vec<Node<'_, '_>> = all(document.root_element(), "p")
            .into_iter()
            .filter(|p| all(*p, "ind").iter().any(|ind| value(*ind, "firstLine") == "567"))
            .collect();
        assert!(body.len() > 5, "{kind:?}");
        for paragraph in &body {
            assert_eq!(value(all(*paragraph, "jc")[0], "val"), "both");
        }
        assert!(text(*body.last().expect("a last one")).ends_with("./."), "{kind:?}");
        // The national heading: two columns, no borders; a rule below the agency and below the motto.
        let head = all(document.root_element(), "tbl")[0];
        assert_eq!(all(head, "gridCol").len(), 2);
        let borders: BTreeSet<&str> = all(head, "tblBorders")[0]
            .children()
            .map(|side| value(side, "val"))
            .collect();
        assert_eq!(borders, BTreeSet::from(["nil"]));
        assert_eq!(all(head, "pBdr").len(), 2);
        assert_eq!(
            all(head, "tc")
                .iter()
                .filter(|cell| all(**cell, "pBdr").len() == 1)
                .count(),
            2
        );
    }
    let report = parts(&docx(&view, Kind::Report));
    let document = Document::parse(&report["word/document.xml"]).expect("XML");
    assert_eq!(look(&document, "BÁO CÁO"), (28, true, false));
    assert_eq!(look(&document, "Kết quả theo dõi, đôn đốc"), (28, true, false));
    assert!(paragraphs(&document).contains(&"Kính gửi: Chủ tịch Ủy ban nhân dân tỉnh.".to_owned()));
    // What is longer than a page has its header on each, and no row is torn.
    let annexes: Vec<(usize, usize, usize)> = all(document.root_element(), "tbl")
        .into_iter()
        .filter(|table| child(*table, "tblPr").is_some_and(|p| child(p, "tblCaption").is_some()))
        .map(|table| {
            let rows = all(table, "tr").len();
            (rows, all(table, "tblHeader").len(), all(table, "cantSplit").len())
        })
        .filter(|(_, headers, _)| *headers > 0)
        .collect();
    assert_eq!(
        annexes,
        [
            (7, 1, 7),
            (13, 1, 13),
            (5, 1, 5),
            (20, 1, 20),
            (48, 1, 48),
            (14, 1, 14),
            (4, 1, 4)
        ]
    );
}

/// The order in which ISO/IEC 29500 has the children of an element; Word takes a file in another order for damaged.
const ORDER: [(&str, &[&str]); 7] = [
    ("rPr", &["rFonts", "b", "bCs", "i", "iCs", "sz", "szCs", "shd", "lang"]),
    (
        "pPr",
        &[
            "pStyle",
            "keepNext",
            "keepLines",
            "pageBreakBefore",
            "pBdr",
            "spacing",
            "ind",
            "jc",
            "outlineLvl",
            "rPr",
            "sectPr",
        ],
    ),
    (
        "tblPr",
        &["tblW", "tblInd", "tblBorders", "tblLayout", "tblCellMar", "tblCaption"],
    ),
    ("tcPr", &["tcW", "gridSpan", "tcBorders", "shd", "vAlign"]),
    ("trPr", &["cantSplit", "tblHeader"]),
    (
        "sectPr",
        &["headerReference", "footerReference", "type", "pgSz", "pgMar", "titlePg"],
    ),
    ("tblBorders", &["top", "left", "bottom", "right", "insideH", "insideV"]),
];

#[test]
fn elements_stand_in_the_standards_order_and_every_reference_leads_somewhere() {
    for kind in KINDS {
        let parts = parts(&docx(&sample::august(), kind));
        for (name, part) in &parts {
            let part = Document::parse(part).unwrap_or_else(|e| panic!("{name}: {e}"));
            for (parent, order) in ORDER {
                for node in all(part.root_element(), parent) {
                    let children: Vec<&str> = node.children().map(|c| c.tag_name().name()).collect();
                    let places: Vec<usize> = children
                        .iter()
                        .map(|c| {
                            // Both kinds of references may stand in any order among themselves.
                            let place = order.iter().position(|o| o == c);
                            let place = place.unwrap_or_else(|| panic!("{name}: {c} in {parent}"));
                            if c.ends_with("Reference") { 0 } else { place }
                        })
                        .collect();
                    assert!(places.is_sorted(), "{name}: {parent} has {children:?}");
                }
            }
            for cell in all(part.root_element(), "tc") {
                assert!(child(cell, "p").is_some(), "{name}: a cell without a paragraph");
            }
            for table in all(part.root_element(), "tbl") {
                let columns = all(table, "gridCol").len();
                for row in all(table, "tr") {
                    let taken = all(row, "tcPr").into_iter();
                    let taken = taken.map(|p| child(p, "gridSpan").map_or(1, |span| number(span, "val")));
                    assert_eq!(usize::try_from(taken.sum::<u32>()).expect("few"), columns);
                }
            }
        }
        let relations = Document::parse(&parts["word/_rels/document.xml.rels"]).expect("XML");
        let mut known = BTreeSet::new();
        for relation in relations.root_element().children() {
            let target = relation.attribute("Target").expect("a target");
            assert!(parts.contains_key(&format!("word/{target}")), "{target}");
            known.insert(relation.attribute("Id").expect("an id").to_owned());
        }
        let document = Document::parse(&parts["word/document.xml"]).expect("XML");
        let relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        for node in document.descendants() {
            if let Some(id) = node.attribute((relation, "id")) {
                assert!(known.contains(id), "{id}");
            }
        }
        let types = &parts["[Content_Types].xml"];
        for name in parts
            .keys()
            .filter(|name| name.starts_with("word/") && name.ends_with(".xml"))
        {
            assert!(types.contains(&format!("PartName=\"/{name}\"")), "{name}");
        }
    }
}

#[test]
fn the_directive_speaks_in_the_words_of_the_case() {
    let parts = parts(&docx(&sample::august(), Kind::Directive));
    let document = Document::parse(&parts["word/document.xml"]).expect("XML");
    insta::assert_snapshot!(paragraphs(&document).join("\n\n"));
}

#[test]
fn the_report_says_everything_in_its_order() {
    let parts = parts(&docx(&sample::august(), Kind::Report));
    let document = Document::parse(&parts["word/document.xml"]).expect("XML");
    insta::assert_snapshot!(paragraphs(&document).join("\n\n"));
}

#[test]
fn the_letter_that_urges_on_names_who_owes_what() {
    let parts = parts(&docx(&sample::august(), Kind::Urging));
    let document = Document::parse(&parts["word/document.xml"]).expect("XML");
    insta::assert_snapshot!(paragraphs(&document).join("\n\n"));
}

#[test]
fn the_same_view_makes_the_same_bytes() {
    let view = sample::august();
    let at = sample::written_at().and_utc();
    for kind in KINDS {
        assert_eq!(docx(&view, kind), docx(&view, kind));
    }
    let book = || workbook::write(&view, at).expect("a workbook");
    assert_eq!(book(), book());
    assert_eq!(page::write(&view), page::write(&view));
}

/// The sample with nothing known.
fn unknown() -> ReportView {
    let view = sample::august();
    let row = |kind, name: &str| BalanceRow::unknown(kind, name.to_owned());
    ReportView {
        standing: Standing::Open,
        figures: FiguresView::default(),
        months: Vec::new(),
        channels: None,
        fields: None,
        balance: vec![row(RowKind::Unit, "Sở Y tế"), row(RowKind::Operator, "Tổng đài")],
        total: row(RowKind::Total, "Toàn tỉnh"),
        identities: Vec::new(),
        formulas: Vec::new(),
        overdue: None,
        overdue_withheld: None,
        reminders: None,
        cards: None,
        directive: None,
        obligations: None,
        ..view
    }
}

#[test]
fn what_is_unknown_is_a_dash_and_never_nought() {
    let view = unknown();
    let parts = parts(&docx(&view, Kind::Report));
    let document = Document::parse(&parts["word/document.xml"]).expect("XML");
    insta::assert_snapshot!(paragraphs(&document).join("\n\n"));
    let dashes = |cells: Vec<String>| cells.iter().all(|c| c == "–");
    let rows: Vec<Vec<String>> = all(document.root_element(), "tr")
        .into_iter()
        .map(|row| all(row, "tc").into_iter().map(text).collect())
        .filter(|row: &Vec<String>| row.len() == 16)
        .collect();
    assert_eq!(rows.len(), 4);
    for row in &rows[1..] {
        assert!(dashes(row[2..].to_vec()), "{row:?}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("unknown.xlsx");
    let bytes = workbook::write(&view, sample::written_at().and_utc()).expect("a workbook");
    std::fs::write(&file, bytes).expect("a file");
    let book = readers::workbook(&file);
    for sheet in book["sheets"].as_array().expect("sheets") {
        let rows: Vec<Vec<Value>> = serde_json::from_value(sheet["rows"].clone()).expect("rows");
        for row in rows.iter().skip(1) {
            assert!(!row.contains(&json!(0)), "{row:?}");
        }
    }
}

/// The workbook of a view as openpyxl reads it, with its file.
fn book(view: &ReportView) -> (Value, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("report.xlsx");
    let bytes = workbook::write(view, sample::written_at().and_utc()).expect("a workbook");
    std::fs::write(&file, bytes).expect("a file");
    (readers::workbook(&file), dir)
}

#[test]
fn the_workbook_adds_up_for_openpyxl_and_shows_the_same_in_libreoffice() {
    let view = sample::august();
    let (book, dir) = book(&view);
    let sheets = book["sheets"].as_array().expect("sheets");
    let names: Vec<&str> = sheets.iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(
        names,
        ["Số liệu", "Cân đối", "Nghĩa vụ", "Quá hạn", "Đôn đốc", "Công thức"]
    );
    for sheet in sheets {
        assert_eq!(sheet["frozen"], json!("A2"));
        assert_eq!(sheet["paper"], json!([9, "landscape", "$1:$1"]));
    }
    let balance = &sheets[1];
    let grid = |key: &str| -> Vec<Vec<Value>> { serde_json::from_value(balance[key].clone()).expect("a grid") };
    let (formulas, results, types) = (grid("rows"), grid("results"), grid("types"));
    let last = results.len() - 1;
    assert_eq!(last, view.balance.len() + 1);
    // Reckoned anew from the numbers alone.
    let n = |row: usize, column: usize| {
        results[row][column]
            .as_f64()
            .unwrap_or_else(|| panic!("{row} {column}"))
    };
    for row in 1..=last {
        assert_eq!(n(row, 5), n(row, 2) + n(row, 3) + n(row, 4));
        assert_eq!(n(row, 5), [6, 7, 8, 9, 10].map(|c| n(row, c)).iter().sum::<f64>());
        for (column, part, whole) in [
            (11, n(row, 6), n(row, 6) + n(row, 7) + n(row, 10)),
            (16, n(row, 15), n(row, 15) + n(row, 13)),
        ] {
            match whole {
                0.0 => assert_eq!(results[row][column], json!("–")),
                _ => assert!((n(row, column) - part / whole).abs() < 1e-12),
            }
        }
        for column in [5, 11, 16] {
            assert_eq!(types[row][column], json!("f"));
        }
    }
    for column in [2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15] {
        let sum: f64 = (1..last).map(|row| n(row, column)).sum();
        assert_eq!(n(last, column), sum);
        let letter = char::from(b'A' + u8::try_from(column).expect("few"));
        assert_eq!(formulas[last][column], json!(format!("=SUM({letter}2:{letter}{last})")));
        for row in types.iter().take(last).skip(1) {
            assert_eq!(row[column], json!("n"), "a number is a number");
        }
    }
    assert_eq!(results[last][3], json!(6034));
    assert_eq!(results[last][1], json!("Toàn tỉnh"));

    let shown = readers::sheet_by_libreoffice(&dir.path().join("report.xlsx"), 2);
    let whole = |text: &str| text.replace([',', '.'], "").parse::<f64>().ok();
    for (row, cells) in shown.iter().enumerate().skip(1) {
        for column in [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15] {
            assert_eq!(whole(&cells[column]), Some(n(row, column)), "{row} {column} {cells:?}");
        }
        for column in [11, 16] {
            let expected = match &results[row][column] {
                Value::String(text) => text.clone(),
                other => format!("{:.2}%", other.as_f64().expect("a share") * 100.0),
            };
            assert_eq!(cells[column].replace(',', "."), expected);
        }
    }
    let reminders: Vec<Vec<Value>> = serde_json::from_value(sheets[4]["results"].clone()).expect("a grid");
    let total = reminders.last().expect("a total");
    assert_eq!(total[total.len() - 2], json!(109));
}

const HOSTILE: [&str; 7] = [
    "=HYPERLINK(\"http://do.example\";\"xem\")",
    "<script>alert(1)</script>",
    "</w:t><w:br/>&amp;\"'",
    "]]> {{ 7*7 }}",
    "+84-1 @SUM(A1)",
    "\u{1}\u{8}a\u{b}b",
    "-2+3",
];

/// The sample with such words wherever words come from outside.
fn hostile() -> ReportView {
    let mut view = sample::august();
    let words = |n: usize| HOSTILE[n % HOSTILE.len()].to_owned();
    for (n, row) in view.balance.iter_mut().enumerate() {
        row.name = words(n);
    }
    for (n, ticket) in view.overdue.iter_mut().flatten().enumerate() {
        ticket.code = words(n);
        ticket.field = Some(words(n + 1));
        ticket.agency = Some(words(n + 2));
        ticket.waiting_on = Some(words(n + 3));
    }
    for (n, count) in view.fields.iter_mut().chain(&mut view.channels).flatten().enumerate() {
        count.name = words(n);
    }
    for (n, owed) in view.obligations.iter_mut().flatten().enumerate() {
        owed.unit = words(n);
        if let Some(document) = &mut owed.document {
            document.number = words(n + 1);
        }
    }
    for (n, unit) in view.reminders.iter_mut().flat_map(|r| &mut r.units).enumerate() {
        unit.name = words(n);
    }
    if let Some(cards) = &mut view.cards {
        cards.unit = words(1);
    }
    view.hotline = words(1);
    view
}

/// Without what no XML can hold.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[test]
fn what_somebody_wrote_stays_text_in_every_form() {
    let view = hostile();
    for kind in KINDS {
        let parts = parts(&docx(&view, kind));
        for (name, part) in &parts {
            Document::parse(part).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let document = Document::parse(&parts["word/document.xml"]).expect("XML");
        assert_eq!(all(document.root_element(), "br").len(), 0);
        if kind == Kind::Report {
            let cells: BTreeSet<String> = all(document.root_element(), "tc").into_iter().map(text).collect();
            for words in HOSTILE {
                assert!(cells.contains(&printable(words)), "{words}");
            }
        }
    }
    let (book, _dir) = book(&view);
    for sheet in book["sheets"].as_array().expect("sheets") {
        let rows: Vec<Vec<Value>> = serde_json::from_value(sheet["rows"].clone()).expect("rows");
        let types: Vec<Vec<Value>> = serde_json::from_value(sheet["types"].clone()).expect("types");
        for (row, types) in rows.iter().zip(&types).skip(1) {
            for (value, kind) in row.iter().zip(types) {
                let text = value.as_str().unwrap_or_default();
                let is_ours = text.starts_with("=SUM(") || text.starts_with("=IF(") || text.starts_with("=C");
                assert!(kind != &json!("f") || is_ours, "{value}");
            }
        }
        assert_eq!(sheet["links"], json!({}));
    }
    a_page_that_stands_alone(&page::write(&view));
}

/// Holds a page against what may be in it, and gives the texts of its table cells.
fn a_page_that_stands_alone(html: &str) -> BTreeSet<String> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(html, options).expect("a page that is XML too");
    let mut cells = BTreeSet::new();
    for node in page.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let stranger = [
            "script", "link", "img", "iframe", "object", "embed", "form", "a", "use", "image", "base",
        ];
        assert!(!stranger.contains(&name), "{name}");
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(
                !name.starts_with("on") && !["src", "href", "style"].contains(&name),
                "{name}"
            );
        }
        if ["td", "th"].contains(&name) {
            cells.insert(node.text().unwrap_or_default().to_owned());
        }
        if name == "style" {
            let style = node.text().unwrap_or_default();
            assert!(!style.contains("url(") && !style.contains("@import"));
        }
    }
    assert_eq!(page.root_element().attribute("lang"), Some("vi"));
    for table in page.descendants().filter(|n| n.has_tag_name("table")) {
        let children: Vec<&str> = table
            .children()
            .filter(Node::is_element)
            .map(|n| n.tag_name().name())
            .collect();
        assert_eq!(children, ["caption", "thead", "tbody"]);
        let scopes = table
            .descendants()
            .filter(|n| n.has_tag_name("th"))
            .map(|th| th.attribute("scope"));
        assert!(scopes.into_iter().all(|scope| scope.is_some()));
    }
    for chart in page.descendants().filter(|n| n.has_tag_name("svg")) {
        let labels = chart.attribute("aria-labelledby").expect("a label");
        for id in labels.split(' ') {
            let labelled = page.descendants().find(|n| n.attribute("id") == Some(id));
            assert!(
                labelled.is_some_and(|n| n.text().is_some_and(|t| !t.is_empty())),
                "{id}"
            );
        }
    }
    cells
}

#[test]
fn the_page_has_the_papers_numbers() {
    let cells = a_page_that_stands_alone(&page::write(&sample::august()));
    for text in [
        "6.034",
        "91,60%",
        "1022-20210701-0100",
        "Toàn tỉnh",
        "5/7",
        "trước 28/9/2021",
    ] {
        assert!(cells.contains(text), "{text}");
    }
}

#[tokio::test]
async fn the_report_is_written_in_every_form_with_the_same_numbers() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    for n in 1..=12 {
        world.ticket(&format!("T{n}"), "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.days("2021-09-07", "2021-09-17").await;
    let dir = world.dir();
    let out = tempfile::tempdir().expect("a folder");
    let write = |format: &str, paper: &str| {
        let file = out.path().join(format!("{paper}.{format}"));
        let path = file.display().to_string();
        let arguments = [
            "report", "--month", "2021-09", "--format", format, "--paper", paper, "--out", &path,
        ];
        let output = dondoc(&dir, &arguments);
        assert!(output.status.success(), "{}", said(&output));
        file
    };
    let counted = from_dondoc(&dir, &["report", "--month", "2021-09", "--format", "json"]);
    let unit = counted["units"]
        .as_array()
        .and_then(|units| units.first())
        .expect("a unit");
    let page = std::fs::read_to_string(write("html", "report")).expect("a page");
    assert!(page.contains("12 phản ánh, kiến nghị đang theo dõi kết quả xử lý"));
    let cells = a_page_that_stands_alone(&page);
    assert!(cells.contains("Sở Y tế") && cells.contains("12"));
    let book = readers::workbook(&write("xlsx", "report"));
    let row = &book["sheets"][1]["results"][1];
    assert_eq!(
        (&row[1], &row[3], &row[10]),
        (&unit["name"], &unit["received"], &unit["overdue"])
    );
    for paper in ["report", "directive", "urging"] {
        let parts = parts(&std::fs::read(write("docx", paper)).expect("a file"));
        let document = Document::parse(&parts["word/document.xml"]).expect("XML");
        let whole = text(document.root_element());
        assert!(whole.contains("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"), "{paper}");
        // Nothing of the province is configured here: it is left to whoever completes the draft.
        assert!(whole.contains("…………, ngày ...... tháng ...... năm 2021"), "{paper}");
        assert!(!whole.contains("Đồng Tháp"), "{paper}");
    }
    let output = dondoc(&dir, &["report", "--month", "2021-09", "--paper", "directive"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("say --format docx"), "{}", said(&output));
}
