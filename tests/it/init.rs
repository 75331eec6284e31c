//! `init` for a province: options, and a directory out of workbooks and CSV files as people make them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rust_xlsxwriter::{Format, Workbook};

use crate::cli::{dondoc, said, text};

const OPTIONS: [&str; 6] = [
    "--name",
    "tỉnh Đồng Tháp",
    "--mail-domain",
    "dt.example",
    "--office-mail",
    "vp@dt.example",
];

/// Makes a set of a directory in `dir`; `Err` is what was said.
fn init(dir: &Path, file: &Path) -> Result<String, String> {
    let (target, file) = (dir.join("made"), file.to_str().expect("a path"));
    let arguments = [
        &["init", target.to_str().expect("a path"), "--directory", file],
        &OPTIONS[..],
    ]
    .concat();
    let output = dondoc(dir, &arguments);
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(78), "{}", said(&output));
        assert!(!target.exists(), "nothing is written");
        return Err(said(&output).replace(file, "FILE"));
    }
    let checked = dondoc(&target, &["check", "--offline"]);
    assert!(checked.status.success(), "{}", text(&checked));
    Ok(std::fs::read_to_string(target.join("agencies.toml")).expect("a directory"))
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// The units of a directory, without the comments above them.
fn units(made: &str) -> &str {
    made.split_once("[[unit]]").expect("units").1
}

const TABLE: &str = "\
Danh sách đơn vị;;;;;;;
STT;Tên đơn vị;Tên viết tắt;Đơn vị cấp trên;Thư điện tử;;Ngoài tỉnh;Giờ làm việc
;;;;Đầu mối;Lãnh đạo;;
1; Sở\u{a0}Y tế ;SYT;;daumoi@syt.dt.example;lanhdao@syt.dt.example;;
;;;;;;;
2;Công an tỉnh;CAT;;daumoi@congan.dt.example;;;
3;Trung tâm Y tế;;so y te;ttyt@dt.example;;;7h30-11h30, 13:00-17:00
4;Viễn thông;;;;;x;
";

const UNITS: &str = "
id = \"UBND_TINH\"
name = \"Ủy ban nhân dân tỉnh Đồng Tháp\"
aliases = [\"UBND tỉnh\", \"UBND tỉnh Đồng Tháp\"]

[[unit]]
id = \"VP\"
name = \"Văn phòng Ủy ban nhân dân tỉnh\"
parent = \"UBND_TINH\"
contacts = [
  { role = \"contact\", address = \"vp@dt.example\" },
]

[[unit]]
id = \"SYT\"
name = \"Sở Y tế\"
short = \"SYT\"
parent = \"UBND_TINH\"
contacts = [
  { role = \"contact\", address = \"daumoi@syt.dt.example\" },
  { role = \"head\", address = \"lanhdao@syt.dt.example\" },
]

[[unit]]
id = \"CAT\"
name = \"Công an tỉnh\"
short = \"CAT\"
parent = \"UBND_TINH\"
contacts = [
  { role = \"contact\", address = \"daumoi@congan.dt.example\" },
]

[[unit]]
id = \"TRUNG-TAM-Y-TE\"
name = \"Trung tâm Y tế\"
parent = \"SYT\"
hours = { mon = [\"07:30-11:30\", \"13:00-17:00\"], tue = [\"07:30-11:30\", \"13:00-17:00\"], \
wed = [\"07:30-11:30\", \"13:00-17:00\"], thu = [\"07:30-11:30\", \"13:00-17:00\"], fri = [\"07:30-11:30\", \"13:00-17:00\"] }
contacts = [
  { role = \"contact\", address = \"ttyt@dt.example\" },
]

[[unit]]
id = \"VIEN-THONG\"
name = \"Viễn thông\"
external = true

";

#[test]
fn a_csv_file_of_either_separator_with_or_without_a_mark_becomes_the_directory() {
    let quoted = TABLE
        .replace("7h30-11h30, 13:00-17:00", "\"7h30-11h30, 13:00-17:00\"")
        .replace(';', ",");
    for table in [TABLE.to_owned(), format!("\u{feff}{TABLE}"), quoted] {
        let dir = tempfile::tempdir().expect("a folder");
        let made = init(dir.path(), &file(dir.path(), "units.csv", table.as_bytes())).expect("a directory");
        assert_eq!(units(&made), UNITS);
        assert!(
            made.starts_with("# The directory: who the agencies are"),
            "comments stay"
        );
    }
}

#[test]
fn a_workbook_with_merged_headers_becomes_the_same_directory_also_as_libreoffice_saves_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let merged = Format::new();
    for (row, line) in (0u32..).zip(TABLE.lines()) {
        for (column, cell) in (0u16..).zip(line.split(';')).filter(|(_, cell)| !cell.is_empty()) {
            match cell.parse::<f64>() {
                Ok(number) => sheet.write_number(row, column, number).expect("a cell"),
                Err(_) => sheet.write_string(row, column, cell).expect("a cell"),
            };
        }
    }
    sheet
        .merge_range(0, 0, 0, 7, "Danh sách đơn vị", &merged)
        .expect("a title");
    sheet.merge_range(1, 1, 2, 1, "Tên đơn vị", &merged).expect("a header");
    sheet.merge_range(1, 4, 1, 5, "Thư điện tử", &merged).expect("a header");
    let path = dir.path().join("units.xlsx");
    book.save(&path).expect("a workbook");
    assert_eq!(units(&init(dir.path(), &path).expect("a directory")), UNITS);

    let other = tempfile::tempdir().expect("a folder");
    let status = Command::new("soffice")
        .arg(format!(
            "-env:UserInstallation=file://{}/profile",
            other.path().display()
        ))
        .args(["--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir"])
        .args([other.path(), &path])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|e| panic!("soffice: {e}; install libreoffice-calc-nogui"));
    assert!(status.success());
    assert_eq!(
        units(&init(other.path(), &other.path().join("units.xlsx")).expect("a directory")),
        UNITS
    );
}

#[test]
fn every_bad_cell_is_named_with_what_to_do_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let table = "\
Mã;Tên;Cấp trên;Đầu mối;Ngoài tỉnh;Điện thoại
SỞ;Sở Y tế;;syt@gmail.com;;
A;Đơn vị A;B;a@other.example;;
B;Đơn vị B;A;0277 123;;
C;Đơn vị B;Sở Y tee;;perhaps;
;c@dt.example;;;;
A;Đơn vị D;;;;
";
    let said = init(dir.path(), &file(dir.path(), "units.csv", table.as_bytes())).expect_err("faults");
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_no_table_in_utf_8_or_a_sound_workbook_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |name: &str, bytes: &[u8]| init(dir.path(), &file(dir.path(), name, bytes)).expect_err("a refusal");
    assert_eq!(
        refused("old.csv", b"T\xEAn;M\xE3\nS\xEC Y t\xEA;A\n"),
        "dondoc: FILE: line 1 is not UTF-8, perhaps Windows-1258 or another old encoding (save it as “CSV UTF-8”, or as .xlsx)\n"
    );
    assert_eq!(
        refused("old.xls", &[0xD0, 0xCF, 0x11, 0xE0, 0, 0]),
        "dondoc: FILE: is an old workbook (.xls), or one with a password (save it as .xlsx without a password)\n"
    );
    assert_eq!(
        refused("long.csv", &vec![b'a'; 9 << 20]),
        "dondoc: FILE: is longer than 8 MB (a directory is a table of some hundred lines; remove pictures and other sheets)\n"
    );
    assert!(
        refused("cut.xlsx", b"PK\x03\x04 and no more").starts_with("dondoc: FILE: is no workbook that can be read")
    );

    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default())
        .expect("a part");
    for _ in 0..80 {
        bomb.write_all(&vec![b' '; 1 << 20]).expect("a part");
    }
    let bomb = bomb.finish().expect("a file").into_inner();
    assert!(bomb.len() < 1 << 20, "it is small");
    assert_eq!(
        refused("bomb.xlsx", &bomb),
        "dondoc: FILE: becomes more than 64 MB when it is unpacked\n"
    );

    let mut corners = Workbook::new();
    let sheet = corners.add_worksheet();
    sheet.write_string(0, 0, "Tên").expect("a cell");
    sheet.write_string(1_048_575, 16_383, "x").expect("a cell");
    assert_eq!(
        refused("corners.xlsx", &corners.save_to_buffer().expect("a workbook")),
        "dondoc: FILE: sheet “Sheet1” has something in XFD1048576; more than 5000 lines or 64 columns are not read\n"
    );
}

#[test]
fn a_province_is_made_without_a_terminal_and_the_template_is_a_table_that_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let target = dir.path().join("made");
    let path = target.to_str().expect("a path");
    let missing = dondoc(dir.path(), &["init", path, "--province"]);
    assert_eq!(
        (missing.status.code(), said(&missing)),
        (Some(2), "dondoc: --name is missing\n".to_owned())
    );
    let wrong = dondoc(
        dir.path(),
        &[&["init", path, "--hours", "17:00-07:00"], &OPTIONS[..]].concat(),
    );
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        said(&wrong).starts_with("dondoc: --hours: `17:00-07:00` is no interval"),
        "{}",
        said(&wrong)
    );
    let shown = dondoc(dir.path(), &[&["init", path, "--preview"], &OPTIONS[..]].concat());
    assert!(text(&shown).starts_with("3 units\n"), "{}", text(&shown));
    assert!(!target.exists());

    let relay = [
        "--smtp",
        "mail.dt.example",
        "--number",
        "19001",
        "--hours",
        "08:00-12:00",
    ];
    let made = dondoc(dir.path(), &[&["init", path], &relay[..], &OPTIONS[..]].concat());
    assert!(made.status.success(), "{}", said(&made));
    assert!(dondoc(&target, &["check", "--offline"]).status.success());
    let settings = std::fs::read_to_string(target.join("dondoc.toml")).expect("settings");
    for line in [
        "host = \"mail.dt.example\"",
        "tls = \"starttls\"",
        "hello = \"19001.dt.example\"",
        "tag = \"19001\"",
    ] {
        assert!(settings.lines().any(|l| l == line), "{line}");
    }
    let comments = |text: &str| text.lines().filter(|line| line.starts_with("# ")).count();
    assert_eq!(comments(&settings), comments(include_str!("../../config/dondoc.toml")));

    let template = dir.path().join("template.xlsx");
    let written = dondoc(
        dir.path(),
        &["init", "--directory-template", template.to_str().expect("a path")],
    );
    assert!(written.status.success(), "{}", said(&written));
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(
        init(empty.path(), &template).expect_err("no units"),
        "dondoc: FILE, sheet “Đơn vị”, cell B1: no unit stands below the header (write one a line)\n"
    );
}
