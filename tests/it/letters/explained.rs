//! What `dondoc explain` answers ops about who is told, why they, why not, and what comes next, beside the letters that
//! then go out (`spec.md` §§4-5).

use serde_json::{Value, json};

use super::delivery::{HEALTH, Moods};
use super::{ladder, letters_at, letters_of, province};
use crate::cli::{dondoc, json, said, text};
use crate::world::{World, at};

/// What explain says of a ticket at a time, line by line, each without the space between its columns.
pub(super) fn explained(world: &World, code: &str, when: &str) -> Vec<String> {
    let output = dondoc(&world.dir(), &["explain", code, "--at", when]);
    assert!(output.status.success(), "{}", said(&output));
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text(&output).lines().map(line).collect()
}

/// The lines about the rules and what waits or went out by them.
pub(super) fn outlook(world: &World, code: &str, when: &str) -> Vec<String> {
    let lines = explained(world, code, when).into_iter();
    let lines = lines.skip_while(|line| line != "rules").skip(1);
    lines.take_while(|line| line != "messages").collect()
}

/// Those of them that say to whom something will go.
fn to_whom(world: &World, code: &str, when: &str) -> Vec<String> {
    let lines = outlook(world, code, when).into_iter();
    lines.filter(|line| line.contains("-> ")).collect()
}

/// What stands behind a word of its head.
pub(super) fn head(world: &World, code: &str, when: &str, word: &str) -> Option<String> {
    let mut lines = explained(world, code, when).into_iter();
    lines.find_map(|line| Some(line.strip_prefix(word)?.trim().to_owned()))
}

#[tokio::test]
async fn around_tet_a_head_is_written_to_on_the_second_day_after_it_and_that_is_foretold() {
    let mut world = World::new(&ladder()).await;
    world.turn("2022-01-17 07:00").await;
    // Tết is from Saturday 29/1 to Sunday 6/2; Friday 28/1 and Monday 7/2 are quiet.
    world.ticket("T1", "Sở Y tế", "2022-01-17 09:00").await;
    world.change("T1", "2022-01-17 09:00", "due_at = '2022-01-25'").await;
    let mut told = letters_of(&mut world, "2022-01-26", "2022-01-27").await;
    let to_head = "-> agency:head of SYT by email -> SYT/head not before 2022-02-08 08:00";
    let quiet = "nothing goes above contact on the days around a long closure";
    let to_office = "-> office:contact of VP by email -> VP/contact not before 2022-02-15 08:00";
    assert_eq!(
        outlook(&world, "T1", "2022-01-27 22:00"),
        [
            "overdue L1 already_told 2022-01-26 08:00: a message about it was accepted",
            "overdue L2 not_yet 2022-01-28 07:00: the step falls due later",
            &format!("{to_head}: {quiet}"),
            "overdue L3 not_yet 2022-02-08 07:00: the step falls due later",
            to_head,
            "overdue L4 not_yet 2022-02-15 07:00: the step falls due later",
            to_office,
            "notices",
            "overdue/L1 agency:contact of SYT by email accepted since 2022-01-26 08:00",
        ]
    );
    // Decided, before and after it was looked at for the digest.
    for when in ["2022-01-28 07:00", "2022-01-28 16:00"] {
        world.turn(when).await;
        assert_eq!(
            outlook(&world, "T1", when),
            [
                "overdue L1 already_told 2022-01-26 08:00: a message about it was accepted",
                &format!("overdue L2 quiet_day 2022-02-08 08:00: decided; {quiet}"),
                "overdue L3 not_yet 2022-02-08 07:00: the step falls due later",
                to_head,
                "overdue L4 not_yet 2022-02-15 07:00: the step falls due later",
                to_office,
                "notices",
                "overdue/L1 agency:contact of SYT by email accepted since 2022-01-26 08:00",
                &format!("overdue/L2 agency:head of SYT by email -> SYT/head waiting until 2022-02-08 08:00: {quiet}"),
            ],
            "{when}"
        );
    }
    told.extend(letters_of(&mut world, "2022-01-28", "2022-02-15").await);
    assert_eq!(
        told,
        [
            "26/01 08:00 syt digest: T1 overdue/L1",
            "08/02 08:00 giamdoc-syt digest: T1 overdue/L2",
            "10/02 08:00 giamdoc-syt digest: T1 overdue/L3",
            "15/02 08:00 vp digest: T1 overdue/L4",
        ]
    );
}

#[tokio::test]
async fn a_missing_role_falls_back_sideways_then_to_ops_and_never_upward_and_that_is_said() {
    let mut world = province().await;
    let no_head = |text: String| {
        let (head, clerk) = (
            "\"head\", address = \"giamdoc-sxd@",
            "\"clerk\", address = \"vanthu-sxd@",
        );
        text.replace(head, clerk)
    };
    world.edit("agencies.toml", no_head).await;
    for (code, agency) in [
        ("CLERK", "Sở Xây dựng"),
        ("CONTACT", "Sở Tài chính"),
        ("NOBODY", "Ban Quản lý khu kinh tế"),
    ] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    let without_head = |unit: &str, to: &str, why: &str| -> Vec<String> {
        let days = ["16", "20"];
        let line =
            |day| format!("-> agency:head of {unit} by email -> {to} ({unit}: {why}) not before 2021-09-{day} 08:00");
        days.map(line).to_vec()
    };
    let office = "-> office:contact of VP by email -> VP/contact not before 2021-09-27 08:00".to_owned();
    for (code, first, heads) in [
        (
            "CLERK",
            "SXD by email -> SXD/contact",
            without_head("SXD", "SXD/clerk", "no address of head"),
        ),
        (
            "CONTACT",
            "STC by email -> STC/contact",
            without_head("STC", "STC/contact", "no address of head, no address of clerk"),
        ),
        (
            "NOBODY",
            "BQL by email -> @ops/contact (BQL: no address of contact)",
            without_head(
                "BQL",
                "@ops/contact",
                "no address of head, no address of clerk, no address of contact",
            ),
        ),
    ] {
        let first = format!("-> agency:contact of {first} not before 2021-09-14 08:00");
        let expected = [vec![first], heads, vec![office.clone()]].concat();
        assert_eq!(to_whom(&world, code, "2021-09-13 16:00"), expected);
    }
    let mut told = letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    world.turn("2021-09-16 07:00").await;
    let found = json(
        &world.dir(),
        &["explain", "NOBODY", "--at", "2021-09-16 07:00", "--json"],
    );
    let waiting = &found["notices"][1];
    let shown = ["role", "unit", "because", "until"].map(|key| waiting[key].as_str().expect("a text"));
    assert_eq!(
        shown,
        [
            "agency:head",
            "@ops",
            "BQL: no address of head, no address of clerk, no address of contact",
            "2021-09-16T08:00:00+07:00"
        ]
    );
    told.extend(letters_of(&mut world, "2021-09-16", "2021-09-27").await);
    assert_eq!(
        told,
        [
            "14/09 08:00 ops digest: NOBODY overdue/L1",
            "14/09 08:00 stc digest: CONTACT overdue/L1",
            "14/09 08:00 sxd digest: CLERK overdue/L1",
            "16/09 08:00 ops digest: NOBODY overdue/L2",
            "16/09 08:00 stc digest: CONTACT overdue/L2",
            "16/09 08:00 vanthu-sxd digest: CLERK overdue/L2",
            "20/09 08:00 ops digest: NOBODY overdue/L3",
            "20/09 08:00 stc digest: CONTACT overdue/L3",
            "20/09 08:00 vanthu-sxd digest: CLERK overdue/L3",
            "27/09 08:00 vp digest: CLERK overdue/L4, CONTACT overdue/L4, NOBODY overdue/L4",
        ]
    );
}

#[tokio::test]
async fn who_helps_is_told_for_information_and_a_helper_nobody_knows_is_named_in_explain() {
    let mut world = province().await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    let helpers = "co_agencies = 'Sở Xây dựng, Sở Không Có, STC, Sở Tài chính'";
    world.change("T1", "2021-09-06 09:00", helpers).await;
    world.turn("2021-09-13 16:00").await;
    assert_eq!(
        head(&world, "T1", "2021-09-13 16:00", "helpers").as_deref(),
        Some("Sở Xây dựng; `Sở Không Có`, which is not in the directory; Sở Tài chính; Sở Tài chính")
    );
    let found = json(&world.dir(), &["explain", "T1", "--at", "2021-09-13 16:00", "--json"]);
    assert_eq!(found["co_agencies"][1], json!({ "word": "Sở Không Có", "unit": null }));
    assert_eq!(found["co_agencies"][2], json!({ "word": "STC", "unit": "STC" }));
    assert_eq!(
        to_whom(&world, "T1", "2021-09-13 16:00")[..3],
        [
            "-> agency:contact of SYT by email -> SYT/contact not before 2021-09-14 08:00",
            "-> co_agencies:contact of STC by email, for information -> STC/contact not before 2021-09-14 08:00",
            "-> co_agencies:contact of SXD by email, for information -> SXD/contact not before 2021-09-14 08:00",
        ]
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-16").await,
        [
            "14/09 08:00 stc digest: T1 overdue/L1",
            "14/09 08:00 sxd digest: T1 overdue/L1",
            "14/09 08:00 syt digest: T1 overdue/L1",
            "16/09 08:00 giamdoc-syt digest: T1 overdue/L2",
        ]
    );
}

#[tokio::test]
async fn of_a_complaint_about_conduct_explain_says_whose_head_alone_hears() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH]).await;
    let conduct = "tags = 'conduct', subject_agency = 'Sở Xây dựng', co_agencies = 'Sở Tài chính'";
    world.change("T1", "2021-09-13 22:30", conduct).await;
    world.turn("2021-09-14 05:00").await;
    let shown = ["agency", "about", "note"].map(|word| head(&world, "T1", "2021-09-14 05:00", word).expect("a line"));
    assert_eq!(
        shown,
        [
            "Sở Y tế (`Sở Y tế` in the source)",
            "Sở Xây dựng",
            "a conduct or confidential ticket: told to heads only, by mail, each in a letter of its own",
        ]
    );
    assert_eq!(
        to_whom(&world, "T1", "2021-09-14 05:00"),
        [
            "-> agency:head of SXD by email -> SXD/head not before 2021-09-14 07:00",
            "-> agency:head of SXD by email -> SXD/head not before 2021-09-16 07:00",
            "-> agency:head of SXD by email -> SXD/head not before 2021-09-20 07:00",
            "-> office:head of VP by email -> VP/head not before 2021-09-27 07:00",
        ]
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-27").await,
        [
            "14/09 07:00 giamdoc-sxd single: T1 overdue/L1",
            "16/09 07:00 giamdoc-sxd single: T1 overdue/L2",
            "20/09 07:00 giamdoc-sxd single: T1 overdue/L3",
            "27/09 07:00 lanhdao-vp single: T1 overdue/L4",
        ]
    );
}

#[tokio::test]
async fn of_a_confidential_ticket_explain_says_which_steps_nobody_hears_of() {
    let rules = ladder().replace("to = [\"office:contact\"]", "to = [\"co_agencies:contact\", \"ops\"]");
    let mut world = Moods::default().province(&rules, &[HEALTH]).await;
    let confidential = "confidential = 1, co_agencies = 'Sở Xây dựng'";
    world.change("T1", "2021-09-13 22:30", confidential).await;
    world.turn("2021-09-14 05:00").await;
    let found = json(&world.dir(), &["explain", "T1", "--at", "2021-09-14 05:00", "--json"]);
    assert_eq!(found["sensitive"], true);
    let verdicts = found["verdicts"].as_array().expect("verdicts").iter();
    let to = |v: &Value| {
        let to = v["to"].as_array().expect("who it is for").iter();
        let to = to.map(|to| json!([to["unit"], to["desk"]]));
        json!([v["step"], to.collect::<Vec<_>>(), v["nobody"]])
    };
    assert_eq!(
        verdicts.map(to).collect::<Vec<_>>(),
        [
            json!(["L1", [["SYT", "head"]], null]),
            json!(["L2", [["SYT", "head"]], null]),
            json!(["L3", [["SYT", "head"]], null]),
            json!([
                "L4",
                [],
                "nobody is meant: no co-agency, or a sensitive ticket that goes to heads only"
            ]),
        ]
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-28").await,
        [
            "14/09 07:00 giamdoc-syt single: T1 overdue/L1",
            "16/09 07:00 giamdoc-syt single: T1 overdue/L2",
            "20/09 07:00 giamdoc-syt single: T1 overdue/L3",
        ]
    );
}

#[tokio::test]
async fn a_silence_to_come_is_foretold_for_the_steps_that_it_will_hold() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH]).await;
    let silence = [
        "silence",
        "add",
        "--unit",
        "SYT",
        "--from",
        "2021-09-15",
        "--until",
        "2021-09-22",
    ];
    let reason = ["--reason", "kiểm kê", "--author", "Lan"];
    let made = dondoc(&world.dir(), &[&silence[..], &reason].concat());
    assert!(made.status.success(), "{}", said(&made));
    let held = "-> agency:head of SYT by email -> SYT/head not before 2021-09-22 00:00: silenced by Lan: kiểm kê";
    assert_eq!(
        to_whom(&world, "T1", "2021-09-13 16:00"),
        [
            "-> agency:contact of SYT by email -> SYT/contact not before 2021-09-14 08:00",
            held,
            held,
            "-> office:contact of VP by email -> VP/contact not before 2021-09-27 08:00",
        ]
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-10-01").await,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "22/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "24/09 08:00 giamdoc-syt digest: T1 overdue/L3",
            "28/09 08:00 vp digest: T1 overdue/L4",
        ]
    );
}

#[tokio::test]
async fn a_step_that_will_not_be_told_as_things_stand_says_why_before_it_is_due() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH]).await;
    world.change("T1", "2021-09-13 16:10", "waiting_on = 'C06'").await;
    world.turn("2021-09-13 16:30").await;
    let capped = "-> to nobody: waits on a unit outside the province's power: no higher than contact";
    assert_eq!(
        to_whom(&world, "T1", "2021-09-13 16:30"),
        [
            "-> agency:contact of SYT by email -> SYT/contact not before 2021-09-14 08:00",
            capped,
            capped,
            capped,
        ]
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-28").await,
        ["14/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn what_was_tried_later_than_the_instant_asked_about_is_not_known_then() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    letters_at(&mut world, &["2021-09-14 07:00", "2021-09-14 08:00"]).await;
    moods.well();
    letters_at(&mut world, &["2021-09-14 16:00"]).await;
    let known = async |when: &str| {
        let shown = world.explained("T1", when).await.notices;
        let notices = shown.iter().map(|shown| &shown.notice);
        notices
            .map(|n| (n.state.word(), n.first_attempt_at, n.message.is_some()))
            .collect::<Vec<_>>()
    };
    let first = Some(at("2021-09-14 08:00"));
    assert_eq!(known("2021-09-14 07:30").await, [("waiting", None, false)]);
    assert_eq!(known("2021-09-14 09:00").await, [("composed", first, true)]);
    assert_eq!(known("2021-09-14 16:00").await, [("accepted", first, true)]);

    let told = |when: &str| {
        let found = json(&world.dir(), &["explain", "T1", "--at", when, "--json"]);
        let of = |m: &Value| {
            json!([
                m["state"],
                m["attempts"],
                m["reason"],
                m["history"].as_array().map(Vec::len)
            ])
        };
        let messages = found["messages"].as_array().expect("messages").iter().map(of);
        (found["verdicts"][0]["verdict"].clone(), messages.collect::<Vec<_>>())
    };
    assert_eq!(told("2021-09-14 07:30"), (json!("outside_hours"), vec![]));
    assert_eq!(
        told("2021-09-14 09:00"),
        (json!("awaits_answer"), vec![json!(["waiting", 1, null, 1])])
    );
    assert_eq!(
        told("2021-09-14 16:00"),
        (json!("already_told"), vec![json!(["accepted", 2, null, 2])])
    );
}
