//! The reforms of 2025 (`domain.md` §3.3), entered into the files of a dondoc that runs, with open tickets of every kind:
//! nobody is told twice, and nobody is forgotten. Who has to be told what is reckoned here from the papers alone.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate, Weekday};

use super::explained::{explained, outlook};
use super::posted::{System, with_endpoints};
use crate::cli::{dondoc, json, said};
use crate::world::{LADDER, World};

/// Beside the ladder: what is due soon, carried over and unsatisfied.
const OTHERS: &str = r#"
[[rule]]
id = "due-soon"
title = "Phiếu sắp đến hạn"
when = "due_soon"

[[rule.step]]
id = "T-1"
after = "-1wd"
to = ["agency:contact"]
template = "due-soon"

[[rule]]
id = "carried-over"
title = "Phiếu tồn"
when = "carried_over"
where = { channel = "ton" }

[[rule.step]]
id = "list"
after = "0h"
to = ["agency:contact"]
template = "carried-over"

[[rule]]
id = "unsatisfied"
title = "Chưa hài lòng"
when = "unsatisfied"

[[rule.step]]
id = "explain"
after = "1wd"
to = ["agency:contact"]
template = "unsatisfied"
"#;

/// A unit of the files: id, name, parent, more lines; its contact is the id in small letters, its head that after `gd-`.
fn unit(id: &str, name: &str, parent: &str, more: &str) -> String {
    let word = id.to_lowercase();
    format!(
        "\n[[unit]]\nid = \"{id}\"\nname = \"{name}\"\nparent = \"{parent}\"\n{more}\ncontacts = [\
         {{ role = \"contact\", address = \"{word}@tinh.example\" }}, \
         {{ role = \"head\", address = \"gd-{word}@tinh.example\" }}]\n"
    )
}

fn successor(from: &str, to: &str, on: &str, more: &str) -> String {
    format!("\n[[successor]]\nfrom = \"{from}\"\nto = \"{to}\"\non = \"{on}\"\n{more}\n")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// The nth working day after a date; there is no holiday in these weeks.
fn working_day(after: NaiveDate, n: usize) -> NaiveDate {
    let open = after
        .iter_days()
        .skip(1)
        .filter(|d| !matches!(d.weekday(), Weekday::Sat | Weekday::Sun));
    open.take(n).last().expect("a day")
}

/// Who answers for a ticket: contact and head before the reform, and from then on.
struct Owner {
    reform: NaiveDate,
    before: [&'static str; 2],
    after: [&'static str; 2],
}

impl Owner {
    fn of(&self, on: NaiveDate) -> [&'static str; 2] {
        if on < self.reform { self.before } else { self.after }
    }

    /// What the ladder owes from a day on: `dd/mm box: ticket overdue/step`.
    fn ladder(&self, code: &str, due: &str, last: &str) -> Vec<String> {
        let steps = [("L1", 1), ("L2", 3), ("L3", 5), ("L4", 10)];
        let due = day(due);
        let steps = steps.map(|(step, n)| (step, working_day(due, n)));
        let owed = steps.into_iter().filter(|(_, on)| *on <= day(last)).map(|(step, on)| {
            let to = match step {
                "L1" => self.of(on)[0],
                "L4" => "vp",
                _ => self.of(on)[1],
            };
            told(on, to, code, &format!("overdue/{step}"))
        });
        owed.collect()
    }
}

fn told(on: NaiveDate, to: &str, code: &str, what: &str) -> String {
    format!("{} {to}: {code} {what}", on.format("%d/%m"))
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    let key = |line: &String| (line[3..5].to_owned(), line[..2].to_owned(), line[6..].to_owned());
    list.sort_by_key(key);
    list
}

/// An open ticket with a deadline and further columns.
async fn ticket(world: &World, code: &str, agency: &str, received: &str, due: &str, more: &str) {
    world.ticket(code, agency, received).await;
    world.change(code, received, &format!("due_at = '{due}'{more}")).await;
}

/// `days`, and what was posted on which day.
async fn days(
    world: &mut World,
    system: &System,
    from: &str,
    to: &str,
) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let (mut mails, mut posts) = (Vec::new(), BTreeMap::new());
    for date in day(from).iter_days().take_while(|d| *d <= day(to)) {
        let date = date.to_string();
        mails.extend(world.days(&date, &date).await);
        let posted = system.told();
        if !posted.is_empty() {
            posts.insert(date, posted);
        }
    }
    (mails, posts)
}

/// Sở Giao thông vận tải goes into Sở Xây dựng; the police of the districts end, their card work goes to the communes.
const MARCH: &str = "2025-03-01";

/// The directory of February.
fn february() -> String {
    let root = "root = \"UBND\"\noffice = \"VP\"\nops = [\"ops@tinh.example\"]\n\n[[unit]]\nid = \"UBND\"\n\
                name = \"Ủy ban nhân dân tỉnh\"\ncontacts = []\n\n[[unit]]\nid = \"C06\"\nname = \"Cục C06\"\nexternal = true\n";
    [
        root.to_owned(),
        unit("VP", "Văn phòng Ủy ban nhân dân tỉnh", "UBND", ""),
        unit("CAT", "Công an tỉnh", "UBND", ""),
        unit("CAH", "Công an huyện Cao Lãnh", "CAT", ""),
        unit("SGTVT", "Sở Giao thông vận tải", "UBND", ""),
        unit("SXD", "Sở Xây dựng", "UBND", "absences = [{ role = \"head\", from = \"2025-03-04\", until = \"2025-03-05\", deputy = \"pho-sxd@tinh.example\" }]"),
        unit("STTTT", "Sở Thông tin và Truyền thông", "UBND", ""),
        unit("SKHCN", "Sở Khoa học và Công nghệ", "UBND", ""),
    ]
    .concat()
}

/// The same after ops have entered the reform: ends, new units and who took over what.
fn march(february: &str) -> String {
    let ends = |text: String, name: &str| {
        let name = format!("name = \"{name}\"\n");
        text.replace(&name, &format!("{name}valid_until = \"{MARCH}\"\n"))
    };
    let text = [
        "Công an huyện Cao Lãnh",
        "Sở Giao thông vận tải",
        "Sở Thông tin và Truyền thông",
    ]
    .into_iter()
    .fold(february.to_owned(), ends);
    let begins = |area: &str| format!("valid_from = \"{MARCH}\"\nareas = [\"{area}\"]");
    let cards = |area: &str| format!("fields = [\"cccd\"]\nareas = [\"{area}\"]");
    [
        text,
        unit("CAX-MT", "Công an xã Mỹ Trà", "CAT", &begins("my_tra")),
        unit("CAX-CL", "Công an phường Cao Lãnh", "CAT", &begins("cao_lanh")),
        successor("CAH", "CAX-MT", MARCH, &cards("my_tra")),
        successor("CAH", "CAX-CL", MARCH, &cards("cao_lanh")),
        successor("SGTVT", "SXD", MARCH, ""),
        successor("STTTT", "SKHCN", MARCH, ""),
    ]
    .concat()
}

#[tokio::test]
async fn the_reform_of_march_2025_tells_nobody_twice_and_forgets_nobody() {
    let system = System::start().await;
    let ladder = LADDER.replacen(
        "to = [\"agency:contact\"]",
        "to = [\"agency:contact\"]\nvia = [\"email\", \"webhook\"]",
        1,
    );
    let mut world = World::new(&format!("{ladder}{OTHERS}")).await;
    world.write("agencies.toml", |_| february());
    let hook = "name = \"Sở Thông tin và Truyền thông\"";
    with_endpoints(&mut world, &[(hook, system.endpoint("stttt", ""))]).await;
    world.turn("2025-02-10 07:00").await;
    let gtvt = "Sở Giao thông vận tải";
    // Overdue at each step of the ladder on the last day of February, and due soon on the first of March.
    let of_gtvt = [
        ("A1", "2025-02-27"),
        ("A2", "2025-02-25"),
        ("A3", "2025-02-21"),
        ("A4", "2025-02-14"),
        ("SOON", "2025-03-04"),
        // Its source changes to the new word; the others keep the old one.
        ("WORD", "2025-02-27"),
    ];
    for (code, due) in of_gtvt {
        ticket(&world, code, gtvt, "2025-02-10 09:00", due, "").await;
    }
    let far = "2025-06-30";
    ticket(&world, "TON", gtvt, "2025-02-10 09:00", far, ", channel = 'ton'").await;
    ticket(&world, "RATED", gtvt, "2025-02-10 09:00", far, "").await;
    ticket(
        &world,
        "OUT",
        gtvt,
        "2025-02-10 09:00",
        "2025-02-27",
        ", waiting_on = 'Cục C06'",
    )
    .await;
    ticket(&world, "ACK", gtvt, "2025-02-10 09:00", "2025-02-25", "").await;
    ticket(&world, "QUIET", gtvt, "2025-02-10 09:00", "2025-02-27", "").await;
    let conduct = format!(", tags = 'conduct', subject_agency = '{gtvt}'");
    ticket(&world, "LOI", gtvt, "2025-02-10 09:00", "2025-02-26", &conduct).await;
    let police = "Công an huyện Cao Lãnh";
    let card = ", category = 'cccd'";
    ticket(
        &world,
        "CARD",
        police,
        "2025-02-10 09:00",
        "2025-02-27",
        &format!("{card}, area = 'my_tra'"),
    )
    .await;
    ticket(&world, "WHERE", police, "2025-02-10 09:00", "2025-02-27", card).await;
    ticket(
        &world,
        "OTHER",
        police,
        "2025-02-10 09:00",
        "2025-02-27",
        ", area = 'my_tra'",
    )
    .await;
    ticket(
        &world,
        "HOOK",
        "Sở Thông tin và Truyền thông",
        "2025-02-10 09:00",
        "2025-02-27",
        "",
    )
    .await;
    ticket(
        &world,
        "HOOK2",
        "Sở Thông tin và Truyền thông",
        "2025-02-10 09:00",
        "2025-02-28",
        "",
    )
    .await;

    let (mut mails, mut posts) = days(&mut world, &system, "2025-02-11", "2025-02-26").await;
    let run = |arguments: &[&str]| {
        let output = dondoc(&world.dir(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    };

    run(&[
        "silence",
        "add",
        "--ticket",
        "QUIET",
        "--from",
        "2025-02-27",
        "--until",
        "2025-03-06",
        "--reason",
        "xác minh",
        "--author",
        "Lan",
    ]);
    let (more, posted) = days(&mut world, &system, "2025-02-27", "2025-02-27").await;
    mails.extend(more);
    posts.extend(posted);
    // It would hold until Tuesday 4/3.
    let ack = dondoc(&world.dir(), &["ack", "ACK", "--at", "2025-02-27 22:30"]);
    assert!(ack.status.success(), "{}", said(&ack));
    let (more, posted) = days(&mut world, &system, "2025-02-28", "2025-02-28").await;
    mails.extend(more);
    posts.extend(posted);
    let rated = "status = 'đã trả lời', answered_at = '2025-02-28 09:00:00', rating = 'chưa hài lòng', rated_at = '2025-02-28 10:00:00'";
    world.change("RATED", "2025-02-28 16:10", rated).await;
    world.turn("2025-02-28 16:30").await;
    world.write("agencies.toml", |text| march(&text));
    world.adopt().await;
    world.turn("2025-02-28 17:30").await;
    world.change("WORD", "2025-03-03 06:00", "agency = 'Sở Xây dựng'").await;
    let (more, posted) = days(&mut world, &system, "2025-03-01", "2025-03-14").await;
    mails.extend(more);
    posts.extend(posted);

    let owner = |before, after| Owner {
        reform: day(MARCH),
        before,
        after,
    };
    let last = "2025-03-14";
    let works = owner(["sgtvt", "gd-sgtvt"], ["sxd", "gd-sxd"]);
    let mut owed: Vec<String> = of_gtvt
        .iter()
        .flat_map(|(code, due)| works.ladder(code, due, last))
        .collect();
    // The day before each deadline; the first working day of March; the working day after the rating.
    for (code, due) in
        of_gtvt
            .iter()
            .copied()
            .chain([("OUT", "2025-02-27"), ("ACK", "2025-02-25"), ("QUIET", "2025-02-27")])
    {
        let before = day(due)
            .iter_days()
            .rev()
            .skip(1)
            .find(|d| d.weekday().number_from_monday() < 6);
        let before = before.expect("a day");
        // Silenced by then? Only from 27/2 on.
        owed.push(told(before, works.of(before)[0], code, "due-soon/T-1"));
    }
    for (code, due, agency) in [
        ("CARD", "2025-02-26", "cah"),
        ("WHERE", "2025-02-26", "cah"),
        ("OTHER", "2025-02-26", "cah"),
        ("HOOK", "2025-02-26", "stttt"),
        ("HOOK2", "2025-02-27", "stttt"),
    ] {
        owed.push(told(day(due), agency, code, "due-soon/T-1"));
    }
    owed.push(told(day("2025-03-03"), "sxd", "TON", "carried-over/list"));
    owed.push(told(day("2025-03-03"), "sxd", "RATED", "unsatisfied/explain"));
    // Waiting on others it climbs no higher than the contact.
    owed.push(told(day("2025-02-28"), "sgtvt", "OUT", "overdue/L1"));
    // What the old agency had acknowledged the new one has not; two working days lie between its steps.
    owed.push(told(day("2025-02-26"), "sgtvt", "ACK", "overdue/L1"));
    owed.push(told(day("2025-03-03"), "gd-sxd", "ACK", "overdue/L2"));
    owed.push(told(day("2025-03-05"), "gd-sxd", "ACK", "overdue/L3"));
    owed.push(told(day("2025-03-11"), "vp", "ACK", "overdue/L4"));
    // After the silence its ladder goes on from the step that was not told.
    owed.push(told(day("2025-03-06"), "sxd", "QUIET", "overdue/L1"));
    owed.push(told(day("2025-03-10"), "gd-sxd", "QUIET", "overdue/L2"));
    owed.push(told(day("2025-03-12"), "gd-sxd", "QUIET", "overdue/L3"));
    owed.push(told(day("2025-03-14"), "vp", "QUIET", "overdue/L4"));
    owed.extend(owner(["cah", "gd-cah"], ["cax-mt", "gd-cax-mt"]).ladder("CARD", "2025-02-27", last));
    // Who is competent cannot be told from the ticket: the police of the province assign it.
    let above = owner(["cah", "gd-cah"], ["cat", "gd-cat"]);
    owed.extend(above.ladder("WHERE", "2025-02-27", last));
    owed.extend(above.ladder("OTHER", "2025-02-27", last));
    // A system of the old agency is posted to no more; the new one has none.
    let hooked = owner(["stttt", "gd-stttt"], ["skhcn", "gd-skhcn"]);
    owed.extend(hooked.ladder("HOOK", "2025-02-27", last));
    owed.extend(hooked.ladder("HOOK2", "2025-02-28", last));
    // Of conduct the head of the unit complained about alone hears.
    owed.push(told(day("2025-02-25"), "gd-sgtvt", "LOI", "due-soon/T-1"));
    owed.push(told(day("2025-02-27"), "gd-sgtvt", "LOI", "overdue/L1"));
    owed.push(told(day("2025-03-03"), "gd-sxd", "LOI", "overdue/L2"));
    owed.push(told(day("2025-03-05"), "gd-sxd", "LOI", "overdue/L3"));
    owed.push(told(day("2025-03-12"), "gd-vp", "LOI", "overdue/L4"));
    // On 4/3 the head of Sở Xây dựng is away.
    let owed = owed
        .into_iter()
        .map(|line| line.replace("04/03 gd-sxd:", "04/03 pho-sxd:"));
    assert_eq!(sorted(mails), sorted(owed.collect()));
    assert_eq!(
        posts,
        BTreeMap::from([("2025-02-28".to_owned(), vec!["HOOK overdue/L1".to_owned()])])
    );
    world.is_audited("2025-03-14 22:00").await;

    let why = |code: &str| {
        let lines = explained(&world, code, "2025-03-03 22:00");
        let lines = lines.into_iter().filter(|line| line.contains("agency:head of CAH"));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        why("CARD")[0],
        "-> agency:head of CAH by email -> CAX-MT/head (CAX-MT took over from CAH on 2025-03-01) not before 2025-03-04 08:00"
    );
    assert_eq!(
        why("WHERE")[0],
        "-> agency:head of CAH by email -> CAT/head (since 2025-03-01 it cannot be told who took over from CAH: CAT, \
         above it, has to assign it) not before 2025-03-04 08:00"
    );
}

/// Two provinces become one and the districts end.
const JULY: &str = "2025-07-01";

#[tokio::test]
async fn the_reform_of_july_2025_divides_a_district_by_locality_and_field_and_has_the_rest_assigned() {
    let mut world = World::new(&format!("{LADDER}{OTHERS}").replace(
        "when = \"due_soon\"",
        "when = \"due_soon\"\nwhere = { channel = \"ton\" }",
    ))
    .await;
    let root = "root = \"UBND\"\noffice = \"VP\"\nops = [\"ops@tinh.example\"]\n\n[[unit]]\nid = \"UBND\"\n\
                name = \"Ủy ban nhân dân tỉnh\"\ncontacts = []\n";
    let june = [
        root.to_owned(),
        unit("VP", "Văn phòng Ủy ban nhân dân tỉnh", "UBND", ""),
        unit("H866", "Ủy ban nhân dân huyện Cao Lãnh", "UBND", ""),
        unit("SYT", "Sở Y tế", "UBND", ""),
        unit("VPDK", "Văn phòng Đăng ký đất đai", "UBND", ""),
    ]
    .concat();
    world.edit("agencies.toml", |_| june.clone()).await;
    world.turn("2025-06-16 07:00").await;
    let district = "Ủy ban nhân dân huyện Cao Lãnh";
    let received = "2025-06-16 09:00";
    let of_district = [
        ("NEXT", "2025-06-30", ", area = 'my_tra'"),
        ("LAND", "2025-06-27", ", category = 'dat_dai'"),
        ("BOTH", "2025-06-27", ", category = 'dat_dai', area = 'my_tra'"),
        ("NONE", "2025-06-27", ""),
        ("WORD", "2025-06-27", ", area = 'my_tra'"),
        ("GIVEN", "2025-06-27", ""),
        ("TON", "2025-07-31", ", area = 'my_tra', channel = 'ton'"),
    ];
    for (code, due, more) in of_district {
        ticket(&world, code, district, received, due, more).await;
    }
    ticket(&world, "ACK", "Sở Y tế", received, "2025-06-26", "").await;
    ticket(&world, "MOVED", "Sở Y tế", received, "2025-06-30", "").await;
    let mut mails = world.days("2025-06-17", "2025-06-29").await;
    let ack = dondoc(&world.dir(), &["ack", "ACK", "--at", "2025-06-29 22:30"]);
    assert!(ack.status.success(), "{}", said(&ack));
    mails.extend(world.days("2025-06-30", "2025-06-30").await);
    // On the eve ops enter what changes; the running process takes it up.
    let commune = |area: &str| format!("valid_from = \"{JULY}\"\nareas = [\"{area}\"]");
    let moved = "{ role = \"contact\", address = \"syt@tinh.example\", until = \"2025-07-01\" }, \
                 { role = \"contact\", address = \"syt-moi@tinh.example\", from = \"2025-07-01\" }";
    let text = june
        .replace(
            &format!("name = \"{district}\"\n"),
            &format!("name = \"{district}\"\nvalid_until = \"{JULY}\"\n"),
        )
        .replace("id = \"SYT\"", "id = \"SYT-DT\"\nwas = [\"SYT\"]")
        .replace("{ role = \"contact\", address = \"syt@tinh.example\" }", moved);
    let ended = format!("valid_until = \"{JULY}\"");
    let text = [
        text,
        unit("P-MT", "Ủy ban nhân dân xã Mỹ Trà", "UBND", &commune("my_tra")),
        unit("P-CL", "Ủy ban nhân dân phường Cao Lãnh", "UBND", &commune("cao_lanh")),
        unit("SYT-TG", "Sở Y tế tỉnh Tiền Giang", "UBND", &ended),
        successor("H866", "P-MT", JULY, "areas = [\"my_tra\"]"),
        successor("H866", "P-CL", JULY, "areas = [\"cao_lanh\"]"),
        successor("H866", "VPDK", JULY, "fields = [\"dat_dai\"]"),
        successor("SYT-TG", "SYT-DT", JULY, ""),
    ]
    .concat();
    world.write("agencies.toml", |_| text.clone());
    world.adopt().await;
    world.turn("2025-06-30 17:30").await;
    let change = world.store().meta().await.expect("meta").change.expect("a change");
    assert_eq!(
        change.lines(),
        [
            "unit: added P-CL, P-MT, SYT-TG; changed H866; renamed SYT to SYT-DT",
            "contact: added P-CL:contact p-cl@tinh.example, P-CL:head gd-p-cl@tinh.example, P-MT:contact p-mt@tinh.example, \
             P-MT:head gd-p-mt@tinh.example, SYT-DT:contact syt-moi@tinh.example, SYT-TG:contact syt-tg@tinh.example, \
             SYT-TG:head gd-syt-tg@tinh.example; changed SYT-DT:contact syt@tinh.example; renamed SYT:contact \
             syt@tinh.example to SYT-DT:contact syt@tinh.example, SYT:head gd-syt@tinh.example to SYT-DT:head gd-syt@tinh.example",
            "successor: added H866 to P-CL on 2025-07-01 cao_lanh, H866 to P-MT on 2025-07-01 my_tra, H866 to VPDK on \
             2025-07-01 dat_dai, SYT-TG to SYT-DT on 2025-07-01",
        ]
    );
    // The other province's tickets come in, late as they are.
    ticket(
        &world,
        "TG",
        "Sở Y tế tỉnh Tiền Giang",
        "2025-06-30 17:40",
        "2025-06-27",
        "",
    )
    .await;
    mails.extend(world.days("2025-07-01", "2025-07-01").await);
    world
        .change("WORD", "2025-07-01 22:30", "agency = 'Ủy ban nhân dân xã Mỹ Trà'")
        .await;
    mails.extend(world.days("2025-07-02", "2025-07-02").await);
    let text = explained(&world, "NONE", "2025-07-02 22:00").join("\n");
    let why = "@ops/contact (since 2025-07-01 it cannot be told who took over from H866: UBND, above it, has to assign it; \
               the head of UBND is written to only with `allow_top`)";
    assert!(text.contains(why), "{text}");
    world
        .change(
            "GIVEN",
            "2025-07-02 22:30",
            "agency = 'Ủy ban nhân dân phường Cao Lãnh'",
        )
        .await;
    mails.extend(world.days("2025-07-03", "2025-07-14").await);

    let owner = |before, after| Owner {
        reform: day(JULY),
        before,
        after,
    };
    let last = "2025-07-14";
    let my_tra = owner(["h866", "gd-h866"], ["p-mt", "gd-p-mt"]);
    let nobody = owner(["h866", "gd-h866"], ["ops", "ops"]);
    let mut owed = my_tra.ladder("NEXT", "2025-06-30", last);
    owed.extend(my_tra.ladder("WORD", "2025-06-27", last));
    owed.push(told(day(JULY), "p-mt", "TON", "carried-over/list"));
    owed.extend(owner(["h866", "gd-h866"], ["vpdk", "gd-vpdk"]).ladder("LAND", "2025-06-27", last));
    // A locality and a field that point to two: neither is more competent than the other.
    owed.extend(nobody.ladder("BOTH", "2025-06-27", last));
    owed.extend(nobody.ladder("NONE", "2025-06-27", last));
    let given = nobody.ladder("GIVEN", "2025-06-27", last);
    owed.extend(
        given
            .into_iter()
            .map(|line| line.replace("04/07 ops:", "04/07 gd-p-cl:")),
    );
    owed.extend(owner(["syt", "gd-syt"], ["syt-moi", "gd-syt"]).ladder("MOVED", "2025-06-30", last));
    // The same unit under another id still knows of it until 2/7; two working days lie between the steps after it.
    owed.push(told(day("2025-06-27"), "syt", "ACK", "overdue/L1"));
    owed.push(told(day("2025-07-02"), "gd-syt", "ACK", "overdue/L2"));
    owed.push(told(day("2025-07-04"), "gd-syt", "ACK", "overdue/L3"));
    owed.push(told(day("2025-07-10"), "vp", "ACK", "overdue/L4"));
    // Known late, it begins with the first step.
    owed.push(told(day(JULY), "syt-moi", "TG", "overdue/L1"));
    owed.push(told(day("2025-07-03"), "gd-syt", "TG", "overdue/L2"));
    owed.push(told(day("2025-07-07"), "gd-syt", "TG", "overdue/L3"));
    owed.push(told(day("2025-07-11"), "vp", "TG", "overdue/L4"));
    assert_eq!(sorted(mails), sorted(owed));
    world.is_audited("2025-07-14 22:00").await;
}

#[tokio::test]
async fn a_letter_about_a_ticket_whose_successor_cannot_be_told_asks_for_it_to_be_assigned() {
    let mut world = World::new(LADDER).await;
    world.write("agencies.toml", |_| march(&february()));
    world.restart().await;
    world.turn("2025-03-03 07:00").await;
    let police = "Công an huyện Cao Lãnh";
    for (code, area) in [("A1", ", area = 'my_tra'"), ("A2", "")] {
        let more = format!(", category = 'cccd'{area}");
        ticket(&world, code, police, "2025-03-03 09:00", "2025-03-04", &more).await;
    }
    world.turn("2025-03-05 08:00").await;
    let letters = world.letters();
    let asks = letters
        .iter()
        .map(|l| (l.to.join(""), l.text.contains("cần phân công lại")));
    let mut asks: Vec<(String, bool)> = asks.collect();
    asks.sort();
    assert_eq!(
        asks,
        [
            ("cat@tinh.example".to_owned(), true),
            ("cax-mt@tinh.example".to_owned(), false)
        ]
    );
}

#[tokio::test]
async fn around_a_reform_explain_says_of_each_instant_who_is_told_and_why_they() {
    let mut world = World::new(LADDER).await;
    world.edit("agencies.toml", |_| february()).await;
    world.turn("2025-02-24 07:00").await;
    ticket(
        &world,
        "T1",
        "Sở Giao thông vận tải",
        "2025-02-24 09:00",
        "2025-02-26",
        "",
    )
    .await;
    let mut told = world.days("2025-02-25", "2025-02-27").await;
    let before = outlook(&world, "T1", "2025-02-27 22:00");
    // On the last day of February ops enter the reform.
    world.write("agencies.toml", |text| march(&text));
    world.adopt().await;
    told.extend(world.days("2025-02-28", "2025-03-12").await);
    assert_eq!(
        told,
        [
            "27/02 sgtvt: T1 overdue/L1",
            "03/03 gd-sxd: T1 overdue/L2",
            "05/03 gd-sxd: T1 overdue/L3",
            "12/03 vp: T1 overdue/L4",
        ]
    );
    let ways = |lines: Vec<String>| {
        let ways = lines.into_iter().filter(|line| line.contains(" by email"));
        ways.collect::<Vec<_>>()
    };
    let office = "-> office:contact of VP by email -> VP/contact not before 2025-03-12 08:00";
    assert_eq!(
        ways(before),
        [
            "-> agency:head of SGTVT by email -> SGTVT/head not before 2025-03-03 08:00",
            "-> agency:head of SGTVT by email -> SGTVT/head not before 2025-03-05 08:00",
            office,
            "overdue/L1 agency:contact of SGTVT by email accepted since 2025-02-27 08:00",
        ]
    );
    // The same files answer for each instant: on the eve who will be told once the other has taken over, then who was.
    let by = "SXD/head (SXD took over from SGTVT on 2025-03-01)";
    assert_eq!(
        ways(outlook(&world, "T1", "2025-02-28 22:00")),
        [
            &format!("-> agency:head of SGTVT by email -> {by} not before 2025-03-03 08:00"),
            &format!("-> agency:head of SGTVT by email -> {by} not before 2025-03-05 08:00"),
            office,
            "overdue/L1 agency:contact of SGTVT by email accepted since 2025-02-27 08:00",
        ]
    );
    let accepted = "overdue/L1 agency:contact of SGTVT by email accepted since 2025-02-27 08:00";
    let ahead = format!("-> agency:head of SGTVT by email -> {by} not before 2025-03-05 08:00");
    let waits = format!(
        "overdue/L2 agency:head of SGTVT by email -> {by} waiting until 2025-03-03 08:00: waits for its recipient's next digest or office hours"
    );
    assert_eq!(
        ways(outlook(&world, "T1", "2025-03-03 07:30")),
        [&ahead, office, accepted, &waits]
    );
    assert_eq!(
        ways(outlook(&world, "T1", "2025-03-03 22:00")),
        [
            &ahead,
            office,
            accepted,
            "overdue/L2 agency:head of SGTVT by email accepted since 2025-03-03 08:00"
        ]
    );
    let told = |when: &str| {
        let found = json(&world.dir(), &["explain", "T1", "--at", when, "--json"]);
        let messages = found["messages"].as_array().expect("messages").iter();
        let to = messages.map(|m| [&m["unit"], &m["role"]].map(|word| word.as_str().expect("a word").to_owned()));
        to.collect::<Vec<_>>()
    };
    assert_eq!(told("2025-03-03 07:30"), [["SGTVT", "contact"]]);
    assert_eq!(told("2025-03-03 22:00"), [["SGTVT", "contact"], ["SXD", "head"]]);
}
