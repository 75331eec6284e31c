//! The audit (`spec.md` §8): it finds what the store has lost and nothing else, takes what waits for a reason as such, and
//! costs nobody anything.

mod nightly;

use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::audit::{Excuse, Fault};
use dondoc::engine::{Audit, AuditError, Finding};
use serde_json::Value;

use crate::cli::{dondoc, json, said, text};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

on_both! {
    a_telling_that_is_lost_is_found_and_so_is_the_next_step_that_waits_for_none
    a_ticket_whose_instant_is_lost_is_found_with_each_step_that_is_due
    a_ticket_that_is_forgotten_and_one_whose_change_was_passed_over_are_found
    an_ending_that_was_lost_is_found
    a_transfer_that_leaves_no_trace_in_its_row_is_found
    a_message_whose_claim_outlasts_any_attempt_is_in_nobodys_hands
    a_notice_in_a_message_that_is_not_on_its_way_one_put_off_and_one_let_go_are_found
}

fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

/// Two tickets that are due on Monday 13/9/2021: L1 on 14/9 at seven, in the digests at eight.
async fn province(on: On) -> World {
    let mut world = World::new(&ladder()).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    world.turn("2021-09-13 16:00").await;
    world
}

/// The same once L1 has been told.
async fn told(on: On) -> World {
    let mut world = province(on).await;
    world.turn("2021-09-14 07:00").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["sxd: T2 overdue/L1", "syt: T1 overdue/L1"]);
    world
}

/// A province whose mail server has no time for Sở Y tế.
async fn busy() -> World {
    let script = |step: Step, to: &str| match step {
        Step::Recipient if to.contains("syt@") => Do::Reply(451, "busy".to_owned()),
        _ => Do::Go,
    };
    World::with_mail_server(&ladder(), script).await
}

fn line(finding: &Finding) -> String {
    let Finding {
        fault,
        code,
        rule,
        step,
        message,
        since,
    } = finding;
    let since = since.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    let code = code.as_deref().unwrap_or("-");
    let step = rule
        .iter()
        .zip(step)
        .map(|(rule, step)| format!(" {rule}/{step}"))
        .collect::<String>();
    let message = if message.is_some() { " in a message" } else { "" };
    format!("{code}{step}{message} {} {}", fault.word(), since.format("%d/%m %H:%M"))
}

fn lines(audit: &Audit) -> Vec<String> {
    let mut lines: Vec<String> = audit.findings.iter().map(line).collect();
    lines.sort();
    lines
}

/// What an audit finds at a time.
async fn found(world: &mut World, when: &str) -> Vec<String> {
    lines(&world.audit(when).await)
}

/// All that a clean audit counts for a reason.
async fn held(world: &mut World, when: &str) -> Vec<(&'static str, usize)> {
    let audit = world.audit(when).await;
    assert_eq!(lines(&audit), [""; 0], "{when}");
    let word = |(excuse, count): (Excuse, usize)| (excuse.word(), count);
    audit.held.into_iter().map(word).collect()
}

const OF_T1: &str =
    "(SELECT n.id FROM notice n JOIN telling t ON t.id = n.telling WHERE t.subject = 'T1' AND t.rule = 'overdue')";

async fn a_telling_that_is_lost_is_found_and_so_is_the_next_step_that_waits_for_none(on: On) {
    let mut world = told(on).await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, []);
    world
        .on_store(&format!("DELETE FROM message_notice WHERE notice IN {OF_T1}"))
        .await;
    world.on_store(&format!("DELETE FROM notice WHERE id IN {OF_T1}")).await;
    world.on_store("DELETE FROM telling WHERE subject = 'T1'").await;
    // It has not been due for longer than the grace.
    assert_eq!(found(&mut world, "2021-09-14 10:59").await, [""; 0]);
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        ["T1 overdue/L1 not_decided 14/09 07:00"]
    );
    // Nothing was written, and nobody told.
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        ["T1 overdue/L1 not_decided 14/09 07:00"]
    );
}

async fn a_ticket_whose_instant_is_lost_is_found_with_each_step_that_is_due(on: On) {
    let mut world = province(on).await;
    world
        .on_store("UPDATE ticket SET next_at = 4102444800000000 WHERE code = 'T1'")
        .await;
    for hour in ["07:00", "08:00", "16:00"] {
        world.turn(&format!("2021-09-14 {hour}")).await;
    }
    assert_eq!(world.told(), ["sxd: T2 overdue/L1"]);
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        ["T1 overdue/L1 not_decided 14/09 07:00"]
    );
    // Once the ticket is looked at again all is well.
    world.on_store("UPDATE ticket SET next_at = 0 WHERE code = 'T1'").await;
    world.turn("2021-09-14 16:30").await;
    assert_eq!(held(&mut world, "2021-09-14 16:30").await, []);
}

async fn a_ticket_that_is_forgotten_and_one_whose_change_was_passed_over_are_found(on: On) {
    let mut world = told(on).await;
    world.on_store("DELETE FROM ticket WHERE code = 'T1'").await;
    // A year ahead: what changes before is not read.
    world
        .on_store("UPDATE meta SET value = '1663117200000000' WHERE name = 'cursor'")
        .await;
    world.change("T2", "2021-09-14 09:00", "category = 'điện'").await;
    world.turn("2021-09-14 16:00").await;
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        ["T1 unknown_ticket 06/09 09:00", "T2 unseen_change 14/09 09:00"]
    );
    // Neither is longer ago than the grace, which a turn may take.
    world.change("T1", "2021-09-14 15:00", "category = 'điện'").await;
    world.change("T2", "2021-09-14 15:00", "category = 'nước'").await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, [("just_changed", 2)]);
}

async fn a_transfer_that_leaves_no_trace_in_its_row_is_found(on: On) {
    let mut world = told(on).await;
    // Changes are read from the last one on.
    world.ticket("T3", "Sở Xây dựng", "2021-09-14 09:00").await;
    world.turn("2021-09-14 10:00").await;
    world
        .sql("UPDATE ticket SET agency = 'Sở Xây dựng' WHERE code = 'T1'")
        .await;
    assert_eq!(world.days("2021-09-15", "2021-09-15").await, [""; 0]);
    for night in ["2021-09-16 02:30", "2021-09-17 02:30"] {
        let found = found(&mut world, night).await;
        let steps: Vec<&str> = found
            .iter()
            .filter_map(|line| line.split_once(" unseen_change "))
            .map(|(s, _)| s)
            .collect();
        assert_eq!(
            steps,
            ["T1 @settled/transferred", "T1 overdue/L1"],
            "{night}: {found:?}"
        );
    }
}

async fn an_ending_that_was_lost_is_found(on: On) {
    let mut world = told(on).await;
    world.answer("T1", "2021-09-14 09:00").await;
    world.turn("2021-09-14 09:05").await;
    world.turn("2021-09-15 08:00").await;
    assert_eq!(world.told(), ["syt: T1 @settled/done"]);
    assert_eq!(held(&mut world, "2021-09-15 08:00").await, []);
    let ending = "(SELECT id FROM telling WHERE rule = '@settled')";
    world
        .on_store("UPDATE telling SET settled_by = NULL WHERE settled_by IS NOT NULL")
        .await;
    world
        .on_store(&format!(
            "DELETE FROM message_notice WHERE notice IN (SELECT id FROM notice WHERE telling IN {ending})"
        ))
        .await;
    world
        .on_store(&format!("DELETE FROM notice WHERE telling IN {ending}"))
        .await;
    world.on_store("DELETE FROM telling WHERE rule = '@settled'").await;
    assert_eq!(
        found(&mut world, "2021-09-15 08:00").await,
        ["T1 @settled/done ending_not_decided 14/09 14:00"]
    );
}

async fn a_message_whose_claim_outlasts_any_attempt_is_in_nobodys_hands(on: On) {
    let mut world = busy().await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(held(&mut world, "2021-09-14 08:00").await, []);
    world
        .on_store("UPDATE message SET claimed_by = 'gone', claimed_until = 4102444800000000 WHERE state = 'waiting'")
        .await;
    let found = found(&mut world, "2021-09-14 16:00").await;
    assert_eq!(found, ["- in a message not_sent 14/09 08:01"]);
    // Who delivers takes it up.
    world.turn("2021-09-14 16:00").await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, []);
}

async fn a_notice_in_a_message_that_is_not_on_its_way_one_put_off_and_one_let_go_are_found(on: On) {
    let mut world = told(on).await;
    let set = |what: &str| format!("UPDATE notice SET {what} WHERE id IN {OF_T1}");
    for (fault, wanted) in [
        ("state = 'composed'", "T1 overdue/L1 in a message adrift 14/09 08:00"),
        (
            "state = 'waiting', compose_at = 1664000000000000, message = NULL",
            "T1 overdue/L1 put_off 14/09 08:00",
        ),
        (
            "state = 'lapsed', compose_at = NULL, message = NULL",
            "T1 overdue/L1 not_revived 14/09 08:00",
        ),
        (
            "state = 'waiting', compose_at = 1631581200000000",
            "T1 overdue/L1 not_composed 14/09 08:00",
        ),
    ] {
        world.on_store(&set(fault)).await;
        assert_eq!(found(&mut world, "2021-09-14 16:00").await, [wanted]);
    }
}

#[tokio::test]
async fn what_is_owed_of_a_ticket_that_has_just_changed_is_counted_as_such() {
    let mut world = told(On::Sqlite).await;
    world.change("T1", "2021-09-14 15:00", "category = 'điện'").await;
    world.turn("2021-09-14 15:01").await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, []);
    for table in ["message_notice WHERE notice", "notice WHERE id"] {
        world.on_store(&format!("DELETE FROM {table} IN {OF_T1}")).await;
    }
    world.on_store("DELETE FROM telling WHERE subject = 'T1'").await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, [("just_changed", 1)]);
}

#[tokio::test]
async fn a_row_that_lost_its_updated_at_is_missed_by_sweeps_that_are_left_out() {
    let mut world = told(On::Sqlite).await;
    world.sql("UPDATE ticket SET updated_at = NULL WHERE code = 'T1'").await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, [("just_changed", 1)]);
    // No sweep has come since the morning of the day before.
    assert_eq!(
        found(&mut world, "2021-09-15 16:00").await,
        ["T1 unseen_change 14/09 07:00"]
    );
}

#[tokio::test]
async fn known_tickets_are_classified_by_rules_that_came_later_and_no_longer_by_those_that_went() {
    let mut world = told(On::Sqlite).await;
    let category = async |world: &World| {
        let kept = world.store().tickets(&["T1".to_owned()]).await.expect("tickets");
        kept["T1"].ticket.proposed.as_ref().and_then(|p| p.category.clone())
    };
    assert_eq!(category(&world).await, None);
    // After a start the newest rows are read again in any case.
    world.restart().await;
    let newest = world.turn("2021-09-14 15:00").await.observed.seen;
    let classify = "\n[[classify]]\nid = \"health\"\nwhere = { agency = \"Sở Y tế\" }\ncategory = \"y_te\"\n";
    let health = format!("{}{classify}", ladder());
    let energy = health.replace("y_te", "dien");
    for (rules, wanted, time) in [
        (health, Some("y_te"), "2021-09-14 16:00"),
        (energy, Some("dien"), "2021-09-15 16:00"),
        (ladder(), None, "2021-09-16 07:00"),
    ] {
        world.rules(&rules).await;
        let seen = world.turn(time).await.observed.seen;
        assert_eq!(category(&world).await.as_deref(), wanted, "{time}");
        world.is_audited(time).await;
        // The others are read once.
        world.restart().await;
        assert_eq!(world.turn(time).await.observed.seen, newest, "{time}");
        assert!(seen > newest || wanted.is_none(), "{time}: {seen}");
    }
}

#[tokio::test]
async fn a_daemon_that_stands_still_is_known_by_what_it_leaves() {
    let mut world = province(On::Sqlite).await;
    assert_eq!(found(&mut world, "2021-09-14 10:59").await, [""; 0], "it is not late");
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        [
            "T1 overdue/L1 not_decided 14/09 07:00",
            "T2 overdue/L1 not_decided 14/09 07:00"
        ]
    );
    // It decides once more and stands still again: the digest is not made.
    world.turn("2021-09-14 07:30").await;
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        [
            "T1 overdue/L1 not_composed 14/09 08:00",
            "T2 overdue/L1 not_composed 14/09 08:00"
        ]
    );
}

#[tokio::test]
async fn a_message_is_late_only_once_its_window_was_open_for_long_enough() {
    let mut world = busy().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(found(&mut world, "2021-09-14 11:00").await, [""; 0]);
    assert_eq!(
        found(&mut world, "2021-09-14 16:00").await,
        ["- in a message not_sent 14/09 08:01"]
    );
    // A storm closes the agency for the day.
    world
        .append(
            "calendar.toml",
            "[[closure]]\nfrom = \"2021-09-14\"\nuntil = \"2021-09-15\"\nlabel = \"Bão\"\nunits = [\"SYT\"]\n",
        )
        .await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(held(&mut world, "2021-09-14 16:00").await, [("outside_hours", 1)]);
}

/// A command that succeeds.
fn run(world: &World, arguments: &[&str]) {
    let done = dondoc(&world.dir(), arguments);
    assert!(done.status.success(), "{arguments:?}: {}", said(&done));
}

const LATE: &str = "2021-09-14 16:00";

/// Turns of the day on which L1 is due, and what is held at the end of it.
async fn held_that_day(world: &mut World) -> Vec<(&'static str, usize)> {
    for hour in ["07:00", "08:00", "16:00"] {
        world.turn(&format!("2021-09-14 {hour}")).await;
    }
    held(world, LATE).await
}

#[tokio::test]
async fn what_is_silenced_or_acknowledged_is_counted_as_such() {
    let mut world = province(On::Sqlite).await;
    let from_to = ["--from", "2021-09-13", "--until", "2021-09-21"];
    let silence = [
        &["silence", "add", "--reason", "kiểm kê", "--unit", "SYT"],
        &from_to[..],
    ]
    .concat();
    run(&world, &silence);
    run(&world, &["ack", "T2", "--for", "2wd", "--at", "2021-09-13T16:30"]);
    assert_eq!(held_that_day(&mut world).await, [("silenced", 1), ("acknowledged", 1)]);
}

#[tokio::test]
async fn what_waits_while_all_is_paused_is_counted_as_such() {
    let mut world = province(On::Sqlite).await;
    world.turn("2021-09-14 07:00").await;
    run(&world, &["pause", "--reason", "diễn tập"]);
    world.turn("2021-09-14 08:00").await;
    world.turn(LATE).await;
    assert_eq!(held(&mut world, LATE).await, [("paused", 2)]);
}

#[tokio::test]
async fn what_the_storm_brake_holds_is_counted_as_such() {
    let mut world = province(On::Sqlite).await;
    world.append("dondoc.toml", "[limits]\nmessages_per_turn = 1\n").await;
    world.turn("2021-09-14 07:00").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(held(&mut world, LATE).await, [("storm_brake", 1)]);
}

#[tokio::test]
async fn what_waits_for_approval_is_counted_as_such() {
    let mut world = province(On::Sqlite).await;
    let approved = ladder().replace(
        "template = \"overdue-1\"",
        "template = \"overdue-1\"\napprove = \"ops\"",
    );
    world.rules(&approved).await;
    assert_eq!(held_that_day(&mut world).await, [("awaiting_approval", 2)]);
}

#[tokio::test]
async fn what_waits_for_a_stale_source_is_counted_as_such() {
    let mut world = province(On::Sqlite).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("stale_after = 0", "stale_after = \"4wh\"")
        })
        .await;
    assert_eq!(held_that_day(&mut world).await, [("stale_source", 2)]);
}

#[tokio::test]
async fn what_waits_about_a_ticket_that_is_not_in_the_source_is_counted_as_such() {
    let mut world = province(On::Sqlite).await;
    world.turn("2021-09-14 07:00").await;
    world.sql("DELETE FROM ticket WHERE code = 'T1'").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(held(&mut world, LATE).await, [("absent", 1)]);
}

#[tokio::test]
async fn what_a_mail_server_that_takes_nothing_holds_up_is_counted_as_such() {
    let script = |step: Step, _: &str| match step {
        Step::Mail => Do::Reply(451, "full".to_owned()),
        _ => Do::Go,
    };
    let mut world = World::with_mail_server(&ladder(), script).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    let turn = world.turn("2021-09-14 08:00").await;
    assert!(!turn.is_clean(), "{turn:?}");
    assert_eq!(held(&mut world, LATE).await, [("mail_refused", 1)]);
}

#[tokio::test]
async fn what_was_closed_before_anything_was_read_is_counted_as_such() {
    let mut world = World::new(&ladder()).await;
    world.ticket("OLD", "Sở Y tế", "2021-05-06 09:00").await;
    world.answer("OLD", "2021-05-07 09:00").await;
    world.turn("2021-09-06 07:00").await;
    let audit = world.audit_since("2021-01-01 00:00", "2021-09-14 16:00").await;
    let audit = audit.expect("an audit");
    assert_eq!((audit.checked, audit.held), (1, [(Excuse::BeforeHorizon, 1)].into()));
    assert_eq!(audit.findings, []);
}

#[tokio::test]
async fn a_sweep_that_is_held_explains_what_is_not_known() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    for n in 0..30 {
        world.ticket(&format!("T{n:02}"), "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-06 10:00").await;
    // Taken in from elsewhere with the times that they had there.
    for n in 0..40 {
        world.ticket(&format!("U{n:02}"), "Sở Y tế", "2021-09-03 09:00").await;
    }
    world.turn("2021-09-07 02:00").await;
    let audit = world.audit("2021-09-07 16:00").await;
    assert_eq!(audit.held, [(Excuse::SweepHeld, 40)].into());
    assert!(audit.is_clean(), "{:?}", lines(&audit));
}

#[tokio::test]
async fn the_command_lists_each_finding_with_what_to_do_and_ends_with_one() {
    let mut world = told(On::Sqlite).await;
    world.stop().await;
    let dir = world.dir();
    let at = ["audit", "--at", "2021-09-14T16:00"];
    let clean = dondoc(&dir, &at);
    assert_eq!(
        text(&clean),
        "2 tickets looked at: open, or touched since 2021-08-01 00:00; what came up after 2021-09-14 10:00 is left to the next turns\n\
         ! the last turn was at 2021-09-14 08:00\n\
         clean: all that is owed has a recorded fate\n"
    );
    assert_eq!(clean.status.code(), Some(0), "{}", said(&clean));
    world.on_store("DELETE FROM ticket WHERE code = 'T1'").await;
    let found = dondoc(&dir, &at);
    assert_eq!(found.status.code(), Some(1));
    let listed = text(&found);
    assert_eq!(
        listed.lines().nth(3),
        Some(&*format!(
            "! T1 unknown_ticket since 2021-09-06 09:00: {}",
            Fault::UnknownTicket.advice()
        )),
        "{listed}"
    );
    let found = dondoc(&dir, &[&at[..], &["--json"]].concat());
    assert_eq!(found.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!(
        (&found["checked"], &found["clean"], &found["held"], &found["more"]),
        (&2.into(), &false.into(), &serde_json::json!({}), &0.into())
    );
    assert_eq!(
        found["findings"],
        serde_json::json!([{
            "code": "T1",
            "rule": null,
            "step": null,
            "message": null,
            "reason": "unknown_ticket",
            "advice": Fault::UnknownTicket.advice(),
            "since": "2021-09-06T09:00:00+07:00",
        }])
    );
    // What lies before is not looked at but for what is open.
    let since = json(
        &dir,
        &["audit", "--at", "2021-09-06T10:00", "--since", "2021-09-14", "--json"],
    );
    assert_eq!((&since["checked"], &since["clean"]), (&2.into(), &true.into()));

    // Files that nobody has taken up yet say nothing of what was owed.
    world.write("rules/test.toml", |text| {
        text.replace("after = \"1wd\"", "after = \"2wd\"")
    });
    let other = dondoc(&dir, &at);
    assert_eq!(other.status.code(), Some(1));
    assert!(
        said(&other).contains("no turn has ended under the configuration"),
        "{}",
        said(&other)
    );
}

#[tokio::test]
async fn a_rule_that_came_later_and_a_unit_that_went_live_are_judged_from_then_on() {
    let mut world = told(On::Sqlite).await;
    let later = format!(
        "{}\n[[rule]]\nid = \"aged\"\ntitle = \"Tồn lâu\"\nwhen = \"aged\"\nthreshold = \"2wd\"\n\
         [[rule.step]]\nid = \"A1\"\nafter = \"1wd\"\nto = [\"office:contact\"]\ntemplate = \"aged\"\n",
        ladder()
    );
    world.rules(&later).await;
    world.turn("2021-09-14 09:00").await;
    world.is_audited("2021-09-14 09:00").await;
    world.is_audited("2021-09-14 16:00").await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("\ntag = ", "\nmode = \"shadow\"\nlive_units = [\"SXD\"]\ntag = ")
        })
        .await;
    for time in [
        "2021-09-14 16:10",
        "2021-09-15 08:00",
        "2021-09-15 16:00",
        "2021-09-16 08:00",
    ] {
        world.turn(time).await;
        world.is_audited(time).await;
    }
    world
        .edit("dondoc.toml", |text| {
            text.replace("mode = \"shadow\"", "mode = \"live\"")
        })
        .await;
    for time in ["2021-09-16 16:00", "2021-09-17 08:00", "2021-09-17 16:00"] {
        world.turn(time).await;
        world.is_audited(time).await;
    }
}

#[tokio::test]
async fn nothing_is_said_of_tickets_that_cannot_be_read_and_the_turns_without_them_are_not_clean() {
    let mut world = told(On::Sqlite).await;
    assert!(world.turn("2021-09-14 08:05").await.is_clean());
    world.lose_source().await;
    assert!(!world.turn("2021-09-14 08:10").await.is_clean());
    let refused = world.audit_nightly("2021-09-14 08:10").await.expect_err("no tickets");
    assert!(matches!(refused, AuditError::Source(_)), "{refused}");
    assert!(
        refused.to_string().starts_with("the ticket database cannot be read"),
        "{refused}"
    );
    // It is left alone for half an hour.
    world.regain_source().await;
    assert!(world.turn("2021-09-14 08:15").await.is_clean());
    assert_eq!(world.audit_nightly("2021-09-14 08:15").await.expect("none yet"), None);
    assert_eq!(world.audit_nightly("2021-09-14 08:39").await.expect("none yet"), None);
    assert!(world.turn("2021-09-14 08:40").await.is_clean());
    let audit = world
        .audit_nightly("2021-09-14 08:40")
        .await
        .expect("an audit")
        .expect("one");
    assert_eq!(
        (audit.at, audit.checked, audit.findings),
        (at("2021-09-14 08:40"), 2, 0)
    );
}

#[tokio::test]
async fn it_is_taken_once_after_its_hour_over_restarts_and_late_where_nobody_was_awake() {
    let mut world = told(On::Sqlite).await;
    let mut taken = Vec::new();
    for (time, is_restarted) in [
        // The hour of last night has passed, and nobody was there.
        ("2021-09-14 16:00", false),
        ("2021-09-14 23:59", false),
        ("2021-09-15 02:29", true),
        ("2021-09-15 02:30", false),
        ("2021-09-15 02:31", true),
        ("2021-09-15 23:00", false),
        ("2021-09-17 09:00", false),
        ("2021-09-17 09:01", false),
    ] {
        if is_restarted {
            world.restart().await;
        }
        world.turn(time).await;
        let last = world.audit_nightly(time).await.expect("an audit").expect("one");
        if last.at == at(time) {
            taken.push(time);
        }
    }
    assert_eq!(taken, ["2021-09-14 16:00", "2021-09-15 02:30", "2021-09-17 09:00"]);
    world.append("dondoc.toml", "[audit]\nat = \"off\"\n").await;
    world.turn("2021-09-18 09:00").await;
    let last = world
        .audit_nightly("2021-09-18 09:00")
        .await
        .expect("the last")
        .expect("one");
    assert_eq!(last.at, at("2021-09-17 09:00"));
}

#[tokio::test]
async fn of_two_processes_the_one_that_leads_takes_it() {
    let mut world = province(On::Postgres).await;
    let mut other = world.another_engine().await;
    world.turn("2021-09-14 08:00").await;
    other.turn(at("2021-09-14 08:00")).await.expect("a turn");
    let last = other.audit_nightly(&|| at("2021-09-14 08:00")).await.expect("none");
    assert_eq!(last, None);
    let last = world.audit_nightly("2021-09-14 08:00").await.expect("an audit");
    assert!(last.is_some());
    other.close().await;
}

#[tokio::test]
async fn ops_are_told_once_that_it_found_something_and_once_that_it_finds_nothing_any_more() {
    let mut world = told(On::Sqlite).await;
    world
        .edit("dondoc.toml", |text| text.replace("tell = false", "tell = true"))
        .await;
    let away = format!("UPDATE notice SET state = 'waiting', compose_at = 1664000000000000 WHERE id IN {OF_T1}");
    world.on_store(&away).await;
    let subjects = |world: &mut World| {
        let letters = world.letters();
        let to_ops = letters.into_iter().filter(|l| l.to == ["ops@tinh.example"]);
        to_ops.map(|l| l.subject).collect::<Vec<_>>()
    };
    // Nobody mails ops at night.
    let mut told = Vec::new();
    for time in [
        "2021-09-15 02:30",
        "2021-09-15 02:31",
        "2021-09-15 08:00",
        "2021-09-16 02:30",
        "2021-09-16 08:00",
    ] {
        world.turn(time).await;
        world.audit_nightly(time).await.expect("an audit");
        told.extend(subjects(&mut world).into_iter().map(|subject| (time, subject)));
    }
    let amiss = "[1022] Cảnh báo vận hành: 1 nội dung cần xem".to_owned();
    assert_eq!(told, [("2021-09-15 08:00", amiss)]);
    world
        .on_store(&format!(
            "UPDATE notice SET state = 'accepted', compose_at = NULL WHERE id IN {OF_T1}"
        ))
        .await;
    // As an answer does.
    world.on_store("UPDATE ticket SET next_at = 0 WHERE code = 'T1'").await;
    told.clear();
    for time in [
        "2021-09-17 02:30",
        "2021-09-17 02:31",
        "2021-09-17 08:00",
        "2021-09-17 08:01",
    ] {
        world.turn(time).await;
        world.audit_nightly(time).await.expect("an audit");
        told.extend(subjects(&mut world).into_iter().map(|subject| (time, subject)));
    }
    let well = "[1022] Cảnh báo vận hành: đã trở lại bình thường".to_owned();
    assert_eq!(told, [("2021-09-17 08:00", well)]);
}

#[tokio::test]
async fn ops_are_told_once_none_has_come_to_its_end_for_longer_than_a_night_and_once_that_one_has() {
    let mut world = told(On::Sqlite).await;
    world
        .edit("dondoc.toml", |text| text.replace("tell = false", "tell = true"))
        .await;
    world.turn("2021-09-15 02:30").await;
    world.audit_nightly("2021-09-15 02:30").await.expect("an audit");
    world.ticket("T3", "Sở Y tế", "2021-08-02 09:00").await;
    world.turn("2021-09-15 09:00").await;
    world.answer("T3", "2021-09-15 10:00").await;
    world.turn("2021-09-15 11:00").await;
    world.letters();
    let mut told = Vec::new();
    for (time, fails) in [
        ("2021-09-16 02:30", true),
        ("2021-09-16 03:00", true),
        ("2021-09-16 08:00", true),
        ("2021-09-16 08:10", true),
        ("2021-09-17 08:00", true),
        ("2021-09-17 08:40", false),
        ("2021-09-17 08:41", false),
    ] {
        world.turn(time).await;
        if fails {
            world
                .on_store("UPDATE ticket SET memory = 'x' || memory WHERE code = 'T3'")
                .await;
        }
        let taken = world.audit_nightly(time).await;
        assert!(fails || taken.is_ok(), "{time}: {taken:?}");
        if fails {
            world
                .on_store("UPDATE ticket SET memory = SUBSTR(memory, 2) WHERE code = 'T3'")
                .await;
        }
        let letters = world.letters().into_iter().filter(|l| l.to == ["ops@tinh.example"]);
        told.extend(letters.map(|l| (time, l.subject)));
    }
    assert_eq!(
        told,
        [
            (
                "2021-09-16 08:00",
                "[1022] Cảnh báo vận hành: 1 nội dung cần xem".to_owned()
            ),
            (
                "2021-09-17 08:41",
                "[1022] Cảnh báo vận hành: đã trở lại bình thường".to_owned()
            ),
        ]
    );
}

#[tokio::test]
async fn what_ops_have_just_sent_again_is_not_late_since_ever() {
    let mut world = busy().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    world.turn("2021-09-14 08:00").await;
    world
        .on_store("UPDATE message SET notices = 0, state = 'dead', next_attempt_at = NULL WHERE state = 'waiting'")
        .await;
    let dead = json(&world.dir(), &["outbox", "list", "--state", "dead", "--json"]);
    let id = dead["messages"][0]["id"].as_str().expect("a dead letter");
    let mut tx = world.store().begin().await.expect("a transaction");
    let retried = tx.retry(id, "again", at("2021-09-14 15:59")).await.expect("a store");
    assert_eq!(retried, Some(0));
    tx.commit().await.expect("a commit");
    let messages = |audit: &Audit| audit.findings.iter().filter(|f| f.message.is_some()).count();
    assert_eq!(messages(&world.audit("2021-09-14 16:00").await), 0);
    // Nobody takes a turn.
    let audit = world.audit("2021-09-15 16:00").await;
    assert_eq!(messages(&audit), 1);
}
