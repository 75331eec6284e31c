//! The register as clerks of the Office keep it: directives, replies, waivers and exclusions by commands and by the workbook
//! that comes back filled in; what is refused, what is entered no second time, and what is taken back.

use std::process::Output;

use dondoc::domain::time::Period;
use serde_json::{Value, json};

use crate::cli::{dondoc, json as from_dondoc, said, text};
use crate::postgres::{On, on_both};
use crate::readers;
use crate::world::{FIVE_DAYS, LADDER, World};

const DIRECTIVE: [&str; 12] = [
    "directive",
    "record",
    "--period",
    "2021-09",
    "--number",
    "312/UBND-KSTT",
    "--date",
    "8/10/2021",
    "--reply-before",
    "28/10/2021",
    "--author",
    "Lan",
];

/// September 2021: T1 and T2 stay open, T3 and T4 were answered and rated badly. The figures are final on 5/10.
async fn september(on: On) -> World {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    let tickets = [
        ("T1", "Sở Y tế"),
        ("T2", "Sở Xây dựng"),
        ("T3", "Sở Y tế"),
        ("T4", "Sở Y tế"),
    ];
    for (code, agency) in tickets {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    for code in ["T3", "T4"] {
        world.answer(code, "2021-09-08 10:00").await;
        let rated = "rating = 'chưa hài lòng', rated_at = '2021-09-09 10:00:00'";
        world.change(code, "2021-09-09 10:00", rated).await;
    }
    world.turn("2021-09-09 16:00").await;
    world
}

/// The same behind its final figures.
async fn final_september(on: On) -> World {
    let mut world = september(on).await;
    world.turn("2021-10-01 07:00").await;
    world.turn("2021-10-05 07:00").await;
    world
}

/// The same with the directive.
async fn directed(on: On) -> World {
    let world = final_september(on).await;
    does(&world, &[&DIRECTIVE[..], &["--at", "2021-10-11 09:00"]].concat());
    world
}

fn given(world: &World, arguments: &[&str]) -> Output {
    dondoc(&world.dir(), arguments)
}

/// What a command prints that succeeds.
fn does(world: &World, arguments: &[&str]) -> String {
    let output = given(world, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        text(&output),
        said(&output)
    );
    text(&output)
}

/// The exit code of a command that fails, with what it says.
fn fails(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = given(world, arguments);
    let code = output.status.code().expect("an end");
    (code, said(&output).trim_end().to_owned())
}

/// A reply of Sở Y tế, recorded at an instant.
fn reply<'a>(number: &'a str, date: &'a str, reached: &'a str, more: &[&'a str], at: &'a str) -> Vec<&'a str> {
    let own = [
        "replies",
        "record",
        "--period",
        "2021-09",
        "--unit",
        "Sở Y tế",
        "--number",
        number,
        "--date",
        date,
        "--reached",
        reached,
        "--author",
        "Lan",
        "--at",
        at,
    ];
    [&own[..], more].concat()
}

/// Each obligation with its tickets, state and document.
fn list(world: &World) -> Vec<String> {
    let list = from_dondoc(&world.dir(), &["replies", "list", "--json"]);
    let shown = |o: &Value| {
        let document = &o["document"];
        format!(
            "{} {} {}/{} {}{}",
            o["unit"].as_str().expect("a unit"),
            o["letter"].as_str().expect("a letter"),
            o["settled"],
            o["tickets"],
            o["state"].as_str().expect("a state"),
            document["number"].as_str().map(|n| format!(" {n}")).unwrap_or_default()
        )
    };
    list["obligations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(shown)
        .collect()
}

on_both! {
    a_directive_is_recorded_whenever_the_month_is_over_and_opens_with_the_final_figures
    a_directive_behind_the_final_figures_opens_at_once_and_replies_are_recorded_once
    the_workbook_goes_out_and_comes_back_filled_in
}

async fn a_directive_is_recorded_whenever_the_month_is_over_and_opens_with_the_final_figures(on: On) {
    let mut world = september(on).await;
    let record = |date: &'static str, before: &'static str, at: &'static str| {
        [
            "directive",
            "record",
            "--period",
            "2021-09",
            "--number",
            "312/UBND-KSTT",
            "--date",
            date,
            "--reply-before",
            before,
            "--author",
            "Lan",
            "--at",
            at,
        ]
    };
    let wrong = |date, before, at| fails(&world, &record(date, before, at));
    assert_eq!(
        wrong("20/9/2021", "28/10/2021", "2021-09-20 09:00"),
        (
            2,
            "dondoc: --period: 2021-09 runs until 2021-09-30; a directive on it is recorded once it is over".to_owned()
        )
    );
    assert_eq!(
        wrong("8/9/2021", "28/9/2021", "2021-10-11 09:00"),
        (
            2,
            "dondoc: --date: a directive of 2021-09-08 cannot be on 2021-09, which ends later; look at the month and the year"
                .to_owned()
        )
    );
    assert_eq!(
        wrong("12/10/2021", "28/10/2021", "2021-10-11 09:00"),
        (
            2,
            "dondoc: --date: 2021-10-12 is still to come; record the directive once it is issued".to_owned()
        )
    );
    assert_eq!(
        wrong("8/10/2021", "2021-10-08", "2021-10-11 09:00"),
        (
            2,
            "dondoc: --reply-before: 2021-10-08 is not behind the date of the directive, 2021-10-08; one of the two is wrong"
                .to_owned()
        )
    );
    let no_day = fails(&world, &record("8/10", "28/10/2021", "2021-10-11 09:00"));
    assert!(
        no_day.0 == 2
            && no_day
                .1
                .contains("`8/10` is no day; write it as 2021-09-28 or 28/9/2021"),
        "{}",
        no_day.1
    );
    let no_period = fails(&world, &["directive", "show", "--period", "2021-13"]);
    assert_eq!(no_period.0, 2, "{}", no_period.1);
    assert_eq!(
        fails(&world, &["directive", "show"]),
        (
            1,
            "dondoc: no directive is recorded; `dondoc directive record` does it".to_owned()
        )
    );
    // The turn that freezes has not been yet.
    assert_eq!(
        does(&world, &record("1/10/2021", "25/10/2021", "2021-10-01 00:30")),
        "2021-09: directive 312/UBND-KSTT of 2021-10-01 is recorded\n\
         replies before 2021-10-25: reminders aim at the end of 2021-10-25, late is what reaches the Office after 2021-10-25\n\
         2021-09 is not frozen yet; what is owed opens with its final figures, at the first turn from 2021-10-05 00:00 on\n"
    );
    world.turn("2021-10-01 07:00").await;
    assert_eq!(
        does(&world, &record("1/10/2021", "28/10/2021", "2021-10-01 09:00")),
        "2021-09: directive 312/UBND-KSTT of 2021-10-01 is recorded\n\
         replies before 2021-10-28: reminders aim at the end of 2021-10-27, late is what reaches the Office after 2021-10-28\n\
         it replaces directive 312/UBND-KSTT of 2021-10-01, replies before 2021-10-25; recorded by Lan on 2021-10-01 00:30\n\
         the figures of 2021-09 are checked until 2021-10-05 00:00; what is owed opens with the final ones. As they stand now:\n\
         \x20 SXD: b follow_up (1)\n\
         \x20 SYT: b follow_up (1), c explanation (2)\n"
    );
    assert_eq!(
        does(&world, &record("1/10/2021", "28/10/2021", "2021-10-01 10:00")),
        "2021-09: directive 312/UBND-KSTT of 2021-10-01 is in force already; nothing is recorded\n"
    );
    assert_eq!(
        fails(&world, &["replies", "list", "--period", "2021-09"]),
        (
            1,
            "dondoc: nobody owes anything for 2021-09: its figures are not final; what is owed opens with the final ones, \
             at the first turn from 2021-10-05 00:00 on"
                .to_owned()
        )
    );
    world.turn("2021-10-05 07:00").await;
    assert_eq!(
        does(&world, &["replies", "list"]),
        "2021-09: directive 312/UBND-KSTT of 2021-10-01\n\
         replies before 2021-10-28: reminders aim at the end of 2021-10-27, late is what reaches the Office after 2021-10-28\n\
         SXD  b follow_up          0/1  2021-10-27  owed        \n\
         SYT  b follow_up          0/1  2021-10-27  owed        \n\
         SYT  c explanation        2/2  2021-10-27  owed        \n\
         3 obligations, 3 owed\n"
    );
    let shown = from_dondoc(&world.dir(), &["directive", "show", "--json"]);
    assert_eq!(
        (
            &shown["figures"],
            &shown["obligations"],
            &shown["directive"]["reply_before"],
            &shown["before"][0]["reply_before"]
        ),
        (&json!("final"), &json!(3), &json!("2021-10-28"), &json!("2021-10-25"))
    );
    // Another date for what is open already: it goes by the last one.
    assert_eq!(
        does(&world, &record("1/10/2021", "5/11/2021", "2021-10-06 09:00")),
        "2021-09: directive 312/UBND-KSTT of 2021-10-01 is recorded\n\
         replies before 2021-11-05: reminders aim at the end of 2021-11-04, late is what reaches the Office after 2021-11-05\n\
         it replaces directive 312/UBND-KSTT of 2021-10-01, replies before 2021-10-28; recorded by Lan on 2021-10-01 09:00\n\
         the 3 obligations that were open go by it from now on\n\
         \x20 SXD: b follow_up (1)\n\
         \x20 SYT: b follow_up (1), c explanation (2)\n"
    );
}

async fn a_directive_behind_the_final_figures_opens_at_once_and_replies_are_recorded_once(on: On) {
    let mut world = final_september(on).await;
    assert_eq!(
        does(&world, &[&DIRECTIVE[..], &["--at", "2021-10-11 09:00"]].concat()),
        "2021-09: directive 312/UBND-KSTT of 2021-10-08 is recorded\n\
         replies before 2021-10-28: reminders aim at the end of 2021-10-27, late is what reaches the Office after 2021-10-28\n\
         3 obligations are opened; `dondoc replies list --period 2021-09` has them\n\
         \x20 SXD: b follow_up (1)\n\
         \x20 SYT: b follow_up (1), c explanation (2)\n"
    );
    // No turn between: one document for all that the unit owes.
    assert_eq!(
        does(
            &world,
            &reply("77/SYT-VP", "20/10/2021", "21/10/2021", &[], "2021-10-21 10:00")
        ),
        "2021-09 SYT b follow_up: reply 77/SYT-VP of 2021-10-20, reached the Office on 2021-10-21\n\
         2021-09 SYT c explanation: reply 77/SYT-VP of 2021-10-20, reached the Office on 2021-10-21\n\
         recorded as batch 1; `dondoc replies undo 1` takes it back\n"
    );
    assert_eq!(
        does(
            &world,
            &reply("77/SYT-VP", "2021-10-20", "2021-10-21", &[], "2021-10-21 10:05")
        ),
        "2021-09 SYT b follow_up: stands there already\n\
         2021-09 SYT c explanation: stands there already\n\
         nothing new: nothing is recorded\n"
    );
    world.turn("2021-11-01 07:00").await;
    let before = [
        "SXD b 0/1 late",
        "SYT b 0/1 replied 77/SYT-VP",
        "SYT c 2/2 replied 77/SYT-VP",
    ];
    assert_eq!(list(&world), before);
    // It had reached the Office later than was written down.
    assert_eq!(
        does(
            &world,
            &reply(
                "77/SYT-VP",
                "20/10/2021",
                "29/10/2021",
                &["--kind", "b"],
                "2021-11-01 09:00"
            )
        ),
        "2021-09 SYT b follow_up: reply 77/SYT-VP of 2021-10-20, reached the Office on 2021-10-29; it puts 77/SYT-VP right\n\
         recorded as batch 2; `dondoc replies undo 2` takes it back\n"
    );
    assert_eq!(
        does(
            &world,
            &reply(
                "80/SYT-VP",
                "22/10/2021",
                "22/10/2021",
                &["--kind", "follow_up"],
                "2021-11-01 09:10"
            )
        ),
        "2021-09 SYT b follow_up: reply 80/SYT-VP of 2021-10-22, reached the Office on 2021-10-22, a further document: \
         77/SYT-VP has settled it already\n\
         recorded as batch 3; `dondoc replies undo 3` takes it back\n"
    );
    assert_eq!(
        list(&world),
        [
            "SXD b 0/1 late",
            "SYT b 0/1 replied_late 77/SYT-VP",
            "SYT c 2/2 replied 77/SYT-VP"
        ]
    );
    let undo = |batch: &'static str| ["replies", "undo", batch, "--author", "Hà", "--at", "2021-11-01 10:00"];
    assert_eq!(
        does(&world, &undo("2")),
        "2021-09 SYT b follow_up: reply 77/SYT-VP of 2021-10-20, reached the Office on 2021-10-29: taken back\n\
         1 lines of batch 2 are taken back\n"
    );
    assert_eq!(list(&world), before);
    assert_eq!(
        fails(&world, &undo("2")),
        (1, "dondoc: batch 2 was taken back by Hà on 2021-11-01 10:00".to_owned())
    );
    assert_eq!(
        fails(&world, &undo("9")),
        (
            1,
            "dondoc: there is no batch 9; `dondoc replies history` shows what was recorded".to_owned()
        )
    );
    does(&world, &undo("1"));
    assert_eq!(
        list(&world),
        ["SXD b 0/1 late", "SYT b 0/1 replied 80/SYT-VP", "SYT c 2/2 late"],
        "what was a further document settles it now"
    );
    let owed = from_dondoc(&world.dir(), &["replies", "list", "--owed", "--unit", "SYT", "--json"]);
    assert_eq!(owed["obligations"].as_array().map(Vec::len), Some(1));
    let waive = |kind: &'static str, reason: &'static str| {
        [
            "replies",
            "waive",
            "--period",
            "2021-09",
            "--unit",
            "SXD",
            "--kind",
            kind,
            "--reason",
            reason,
            "--author",
            "Lan",
            "--at",
            "2021-11-01 11:00",
        ]
    };
    assert_eq!(
        does(&world, &waive("b", "đã báo cáo tại cuộc họp")),
        "2021-09 SXD b follow_up: waived\nrecorded as batch 4; `dondoc replies undo 4` takes it back\n"
    );
    assert_eq!(
        fails(&world, &waive("c", "nhầm")),
        (
            1,
            "dondoc: 2021-09 SXD c explanation: SXD owes no `explanation` (c) for 2021-09; it owes follow_up (b)"
                .to_owned()
        )
    );
    assert_eq!(
        does(&world, &["replies", "history"]),
        "   1  2021-10-21 10:00  Lan  2021-09 SYT b follow_up: reply 77/SYT-VP of 2021-10-20, reached the Office on \
         2021-10-21  (taken back by Hà on 2021-11-01 10:00)\n\
         \x20  1  2021-10-21 10:00  Lan  2021-09 SYT c explanation: reply 77/SYT-VP of 2021-10-20, reached the Office on \
         2021-10-21  (taken back by Hà on 2021-11-01 10:00)\n\
         \x20  2  2021-11-01 09:00  Lan  2021-09 SYT b follow_up: reply 77/SYT-VP of 2021-10-20, reached the Office on \
         2021-10-29  (taken back by Hà on 2021-11-01 10:00)\n\
         \x20  3  2021-11-01 09:10  Lan  2021-09 SYT b follow_up: reply 80/SYT-VP of 2021-10-22, reached the Office on 2021-10-22\n\
         \x20  4  2021-11-01 11:00  Lan  2021-09 SXD b follow_up: waived: đã báo cáo tại cuộc họp\n\
         2021-09: 5 lines\n"
    );
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_with_what_to_do() {
    let world = directed(On::Sqlite).await;
    let at = "2021-10-21 10:00";
    for (number, date, reached, more, why) in [
        (
            "1/SYT",
            "22/10/2021",
            "21/10/2021",
            &[][..],
            "2021-09 SYT b follow_up: the document of 2021-10-22 cannot have reached the Office on 2021-10-21, before it was \
             made; one of the two is wrong",
        ),
        (
            "1/SYT",
            "20/10/2021",
            "22/10/2021",
            &[],
            "2021-09 SYT b follow_up: 2021-10-22 is still to come; enter what has reached the Office",
        ),
        (
            "1/SYT",
            "20/10/2020",
            "21/10/2021",
            &[],
            "2021-09 SYT b follow_up: a document of 2020-10-20 is older than the period, which begins on 2021-09-01; look at \
             the year",
        ),
        (
            " ",
            "20/10/2021",
            "21/10/2021",
            &[],
            "2021-09 SYT b follow_up: the number of the document is missing; write it as on the document, such as 123/SYT-VP",
        ),
        (
            "1/SYT",
            "20/10/2021",
            "21/10/2021",
            &["--kind", "a,b"],
            "2021-09 SYT a review: SYT owes no `review` (a) for 2021-09; it owes follow_up (b), explanation (c)",
        ),
    ] {
        assert_eq!(
            fails(&world, &reply(number, date, reached, more, at)),
            (1, format!("dondoc: {why}"))
        );
    }
    let by = |unit: &'static str| {
        [
            "replies",
            "record",
            "--period",
            "2021-09",
            "--unit",
            unit,
            "--number",
            "1",
            "--date",
            "20/10/2021",
            "--reached",
            "21/10/2021",
            "--at",
            at,
        ]
    };
    assert_eq!(
        fails(&world, &by("Sở Tài chính")),
        (
            1,
            "dondoc: STC owes nothing for 2021-09; `dondoc replies list` has who does".to_owned()
        )
    );
    assert_eq!(
        fails(&world, &by("Sở Không Có")),
        (1, "dondoc: `Sở Không Có` is not a unit of agencies.toml".to_owned())
    );
    let early = fails(&world, &reply("1", "1/10/2021", "1/10/2021", &[], "2021-10-01 10:00"));
    assert!(early.1.contains("time only goes forward"), "{}", early.1);
    let none = ["replies", "history", "--json"];
    assert_eq!(
        from_dondoc(&world.dir(), &none)["entries"],
        json!([]),
        "nothing of it is recorded"
    );
}

#[tokio::test]
async fn a_unit_that_was_merged_into_another_still_owes_and_the_message_says_under_which_name() {
    let world = directed(On::Sqlite).await;
    world.write("agencies.toml", |text| {
        let taken = "[[unit]]\nid = \"SYTM\"\nname = \"Sở Y tế và Dân số\"\nparent = \"UBND\"\ncontacts = []\n";
        format!("{text}\n{taken}\n[[successor]]\nfrom = \"SYT\"\nto = \"SYTM\"\non = \"2021-10-15\"\n")
    });
    let by = |unit: &'static str| {
        [
            "replies",
            "record",
            "--period",
            "2021-09",
            "--unit",
            unit,
            "--number",
            "5/SYTM",
            "--date",
            "20/10/2021",
            "--reached",
            "21/10/2021",
            "--at",
            "2021-10-21 10:00",
        ]
    };
    assert_eq!(
        fails(&world, &by("Sở Y tế và Dân số")),
        (
            1,
            "dondoc: SYTM owes nothing for 2021-09; it took over from SYT: say --unit SYT".to_owned()
        )
    );
    does(&world, &by("Sở Y tế"));
    assert_eq!(
        list(&world),
        ["SXD b 0/1 owed", "SYT b 0/1 replied 5/SYTM", "SYT c 2/2 replied 5/SYTM"]
    );
}

#[tokio::test]
async fn the_agency_proposes_the_office_decides_and_a_forgotten_ticket_still_counts() {
    let mut world = directed(On::Sqlite).await;
    world.turn("2021-10-12 07:00").await;
    let exclude = |ticket: &'static str, what: &[&'static str], reason: &'static str| {
        let own = [
            "replies", "exclude", "--period", "2021-09", "--ticket", ticket, "--reason", reason,
        ];
        [&own[..], what, &["--author", "Hà", "--at", "2021-10-12 10:00"]].concat()
    };
    assert_eq!(
        fails(&world, &exclude("T1", &["--propose"], "vì")),
        (
            1,
            "dondoc: 2021-09 ticket T1: ticket T1 is none of the unsatisfied ones of 2021-09; `dondoc replies export` lists them"
                .to_owned()
        )
    );
    assert_eq!(fails(&world, &exclude("T3", &[], "vì")).0, 2);
    assert_eq!(
        does(
            &world,
            &exclude("T3", &["--propose"], "như phiếu T4, người phản ánh cung cấp thiếu")
        ),
        "2021-09 ticket T3: proposed for exclusion\nrecorded as batch 1; `dondoc replies undo 1` takes it back\n"
    );
    let exclusions = |world: &World| {
        let list = from_dondoc(&world.dir(), &["replies", "list", "--unit", "SYT", "--json"]);
        let own = list["obligations"].as_array().expect("a list").iter();
        let c = own
            .into_iter()
            .find(|o| o["letter"] == "c")
            .expect("explanation")
            .clone();
        [&c["tickets"], &c["settled"], &c["excluded"], &c["exclusion_pending"]].map(|n| n.as_u64().expect("a number"))
    };
    assert_eq!(exclusions(&world), [2, 2, 0, 1], "what is not decided is not excluded");
    does(&world, &exclude("T3", &["--decide", "excluded"], "đúng quy định"));
    does(&world, &exclude("T4", &["--decide", "refused"], "không đủ căn cứ"));
    assert_eq!(exclusions(&world), [2, 2, 1, 0]);
    for code in ["T3", "T4"] {
        let forgotten = does(&world, &["forget", code, "--yes"]);
        assert!(
            forgotten.contains("lines of the register count it without its code"),
            "{forgotten}"
        );
    }
    assert_eq!(exclusions(&world), [2, 2, 1, 0], "the counts stay");
    let history = does(&world, &["replies", "history"]);
    assert!(!history.contains("T3") && !history.contains("T4"), "{history}");
    assert!(history.contains("như phiếu [forgotten], người"), "{history}");
    let members = world
        .store()
        .members("2021-09".parse::<Period>().expect("a period"))
        .await;
    let codes: Vec<String> = members.expect("members").into_iter().map(|m| m.code).collect();
    assert!(codes.iter().all(|code| code != "T3" && code != "T4"), "{codes:?}");
    assert_eq!(
        fails(&world, &["forget", "@obligation/2021-09/SYT/review", "--yes"]).0,
        2
    );
}

async fn the_workbook_goes_out_and_comes_back_filled_in(on: On) {
    let mut world = directed(on).await;
    world.turn("2021-10-12 07:00").await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("nghia-vu.xlsx");
    let name = file.to_str().expect("a name");
    let export = ["replies", "export", "--period", "2021-09", "--out", name];
    assert_eq!(
        does(&world, &export),
        format!(
            "{name}: 3 obligations and 2 unsatisfied tickets of 2021-09; once it is filled in, `dondoc replies import` reads it\n"
        )
    );
    let book = readers::workbook(&file);
    let sheet = |n: usize| &book["sheets"][n];
    assert_eq!(sheet(0)["name"], "Nghĩa vụ");
    assert_eq!(
        sheet(0)["rows"],
        json!([
            [
                "Mã nghĩa vụ",
                "Đơn vị",
                "Nội dung",
                "Số phiếu",
                "Đã xử lý",
                "Báo cáo trước ngày",
                "Tình trạng",
                "Số văn bản",
                "Ngày văn bản",
                "Ngày đến",
                "Ghi chú",
                "Miễn báo cáo",
                "Lý do miễn"
            ],
            [
                "2021-09/SXD/follow_up",
                "Sở Xây dựng",
                "b) Xử lý phiếu đang theo dõi",
                1,
                0,
                "2021-10-28 00:00:00",
                "chưa báo cáo",
                null,
                null,
                null,
                null,
                null,
                null
            ],
            [
                "2021-09/SYT/follow_up",
                "Sở Y tế",
                "b) Xử lý phiếu đang theo dõi",
                1,
                0,
                "2021-10-28 00:00:00",
                "chưa báo cáo",
                null,
                null,
                null,
                null,
                null,
                null
            ],
            [
                "2021-09/SYT/explanation",
                "Sở Y tế",
                "c) Giải trình phiếu chưa hài lòng",
                2,
                2,
                "2021-10-28 00:00:00",
                "chưa báo cáo",
                null,
                null,
                null,
                null,
                null,
                null
            ]
        ])
    );
    let locked = |n: usize, locked: usize, open: usize| {
        assert_eq!(
            sheet(n)["locked"],
            json!([vec![true; locked], vec![false; open]].concat())
        );
    };
    locked(0, 7, 6);
    locked(1, 4, 3);
    assert_eq!(sheet(1)["name"], "Phiếu chưa hài lòng");
    assert_eq!(
        sheet(1)["rows"][1],
        json!([
            "2021-09/SYT/explanation",
            "T3",
            "Sở Y tế",
            "chưa phân loại",
            null,
            null,
            null
        ])
    );
    // As it comes back: a date as a date and one as a text, and some that are wrong.
    let import = |more: &[&'static str]| {
        let own = ["replies", "import", name, "--author", "Lan", "--at", "2021-10-22 09:00"];
        [&own[..], more].concat()
    };
    assert_eq!(
        does(&world, &import(&["--yes"])),
        "0 to record, 0 unchanged, 0 wrong\nnothing new: nothing is recorded\n",
        "as it went out"
    );
    readers::fill(
        &file,
        &json!({
            "Nghĩa vụ": {
                "H2": "15/SXD-VP", "I2": "32/10/2021", "J2": "date:2021-10-21",
                "H3": "=1+1", "I3": "20/10/2021", "J3": "date:2021-10-25",
                "H4": "77/SYT-VP", "I4": "date:2021-10-20", "J4": "21/10/2021"
            },
            "Phiếu chưa hài lòng": {
                "E2": "x", "G2": "người phản ánh cung cấp thiếu thông tin",
                "E3": "x", "F3": "tạm để"
            }
        }),
    );
    let shown = given(&world, &import(&["--yes"]));
    assert_eq!(
        (shown.status.code(), text(&shown), said(&shown)),
        (
            Some(1),
            format!(
                "wrong      {name}, sheet “Nghĩa vụ”, cell I2: “32/10/2021” is no day (write it as day/month/year, such as \
                 28/9/2021)\n\
                 wrong      sheet “Nghĩa vụ”, row 3, column “Số văn bản”: 2021-09 SYT b follow_up: the number of the document \
                 is missing; write it as on the document, such as 123/SYT-VP\n\
                 new        sheet “Nghĩa vụ”, row 4: 2021-09 SYT c explanation: reply 77/SYT-VP of 2021-10-20, reached the \
                 Office on 2021-10-21\n\
                 new        sheet “Phiếu chưa hài lòng”, row 2: 2021-09 ticket T3: proposed for exclusion\n\
                 wrong      {name}, sheet “Phiếu chưa hài lòng”, cell F3: “tạm để” is no decision (write “loại trừ” or “không \
                 loại trừ”, or leave it empty)\n\
                 2 to record, 0 unchanged, 3 wrong\n"
            ),
            "dondoc: 3 lines are wrong, so nothing is recorded; put them right, or leave them out with --skip-wrong\n"
                .to_owned()
        )
    );
    assert_eq!(list(&world), ["SXD b 0/1 owed", "SYT b 0/1 owed", "SYT c 2/2 owed"]);
    let asked = fails(&world, &import(&["--skip-wrong"]));
    assert_eq!(
        asked,
        (
            2,
            "dondoc: nobody is there to be asked; `--yes` records them".to_owned()
        )
    );
    let done = does(&world, &import(&["--yes", "--skip-wrong"]));
    assert!(
        done.ends_with("recorded as batch 1; `dondoc replies undo 1` takes it back\n"),
        "{done}"
    );
    let after = ["SXD b 0/1 owed", "SYT b 0/1 owed", "SYT c 2/2 replied 77/SYT-VP"];
    assert_eq!(list(&world), after);
    // Once more: nothing new. Put right: a change.
    readers::fill(
        &file,
        &json!({
            "Nghĩa vụ": { "H2": null, "I2": null, "J2": null, "H3": null, "I3": null, "J3": null },
            "Phiếu chưa hài lòng": { "E3": null, "F3": null }
        }),
    );
    assert_eq!(
        does(&world, &import(&["--yes"])),
        "unchanged  sheet “Nghĩa vụ”, row 4: 2021-09 SYT c explanation: reply 77/SYT-VP of 2021-10-20, reached the Office on \
         2021-10-21\n\
         unchanged  sheet “Phiếu chưa hài lòng”, row 2: 2021-09 ticket T3: proposed for exclusion\n\
         0 to record, 2 unchanged, 0 wrong\nnothing new: nothing is recorded\n"
    );
    readers::fill(
        &file,
        &json!({
            "Nghĩa vụ": { "J4": "20/10/2021", "L2": "x", "M2": "đã báo cáo tại cuộc họp" },
            "Phiếu chưa hài lòng": { "F2": "Loại trừ" }
        }),
    );
    assert_eq!(
        does(&world, &import(&["--yes"])),
        "new        sheet “Nghĩa vụ”, row 2: 2021-09 SXD b follow_up: waived\n\
         changed    sheet “Nghĩa vụ”, row 4: 2021-09 SYT c explanation: reply 77/SYT-VP of 2021-10-20, reached the Office on \
         2021-10-20; before: 77/SYT-VP\n\
         new        sheet “Phiếu chưa hài lòng”, row 2: 2021-09 ticket T3: excluded\n\
         3 to record, 0 unchanged, 0 wrong\n\
         recorded as batch 2; `dondoc replies undo 2` takes it back\n"
    );
    // What goes out next shows what is known, but no reason that somebody wrote; and comes back as nothing new.
    does(&world, &export);
    let again = readers::workbook(&file);
    assert_eq!(
        (&again["sheets"][0]["rows"][1][11], &again["sheets"][0]["rows"][1][12]),
        (&json!("x"), &json!(null))
    );
    assert_eq!(again["sheets"][1]["rows"][1][5], "loại trừ");
    let same = does(&world, &import(&["--yes"]));
    assert!(
        same.ends_with("0 to record, 3 unchanged, 0 wrong\nnothing new: nothing is recorded\n"),
        "{same}"
    );
    does(&world, &["replies", "undo", "2", "--at", "2021-10-22 10:00"]);
    assert_eq!(list(&world), after, "one batch takes all of an import back");
}

#[tokio::test]
async fn what_people_write_as_notes_and_reasons_stands_in_nothing_that_leaves() {
    const NOTE: &str = "bà Trần Thị Ghi Chú, 0912 345 678";
    let rules = format!("{FIVE_DAYS}{}", include_str!("../../config/rules/obligations.toml"));
    let mut world = World::new(&rules).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng"), ("T3", "Sở Y tế")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.answer("T3", "2021-09-08 10:00").await;
    let rated = "rating = 'chưa hài lòng', rated_at = '2021-09-09 10:00:00'";
    world.change("T3", "2021-09-09 10:00", rated).await;
    world.turn("2021-10-01 07:00").await;
    world.turn("2021-10-05 07:00").await;
    does(&world, &[&DIRECTIVE[..], &["--at", "2021-10-11 08:00"]].concat());
    world.turn("2021-10-11 09:00").await;
    let told = world.mails().len();
    assert!(told > 0, "obligations are told of");
    let (at, noted) = ("2021-10-12 08:00", ["--note", NOTE]);
    does(&world, &reply("77/SYT-VP", "11/10/2021", "12/10/2021", &noted, at));
    let own = ["--period", "2021-09", "--reason", NOTE, "--author", "Lan", "--at", at];
    does(
        &world,
        &[&["replies", "waive", "--unit", "SXD", "--kind", "b"], &own[..]].concat(),
    );
    does(
        &world,
        &[&["replies", "exclude", "--ticket", "T3", "--propose"], &own[..]].concat(),
    );
    let is_clean = |what: &str, text: &str| {
        for word in ["Ghi Chú", "345 678", "0912"] {
            assert!(!text.contains(word), "{what}: {text}");
        }
    };
    for time in [
        "2021-10-12 09:00",
        "2021-10-22 08:00",
        "2021-10-28 08:00",
        "2021-11-03 08:00",
    ] {
        world.turn(time).await;
    }
    let letters = world.letters();
    assert!(!letters.is_empty(), "the ending is told");
    for letter in letters {
        is_clean("a letter", &format!("{letter:?}"));
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("out");
    let name = file.to_str().expect("a name");
    let written = |arguments: &[&str]| {
        does(&world, arguments);
        std::fs::read(&file).expect("a file")
    };
    let report = |format: &'static str| ["report", "--month", "2021-09", "--out", name, "--format", format];
    for format in ["text", "json", "html"] {
        is_clean(format, &String::from_utf8(written(&report(format))).expect("a text"));
    }
    for arguments in [
        &report("docx")[..],
        &report("xlsx"),
        &["replies", "export", "--out", name],
    ] {
        is_clean("a container", &readers::unzipped(&written(arguments)).to_string());
    }
    let shown = does(&world, &["replies", "history"]);
    assert_eq!(
        shown.matches(NOTE).count(),
        4,
        "who keeps the register reads it: {shown}"
    );
}

/// The text of a paper, without its marks.
fn paper(world: &World, arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("paper.docx");
    let own = [
        "report",
        "--month",
        "2021-09",
        "--format",
        "docx",
        "--out",
        file.to_str().expect("a name"),
    ];
    does(world, &[&own[..], arguments].concat());
    let parts = readers::unzipped(&std::fs::read(&file).expect("a paper"));
    let body = parts["word/document.xml"].as_str().expect("a body").to_owned();
    let runs = body
        .split("<w:t")
        .skip(1)
        .filter_map(|run| Some(run.split_once('>')?.1.split_once("</w:t>")?.0));
    runs.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn reports_and_drafts_say_what_the_register_has() {
    let mut world = final_september(On::Sqlite).await;
    let keys = |world: &World| {
        let report = from_dondoc(&world.dir(), &["report", "--month", "2021-09", "--format", "json"]);
        ["unsatisfied", "excluded", "exclusion_pending", "reply_before"].map(|key| report[key].clone())
    };
    assert_eq!(keys(&world), [json!(2), json!(0), json!(0), json!(null)]);
    does(&world, &[&DIRECTIVE[..], &["--at", "2021-10-11 09:00"]].concat());
    does(
        &world,
        &reply(
            "77/SYT-VP",
            "20/10/2021",
            "21/10/2021",
            &["--kind", "c"],
            "2021-10-21 10:00",
        ),
    );
    for (ticket, what) in [("T3", &["--propose"][..]), ("T4", &["--decide", "excluded"])] {
        let own = [
            "replies",
            "exclude",
            "--period",
            "2021-09",
            "--ticket",
            ticket,
            "--reason",
            "vì",
            "--at",
            "2021-10-21 11:00",
        ];
        does(&world, &[&own[..], what].concat());
    }
    assert_eq!(keys(&world), [json!(2), json!(1), json!(1), json!("2021-10-28")]);
    let narrative = does(&world, &["report", "--month", "2021-09"]);
    assert!(
        narrative.contains("người phản ánh, trong đó loại trừ 1, đang xem xét 1.\n"),
        "{narrative}"
    );
    world.turn("2021-11-02 07:00").await;
    let report = paper(&world, &[]);
    for says in [
        "trong đó loại trừ 1, đang xem xét 1",
        "chưa ghi nhận báo cáo của: Sở Xây dựng; Sở Y tế",
        "77/SYT-VP",
    ] {
        assert!(report.contains(says), "{says}: {report}");
    }
    let urging = paper(&world, &["--paper", "urging"]);
    assert!(
        urging.contains("312/UBND-KSTT") && urging.contains("chưa ghi nhận báo cáo của:"),
        "{urging}"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("report.xlsx");
    let name = file.to_str().expect("a name");
    does(
        &world,
        &["report", "--month", "2021-09", "--format", "xlsx", "--out", name],
    );
    let book = readers::workbook(&file);
    let sheets = book["sheets"].as_array().expect("sheets");
    let owed = sheets
        .iter()
        .find(|sheet| sheet["name"] == "Nghĩa vụ")
        .expect("a sheet");
    assert_eq!(
        owed["rows"].as_array().expect("rows")[1..],
        [
            json!([
                1,
                "Sở Xây dựng",
                "Xử lý phiếu đang theo dõi",
                1,
                0,
                "2021-10-28 00:00:00",
                "quá hạn báo cáo",
                null,
                null,
                null
            ]),
            json!([
                2,
                "Sở Y tế",
                "Xử lý phiếu đang theo dõi",
                1,
                0,
                "2021-10-28 00:00:00",
                "quá hạn báo cáo",
                null,
                null,
                null
            ]),
            json!([
                3,
                "Sở Y tế",
                "Giải trình phiếu chưa hài lòng",
                2,
                2,
                "2021-10-28 00:00:00",
                "đã báo cáo",
                "77/SYT-VP",
                "2021-10-20 00:00:00",
                "2021-10-21 00:00:00"
            ])
        ]
    );
}

#[tokio::test]
async fn a_file_that_is_no_such_workbook_is_refused_and_nothing_in_it_is_computed() {
    let world = directed(On::Sqlite).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("khac.csv");
    let name = file.to_str().expect("a name");
    std::fs::write(&file, "Mã,Tên\nSYT,Sở Y tế\n").expect("a file");
    let import = ["replies", "import", name, "--yes", "--at", "2021-10-22 09:00"];
    assert_eq!(
        fails(&world, &import),
        (
            1,
            format!(
                "dondoc: {name}: no sheet has a line with the header “Mã nghĩa vụ” (fill in the workbook that `dondoc replies \
                 export` writes)"
            )
        )
    );
    // What begins like a formula stays a text on its way in and out again.
    std::fs::write(
        &file,
        "Mã nghĩa vụ,Số văn bản,Ngày văn bản,Ngày đến\n2021-09/SXD/follow_up,=1+1/SXD-VP,20/10/2021,21/10/2021\n\
         2021-09/SYT/khac,1,20/10/2021,21/10/2021\n2020-01/SYT/follow_up,1,20/10/2021,21/10/2021\n",
    )
    .expect("a file");
    let shown = given(&world, &[&import[..], &["--skip-wrong"]].concat());
    assert_eq!(
        text(&shown),
        format!(
            "new        line 2: 2021-09 SXD b follow_up: reply =1+1/SXD-VP of 2021-10-20, reached the Office \
             on 2021-10-21\n\
             wrong      {name}:3: column 1: “2021-09/SYT/khac” is no code of an obligation (leave the first column as `dondoc \
             replies export` wrote it)\n\
             wrong      line 4, column “Mã nghĩa vụ”: 2020-01 SYT b follow_up: SYT owes no `follow_up` (b) for 2020-01; it owes \
             nothing for it\n\
             1 to record, 0 unchanged, 2 wrong\nrecorded as batch 1; `dondoc replies undo 1` takes it back\n"
        ),
        "{}",
        said(&shown)
    );
    let out = dir.path().join("nghia-vu.xlsx");
    does(&world, &["replies", "export", "--out", out.to_str().expect("a name")]);
    let book = readers::workbook(&out);
    assert_eq!(
        (&book["sheets"][0]["rows"][1][7], &book["sheets"][0]["types"][1][7]),
        (&json!("=1+1/SXD-VP"), &json!("s"))
    );
}
