//! A changed configuration is taken up while dondoc runs: what it changes is said, running ladders keep their place, and
//! nothing is told twice.

use dondoc::domain::change::Change;

use crate::cli::{dondoc, json, said, text};
use crate::world::{FIVE_DAYS, LADDER, World, at};

/// Six working days after a ticket came in the Office learns of it.
const OLD: &str = r#"
[[rule]]
id = "old"
title = "Phiếu tồn lâu"
when = "aged"
threshold = "1wd"

[[rule.step]]
id = "office"
after = "6wd"
to = ["office:contact"]
template = "aged"
"#;

fn rules(more: &str) -> String {
    format!("{LADDER}{FIVE_DAYS}{more}")
}

/// Under the ladder and `OLD`: T1 of Sở Y tế came in on Monday 6/9/2021; L1 falls due on Tuesday 14/9, when the Office is
/// to learn of it too, L2 on 16/9. It is 07:00 on that Tuesday, and both wait for 08:00.
async fn both_wait() -> World {
    let mut world = World::new(&rules(OLD)).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    world.turn("2021-09-14 07:00").await;
    assert_eq!(world.told(), [""; 0]);
    world
}

/// Writes other rules and has the running engine take them up.
async fn reload(world: &mut World, rules: &str) {
    world.write("rules/test.toml", |_| rules.to_owned());
    world.adopt().await;
}

async fn change(world: &World) -> Option<Change> {
    world.store().meta().await.expect("meta").change
}

/// The lines of explain about notices.
fn notices(world: &World, code: &str, when: &str) -> Vec<String> {
    let said = text(&dondoc(&world.dir(), &["explain", code, "--at", when]));
    let lines = said.lines().skip_while(|l| *l != "notices").skip(1);
    let lines = lines.take_while(|l| *l != "messages");
    lines
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[tokio::test]
async fn a_reload_says_what_it_changes_and_what_becomes_of_what_waits() {
    let mut world = both_wait().await;
    assert_eq!(change(&world).await, None);
    let other = rules("")
        .replace("Phiếu quá hạn xử lý", "Phiếu đã quá hạn")
        .replace("\"10wd\"", "\"9wd\"");
    let aged = OLD.replace("\"old\"", "\"aged\"").replace("\"6wd\"", "\"30wd\"");
    world.write("agencies.toml", |text| {
        let text = text.replace("\"stc@tinh.example\"", "\"taichinh@tinh.example\"");
        text.replace("Sở Xây dựng", "Sở Xây dựng và Giao thông")
    });
    world.write("templates/overdue-1.txt.j2", |text| format!("{text}\n"));
    world.write("dondoc.toml", |text| {
        text.replace("hotline = \"Tổng đài 1022\"", "hotline = \"1022\"")
    });
    reload(&mut world, &format!("{other}{aged}")).await;
    world.turn("2021-09-14 07:10").await;
    let found = change(&world).await.expect("a change");
    assert_eq!(
        found.lines(),
        [
            "rule: added aged; changed overdue; removed old",
            "step: added aged/office; changed overdue/L4; removed old/office",
            "unit: changed SXD",
            "contact: added STC:contact taichinh@tinh.example; removed STC:contact stc@tinh.example",
            "template: changed overdue-1",
            "setting: changed delivery",
        ]
    );
    assert_eq!(
        (found.at, found.withdrawn, found.differing),
        (at("2021-09-14 07:10"), 1, 1)
    );
    assert_eq!(
        (found.lapsed, found.moved, found.evaluated_at),
        (0, 0, Some(at("2021-09-14 07:10")))
    );
    let status = text(&dondoc(&world.dir(), &["status"]));
    let lines: Vec<&str> = status
        .lines()
        .skip_while(|l| !l.starts_with("last change"))
        .take(8)
        .collect();
    assert_eq!(
        lines,
        [
            "last change    2021-09-14 07:10",
            "  rule: added aged; changed overdue; removed old",
            "  step: added aged/office; changed overdue/L4; removed old/office",
            "  unit: changed SXD",
            "  contact: added STC:contact taichinh@tinh.example; removed STC:contact stc@tinh.example",
            "  template: changed overdue-1",
            "  setting: changed delivery",
            "  of what waits 1 notices are withdrawn and 1 are told otherwise; 0 hold no more, 0 go out at another time",
        ]
    );
    let status = json(&world.dir(), &["status", "--json"]);
    let said = &status["config_change"];
    assert_eq!(
        said["parts"][0],
        serde_json::json!({ "kind": "rule", "became": "added", "id": "aged" })
    );
    assert_eq!(
        (&said["withdrawn"], &said["differing"], &said["outdated"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert_eq!(
        notices(&world, "T1", "2021-09-14 07:10"),
        [
            "overdue/L1 agency:contact of SYT by email -> SYT/contact waiting until 2021-09-14 08:00: waits for its \
             recipient's next digest or office hours",
            "old/office office:contact of VP by email lapsed since 2021-09-14 07:10: withdrawn: its rule was removed \
             from the configuration",
        ]
    );
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    assert_eq!(
        world.days("2021-09-15", "2021-09-17").await,
        ["16/09 giamdoc-syt: T1 overdue/L2"]
    );
}

#[tokio::test]
async fn what_waits_for_a_removed_rule_is_not_told_and_waits_again_once_the_rule_is_back() {
    let mut world = both_wait().await;
    reload(&mut world, &rules("")).await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    reload(&mut world, &rules(OLD)).await;
    assert_eq!(
        world.days("2021-09-15", "2021-09-17").await,
        ["15/09 vp: T1 old/office", "16/09 giamdoc-syt: T1 overdue/L2"]
    );
    world.is_audited("2021-09-17 16:00").await;
}

#[tokio::test]
async fn what_waits_for_a_removed_step_is_withdrawn_with_the_reason_and_the_ladder_goes_on_above_it() {
    let mut world = both_wait().await;
    let (head, rest) = LADDER.split_once("[[rule.step]]\nid = \"L1\"").expect("L1");
    let (_, rest) = rest.split_once("[[rule.step]]").expect("L2");
    let shorter = format!("{head}[[rule.step]]{rest}{FIVE_DAYS}{OLD}");
    reload(&mut world, &shorter).await;
    world.turn("2021-09-14 07:10").await;
    let found = change(&world).await.expect("a change");
    assert_eq!(found.lines(), ["rule: changed overdue", "step: removed overdue/L1"]);
    assert_eq!((found.withdrawn, found.differing), (1, 0));
    assert_eq!(
        notices(&world, "T1", "2021-09-14 07:10")[0],
        "overdue/L1 agency:contact of SYT by email lapsed since 2021-09-14 07:10: withdrawn: its step was removed from \
         the configuration"
    );
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["vp: T1 old/office"]);
    assert_eq!(
        world.days("2021-09-15", "2021-09-21").await,
        ["16/09 giamdoc-syt: T1 overdue/L2", "20/09 giamdoc-syt: T1 overdue/L3"]
    );
}

#[tokio::test]
async fn other_texts_titles_and_matchers_and_a_renamed_rule_repeat_nothing_and_keep_the_ladders_place() {
    let mut world = both_wait().await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1", "vp: T1 old/office"]);
    world.write("templates/overdue-1.txt.j2", |text| format!("{text}\nXin cảm ơn.\n"));
    let other = rules(OLD)
        .replace(
            "title = \"Phiếu quá hạn xử lý\"",
            "title = \"Phiếu trễ hạn\"\nwhere = { level.not = 1 }",
        )
        .replace("id = \"overdue\"", "id = \"late\"\nwas = [\"overdue\"]");
    reload(&mut world, &other).await;
    world.turn("2021-09-14 09:00").await;
    let found = change(&world).await.expect("a change");
    assert_eq!(
        found.lines(),
        [
            "rule: changed late; renamed overdue to late",
            "step: renamed overdue/L1 to late/L1, overdue/L2 to late/L2, overdue/L3 to late/L3, overdue/L4 to late/L4",
            "template: changed overdue-1",
        ]
    );
    assert_eq!((found.withdrawn, found.differing, found.lapsed), (0, 0, 0));
    assert_eq!(
        world.days("2021-09-15", "2021-09-21").await,
        ["16/09 giamdoc-syt: T1 late/L2", "20/09 giamdoc-syt: T1 late/L3"]
    );
    world.is_audited("2021-09-21 16:00").await;
}

#[tokio::test]
async fn a_new_rule_begins_with_the_first_step_for_whatever_is_already_late_by_it() {
    let mut world = World::new(&rules("")).await;
    world.turn("2021-09-06 07:00").await;
    for code in ["T1", "T2", "T3"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    let told = world.days("2021-09-07", "2021-09-21").await;
    assert_eq!(told.len(), 9, "{told:#?}");
    let new = r#"
[[rule]]
id = "old"
title = "Phiếu tồn lâu"
when = "aged"
threshold = "1wd"

[[rule.step]]
id = "A1"
after = "2wd"
to = ["agency:contact"]
template = "aged"

[[rule.step]]
id = "A2"
after = "4wd"
to = ["office:contact"]
template = "aged"
"#;
    reload(&mut world, &rules(new)).await;
    world.turn("2021-09-22 07:00").await;
    let opening = world.store().tellings(&["T1".to_owned()]).await.expect("a store");
    let opening: Vec<_> = opening["T1"].iter().map(|t| (&*t.key.step, t.opening)).collect();
    assert_eq!(opening, [("L1", false), ("L2", false), ("L3", false), ("A1", true)]);
    assert_eq!(
        world.days("2021-09-22", "2021-09-24").await,
        [
            "22/09 syt: T1 old/A1",
            "22/09 syt: T2 old/A1",
            "22/09 syt: T3 old/A1",
            "24/09 vp: T1 old/A2",
            "24/09 vp: T2 old/A2",
            "24/09 vp: T3 old/A2",
        ]
    );
}

#[tokio::test]
async fn templates_alone_have_no_ticket_evaluated_again_and_are_counted_as_what_is_told_otherwise() {
    let mut world = both_wait().await;
    let before = world.store().meta().await.expect("meta").generation;
    world.write("templates/aged.txt.j2", |text| format!("{text}\n"));
    world.adopt().await;
    world.turn("2021-09-14 07:10").await;
    let meta = world.store().meta().await.expect("meta");
    let found = meta.change.expect("a change");
    assert_eq!(
        (meta.generation, found.lines()),
        (before, vec!["template: changed aged".to_owned()])
    );
    assert_eq!((found.withdrawn, found.differing), (0, 1));
    // The same files again are no change.
    world.adopt().await;
    world.turn("2021-09-14 07:20").await;
    assert_eq!(change(&world).await.expect("the one before").at, at("2021-09-14 07:10"));
}

#[tokio::test]
async fn what_waits_to_go_out_does_not_wait_until_all_tickets_are_evaluated_by_the_changed_rules() {
    let mut world = both_wait().await;
    world
        .sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4100) \
             INSERT INTO ticket (code, status, received_at, updated_at, agency) \
             SELECT 'N' || i, 'đang xử lý', '2021-09-13 16:30:00', '2021-09-13 16:30:00', 'Sở Y tế' FROM n",
        )
        .await;
    world.turn("2021-09-14 07:30").await;
    reload(&mut world, &rules(&OLD.replace("Phiếu tồn lâu", "Phiếu tồn"))).await;
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1", "vp: T1 old/office"]);
    assert_eq!((report.outdated, report.observed.has_swept), (101, false));
    assert_eq!(change(&world).await.expect("a change").evaluated_at, None);
    let report = world.turn("2021-09-14 08:01").await;
    assert_eq!((world.told(), report.outdated), (Vec::new(), 0));
    assert!(report.observed.has_swept);
    assert_eq!(
        change(&world).await.expect("a change").evaluated_at,
        Some(at("2021-09-14 08:01"))
    );
}

#[tokio::test]
async fn a_code_with_a_slip_gets_the_nearest_known_ones_and_a_forgotten_ticket_is_never_named() {
    let mut world = World::new(&rules("")).await;
    for code in ["DT1022.20210906.0001", "DT1022.20210906.0002", "DT1022.20210915.0077"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-06 16:00").await;
    let asked = |code: &str| {
        let output = dondoc(&world.dir(), &["explain", code]);
        assert_eq!(output.status.code(), Some(1));
        let said = said(&output);
        said.split_once("in the ticket database")
            .expect("why")
            .1
            .trim()
            .to_owned()
    };
    let both = "; did you mean DT1022.20210906.0001, DT1022.20210906.0002?";
    assert_eq!(asked("dt1022.20210906.001"), both);
    assert_eq!(asked("DT1022.20210906.0003"), both);
    assert_eq!(asked("quite another"), "");
    let forgotten = dondoc(&world.dir(), &["forget", "DT1022.20210906.0002", "--yes"]);
    assert!(forgotten.status.success(), "{}", crate::cli::said(&forgotten));
    assert_eq!(asked("DT1022.20210906.0003"), "; did you mean DT1022.20210906.0001?");
}

#[tokio::test]
async fn of_a_ticket_that_is_gone_explain_says_so_and_foretells_nothing() {
    let mut world = both_wait().await;
    world.sql("DELETE FROM ticket WHERE code = 'T1'").await;
    // One more keeps the table plausible; two sweeps have to miss it.
    world.ticket("T2", "Sở Xây dựng", "2021-09-14 07:00").await;
    for when in ["2021-09-14 07:10", "2021-09-14 07:20", "2021-09-14 07:30"] {
        world.restart().await;
        world.turn(when).await;
    }
    let explained = text(&dondoc(&world.dir(), &["explain", "T1"]));
    assert!(
        explained.contains("note      not in the ticket database since 2021-09-14 07:"),
        "{explained}"
    );
    assert!(
        explained.contains("overdue        L2   not_concerned 2021-09-14 07:")
            && explained.contains("the ticket is not in the ticket database any more"),
        "{explained}"
    );
    assert!(
        explained.ends_with("next      nothing until its row changes\n"),
        "{explained}"
    );
}

#[tokio::test]
async fn explain_shows_the_days_at_whose_close_the_ticket_waited_and_counts_on_after_them() {
    let mut world = World::new(&rules("")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-07 08:00").await;
    world
        .change(
            "T1",
            "2021-09-08 10:00",
            "status = 'chờ bổ sung', waiting_since = '2021-09-08 10:00:00'",
        )
        .await;
    world.turn("2021-09-08 10:00").await;
    world
        .change("T1", "2021-09-10 09:00", "status = 'đang xử lý', waiting_since = NULL")
        .await;
    world.turn("2021-09-10 09:00").await;
    let said = text(&dondoc(&world.dir(), &["explain", "T1"]));
    let lines = said
        .lines()
        .skip_while(|l| *l != "deadline")
        .skip(1)
        .take_while(|l| *l != "rules");
    let lines: Vec<String> = lines
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "policy normal: 5wd from 2021-09-06 09:00",
            "waiting from 2021-09-08 10:00 to 2021-09-10 09:00",
            "Mon 2021-09-06 the day itself does not count",
            "Tue 2021-09-07 1 working day",
            "Wed 2021-09-08 the ticket waited at its close",
            "Thu 2021-09-09 the ticket waited at its close",
            "Fri 2021-09-10 2 working day",
            "Sat 2021-09-11 weekend",
            "Sun 2021-09-12 weekend",
            "Mon 2021-09-13 3 working day",
            "Tue 2021-09-14 4 working day",
            "Wed 2021-09-15 5 working day",
            "due 2021-09-15, judged at its end (24:00)",
        ]
    );
}
