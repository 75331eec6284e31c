//! Mails as programs of others read them, and the list that goes with a long one: when it does, what stands in it, and
//! who never does.

use serde_json::{Value, json};

use crate::readers;
use crate::world::{FIVE_DAYS, LADDER, World};

/// A province in which Sở Y tế has so many tickets that are due for L1 on Tuesday 14/9/2021.
async fn province_with(tickets: usize) -> World {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    for n in 1..=tickets {
        world.ticket(&format!("T{n:02}"), "Sở Y tế", "2021-09-06 09:00").await;
    }
    world
}

/// The only mail of the digest on 14/9, as Python reads it, and a folder with its files.
async fn digest_of(world: &mut World) -> (Value, tempfile::TempDir) {
    world.turn("2021-09-14 08:00").await;
    let mut mails = world.mails();
    assert_eq!(mails.len(), 1);
    let dir = tempfile::tempdir().expect("a folder");
    (readers::mail(&mails.remove(0), dir.path()), dir)
}

#[tokio::test]
async fn more_than_twenty_tickets_are_attached_as_a_list_and_the_mail_says_so() {
    let name = "Danh sach phieu - So Y te - 2021-09-14.xlsx";
    let says = format!("Danh sách trên được gửi kèm trong tệp {name}.");
    let alternative = json!(["multipart/alternative", ["text/plain", "text/html"]]);
    let workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    for (tickets, above, is_attached) in [(20, 20, false), (21, 20, true), (2, 1, true), (30, 0, false)] {
        let mut world = province_with(tickets).await;
        world
            .edit("dondoc.toml", |text| {
                text.replace("[delivery]", &format!("[delivery]\nannex_above = {above}"))
            })
            .await;
        let (mail, _dir) = digest_of(&mut world).await;
        let (files, shape) = match is_attached {
            true => (json!([name]), json!(["multipart/mixed", [alternative, workbook]])),
            false => (json!([]), alternative.clone()),
        };
        assert_eq!(
            (&mail["files"], &mail["shape"]),
            (&files, &shape),
            "{tickets} above {above}"
        );
        assert_eq!(mail["defects"], json!([]));
        for part in ["text", "html"] {
            let text = mail[part].as_str().expect("a text");
            assert_eq!(text.contains(&says), is_attached, "{text}");
            assert!(text.contains(&format!("T{tickets:02}")), "the table stays in the mail");
        }
    }
}

#[tokio::test]
async fn without_a_setting_twenty_is_the_bound() {
    let mut world = province_with(21).await;
    let (mail, _dir) = digest_of(&mut world).await;
    assert_eq!(mail["files"], json!(["Danh sach phieu - So Y te - 2021-09-14.xlsx"]));
}

#[tokio::test]
async fn the_list_is_the_same_for_openpyxl_and_libreoffice_and_nothing_in_it_is_computed() {
    let mut world = province_with(19).await;
    let hostile = [
        ("=HYPERLINK(\"http://do.example\";\"xem\")", "=1+1", "=A1", "+84-1"),
        ("-2+3", "\t=cmd|' /C calc'!A0", "=IMPORTXML(A1)", "mailto:x"),
        ("0001", "2021-09-01", "1e5", "=TRUE"),
        ("@SUM(A1:A9)", "<b>&\"'</b>", "#REF!", "{=1}"),
        ("_x0041_", "=A2", "-1", "00"),
    ];
    for (code, category, waiting_on, stage) in hostile {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        let quoted = |text: &str| text.replace('\'', "''");
        let set = format!(
            "category = '{}', waiting_on = '{}', stage = '{}'",
            quoted(category),
            quoted(waiting_on),
            quoted(stage)
        );
        world.change(&quoted(code), "2021-09-06 09:00", &set).await;
    }
    let links = [
        ("T01", "https://1022.tinh.example/phieu?id=1&tab=2#x"),
        ("T02", "javascript:alert(1)"),
        ("T03", "file:///etc/passwd"),
        ("T04", "internal:Sheet1!A1"),
        ("T05", "http://1022.tinh.example/5"),
        ("T06", "mailto:ai@do.example"),
    ];
    for (code, url) in links {
        world.change(code, "2021-09-06 09:00", &format!("url = '{url}'")).await;
    }
    world
        .change("T07", "2021-09-06 09:00", "due_at = '2021-09-10 00:00:00'")
        .await;
    let (mail, dir) = digest_of(&mut world).await;
    assert_eq!(mail["files"].as_array().map(Vec::len), Some(1));
    let file = dir.path().join("list.xlsx");
    std::fs::rename(dir.path().join("1"), &file).expect("a file");

    let book = readers::workbook(&file);
    assert_eq!(
        book["created"],
        json!("2021-09-14 01:00:00"),
        "the message's instant, in UTC"
    );
    let sheets = book["sheets"].as_array().expect("sheets");
    assert_eq!(sheets.len(), 1);
    let sheet = &sheets[0];
    let rows: Vec<Vec<Value>> = serde_json::from_value(sheet["rows"].clone()).expect("rows");
    assert_eq!(rows.len(), 25);
    assert_eq!(
        rows[0],
        [
            "STT",
            "Nội dung",
            "Mã phiếu",
            "Lĩnh vực",
            "Cơ quan",
            "Ngày tiếp nhận",
            "Hạn xử lý",
            "Hạn ban đầu",
            "Quá hạn (ngày làm việc)",
            "Tình trạng",
            "Đang chờ",
            "Giai đoạn",
            "Lần nhắc",
            "Đã nhắc ngày",
            "Đơn vị, địa bàn",
            "Ghi chú"
        ]
        .map(Value::from)
    );
    let row = |code: &str| {
        rows.iter()
            .find(|r| r[2] == code)
            .unwrap_or_else(|| panic!("{code} has a row"))
    };
    assert_eq!(
        row("T08")[1..],
        [
            json!("Phiếu quá hạn xử lý"),
            json!("T08"),
            json!("chưa phân loại"),
            json!("Sở Y tế"),
            json!("2021-09-06 00:00:00"),
            json!("2021-09-13 17:00:00"),
            Value::Null,
            json!(1),
            json!("đang xử lý"),
            Value::Null,
            Value::Null,
            json!(1),
            Value::Null,
            Value::Null,
            Value::Null,
        ]
    );
    assert_eq!(
        (&row("T07")[6], &row("T07")[8]),
        (&json!("2021-09-09 00:00:00"), &json!(3)),
        "midnight is the end of the day before, and counted from there"
    );
    for (code, category, waiting_on, stage) in hostile {
        let line = row(code);
        assert_eq!(
            [&line[3], &line[10], &line[11]],
            [&json!(category.trim()), &json!(waiting_on), &json!(stage)]
        );
    }
    let types: Vec<Vec<String>> = serde_json::from_value(sheet["types"].clone()).expect("types");
    assert!(!types.iter().flatten().any(|t| t == "f"), "no formula");
    // Number, dates and counts are what they are; everything else is text or nothing.
    let kinds = ["n", "s", "s", "s", "s", "d", "d"];
    for line in &types[1..] {
        assert_eq!(line[..7], kinds);
    }
    assert_eq!(
        sheet["links"],
        json!({ link_at(&rows, "T01"): "https://1022.tinh.example/phieu?id=1&tab=2", link_at(&rows, "T05"): "http://1022.tinh.example/5" })
    );
    assert_eq!(sheet["bold"], json!(vec![true; 16]));
    assert_eq!(
        (&sheet["name"], &sheet["frozen"], &sheet["filter"]),
        (&json!("Danh sách phiếu"), &json!("A2"), &json!("A1:P25"))
    );
    assert_eq!(sheet["paper"], json!([9, "landscape", "$1:$1"]));
    assert_eq!(sheet["pages"], json!([true, 1, 0]));

    let shown = readers::shown_by_libreoffice(&file);
    let expected: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(as_shown).collect()).collect();
    assert_eq!(shown, expected);
}

/// The place of a code's cell.
fn link_at(rows: &[Vec<Value>], code: &str) -> String {
    let row = rows.iter().position(|r| r[2] == code).expect("a row");
    format!("C{}", row + 1)
}

/// A value of openpyxl's as the sheet shows it.
fn as_shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => match chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S") {
            Ok(at) if at.time() == chrono::NaiveTime::MIN => at.format("%d/%m/%Y").to_string(),
            Ok(at) => at.format("%H:%M %d/%m/%Y").to_string(),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    }
}

#[tokio::test]
async fn a_sensitive_ticket_stands_in_nobodys_list() {
    let mut world = province_with(3).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("[delivery]", "[delivery]\nannex_above = 1")
        })
        .await;
    world.change("T01", "2021-09-06 10:00", "confidential = 1").await;
    world.change("T02", "2021-09-06 10:00", "tags = 'conduct'").await;
    world.ticket("T04", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-14 08:00").await;
    let mut all = Vec::new();
    for bytes in world.mails() {
        let dir = tempfile::tempdir().expect("a folder");
        let mail = readers::mail(&bytes, dir.path());
        let mut codes = Vec::new();
        if dir.path().join("1").exists() {
            let file = dir.path().join("1.xlsx");
            std::fs::rename(dir.path().join("1"), &file).expect("a file");
            let book = readers::workbook(&file);
            let rows = book["sheets"][0]["rows"].as_array().expect("rows").clone();
            codes.extend(rows.iter().skip(1).filter_map(|r| Some(r[2].as_str()?.to_owned())));
        }
        all.push((mail["headers"]["To"].as_str().expect("a box").to_owned(), codes));
    }
    all.sort();
    let to = |to: &str, codes: &[&str]| (to.to_owned(), codes.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(
        all,
        [
            to("Sở Y tế <giamdoc-syt@tinh.example>", &[]),
            to("Sở Y tế <giamdoc-syt@tinh.example>", &[]),
            to("Sở Y tế <syt@tinh.example>", &["T03", "T04"]),
        ]
    );
}

#[tokio::test]
async fn a_months_digests_with_long_names_are_one_thread_for_python_too() {
    let name = format!("Sở {}", "Đặng Ữ ế ữ đ Nguyễn ".repeat(9).trim());
    assert!(name.chars().count() > 180);
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world
        .edit("agencies.toml", |text| {
            text.replace("\"Sở Y tế\"", &format!("\"{name}\""))
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    for (code, received) in [
        ("T1", "2021-09-06"),
        ("T2", "2021-09-07"),
        ("T3", "2021-09-08"),
        ("T4", "2021-09-09"),
    ] {
        world.ticket(code, &name, &format!("{received} 09:00")).await;
    }
    for day in ["14", "15", "16", "17"] {
        world.turn(&format!("2021-09-{day} 08:00")).await;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let received = world.received();
    let mails: Vec<Value> = received
        .iter()
        .filter(|m| m.to == ["syt@tinh.example"])
        .map(|m| readers::mail(&m.bytes, dir.path()))
        .collect();
    assert_eq!(mails.len(), 4);
    let mut ids: Vec<String> = Vec::new();
    let subjects = received
        .iter()
        .filter_map(|m| dondoc::demo::reading::read(&m.bytes))
        .filter(|letter| letter.to == ["syt@tinh.example"])
        .map(|letter| letter.subject);
    for ((mail, day), subject) in mails.iter().zip(14..).zip(subjects) {
        assert_eq!(mail["defects"], json!([]));
        let header = |name: &str| mail["headers"][name].as_str().unwrap_or_default().to_owned();
        assert!(subject.contains(&name));
        assert_eq!(header("Subject"), subject, "two parsers read the same");
        assert_eq!(header("To"), format!("{name} <syt@tinh.example>"));
        assert!(
            header("Date").ends_with(&format!("{day} Sep 2021 08:00:00 +0700")),
            "{}",
            header("Date")
        );
        assert_eq!(header("In-Reply-To"), ids.last().cloned().unwrap_or_default());
        let before: Vec<String> = header("References").split_whitespace().map(str::to_owned).collect();
        assert_eq!(before, ids);
        assert_eq!(
            (header("Auto-Submitted"), header("Cc")),
            ("auto-generated".to_owned(), String::new())
        );
        ids.push(header("Message-ID"));
    }
}
