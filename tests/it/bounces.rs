//! Stories of mails that come back: the sender of each names it, what a mail server writes about it is read, the address
//! is left alone for a while, and the unit's next contact hears instead.

use std::path::PathBuf;

use dondoc::demo::receiver::Do;

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
        let mut world = World::with_mail_server(
            &format!("{}{FIVE_DAYS}", LADDER.replacen("agency:contact", "agency:head", 1)),
            |_, _| Do::Go,
        )
        .await
        .on(on)
        .await;
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
    assert_eq!(
        office.world.told(),
        ["giamdoc-syt: T1 overdue/L1", "giamdoc-syt: T1 overdue/L1"]
    );
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
