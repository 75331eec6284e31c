//! Stories of mails that come back: the sender of each names it, what a mail server writes about it is read, the address
//! is left alone for a while, and the unit's next contact hears instead.

use std::path::PathBuf;

use dondoc::demo::receiver::{Do, Step};

use crate::cli::{dondoc, text};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

struct Office {
    world: World,
    maildir: PathBuf,
}

impl Office {
    /// A province whose agency of health has a head, a clerk and a contact, and where heads are told first; the mail server puts what comes back into a maildir.
    async fn new(on: On) -> Office {
        let rules = format!("{}{FIVE_DAYS}", LADDER.replacen("agency:contact", "agency:head", 1));
        Office::with(&rules, on, |_, _| Do::Go).await
    }

    /// The same with other rules and a mail server that follows a script.
    async fn with(rules: &str, on: On, script: impl Fn(Step, &str) -> Do + Send + Sync + 'static) -> Office {
        let mut world = World::with_mail_server(rules, script).await.on(on).await;
        let maildir = world.dir().join("bounces");
        for folder in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(maildir.join(folder)).expect("a folder");
        }
        world
            .edit("dondoc.toml", |text| {
                let settings = "bounce_address = \"bounces@1022.tinh.example\"\nbounce_maildir = \"bounces\"\nsuspend_for = \"10d\"";
                text.replace("timeout = \"2s\"", &format!("timeout = \"2s\"\n{settings}"))
            })
            .await;
        world
            .edit("agencies.toml", |text| {
                let clerk = "{ role = \"clerk\", address = \"vanthu-syt@tinh.example\" }, { role = \"contact\", address = \"syt@tinh.example\" }";
                text.replace("{ role = \"contact\", address = \"syt@tinh.example\" }", clerk)
            })
            .await;
        world.turn("2021-09-06 07:00").await;
        Office { world, maildir }
    }

    /// Changes the contacts of the agency of finance, which has one.
    async fn finance(&mut self, contacts: &str) {
        let one = "contacts = [{ role = \"contact\", address = \"stc@tinh.example\" }]";
        self.world
            .edit("agencies.toml", |text| text.replace(one, contacts))
            .await;
    }

    /// A turn, and what it told; after it every mail that this address has got since comes back.
    async fn turn_and_return(&mut self, when: &str, address: &str, status: &str) -> Vec<String> {
        let before = self.world.received().len();
        self.world.turn(when).await;
        for (n, mail) in self.world.received().iter().enumerate().skip(before) {
            if mail.to.iter().any(|to| to == address) {
                self.deliver(&format!("r{n}"), &returned(&mail.from, address, "failed", status));
            }
        }
        self.world.told()
    }

    async fn suspended(&self, when: &str) -> Vec<String> {
        let suspended = self.world.store().suspensions(at(when)).await.expect("a store");
        suspended.into_iter().map(|s| s.address).collect()
    }

    /// The sender of the last mail to a box, as it stood in the envelope.
    fn sender_of_last_to(&self, to: &str) -> String {
        let received = self.world.received();
        let last = received.iter().rev().find(|mail| mail.to.iter().any(|t| t == to));
        last.expect("a mail").from.clone()
    }

    fn deliver(&self, name: &str, mail: &str) {
        std::fs::write(self.maildir.join("new").join(name), mail).expect("a file");
    }

    /// The files of the maildir.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for folder in ["new", "cur"] {
            let entries = std::fs::read_dir(self.maildir.join(folder)).expect("a folder");
            files.extend(entries.map(|e| format!("{folder}/{}", e.expect("an entry").file_name().to_string_lossy())));
        }
        files.sort();
        files
    }

    async fn states(&self) -> Vec<String> {
        let messages = self.world.store().messages(None, at("2021-09-01 00:00"), 50).await;
        let messages = messages.expect("a store").into_iter();
        messages.map(|m| format!("{} {}", m.desk, m.state)).collect()
    }
}

/// What Postfix writes.
fn returned(sender: &str, address: &str, action: &str, status: &str) -> String {
    format!(
        "Return-Path: <>\nX-Original-To: {sender}\nDelivered-To: {sender}\nReceived: by mail.tinh.example (Postfix)\n\tid 4F1B; Tue, 14 Sep 2021 08:00:02 +0700 (+07)\n\
         Date: Tue, 14 Sep 2021 08:00:02 +0700 (+07)\nFrom: MAILER-DAEMON@tinh.example (Mail Delivery System)\nSubject: Undelivered Mail Returned to Sender\n\
         To: {sender}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"BE2A.1631581202/tinh.example\"\n\
         Message-Id: <20210914010002.4F1B@tinh.example>\n\nThis is a MIME-encapsulated message.\n\n--BE2A.1631581202/tinh.example\nContent-Description: Notification\n\
         Content-Type: text/plain; charset=utf-8\n\nThis is the mail system at host tinh.example.\n\n--BE2A.1631581202/tinh.example\nContent-Description: Delivery report\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; tinh.example\nX-Postfix-Queue-ID: BE2A\nArrival-Date: Tue, 14 Sep 2021 08:00:01 +0700 (+07)\n\n\
         Final-Recipient: rfc822; {address}\nOriginal-Recipient: rfc822;{address}\nAction: {action}\nStatus: {status}\n\
         Diagnostic-Code: smtp; 550 {status} <{address}>: Recipient address rejected\n\n--BE2A.1631581202/tinh.example\n\
         Content-Description: Undelivered Message\nContent-Type: message/rfc822\n\nReturn-Path: <{sender}>\nSubject: x\n\nx\n\n--BE2A.1631581202/tinh.example--\n"
    )
}

on_both! {
    what_comes_back_goes_to_the_next_contact_and_the_address_is_left_alone_for_a_while
    a_forged_bounce_changes_nothing
    a_full_box_is_tried_once_a_day_until_its_time_is_over
    of_two_boxes_one_refused_at_once_and_one_returned_later_nobody_has_the_mail
}

async fn what_comes_back_goes_to_the_next_contact_and_the_address_is_left_alone_for_a_while(on: On) {
    let mut office = Office::new(on).await;
    office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    assert_eq!(office.world.told(), ["giamdoc-syt: T1 overdue/L1"]);
    let sender = office.sender_of_last_to("giamdoc-syt@tinh.example");
    assert!(
        sender.starts_with("bounces+") && sender.ends_with("@1022.tinh.example"),
        "{sender}"
    );
    office.deliver("1", &returned(&sender, "giamdoc-syt@tinh.example", "failed", "5.1.1"));
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.world.told(), ["vanthu-syt: T1 overdue/L1"]);
    assert_eq!(office.states().await, ["head bounced", "clerk accepted"]);
    assert_eq!(office.files(), ["cur/1:2,S"]);
    // Ten days later the address is tried again.
    office.world.ticket("T2", "Sở Y tế", "2021-09-14 09:00").await;
    office.world.ticket("T3", "Sở Y tế", "2021-09-17 09:00").await;
    office.world.restart().await;
    let told = office.world.days("2021-09-21", "2021-09-27").await;
    let of = |code: &str| {
        told.iter()
            .filter(|t| t.contains(code) && t.contains("L1"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of("T2"), ["22/09 vanthu-syt: T2 overdue/L1"]);
    assert_eq!(of("T3"), ["27/09 giamdoc-syt: T3 overdue/L1"]);
}

async fn a_forged_bounce_changes_nothing(on: On) {
    let mut office = Office::new(on).await;
    office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("giamdoc-syt@tinh.example");
    let (head, tail) = sender.split_at(sender.find('@').expect("an address") - 1);
    let digit = if tail.starts_with('0') { "1" } else { "0" };
    let forged = format!("{head}{digit}{}", &tail[1..]);
    office.deliver("1", &returned(&forged, "giamdoc-syt@tinh.example", "failed", "5.1.1"));
    office.deliver(
        "2",
        &returned(
            "bounces@1022.tinh.example",
            "giamdoc-syt@tinh.example",
            "failed",
            "5.1.1",
        ),
    );
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.states().await, ["head accepted"]);
    assert_eq!(office.files(), ["cur/1:2,F", "cur/2:2,F"], "both are kept for people");
    assert_eq!(
        office
            .world
            .store()
            .suspensions(at("2021-09-14 08:05"))
            .await
            .expect("a store"),
        []
    );
}

#[tokio::test]
async fn delays_absences_and_answers_are_no_bounces_and_what_cannot_be_read_is_set_aside() {
    let mut office = Office::new(On::Sqlite).await;
    office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("giamdoc-syt@tinh.example");
    let from = |headers: &str| format!("To: {sender}\nFrom: syt@tinh.example\n{headers}\n\nx\n");
    office.deliver("1", &returned(&sender, "giamdoc-syt@tinh.example", "delayed", "4.4.1"));
    office.deliver("2", &from("Auto-Submitted: auto-replied\nSubject: away"));
    office.deliver("3", &from("Subject: Re: phiếu"));
    office.deliver("4", "");
    office.deliver("5", &"x".repeat(3_000_000));
    std::fs::create_dir(office.maildir.join("new/6")).expect("a folder");
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.states().await, ["head accepted"]);
    assert_eq!(
        office.files(),
        [
            "cur/1:2,S",
            "cur/2:2,S",
            "cur/3:2,F",
            "cur/4:2,F",
            "cur/5:2,F",
            "cur/6:2,F"
        ]
    );
}

#[tokio::test]
async fn a_server_that_gave_up_after_a_while_costs_the_address_nothing_but_another_try() {
    let mut office = Office::new(On::Sqlite).await;
    office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("giamdoc-syt@tinh.example");
    office.deliver("1", &returned(&sender, "giamdoc-syt@tinh.example", "failed", "4.4.1"));
    office.world.turn("2021-09-14 09:00").await;
    assert_eq!(office.world.told(), ["giamdoc-syt: T1 overdue/L1"]);
    assert_eq!(office.states().await, ["head bounced"]);
    office.world.turn("2021-09-15 08:00").await;
    assert_eq!(office.world.told(), ["giamdoc-syt: T1 overdue/L1"]);
    assert_eq!(office.states().await, ["head bounced", "head accepted"]);
}

#[tokio::test]
async fn without_another_contact_ops_stand_in_and_what_comes_back_from_ops_goes_nowhere_else() {
    let mut office = Office::new(On::Sqlite).await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("stc@tinh.example");
    // A report that names another address, as after forwarding: of one recipient it is clear who is meant.
    office.deliver("1", &returned(&sender, "someone@elsewhere.example", "failed", "5.1.1"));
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.world.told(), ["ops: T1 overdue/L1", "stc: T1 overdue/L1"]);
    let sender = office.sender_of_last_to("ops@tinh.example");
    office.deliver("2", &returned(&sender, "ops@tinh.example", "failed", "5.2.2"));
    office.world.turn("2021-09-14 08:10").await;
    office.world.turn("2021-09-15 08:10").await;
    let told = office.world.told();
    assert_eq!(told, [""; 0]);
    assert_eq!(office.states().await, ["contact bounced", "contact bounced"]);
    let suspended = office
        .world
        .store()
        .suspensions(at("2021-09-15 08:10"))
        .await
        .expect("a store");
    let addresses: Vec<&str> = suspended.iter().map(|s| s.address.as_str()).collect();
    assert_eq!(addresses, ["stc@tinh.example"]);
}

#[tokio::test]
async fn of_two_boxes_of_a_desk_one_that_fails_is_left_out_and_the_other_was_reached() {
    let mut office = Office::new(On::Sqlite).await;
    office
        .world
        .edit("agencies.toml", |text| {
            let two = "{ role = \"contact\", address = \"stc@tinh.example\" }, { role = \"contact\", address = \"stc2@tinh.example\" }";
            text.replace("{ role = \"contact\", address = \"stc@tinh.example\" }", two)
        })
        .await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("stc2@tinh.example");
    office.deliver("1", &returned(&sender, "stc@tinh.example", "failed", "5.1.1"));
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.states().await, ["contact accepted"]);
    office.deliver("2", &returned(&sender, "stc2@tinh.example", "failed", "5.1.1"));
    office.world.turn("2021-09-14 08:10").await;
    assert_eq!(office.states().await, ["contact bounced", "contact accepted"]);
    assert_eq!(office.world.told(), ["ops: T1 overdue/L1", "stc,stc2: T1 overdue/L1"]);
}

#[tokio::test]
async fn explain_reckons_with_addresses_that_are_left_alone_and_with_their_return() {
    let mut office = Office::new(On::Sqlite).await;
    let to_whom = |office: &Office, when: &str| -> Vec<String> {
        let text = text(&dondoc(&office.world.dir(), &["explain", "T1", "--at", when]));
        let to = text.lines().filter(|line| line.contains(" -> "));
        to.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("giamdoc-syt@tinh.example");
    office.deliver("1", &returned(&sender, "giamdoc-syt@tinh.example", "failed", "5.1.1"));
    office.world.turn("2021-09-14 08:05").await;
    // Ten days: the head is written to again on 24/9.
    let clerk =
        "-> agency:head of SYT by email -> SYT/clerk (SYT: head suspended until 2021-09-24, since mail came back)";
    let office_later = "-> office:contact of VP by email -> VP/contact not before 2021-09-27 08:00";
    assert_eq!(
        to_whom(&office, "2021-09-14 08:05"),
        [
            &format!("{clerk} not before 2021-09-16 08:00"),
            &format!("{clerk} not before 2021-09-20 08:00"),
            office_later,
        ]
    );
    let preview = ["preview", "overdue", "L2", "--ticket", "T1", "--at", "2021-09-14 08:05"];
    let preview = text(&dondoc(&office.world.dir(), &preview));
    assert!(
        preview.contains("vanthu-syt@tinh.example") && !preview.contains("giamdoc-syt@"),
        "{preview}"
    );
    office.world.turn("2021-09-16 07:00").await;
    assert_eq!(
        to_whom(&office, "2021-09-16 07:00"),
        [
            &format!("{clerk} not before 2021-09-20 08:00"),
            office_later,
            &format!(
                "overdue/L2 {} waiting until 2021-09-16 08:00: waits for its recipient's next digest or office hours",
                clerk.trim_start_matches("-> ")
            ),
        ]
    );
    // Among them what came before.
    let mut told = office.world.days("2021-09-17", "2021-09-17").await;
    // What would go to the head later than that would reach him.
    office
        .world
        .change("T1", "2021-09-17 16:30", "extended_to = '2021-09-23'")
        .await;
    office.world.turn("2021-09-17 16:40").await;
    assert_eq!(
        to_whom(&office, "2021-09-17 16:40")[..2],
        [
            "-> agency:head of SYT by email -> SYT/head not before 2021-09-24 08:00",
            "-> agency:head of SYT by email -> SYT/head not before 2021-09-28 08:00",
        ]
    );
    told.extend(office.world.days("2021-09-20", "2021-09-28").await);
    assert_eq!(
        told,
        [
            "17/09 giamdoc-syt: T1 overdue/L1",
            "17/09 vanthu-syt: T1 overdue/L1",
            "17/09 vanthu-syt: T1 overdue/L2",
            "20/09 vanthu-syt: T1 @settled/extended",
            "24/09 giamdoc-syt: T1 overdue/L1",
            "28/09 giamdoc-syt: T1 overdue/L2",
        ]
    );
}

async fn a_full_box_is_tried_once_a_day_until_its_time_is_over(on: On) {
    let mut office = Office::new(on).await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    let mut told = Vec::new();
    for day in 14..=28 {
        for time in ["07:00", "08:00", "08:01", "08:02", "12:00", "16:00"] {
            let when = format!("2021-09-{day} {time}");
            let of_turn = office.turn_and_return(&when, "stc@tinh.example", "4.2.2").await;
            told.extend(
                of_turn
                    .into_iter()
                    .filter(|t| t.contains("stc"))
                    .map(|t| format!("{day}/09 {time} {t}")),
            );
        }
    }
    // 72 hours of open window after the first attempt nothing more is tried.
    let days = [14, 15, 16, 17, 20, 21, 22, 23, 24];
    let expected = days.map(|day| format!("{day}/09 08:00 stc: T1 overdue/L1"));
    assert_eq!(told, expected);
    assert_eq!(office.suspended("2021-09-28 16:00").await, [""; 0]);
}

#[tokio::test]
async fn a_single_mail_that_a_full_box_returns_is_tried_again_when_the_next_day_opens() {
    let rules = LADDER.replacen("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"", 1);
    let mut office = Office::with(&format!("{rules}{FIVE_DAYS}"), On::Sqlite, |_, _| Do::Go).await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    let mut told = Vec::new();
    for when in [
        "14 07:00", "14 07:01", "14 07:02", "14 09:00", "14 16:00", "15 07:00", "15 07:01", "15 09:00",
    ] {
        let of_turn = office
            .turn_and_return(&format!("2021-09-{when}"), "stc@tinh.example", "4.2.2")
            .await;
        told.extend(of_turn.into_iter().map(|t| format!("{when} {t}")));
    }
    assert_eq!(told, ["14 07:00 stc: T1 overdue/L1", "15 07:00 stc: T1 overdue/L1"]);
}

#[tokio::test]
async fn a_deputy_whose_address_is_dead_is_written_to_once_and_the_desk_itself_hears() {
    let mut office = Office::new(On::Sqlite).await;
    office
        .finance(
            "contacts = [{ role = \"contact\", address = \"stc@tinh.example\" }]\n\
             absences = [{ role = \"contact\", from = 2021-09-13, until = 2021-10-13, deputy = \"thay-stc@tinh.example\" }]",
        )
        .await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    let mut told = Vec::new();
    for when in ["14 08:00", "14 08:01", "14 08:02", "15 08:00", "15 08:01"] {
        let of_turn = office
            .turn_and_return(&format!("2021-09-{when}"), "thay-stc@tinh.example", "5.1.1")
            .await;
        told.extend(of_turn.into_iter().map(|t| format!("{when} {t}")));
    }
    assert_eq!(
        told,
        ["14 08:00 thay-stc: T1 overdue/L1", "14 08:01 stc: T1 overdue/L1"]
    );
    assert_eq!(office.suspended("2021-09-15 08:01").await, ["thay-stc@tinh.example"]);
}

#[tokio::test]
async fn a_contact_who_is_ops_too_and_whose_mail_comes_back_makes_room_for_the_next_desk() {
    let mut office = Office::new(On::Sqlite).await;
    office
        .finance(
            "contacts = [{ role = \"clerk\", address = \"ops@tinh.example\" }, { role = \"contact\", address = \"stc@tinh.example\" }]",
        )
        .await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    let mut told = Vec::new();
    for when in ["14 08:00", "14 08:01", "14 08:02", "15 08:00"] {
        let of_turn = office
            .turn_and_return(&format!("2021-09-{when}"), "ops@tinh.example", "5.1.1")
            .await;
        told.extend(of_turn.into_iter().map(|t| format!("{when} {t}")));
    }
    assert_eq!(told, ["14 08:00 ops: T1 overdue/L1", "14 08:01 stc: T1 overdue/L1"]);
    // What is for ops themselves goes there all the same.
    office
        .world
        .ticket("T2", "Ban Quản lý khu kinh tế", "2021-09-07 09:00")
        .await;
    office.world.turn("2021-09-15 09:00").await;
    office.world.turn("2021-09-16 08:00").await;
    let told: Vec<String> = office.world.told().into_iter().filter(|t| t.contains("T2")).collect();
    assert_eq!(told, ["ops: T2 overdue/L1"]);
}

async fn of_two_boxes_one_refused_at_once_and_one_returned_later_nobody_has_the_mail(on: On) {
    let rules = format!("{LADDER}{FIVE_DAYS}");
    let mut office = Office::with(&rules, on, |step, to| match step {
        Step::Recipient if to.contains("stc2@") => Do::Reply(550, "5.1.1 no such user".to_owned()),
        _ => Do::Go,
    })
    .await;
    office
        .finance(
            "contacts = [{ role = \"contact\", address = \"stc@tinh.example\" }, { role = \"contact\", address = \"stc2@tinh.example\" }]",
        )
        .await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    let told = office
        .turn_and_return("2021-09-14 08:00", "stc@tinh.example", "5.1.1")
        .await;
    assert_eq!(told, ["stc,stc2: T1 overdue/L1"]);
    assert_eq!(office.states().await, ["contact accepted"], "one of the boxes took it");
    assert_eq!(office.suspended("2021-09-14 08:00").await, ["stc2@tinh.example"]);
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.world.told(), ["ops: T1 overdue/L1"]);
    assert_eq!(office.states().await, ["contact bounced", "contact accepted"]);
    assert_eq!(
        office.suspended("2021-09-14 08:05").await,
        ["stc2@tinh.example", "stc@tinh.example"]
    );
}

#[tokio::test]
async fn an_address_that_the_mail_server_says_does_not_exist_is_left_alone_and_one_it_will_not_have_is_not() {
    let rules = format!("{LADDER}{FIVE_DAYS}");
    let mut office = Office::with(&rules, On::Sqlite, |step, to| match step {
        Step::Recipient if to.contains("stc@") => Do::Reply(550, "5.1.1 no such user".to_owned()),
        Step::Recipient if to.contains("sxd@") => Do::Reply(550, "not from you".to_owned()),
        _ => Do::Go,
    })
    .await;
    office.world.ticket("T1", "Sở Tài chính", "2021-09-06 09:00").await;
    office.world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    assert_eq!(office.states().await, ["contact dead", "contact dead"]);
    assert_eq!(office.suspended("2021-09-14 08:00").await, ["stc@tinh.example"]);
    // The next ones find somebody.
    office.world.ticket("T3", "Sở Tài chính", "2021-09-07 09:00").await;
    office.world.turn("2021-09-14 09:00").await;
    office.world.turn("2021-09-15 08:00").await;
    let told: Vec<String> = office.world.told().into_iter().filter(|t| t.contains("T3")).collect();
    assert_eq!(told, ["ops: T3 overdue/L1"]);
}

#[tokio::test]
async fn words_of_a_server_cost_an_address_nothing_and_are_no_absence() {
    let mut office = Office::new(On::Sqlite).await;
    office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    office.world.turn("2021-09-14 08:00").await;
    let sender = office.sender_of_last_to("giamdoc-syt@tinh.example");
    let from = "From: Mail Delivery System <Mailer-Daemon@tinh.example>\nAuto-Submitted: auto-replied";
    office.deliver(
        "1",
        &format!("To: {sender}\n{from}\nSubject: Warning: message delayed 4 hours\n\nIt will be tried again.\n"),
    );
    office.world.turn("2021-09-14 08:05").await;
    assert_eq!(office.states().await, ["head accepted"]);
    office.deliver(
        "2",
        &format!(
            "To: {sender}\n{from}\nX-Failed-Recipients: giamdoc-syt@tinh.example\nSubject: Mail delivery failed\n\nno\n"
        ),
    );
    office.world.turn("2021-09-14 08:10").await;
    assert_eq!(office.states().await, ["head bounced"]);
    office.world.turn("2021-09-15 08:00").await;
    assert_eq!(office.states().await, ["head bounced", "head accepted"]);
    assert_eq!(office.suspended("2021-09-15 08:00").await, [""; 0]);
    assert_eq!(office.files(), ["cur/1:2,S", "cur/2:2,S"]);
}

#[tokio::test]
async fn while_a_heads_address_is_left_alone_what_is_for_heads_goes_to_the_deputy_or_ops_and_to_no_other_desk() {
    let rules = format!("{LADDER}{FIVE_DAYS}");
    for set in ["tags = 'conduct'", "confidential = 1"] {
        let mut office = Office::with(&rules, On::Sqlite, |_, _| Do::Go).await;
        office.world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        // Of finance the directory names no head: there the contact reads for the head.
        office.world.ticket("T2", "Sở Tài chính", "2021-09-06 09:00").await;
        for code in ["T1", "T2"] {
            office.world.change(code, "2021-09-06 10:00", set).await;
        }
        let told = office
            .turn_and_return("2021-09-14 08:00", "giamdoc-syt@tinh.example", "5.1.1")
            .await;
        assert_eq!(told, ["giamdoc-syt: T1 overdue/L1", "stc: T2 overdue/L1"], "{set}");
        office.world.turn("2021-09-14 08:05").await;
        assert_eq!(office.world.told(), ["ops: T1 overdue/L1"], "{set}");
        office
            .world
            .edit("agencies.toml", |text| {
                let away = "short = \"SYT\"\nabsences = [{ role = \"head\", from = 2021-09-15, until = 2021-09-21, deputy = \"pho-syt@tinh.example\" }]";
                text.replace("short = \"SYT\"", away)
            })
            .await;
        let told = office.world.days("2021-09-15", "2021-09-16").await;
        assert_eq!(
            told,
            ["16/09 pho-syt: T1 overdue/L2", "16/09 stc: T2 overdue/L2"],
            "{set}"
        );
    }
}
