//! The few elements of WordprocessingML that a paper needs, in the order in which ISO/IEC 29500 wants them, and the file
//! around them. XML is written by `quick-xml`, the container by `zip`.

use std::io::{self, Cursor, Write as _};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::domain::Moment;

/// Twentieths of a point in a millimetre, in tenths.
const TWIPS_IN_10_MM: u32 = 567;

/// Millimetres as twentieths of a point.
pub(super) const fn mm(mm: u32) -> u32 {
    mm * TWIPS_IN_10_MM / 10
}

/// An element.
#[derive(Debug, Clone)]
pub(super) struct El {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<El>,
    text: Option<String>,
}

pub(super) fn el(name: &'static str) -> El {
    El {
        name,
        attributes: Vec::new(),
        children: Vec::new(),
        text: None,
    }
}

/// An element whose only attribute is `w:val`.
pub(super) fn val(name: &'static str, value: impl ToString) -> El {
    el(name).with("w:val", value)
}

impl El {
    pub(super) fn with(mut self, attribute: &'static str, value: impl ToString) -> El {
        self.attributes.push((attribute, value.to_string()));
        self
    }

    pub(super) fn child(mut self, child: El) -> El {
        self.children.push(child);
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = El>) -> El {
        self.children.extend(children);
        self
    }

    fn text(mut self, text: &str) -> El {
        // What XML cannot hold at all.
        self.text = Some(text.chars().filter(|c| !c.is_control()).collect());
        self
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let mut start = BytesStart::new(self.name);
        for (name, value) in &self.attributes {
            start.push_attribute((*name, value.as_str()));
        }
        if self.children.is_empty() && self.text.is_none() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        if let Some(text) = &self.text {
            writer.write_event(Event::Text(BytesText::new(text)))?;
        }
        for child in &self.children {
            child.write(writer)?;
        }
        writer.write_event(Event::End(BytesEnd::new(self.name)))
    }

    fn document(&self) -> io::Result<Vec<u8>> {
        let mut writer = Writer::new(Vec::new());
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), Some("yes"))))?;
        self.write(&mut writer)?;
        Ok(writer.into_inner())
    }
}

/// A run of text of one look.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub text: String,
    pub bold: bool,
    pub italic: bool,
    /// In half points; that of the style without it.
    pub size: Option<u32>,
    /// Colour behind the text.
    pub fill: Option<&'static str>,
}

pub(super) fn run(text: impl Into<String>) -> Run {
    Run {
        text: text.into(),
        ..Run::default()
    }
}

impl Run {
    pub(super) fn bold(mut self) -> Run {
        self.bold = true;
        self
    }

    pub(super) fn italic(mut self) -> Run {
        self.italic = true;
        self
    }

    /// In points.
    pub(super) fn size(mut self, points: u32) -> Run {
        self.size = Some(points * 2);
        self
    }

    fn properties(&self) -> El {
        let flag = |is: bool, names: [&'static str; 2]| names.into_iter().filter(move |_| is).map(el);
        let size = self.size.iter().flat_map(|n| [val("w:sz", n), val("w:szCs", n)]);
        let fill = self.fill.map(shade);
        el("w:rPr")
            .children(flag(self.bold, ["w:b", "w:bCs"]))
            .children(flag(self.italic, ["w:i", "w:iCs"]))
            .children(size)
            .children(fill)
    }

    fn element(&self) -> El {
        let text = el("w:t").with("xml:space", "preserve").text(&self.text);
        el("w:r").child(self.properties()).child(text)
    }
}

fn shade(fill: &str) -> El {
    val("w:shd", "clear").with("w:color", "auto").with("w:fill", fill)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Jc {
    #[default]
    Left,
    Center,
    Right,
    Both,
}

impl Jc {
    fn word(self) -> &'static str {
        match self {
            Jc::Left => "left",
            Jc::Center => "center",
            Jc::Right => "right",
            Jc::Both => "both",
        }
    }
}

/// A paragraph.
#[derive(Debug, Clone, Default)]
pub(super) struct Para {
    pub runs: Vec<Run>,
    pub jc: Jc,
    /// A style's id; `Normal` without it.
    pub style: Option<&'static str>,
    /// Stays on the page of the next one.
    pub keep_next: bool,
    pub page_break_before: bool,
    /// Room before and after, in points.
    pub space: (u32, u32),
    /// In twentieths of a point: left, right, and of the first line.
    pub indent: (u32, u32, i32),
    /// A rule above.
    pub rule: bool,
    /// Height of an empty line, in half points.
    pub mark_size: Option<u32>,
}

impl Para {
    pub(super) fn of(runs: impl IntoIterator<Item = Run>) -> Para {
        Para {
            runs: runs.into_iter().collect(),
            ..Para::default()
        }
    }

    pub(super) fn jc(mut self, jc: Jc) -> Para {
        self.jc = jc;
        self
    }

    pub(super) fn space(mut self, before: u32, after: u32) -> Para {
        self.space = (before, after);
        self
    }

    pub(super) fn element(&self) -> El {
        let (before, after) = self.space;
        let (left, right, first) = self.indent;
        let rule = val("w:top", "single")
            .with("w:sz", 6)
            .with("w:space", 1)
            .with("w:color", "000000");
        let border = self.rule.then(|| el("w:pBdr").child(rule));
        let indent = (self.indent != (0, 0, 0)).then(|| {
            let indent = el("w:ind").with("w:left", left).with("w:right", right);
            match first {
                0 => indent,
                1.. => indent.with("w:firstLine", first),
                _ => indent.with("w:hanging", -first),
            }
        });
        let mark = self
            .mark_size
            .map(|n| el("w:rPr").child(val("w:sz", n)).child(val("w:szCs", n)));
        let spacing = el("w:spacing")
            .with("w:before", before * 20)
            .with("w:after", after * 20);
        let spacing = match self.mark_size {
            // As high as it is told, not as the font is.
            Some(n) => spacing.with("w:line", n * 10).with("w:lineRule", "exact"),
            None => spacing,
        };
        let properties = el("w:pPr")
            .children(self.style.map(|id| val("w:pStyle", id)))
            .children(self.keep_next.then(|| el("w:keepNext")))
            .children(self.page_break_before.then(|| el("w:pageBreakBefore")))
            .children(border)
            .child(spacing)
            .children(indent)
            .child(val("w:jc", self.jc.word()))
            .children(mark);
        el("w:p").child(properties).children(self.runs.iter().map(Run::element))
    }
}

/// A cell of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub paragraphs: Vec<Para>,
    /// Columns of the grid that it takes; none is one.
    pub span: u32,
    pub fill: Option<&'static str>,
    /// White above and below, so that bars stand apart.
    pub is_bar: bool,
    pub is_middle: bool,
}

/// A table of a fixed width.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    pub columns: Vec<u32>,
    pub has_borders: bool,
    /// What it shows, for those who cannot see it; none for what only lays out.
    pub caption: Option<String>,
    pub header: Option<Vec<Cell>>,
    pub rows: Vec<Vec<Cell>>,
    /// Room at the sides of cells.
    pub padding: u32,
}

impl Grid {
    pub(super) fn element(&self) -> El {
        let sides = ["w:top", "w:left", "w:bottom", "w:right", "w:insideH", "w:insideV"];
        let borders = sides.map(|side| match self.has_borders {
            true => val(side, "single")
                .with("w:sz", 4)
                .with("w:space", 0)
                .with("w:color", "000000"),
            false => val(side, "nil"),
        });
        let padding = ["w:left", "w:right"].map(|side| el(side).with("w:w", self.padding).with("w:type", "dxa"));
        let width = el("w:tblW")
            .with("w:w", self.columns.iter().sum::<u32>())
            .with("w:type", "dxa");
        let properties = el("w:tblPr")
            .child(width)
            .child(el("w:tblInd").with("w:w", 0).with("w:type", "dxa"))
            .child(el("w:tblBorders").children(borders))
            .child(el("w:tblLayout").with("w:type", "fixed"))
            .child(el("w:tblCellMar").children(padding))
            .children(self.caption.as_ref().map(|caption| val("w:tblCaption", caption)));
        let grid = self.columns.iter().map(|width| el("w:gridCol").with("w:w", width));
        let header = self.header.iter().map(|cells| self.row(cells, true));
        let rows = self.rows.iter().map(|cells| self.row(cells, false));
        el("w:tbl")
            .child(properties)
            .child(el("w:tblGrid").children(grid))
            .children(header.chain(rows))
    }

    fn row(&self, cells: &[Cell], is_header: bool) -> El {
        let properties = el("w:trPr")
            .child(el("w:cantSplit"))
            .children(is_header.then(|| el("w:tblHeader")));
        let mut widths = self.columns.iter();
        let cells = cells.iter().map(|cell| {
            let span = cell.span.max(1);
            let taken = widths.by_ref().take(span as usize);
            cell.element(taken.sum(), span)
        });
        let cells: Vec<El> = cells.collect();
        el("w:tr").child(properties).children(cells)
    }
}

impl Cell {
    fn element(&self, width: u32, span: u32) -> El {
        let white = |side| {
            val(side, "single")
                .with("w:sz", 18)
                .with("w:space", 0)
                .with("w:color", "FFFFFF")
        };
        let gaps = || el("w:tcBorders").child(white("w:top")).child(white("w:bottom"));
        let properties = el("w:tcPr")
            .child(el("w:tcW").with("w:w", width).with("w:type", "dxa"))
            .children((span > 1).then(|| val("w:gridSpan", span)))
            .children(self.is_bar.then(gaps))
            .children(self.fill.map(shade))
            .children(self.is_middle.then(|| val("w:vAlign", "center")));
        // A cell has a paragraph, or Word takes the file for damaged.
        let nothing = Para {
            mark_size: Some(4),
            ..Para::default()
        };
        let nothing = self.paragraphs.is_empty().then(|| nothing.element());
        el("w:tc")
            .child(properties)
            .children(self.paragraphs.iter().map(Para::element).chain(nothing))
    }
}

/// The page of a section; millimetres.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub is_landscape: bool,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
    pub left: u32,
    /// From the edge to the page number.
    pub header: u32,
    /// The number stands on its first page too.
    pub numbers_first: bool,
}

impl Page {
    /// A4, in twentieths of a point.
    const SHORT: u32 = 11906;
    const LONG: u32 = 16838;

    /// What the margins leave of its width.
    pub(super) fn text_width(&self) -> u32 {
        let paper = if self.is_landscape { Page::LONG } else { Page::SHORT };
        paper - mm(self.left) - mm(self.right)
    }

    pub(super) fn properties(&self) -> El {
        let (width, height) = match self.is_landscape {
            true => (Page::LONG, Page::SHORT),
            false => (Page::SHORT, Page::LONG),
        };
        let size = el("w:pgSz").with("w:w", width).with("w:h", height);
        let size = match self.is_landscape {
            true => size.with("w:orient", "landscape"),
            false => size,
        };
        let refer = |name, kind, id| el(name).with("w:type", kind).with("r:id", id);
        el("w:sectPr")
            .child(refer("w:headerReference", "default", HEADER))
            .child(refer("w:footerReference", "default", FOOTER))
            .children((!self.numbers_first).then(|| refer("w:headerReference", "first", EMPTY_HEADER)))
            .children((!self.numbers_first).then(|| refer("w:footerReference", "first", FOOTER)))
            .child(val("w:type", "nextPage"))
            .child(size)
            .child(
                el("w:pgMar")
                    .with("w:top", mm(self.top))
                    .with("w:right", mm(self.right))
                    .with("w:bottom", mm(self.bottom))
                    .with("w:left", mm(self.left))
                    .with("w:header", mm(self.header))
                    .with("w:footer", mm(self.header))
                    .with("w:gutter", 0),
            )
            .children((!self.numbers_first).then(|| el("w:titlePg")))
    }
}

const HEADER: &str = "rId1";
const EMPTY_HEADER: &str = "rId2";
const FOOTER: &str = "rId3";
const STYLES: &str = "rId4";
const SETTINGS: &str = "rId5";

/// What a document is besides its body.
pub(super) struct Package<'a> {
    pub title: &'a str,
    pub author: &'a str,
    pub at: Moment,
    /// At the foot of every page.
    pub footer: &'a str,
    pub font: &'a str,
    /// Of text, in points.
    pub size: u32,
    /// Of page numbers, in points.
    pub number_size: u32,
}

const W: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const R: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const MAIN: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";

fn root(name: &'static str) -> El {
    el(name).with("xmlns:w", W).with("xmlns:r", R)
}

impl Package<'_> {
    /// The file with a body, whose last element is the last section's properties.
    pub(super) fn write(&self, body: Vec<El>) -> Result<Vec<u8>, zip::result::ZipError> {
        let parts = [
            ("[Content_Types].xml", content_types()),
            (
                "_rels/.rels",
                relations(&[
                    ("rId1", format!("{R}/officeDocument"), "word/document.xml"),
                    (
                        "rId2",
                        format!("{PACKAGE}/relationships/metadata/core-properties"),
                        "docProps/core.xml",
                    ),
                ]),
            ),
            ("docProps/core.xml", self.core()),
            (
                "word/document.xml",
                root("w:document").child(el("w:body").children(body)),
            ),
            (
                "word/_rels/document.xml.rels",
                relations(&[
                    (HEADER, format!("{R}/header"), "header1.xml"),
                    (EMPTY_HEADER, format!("{R}/header"), "header2.xml"),
                    (FOOTER, format!("{R}/footer"), "footer1.xml"),
                    (STYLES, format!("{R}/styles"), "styles.xml"),
                    (SETTINGS, format!("{R}/settings"), "settings.xml"),
                ]),
            ),
            ("word/header1.xml", root("w:hdr").child(self.page_number())),
            ("word/header2.xml", root("w:hdr").child(Para::default().element())),
            ("word/footer1.xml", root("w:ftr").child(self.foot())),
            ("word/styles.xml", self.styles()),
            ("word/settings.xml", settings()),
        ];
        let mut file = ZipWriter::new(Cursor::new(Vec::new()));
        // A fixed time, so that the same view makes the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default());
        for (name, part) in parts {
            file.start_file(name, options)?;
            file.write_all(&part.document()?)?;
        }
        Ok(file.finish()?.into_inner())
    }

    fn core(&self) -> El {
        let at = self.at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let time = |name| el(name).with("xsi:type", "dcterms:W3CDTF").text(&at);
        el("cp:coreProperties")
            .with("xmlns:cp", format!("{PACKAGE}/metadata/core-properties"))
            .with("xmlns:dc", "http://purl.org/dc/elements/1.1/")
            .with("xmlns:dcterms", "http://purl.org/dc/terms/")
            .with("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
            .child(el("dc:title").text(self.title))
            .child(el("dc:creator").text(self.author))
            .child(el("dc:language").text("vi-VN"))
            .child(time("dcterms:created"))
            .child(time("dcterms:modified"))
    }

    fn page_number(&self) -> El {
        let look = Run {
            size: Some(self.number_size * 2),
            ..Run::default()
        };
        let part = |content: El| el("w:r").child(look.properties()).child(content);
        let mark = |kind| part(el("w:fldChar").with("w:fldCharType", kind));
        let code = el("w:instrText").with("xml:space", "preserve").text(" PAGE ");
        let shown = el("w:t").text("2");
        let spacing = el("w:spacing").with("w:before", 0).with("w:after", 0);
        el("w:p")
            .child(el("w:pPr").child(spacing).child(val("w:jc", "center")))
            .children([mark("begin"), part(code), mark("separate"), part(shown), mark("end")])
    }

    fn foot(&self) -> El {
        Para::of([run(self.footer).italic().size(9)]).jc(Jc::Right).element()
    }

    fn styles(&self) -> El {
        let fonts = ["w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"]
            .iter()
            .fold(el("w:rFonts"), |el, kind| el.with(kind, self.font));
        let language = el("w:lang")
            .with("w:val", "vi-VN")
            .with("w:eastAsia", "vi-VN")
            .with("w:bidi", "ar-SA");
        let text = el("w:rPr")
            .child(fonts)
            .child(val("w:sz", self.size * 2))
            .child(val("w:szCs", self.size * 2))
            .child(language);
        let defaults = el("w:docDefaults")
            .child(el("w:rPrDefault").child(text))
            .child(el("w:pPrDefault"));
        let style = |id: &'static str, name: &'static str| {
            el("w:style")
                .with("w:type", "paragraph")
                .with("w:styleId", id)
                .child(val("w:name", name))
        };
        let heading = |id, name, level| {
            style(id, name)
                .child(val("w:basedOn", "Normal"))
                .child(val("w:next", "Normal"))
                .child(el("w:qFormat"))
                .child(
                    el("w:pPr")
                        .child(el("w:keepNext"))
                        .child(el("w:keepLines"))
                        .child(val("w:outlineLvl", level)),
                )
                .child(el("w:rPr").child(el("w:b")).child(el("w:bCs")))
        };
        el("w:styles").with("xmlns:w", W).children([
            defaults,
            style("Normal", "Normal").with("w:default", 1).child(el("w:qFormat")),
            heading("Heading1", "heading 1", 0),
            heading("Heading2", "heading 2", 1),
        ])
    }
}

fn settings() -> El {
    let compatible = val("w:compatSetting", 15)
        .with("w:name", "compatibilityMode")
        .with("w:uri", "http://schemas.microsoft.com/office/word");
    el("w:settings")
        .with("xmlns:w", W)
        .child(el("w:compat").child(compatible))
        .child(val("w:themeFontLang", "vi-VN"))
}

fn relations(of: &[(&str, String, &str)]) -> El {
    let each = of.iter().map(|(id, kind, target)| {
        el("Relationship")
            .with("Id", id)
            .with("Type", kind)
            .with("Target", target)
    });
    el("Relationships")
        .with("xmlns", format!("{PACKAGE}/relationships"))
        .children(each)
}

fn content_types() -> El {
    let part = |name: &str, kind: &str| {
        el("Override")
            .with("PartName", format!("/word/{name}.xml"))
            .with("ContentType", format!("{MAIN}.{kind}+xml"))
    };
    let by_ending = |ending: &str, kind: &str| el("Default").with("Extension", ending).with("ContentType", kind);
    el("Types")
        .with("xmlns", format!("{PACKAGE}/content-types"))
        .child(by_ending(
            "rels",
            "application/vnd.openxmlformats-package.relationships+xml",
        ))
        .child(by_ending("xml", "application/xml"))
        .child(el("Override").with("PartName", "/docProps/core.xml").with(
            "ContentType",
            "application/vnd.openxmlformats-package.core-properties+xml",
        ))
        .children([
            part("document", "document.main"),
            part("header1", "header"),
            part("header2", "header"),
            part("footer1", "footer"),
            part("styles", "styles"),
            part("settings", "settings"),
        ])
}
