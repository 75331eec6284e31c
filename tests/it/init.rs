//! `init` for a province: options, and a directory out of workbooks and CSV files as people make them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rust_xlsxwriter::{Chart, ChartType, Format, Workbook};

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
id = \"TTYT\"
name = \"Trung tâm Y tế\"
parent = \"SYT\"
hours = { mon = [\"07:30-11:30\", \"13:00-17:00\"], tue = [\"07:30-11:30\", \"13:00-17:00\"], \
wed = [\"07:30-11:30\", \"13:00-17:00\"], thu = [\"07:30-11:30\", \"13:00-17:00\"], fri = [\"07:30-11:30\", \"13:00-17:00\"] }
contacts = [
  { role = \"contact\", address = \"ttyt@dt.example\" },
]

[[unit]]
id = \"VT\"
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
            made.starts_with("#:schema ./schema/agencies.schema.json\n# The directory: who the agencies are"),
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
Mã;Tên;Cấp trên;Đầu mối;Ngoài tỉnh;Điện thoại;Lĩnh vựcs
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
        "dondoc: FILE: is longer than 8 MB (such a table has some hundred lines; remove pictures and other sheets)\n"
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

/// The ids and the names of the units that were in the table.
fn ids(made: &str) -> Vec<(String, String)> {
    let directory: toml::Table = made.parse().expect("a directory");
    let units = directory["unit"].as_array().expect("units");
    let text = |unit: &toml::Value, key: &str| unit[key].as_str().expect("a text").to_owned();
    let all = units.iter().map(|unit| (text(unit, "id"), text(unit, "name")));
    let mut ids: Vec<_> = all.filter(|(id, _)| id != "UBND_TINH" && id != "VP").collect();
    ids.sort();
    ids
}

#[test]
fn a_unit_without_id_and_short_name_gets_its_initials_whatever_stands_around_it() {
    let names = [
        "Công an tỉnh",
        "Phường 11",
        "PETROLIMEX",
        "Sở Kế hoạch và Đầu tư",
        "SỞ Y TẾ",
        "UBND xã Mỹ An",
        "Ủy ban nhân dân phường Đạo Thạnh",
    ];
    let usual = ["CAT", "P11", "PETROLIMEX", "SKHDT", "SYT", "UBNDXMA", "UBNDPDT"];
    let mut expected: Vec<_> = usual
        .into_iter()
        .map(str::to_owned)
        .zip(names.map(str::to_owned))
        .collect();
    expected.sort();
    let there: Vec<String> = names.map(str::to_owned).to_vec();
    let back: Vec<String> = there.iter().rev().cloned().collect();
    for lines in [there, back] {
        let dir = tempfile::tempdir().expect("a folder");
        let table = format!("STT;Tên\n;{}\n", lines.join("\n;"));
        let made = init(dir.path(), &file(dir.path(), "units.csv", table.as_bytes())).expect("a directory");
        assert_eq!(ids(&made), expected);
    }
}

#[test]
fn initials_that_are_no_one_s_own_are_an_error_that_asks_for_a_short_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let table = "\
STT;Tên;Tên viết tắt;Tên gọi khác
;Xã Tân Hòa;;
;Xã Tân Hồng;;
;Xã Thạnh Hưng;XTHG;
;Sở Y tế;;
;Y tế tỉnh;;syt
";
    assert_eq!(
        init(dir.path(), &file(dir.path(), "units.csv", table.as_bytes())).expect_err("clashes"),
        "\
dondoc: FILE:3: column 2: the id `XTH` is also that of line 2 \
(give it a short name in the column `Tên viết tắt`, or an id of its own in `Mã đơn vị`)
FILE:5: column 2: the id `SYT` is also a name of line 6 \
(give it a short name in the column `Tên viết tắt`, or an id of its own in `Mã đơn vị`)
"
    );
}

#[test]
fn all_faults_of_a_line_are_named_in_the_order_of_the_cells_and_none_that_only_follows_from_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |table: &str| init(dir.path(), &file(dir.path(), "units.csv", table.as_bytes())).expect_err("faults");
    assert_eq!(
        refused(
            "\
Tên;Mã;Cấp trên;Đầu mối
Sở A;A;Sở B;
Sở B;B;A;
Sở A;;Sở Z Z Z;a@gmail.com
Phòng C;C;Sở A;
;;Sở Q Q Q;
"
        ),
        "\
dondoc: FILE:2: column 3: `Sở A` is among its own parents (name the unit above it)
FILE:3: column 3: `Sở B` is among its own parents (name the unit above it)
FILE:4: column 1: `Sở A` is also the name in line 2 (give each a name of its own, or keep one line)
FILE:4: column 3: no unit is named `Sở Z Z Z` (write the name or id of a unit in this table)
FILE:4: column 4: `a@gmail.com` is at the free mail provider gmail.com (use the official mailbox)
FILE:6: column 1: the unit has no name (write it, or empty the line)
FILE:6: column 3: no unit is named `Sở Q Q Q` (write the name or id of a unit in this table)
"
    );
    assert_eq!(
        refused("Tên;Mã;Cấp trên\nSở A;A;B\nSở B;B;\nSở C;A;\nSở D;D;Sở Ca\n"),
        "\
dondoc: FILE:4: column 2: the id `A` is also that of line 2 \
(give it a short name in the column `Tên viết tắt`, or an id of its own in `Mã đơn vị`)
FILE:5: column 3: no unit is named `Sở Ca` (did you mean `Sở C`?)
"
    );
}

const BOXES: &str = "\
Tên đơn vị;Đơn vị cấp trên;Vai trò;Thư điện tử
Sở Y tế;;Đầu mối;daumoi@syt.dt.example
;;Văn thư;vanthu@syt.dt.example
Trung tâm Y tế;Sở Y tế;contact;ttyt@dt.example
Sở Y tế;;Lãnh đạo;mailto:lanhdao@syt.dt.example
Trung tâm Y tế;sở y tế;head;giamdoc@ttyt.dt.example
";

#[test]
fn a_table_with_one_line_a_box_makes_one_unit_of_the_lines_with_its_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let made = init(dir.path(), &file(dir.path(), "boxes.csv", BOXES.as_bytes())).expect("a directory");
    assert!(
        made.ends_with(
            "
[[unit]]
id = \"SYT\"
name = \"Sở Y tế\"
parent = \"UBND_TINH\"
contacts = [
  { role = \"contact\", address = \"daumoi@syt.dt.example\" },
  { role = \"clerk\", address = \"vanthu@syt.dt.example\" },
  { role = \"head\", address = \"lanhdao@syt.dt.example\" },
]

[[unit]]
id = \"TTYT\"
name = \"Trung tâm Y tế\"
parent = \"SYT\"
contacts = [
  { role = \"contact\", address = \"ttyt@dt.example\" },
  { role = \"head\", address = \"giamdoc@ttyt.dt.example\" },
]

"
        ),
        "{made}"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let other = BOXES.replace("sở y tế;head", "Công an tỉnh;boss");
    assert_eq!(
        init(dir.path(), &file(dir.path(), "boxes.csv", other.as_bytes())).unwrap_or_else(|said| said),
        "\
dondoc: FILE:6: column 2: line 4 says something else of `Trung tâm Y tế` (write it in one of its lines, or the same in all)
FILE:6: column 3: `boss` is no role (write đầu mối, văn thư or lãnh đạo)
"
    );
}

/// The workbook with other bytes for one of its parts.
fn with_part(book: &[u8], part: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
    let mut old = zip::ZipArchive::new(std::io::Cursor::new(book)).expect("a workbook");
    let mut new = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for at in 0..old.len() {
        let mut file = old.by_index(at).expect("a part");
        let name = file.name().expect("its name").into_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("its bytes");
        if name == part {
            bytes = change(std::str::from_utf8(&bytes).expect("a text")).into_bytes();
        }
        new.start_file(name, zip::write::SimpleFileOptions::default())
            .expect("a part");
        new.write_all(&bytes).expect("its bytes");
    }
    new.finish().expect("a file").into_inner()
}

#[test]
fn a_chart_beside_the_table_is_passed_over_and_a_damaged_sheet_is_named() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Đơn vị").expect("a name");
    for (row, cells) in (0u32..).zip([["STT", "Tên đơn vị"], ["1", "Sở Y tế"]]) {
        sheet.write_row(row, 0, cells).expect("a line");
    }
    let mut chart = Chart::new(ChartType::Column);
    chart.add_series().set_values(("Đơn vị", 0, 0, 1, 0));
    book.add_chartsheet()
        .set_name("Biểu đồ")
        .expect("a name")
        .insert_chart(0, 0, &chart)
        .expect("a chart");
    let sound = book.save_to_buffer().expect("a workbook");
    let dir = tempfile::tempdir().expect("a folder");
    let made = init(dir.path(), &file(dir.path(), "units.xlsx", &sound)).expect("a directory");
    assert_eq!(
        ids(&made),
        [
            ("CAT".to_owned(), "Công an tỉnh".to_owned()),
            ("SYT".to_owned(), "Sở Y tế".to_owned())
        ]
    );

    let refused = |before: &str| {
        let damaged = with_part(&sound, "xl/worksheets/sheet1.xml", |xml| {
            xml.split_once(before).expect("a place in the sheet").0.to_owned()
        });
        let dir = tempfile::tempdir().expect("a folder");
        init(dir.path(), &file(dir.path(), "units.xlsx", &damaged)).expect_err("a refusal")
    };
    for before in ["<sheetData>", "</sheetData>", "<worksheet"] {
        let said = refused(before);
        assert!(
            said.starts_with("dondoc: FILE: sheet “Đơn vị” cannot be read: "),
            "{before}: {said}"
        );
    }
}

#[test]
fn what_another_separator_would_make_of_a_csv_file_is_no_fault_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let commas = "một, ".repeat(80);
    let table = format!("Tên;Ghi chú\nSở Y tế;{commas}\nCông an tỉnh;\n");
    let made = init(dir.path(), &file(dir.path(), "units.csv", table.as_bytes())).expect("a directory");
    assert_eq!(ids(&made).len(), 2);

    let dir = tempfile::tempdir().expect("a folder");
    let wide = format!("Tên;Ghi chú\nSở Y tế{}\n", ";x".repeat(80));
    assert_eq!(
        init(dir.path(), &file(dir.path(), "wide.csv", wide.as_bytes())).expect_err("too wide"),
        "dondoc: FILE: has more than 5000 lines or 64 columns\n"
    );
}

#[test]
fn a_preview_shows_the_table_writes_nothing_and_says_whether_it_could_be_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (target, table) = (dir.path().join("made"), file(dir.path(), "boxes.csv", BOXES.as_bytes()));
    let path = target.to_str().expect("a path");
    let run = |more: &[&str]| {
        let table = ["init", path, "--directory", table.to_str().expect("a path")];
        dondoc(dir.path(), &[&table, &OPTIONS[..], more].concat())
    };
    let units = "\
5 units
  UBND_TINH  Ủy ban nhân dân tỉnh Đồng Tháp  no contact  (not in the table)
  VP  Văn phòng Ủy ban nhân dân tỉnh  under UBND_TINH  contact vp@dt.example  (not in the table)
  CAT  Công an tỉnh  under UBND_TINH  no contact  (not in the table)
  SYT  Sở Y tế  under UBND_TINH  contact daumoi@syt.dt.example, clerk vanthu@syt.dt.example, head lanhdao@syt.dt.example
  TTYT  Trung tâm Y tế  under SYT  contact ttyt@dt.example, head giamdoc@ttyt.dt.example
";
    let shown = |more: &[&str]| {
        let output = run(more);
        assert!(output.status.success(), "{}", said(&output));
        text(&output)
            .lines()
            .filter(|line| !line.contains(": warning: "))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
            .replace(path, "DIR")
    };
    let free = format!("{units}nothing is written; without --preview this would go into DIR\n");
    assert_eq!(shown(&["--preview"]), free);
    assert!(!target.exists());
    std::fs::create_dir(&target).expect("a folder");
    assert_eq!(shown(&["--preview"]), free, "an empty folder is as good as none");

    file(&target, "dondoc.toml", b"mine");
    assert_eq!(
        shown(&["--preview"]),
        format!(
            "{units}nothing is written; without --preview this would be refused: \
             DIR/dondoc.toml is already there and not overwritten; choose another directory\n"
        )
    );
    let refused = run(&["--hours", "never"]);
    assert_eq!(
        (refused.status.code(), said(&refused).replace(path, "DIR")),
        (
            Some(1),
            "dondoc: DIR/dondoc.toml is already there and not overwritten; choose another directory\n".to_owned()
        ),
        "before any answer is looked at"
    );
    assert_eq!(std::fs::read_dir(&target).expect("a folder").count(), 1);
}

#[test]
fn mail_may_go_to_each_domain_of_the_province_and_to_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let target = dir.path().join("made");
    let table = |third: &str| {
        let text =
            format!("STT;Tên;Đầu mối\n;Sở Y tế;syt@dt.example\n;Sở Nội vụ;snv@tg.example\n;Công an tỉnh;{third}\n");
        file(dir.path(), "units.csv", text.as_bytes())
    };
    let run = |table: PathBuf| {
        let path = target.to_str().expect("a path");
        let second = [
            "--directory",
            table.to_str().expect("a path"),
            "--mail-domain",
            "TG.example",
        ];
        dondoc(dir.path(), &[&["init", path], &OPTIONS[..], &second].concat())
    };
    let refused = run(table("cat@la.example"));
    assert_eq!(
        (
            refused.status.code(),
            said(&refused).replace(dir.path().to_str().expect("a path"), "DIR")
        ),
        (
            Some(78),
            "dondoc: DIR/units.csv:4: column 3: `cat@la.example` is outside the mail domains (dt.example, tg.example) \
             (give its domain with --mail-domain if mail may go to it)\n"
                .to_owned()
        )
    );
    let made = run(table("cat@xa.tg.example"));
    assert!(made.status.success(), "{}", said(&made));
    let settings = std::fs::read_to_string(target.join("dondoc.toml")).expect("settings");
    assert!(
        settings
            .lines()
            .any(|line| line == "allowed_domains = [\"dt.example\", \"tg.example\"]"),
        "{settings}"
    );
    let checked = dondoc(&target, &["check", "--offline"]);
    assert!(checked.status.success(), "{}", text(&checked));
}

/// What was seen of `init DIR --province` on a terminal where this was typed at these questions, and how it ended.
fn on_a_terminal(dir: &Path, conversation: &[(&str, &str)]) -> (String, i64) {
    let target = dir.join("made");
    let mut played = Command::new("/usr/bin/python3")
        .args([
            "-c",
            include_str!("init/terminal.py"),
            env!("CARGO_BIN_EXE_dondoc"),
            "init",
        ])
        .args([target.to_str().expect("a path"), "--province"])
        .env("TMPDIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("/usr/bin/python3; install python3");
    let input = serde_json::json!(conversation).to_string();
    let mut to = played.stdin.take().expect("a pipe");
    to.write_all(input.as_bytes()).expect("written");
    drop(to);
    let output = played.wait_with_output().expect("an end");
    assert!(output.status.success(), "{}", said(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let seen = found["seen"].as_str().expect("a text").replace("\r\n", "\n");
    (seen, found["code"].as_i64().expect("a number"))
}

/// What lies in a folder, by name.
fn lies_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// All files below a folder with their texts.
fn texts(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => all.extend(
                texts(&path)
                    .into_iter()
                    .map(|(file, text)| (Path::new(path.file_name().expect("a name")).join(file), text)),
            ),
            false => all.push((
                path.file_name().expect("a name").into(),
                std::fs::read_to_string(&path).expect("text"),
            )),
        }
    }
    all.sort();
    all
}

const PROVINCE: &str = "Province (tỉnh … or thành phố …): ";
const DOMAINS: &str = "Mail domains: ";
const NUMBER: &str = "The hotline's number [1022]: ";
const HOTLINE: &str = "The hotline's name [Tổng đài Thông tin dịch vụ công 1022 tỉnh Đồng Tháp]: ";

#[test]
fn on_a_terminal_init_asks_until_an_answer_is_sound_and_takes_what_is_usual_by_enter() {
    let dir = tempfile::tempdir().expect("a folder");
    let office = "The Office's mailbox (empty where the directory has it) []: ";
    let (seen, code) = on_a_terminal(
        dir.path(),
        &[
            (PROVINCE, "Đồng Tháp\n"),
            (PROVINCE, "tỉnh Đồng Tháp\n"),
            (DOMAINS, "\n"),
            (DOMAINS, "dt.example\n"),
            (NUMBER, "\n"),
            (HOTLINE, "\n"),
            ("The Office [Văn phòng Ủy ban nhân dân tỉnh]: ", "\n"),
            (office, "vp@gmail.com\n"),
            (office, "vp@dt.example\n"),
            ("The mailbox of those who run dondoc [truc1022@dt.example]: ", "\n"),
            ("Office hours, Monday to Friday [07:00-11:30, 13:30-17:00]: ", "\n"),
            ("The ticket database [sqlite:tickets.db]: ", "\n"),
            ("The host of the mail relay [127.0.0.1]: ", "\n"),
        ],
    );
    assert_eq!(code, 0, "{seen}");
    let relay = "The host of the mail relay [127.0.0.1]: \n";
    let asked = seen.split_inclusive(relay).next().expect("questions");
    assert_eq!(
        asked,
        "Province (tỉnh … or thành phố …): Đồng Tháp\n\
         \u{20} `Đồng Tháp` begins with neither `tỉnh` nor `thành phố`\n\
         Province (tỉnh … or thành phố …): tỉnh Đồng Tháp\n\
         Mail domains: \n\
         \u{20} name at least one domain\n\
         Mail domains: dt.example\n\
         The hotline's number [1022]: \n\
         The hotline's name [Tổng đài Thông tin dịch vụ công 1022 tỉnh Đồng Tháp]: \n\
         The Office [Văn phòng Ủy ban nhân dân tỉnh]: \n\
         The Office's mailbox (empty where the directory has it) []: vp@gmail.com\n\
         \u{20} `vp@gmail.com` is at the free mail provider gmail.com (use the official mailbox)\n\
         The Office's mailbox (empty where the directory has it) []: vp@dt.example\n\
         The mailbox of those who run dondoc [truc1022@dt.example]: \n\
         Office hours, Monday to Friday [07:00-11:30, 13:30-17:00]: \n\
         The ticket database [sqlite:tickets.db]: \n\
         The host of the mail relay [127.0.0.1]: \n"
    );
    // The same by options alone.
    let others = tempfile::tempdir().expect("a folder");
    let by_options = others.path().join("made");
    let arguments = [&["init", by_options.to_str().expect("a path")], &OPTIONS[..]].concat();
    let output = dondoc(others.path(), &arguments);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(texts(&dir.path().join("made")), texts(&by_options));
    assert_eq!(lies_in(dir.path()), ["made"]);
}

#[test]
fn whoever_leaves_the_terminal_between_two_questions_leaves_nothing_behind() {
    let answered = [
        (PROVINCE, "tỉnh Đồng Tháp\n"),
        (DOMAINS, "dt.example\n"),
        (NUMBER, "\n"),
    ];
    // Ctrl-D is no answer, and whoever presses it hears what gives one too; Ctrl-C ends all at once.
    for (key, code, last) in [
        ("\u{4}", 2, "dondoc: no answer; --hotline gives it too\n"),
        ("\u{3}", -2, HOTLINE),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let conversation = [&answered[..], &[(HOTLINE, key)]].concat();
        let (seen, ended) = on_a_terminal(dir.path(), &conversation);
        assert_eq!(ended, code, "{seen}");
        // A terminal may show the key.
        let seen = seen.trim_end_matches("^C");
        assert!(seen.ends_with(last), "{seen:?}");
        assert_eq!(lies_in(dir.path()), [""; 0], "{seen}");
    }
}
