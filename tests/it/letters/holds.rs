//! What ops and agencies hold back for a while (`spec.md` §4): silences and acknowledgements, given by command beside the
//! process that holds the store. What is held waits, climbing waits with it, and what still holds afterwards is told once.

use dondoc::domain::evaluate::Verdict;
use serde_json::Value;

use super::delivery::{BUILDING, HEALTH, Moods};
use super::explained::explained;
use super::{ladder, letters_of, line};
use crate::cli::{dondoc, said, text};
use crate::world::{World, at};

/// A province with a ticket of Sở Y tế and one of Sở Xây dựng: L1 on 14/9, L2 on 16/9, L3 on 20/9, L4 on 27/9.
async fn province() -> World {
    Moods::default().province(&ladder(), &[HEALTH, BUILDING]).await
}

/// A command that succeeds; what it says.
fn run(world: &World, arguments: &[&str]) -> String {
    let output = dondoc(&world.dir(), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    text(&output)
}

/// A command that is refused; its last words.
fn refused(world: &World, arguments: &[&str], code: i32) -> String {
    let output = dondoc(&world.dir(), arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    said(&output)
}

/// A silence from Monday 13/9/2021 on.
fn silence(world: &World, until: &str, scope: &[&str]) -> String {
    let mut arguments = vec!["silence", "add", "--from", "2021-09-13", "--until", until];
    arguments.extend(["--reason", "kiểm kê", "--author", "Lan"]);
    arguments.extend(scope);
    run(world, &arguments)
}

#[tokio::test]
async fn a_silenced_unit_is_told_nothing_and_afterwards_the_ladder_goes_on_step_by_step() {
    let mut world = province().await;
    let said = silence(&world, "2021-09-21", &["--unit", "Sở Y tế"]);
    assert_eq!(
        said.trim(),
        "silence 1: unit SYT, from 2021-09-13 00:00 until 2021-09-21 00:00; what is in a message already still goes"
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-30").await,
        [
            "14/09 08:00 sxd digest: T2 overdue/L1",
            "16/09 08:00 giamdoc-sxd digest: T2 overdue/L2",
            "20/09 08:00 giamdoc-sxd digest: T2 overdue/L3",
            "21/09 08:00 syt digest: T1 overdue/L1",
            "23/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "27/09 08:00 giamdoc-syt digest: T1 overdue/L3",
            "27/09 08:00 vp digest: T2 overdue/L4",
            "29/09 08:00 vp digest: T1 overdue/L4",
        ]
    );
}

#[tokio::test]
async fn a_silence_added_between_decision_and_digest_holds_and_says_who_until_when_and_why() {
    let mut world = province().await;
    world.turn("2021-09-14 07:00").await;
    silence(&world, "2021-09-15 10:00", &["--ticket", "T1"]);
    let held = Verdict::Silenced {
        by: "Lan".into(),
        until: at("2021-09-15 10:00"),
        reason: "kiểm kê".into(),
    };
    for time in ["2021-09-14 07:30", "2021-09-14 16:00"] {
        assert_eq!(world.verdict("T1", "overdue", "L1", time).await, held, "{time}");
    }
    assert_eq!(held.reason(), "silenced by Lan: kiểm kê");
    // The digest of that morning is made without it; it is over at ten, and goes with the next one.
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-16").await,
        [
            "14/09 08:00 sxd digest: T2 overdue/L1",
            "16/09 08:00 giamdoc-sxd digest: T2 overdue/L2",
            "16/09 08:00 syt digest: T1 overdue/L1",
        ]
    );
    let explained: Value =
        serde_json::from_str(&run(&world, &["explain", "T1", "--at", "2021-09-14 16:00", "--json"])).expect("JSON");
    let verdict = &explained["verdicts"][0];
    assert_eq!(
        (&verdict["verdict"], &verdict["at"], &verdict["reason"]),
        (
            &"silenced".into(),
            &"2021-09-15T10:00:00+07:00".into(),
            &"silenced by Lan: kiểm kê".into()
        )
    );
}

#[tokio::test]
async fn what_is_over_when_a_silence_ends_is_told_to_nobody() {
    let mut world = province().await;
    silence(&world, "2021-09-21", &["--unit", "SYT"]);
    letters_of(&mut world, "2021-09-14", "2021-09-17").await;
    world.answer("T1", "2021-09-20 09:00").await;
    let told = letters_of(&mut world, "2021-09-20", "2021-09-24").await;
    assert_eq!(told, ["20/09 08:00 giamdoc-sxd digest: T2 overdue/L3"]);
}

#[tokio::test]
async fn endings_and_repeated_steps_wait_too_and_a_burst_of_missed_ones_never_comes() {
    let rules = ladder().replace(
        "id = \"L1\"\nafter = \"1wd\"",
        "id = \"L1\"\nafter = \"1wd\"\nrepeat = { every = \"1wd\", times = 5 }",
    );
    let rules = rules
        .split("[[rule.step]]\nid = \"L2\"")
        .next()
        .expect("a rule")
        .to_owned()
        + crate::world::FIVE_DAYS;
    let mut world = Moods::default().province(&rules, &[HEALTH, BUILDING]).await;
    world.turn("2021-09-14 08:00").await;
    world.mails();
    silence(&world, "2021-09-20", &["--where", "agency.one_of = [\"SYT\", \"SXD\"]"]);
    world.answer("T2", "2021-09-15 09:00").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-21").await,
        [
            "20/09 08:00 sxd digest: T2 @settled/done",
            "20/09 08:00 syt digest: T1 overdue/L1",
            "21/09 08:00 syt digest: T1 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn a_silence_of_a_rule_or_category_leaves_the_rest_alone() {
    let mut world = province().await;
    world.change("T1", "2021-09-13 09:00", "category = 'Đất đai'").await;
    silence(&world, "2021-09-15", &["--category", "đất đai"]);
    silence(&world, "2021-09-17", &["--rule", "overdue", "--unit", "SXD"]);
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-17").await,
        [
            "15/09 08:00 syt digest: T1 overdue/L1",
            "17/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "17/09 08:00 sxd digest: T2 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn a_silence_ended_before_its_time_lets_go_at_the_next_digest() {
    let mut world = province().await;
    silence(&world, "2021-12-31", &["--unit", "SYT"]);
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    let ended = run(
        &world,
        &["silence", "end", "1", "--author", "Minh", "--at", "2021-09-15 22:30"],
    );
    assert_eq!(
        ended.trim(),
        "silence 1 is ended; 1 notices that it held go out at their next chance where they still hold"
    );
    assert!(refused(&world, &["silence", "end", "1", "--at", "2021-09-15 22:31"], 1).contains("does not hold"));
    assert_eq!(
        letters_of(&mut world, "2021-09-16", "2021-09-16").await,
        [
            "16/09 08:00 giamdoc-sxd digest: T2 overdue/L2",
            "16/09 08:00 syt digest: T1 overdue/L1",
        ]
    );
    let listed = run(&world, &["silence", "list", "--json"]);
    assert_eq!(listed.trim(), "{\n  \"silences\": []\n}");
    let all: Value = serde_json::from_str(&run(&world, &["silence", "list", "--all", "--json"])).expect("JSON");
    let first = &all["silences"][0];
    assert_eq!((&first["state"], &first["unit"]), (&"over".into(), &"SYT".into()));
    assert_eq!((&first["author"], &first["ended_by"]), (&"Lan".into(), &"Minh".into()));
    assert_eq!(first["ended_at"], "2021-09-15T22:30:00+07:00");
}

#[tokio::test]
async fn of_two_silences_the_longer_one_counts_and_neither_costs_the_time_to_be_tried_in() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    // The mail of 14/9 was put off; its notice is freed by the next digest and held for a month.
    silence(&world, "2021-10-01", &["--unit", "SYT"]);
    silence(&world, "2021-10-15", &["--ticket", "T1"]);
    moods.refuse("syt", 451);
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    moods.well();
    assert_eq!(
        letters_of(&mut world, "2021-09-16", "2021-10-15").await,
        ["15/10 08:00 syt digest: T1 overdue/L1"]
    );
    world.is_audited("2021-10-15 22:00").await;
}

#[tokio::test]
async fn a_silence_is_refused_where_it_would_hold_nothing_or_everything() {
    let world = province().await;
    let add = |more: &[&str], code: i32| {
        let mut arguments = vec!["silence", "add", "--until", "2031-01-01", "--reason", "thử"];
        arguments.extend(more);
        refused(&world, &arguments, code)
    };
    assert!(add(&[], 2).contains("--unit"), "a silence of everything is a pause");
    assert!(add(&["--unit", "Sở Thuỷ"], 1).contains("`Sở Thuỷ` is not a unit"));
    assert!(add(&["--ticket", "T9"], 1).contains("ticket T9 is not known"));
    assert!(add(&["--rule", "overdu"], 1).contains("`overdu` is not a rule; there are overdue"));
    assert!(add(&["--where", "catgory = \"x\""], 2).contains("`catgory` is not a column"));
    assert!(add(&["--where", "agency = \"Sở Thuỷ\""], 2).contains("no unit is called"));
    assert!(add(&["--where", "text = \"x\""], 2).contains("only in `[[classify]]`"));
    assert!(add(&["--unit", "SYT", "--from", "2031-02-01"], 2).contains("is over before it begins"));
    assert_eq!(run(&world, &["silence", "list"]).trim(), "0 silences");
}

// ---- acknowledgements

#[tokio::test]
async fn who_acknowledges_is_not_reminded_for_three_working_days_and_then_the_ladder_goes_on() {
    let mut world = province().await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    let note = ["--note", "đang xác minh", "--author", "ông Ba"];
    let said = run(
        &world,
        &[&["ack", "T1", "--at", "2021-09-14 22:30"][..], &note].concat(),
    );
    assert_eq!(
        said.trim(),
        "SYT has acknowledged T1: its steps to this unit wait until 2021-09-17 07:00; those to others do not"
    );
    let told = letters_of(&mut world, "2021-09-15", "2021-09-16").await;
    assert_eq!(told, ["16/09 08:00 giamdoc-sxd digest: T2 overdue/L2"]);
    assert_eq!(
        world.verdict("T1", "overdue", "L2", "2021-09-16 16:00").await,
        Verdict::Acknowledged {
            unit: "SYT".into(),
            by: "ông Ba".into(),
            until: at("2021-09-17 07:00"),
            note: Some("đang xác minh".into()),
        }
    );
    assert_eq!(
        world.verdict("T1", "overdue", "L3", "2021-09-16 16:00").await,
        Verdict::NotYet {
            at: at("2021-09-20 07:00")
        }
    );
    let known = "SYT knows of it and is not reminded meanwhile (acknowledged by ông Ba): đang xác minh";
    let shown = explained(&world, "T1", "2021-09-16 16:00");
    for line in [
        format!("overdue L2 acknowledged 2021-09-17 07:00: {known}"),
        format!("overdue/L2 agency:head of SYT by email -> SYT/head waiting until 2021-09-17 07:00: {known}"),
        "next 2021-09-17 07:00: overdue/L2 may go out".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line}: {shown:#?}");
    }
    // L3 waits for L2, which was told a day late; what comes after that is on time again.
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-27").await,
        [
            "17/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "20/09 08:00 giamdoc-sxd digest: T2 overdue/L3",
            "21/09 08:00 giamdoc-syt digest: T1 overdue/L3",
            "27/09 08:00 vp digest: T1 overdue/L4, T2 overdue/L4",
        ]
    );
}

#[tokio::test]
async fn an_acknowledgement_holds_only_what_goes_to_its_unit() {
    let rules = ladder().replace(
        "to = [\"agency:head\"]\ntemplate = \"overdue-2\"",
        "to = [\"agency:head\", \"office:contact\"]\ncc = [\"co_agencies:contact\"]\ntemplate = \"overdue-2\"",
    );
    let mut world = Moods::default().province(&rules, &[HEALTH]).await;
    world
        .change("T1", "2021-09-13 16:30", "co_agencies = 'Sở Xây dựng'")
        .await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    run(&world, &["ack", "T1", "--unit", "sở y tế", "--at", "2021-09-14 22:30"]);
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-20").await,
        [
            "16/09 08:00 sxd digest: T1 overdue/L2",
            "16/09 08:00 vp digest: T1 overdue/L2",
            "17/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "20/09 08:00 giamdoc-syt digest: T1 overdue/L3",
        ],
        "the step was told when the Office accepted it"
    );
}

#[tokio::test]
async fn an_acknowledgement_is_given_once_for_each_occurrence_and_for_three_working_days_at_most() {
    let mut world = province().await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    fn ack<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["ack", "T1", "--at", "2021-09-14 22:30"][..], more].concat()
    }
    assert!(refused(&world, &ack(&["--for", "4wd"]), 1).contains("at most three working days: until 2021-09-17 07:00"),);
    assert!(refused(&world, &ack(&["--until", "2021-09-14 22:00"]), 1).contains("would be over already"));
    assert!(refused(&world, &ack(&["--for", "bald"]), 2).contains("--for"));
    assert!(refused(&world, &ack(&["--unit", "STC"]), 1).contains("nothing about T1 falls due for STC"));
    assert!(refused(&world, &ack(&["--unit", "Sở Thuỷ"]), 1).contains("is not a unit"));
    assert!(refused(&world, &["ack", "T9", "--at", "2021-09-14 22:30"], 1).contains("ticket T9 is not known"));
    run(&world, &ack(&["--for", "2wd"]));
    let again = refused(&world, &["ack", "T1", "--at", "2021-09-17 22:30"], 1);
    assert!(
        again.contains("SYT acknowledged T1 on 2021-09-14 22:30, until 2021-09-16 07:00, and the matter is the same"),
        "{again}"
    );
    // Answered, and taken up again: that is another matter.
    world.answer("T1", "2021-09-17 09:00").await;
    letters_of(&mut world, "2021-09-15", "2021-09-20").await;
    world
        .change("T1", "2021-09-20 22:30", "status = 'đang xử lý', answered_at = NULL")
        .await;
    world.turn("2021-09-21 07:00").await;
    run(&world, &["ack", "T1", "--at", "2021-09-21 07:30", "--for", "1wd"]);
    let told = letters_of(&mut world, "2021-09-21", "2021-09-22").await;
    let of_t1: Vec<&String> = told.iter().filter(|l| l.contains("T1")).collect();
    assert_eq!(of_t1, ["22/09 08:00 syt digest: T1 overdue/L1"]);
}

#[tokio::test]
async fn a_ticket_that_is_not_due_yet_is_not_acknowledged_in_vain() {
    let mut world = province().await;
    world.ticket("T5", "Sở Y tế", "2021-09-13 16:30").await;
    world.turn("2021-09-14 08:00").await;
    let early = refused(&world, &["ack", "T5", "--at", "2021-09-14 09:00"], 1);
    assert!(
        early.contains("nothing about T5 falls due for SYT before 2021-09-17 07:00"),
        "{early}"
    );
    let lines: Vec<String> = world.letters().iter().map(line).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
}

// ---- absences

#[tokio::test]
async fn while_a_head_is_away_the_deputy_is_told_and_reads_for_whom() {
    let mut world = province().await;
    let away = |text: String| {
        text.replace(
            "{ role = \"head\", address = \"giamdoc-syt@tinh.example\" }]",
            "{ role = \"head\", address = \"giamdoc-syt@tinh.example\" }]\nabsences = [{ role = \"head\", from = 2021-09-15, \
             until = 2021-09-18, deputy = \"pho-syt@tinh.example\" }]",
        )
        .replace(
            "{ role = \"head\", address = \"giamdoc-sxd@tinh.example\" }]",
            "{ role = \"head\", address = \"giamdoc-sxd@tinh.example\" }]\nabsences = [{ role = \"head\", from = 2021-09-20, \
             until = 2021-09-21, deputy = \"id:STC:contact\" }]",
        )
    };
    world.edit("agencies.toml", away).await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    let to_whom = |code: &str| -> Vec<String> {
        let lines = explained(&world, code, "2021-09-15 22:00").into_iter();
        lines.filter(|line| line.starts_with("-> agency:")).collect()
    };
    assert_eq!(
        to_whom("T1"),
        [
            "-> agency:head of SYT by email -> SYT/head (deputy of SYT) not before 2021-09-16 08:00",
            "-> agency:head of SYT by email -> SYT/head not before 2021-09-20 08:00",
        ],
        "whoever is away on the day of the letter"
    );
    assert_eq!(
        to_whom("T2"),
        [
            "-> agency:head of SXD by email -> SXD/head not before 2021-09-16 08:00",
            "-> agency:head of SXD by email -> STC/contact (deputy of SXD) not before 2021-09-20 08:00",
        ]
    );
    world.turn("2021-09-16 07:00").await;
    let explained = run(&world, &["explain", "T1", "--at", "2021-09-16 07:30"]);
    assert!(
        explained.contains("agency:head of SYT by email -> SYT/head (deputy of SYT)  waiting until 2021-09-16 08:00"),
        "{explained}"
    );
    world.turn("2021-09-16 08:00").await;
    let letters = world.letters();
    let to_deputy = letters
        .iter()
        .find(|l| l.to == ["pho-syt@tinh.example"])
        .expect("a letter");
    assert!(
        to_deputy
            .text
            .contains("Kính gửi: Người được phân công thay Thủ trưởng Sở Y tế"),
        "{}",
        to_deputy.text
    );
    assert_eq!(line(to_deputy), "pho-syt digest: T1 overdue/L2");
    world.turn("2021-09-20 08:00").await;
    let mut letters = world.letters();
    letters.sort_by_key(|letter| std::cmp::Reverse(line(letter)));
    let lines: Vec<String> = letters.iter().map(line).collect();
    assert_eq!(
        lines,
        ["stc digest: T2 overdue/L3", "giamdoc-syt digest: T1 overdue/L3"],
        "whoever is away that day"
    );
    assert!(
        letters[0]
            .text
            .contains("Kính gửi: Người được phân công thay Thủ trưởng Sở Xây dựng"),
        "{}",
        letters[0].text
    );
}

#[tokio::test]
async fn an_absence_names_a_desk_its_days_and_a_deputy() {
    let world = province().await;
    world.write("agencies.toml", |text| {
        text.replace(
            "short = \"SYT\"",
            "short = \"SYT\"\nabsences = [{ role = \"head\", from = 2021-09-15, until = 2021-09-15, deputy = \"office\" }, \
             { role = \"chief\", until = 2021-09-15, deputy = \"id:XYZ\" }]",
        )
    });
    let wrong = refused(&world, &["check", "--offline"], 78) + &text(&dondoc(&world.dir(), &["check", "--offline"]));
    for what in [
        "`until` 2021-09-15 is not after `from` 2021-09-15",
        "`office:contact` does not name a deputy",
        "`chief` is not one of",
        "`from` is missing",
        "no unit has the id `XYZ`",
    ] {
        assert!(wrong.contains(what), "{what}: {wrong}");
    }
}

#[tokio::test]
async fn a_silence_can_be_tried_on_a_store_that_lives_in_the_past() {
    let mut world = province().await;
    world.turn("2021-09-14 07:00").await;
    let add = |when: &'static str| {
        let until = [
            "silence",
            "add",
            "--unit",
            "Sở Y tế",
            "--until",
            "2021-09-21",
            "--reason",
            "kiểm kê",
        ];
        [&until[..], &["--author", "Lan", "--at", when]].concat()
    };
    assert_eq!(
        refused(&world, &add("2021-09-14 06:59"), 1).trim(),
        "dondoc: --at 2021-09-14 06:59 is before the last turn of 2021-09-14 07:00; time only goes forward"
    );
    assert_eq!(run(&world, &["silence", "list", "--all"]), "0 silences\n");
    // It holds from that instant on, where no other is given.
    assert_eq!(
        run(&world, &add("2021-09-14 07:00")).trim(),
        "silence 1: unit SYT, from 2021-09-14 07:00 until 2021-09-21 00:00; what is in a message already still goes"
    );
    let list: Value = serde_json::from_str(&run(&world, &["silence", "list", "--json"])).expect("JSON");
    assert_eq!(list["silences"][0]["state"], "holds");
    assert_eq!(list["silences"][0]["made_at"], "2021-09-14T07:00:00+07:00");
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-21").await,
        [
            "14/09 08:00 sxd digest: T2 overdue/L1",
            "16/09 08:00 giamdoc-sxd digest: T2 overdue/L2",
            "20/09 08:00 giamdoc-sxd digest: T2 overdue/L3",
            "21/09 08:00 syt digest: T1 overdue/L1",
        ]
    );
}
