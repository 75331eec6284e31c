//! Our own database: claims, the change log, what is due, and the tickets as they once were. The stories here are told on
//! SQLite and on PostgreSQL.

mod file;
mod plans;
mod shared;

use std::path::Path;

use chrono::TimeDelta;
use dondoc::config::settings::Database;
use dondoc::domain::Moment;
use dondoc::domain::notice::{Mode, NewNotice, NewTelling, NoticeState, Telling, TellingKey, Wait};
use dondoc::domain::rule::Channel;
use dondoc::domain::ticket::{Memory, Rating, Status, Ticket};
use dondoc::store::Store;
use dondoc::store::as_of::{self, AsOf, Lives, Past};
use dondoc::store::outbox::{Claim, Form, MessageState, NewMessage, Settlement, Wanted};
use dondoc::store::summaries::Counted;
use dondoc::store::tellings::{Fate, Tell};
use dondoc::store::tickets::Kept;
use tempfile::TempDir;

use crate::postgres::{On, Postgres, on_both};
use crate::world::at;

on_both! {
    a_message_is_claimed_by_one_until_its_lease_ends
    whoever_lost_a_claim_changes_nothing_any_more
    a_claim_is_used_up_by_its_settlement
    a_message_put_back_was_not_tried
    a_message_that_was_refused_for_now_is_tried_again_and_one_refused_for_good_is_not
    an_answer_wakes_the_tickets_it_speaks_of
    a_ticket_that_is_woken_and_due_as_well_comes_once_and_the_longest_waiting_first
    what_was_not_accepted_goes_into_the_next_digest_with_its_first_attempt
    what_may_have_arrived_is_never_replaced_nor_what_is_being_sent
    there_is_one_digest_a_recipient_and_date
    the_thread_of_a_matter_is_what_was_accepted
    the_same_thing_is_told_once_and_another_repetition_occurrence_or_mode_is_another_thing
    a_recipient_stands_once_in_a_telling
    a_notice_moves_only_along_its_own_ways
    a_transaction_that_is_not_committed_leaves_nothing
    due_tickets_come_in_the_order_they_have_waited
    after_a_change_of_rules_every_ticket_is_evaluated_again_in_batches_and_once
    any_number_of_tickets_is_read_by_key
    many_tickets_saved_at_once_keep_each_its_own_past
    the_sweep_gets_every_key_in_byte_order_page_by_page
    a_summary_counts_each_ticket_of_its_span_once
    tickets_received_at_one_instant_are_gone_through_each_once
    a_ticket_is_shown_as_it_was_at_every_instant_between_its_changes
    a_change_without_a_new_updated_at_happened_when_it_was_seen
    changes_are_undone_from_the_last_backwards_whatever_times_the_source_gives_them
    a_ticket_entered_late_is_reconstructed_from_its_time_columns
    what_is_gone_from_the_source_was_there_before
    instants_survive_to_the_microsecond
    a_process_that_lost_a_message_and_has_it_again_settles_it_by_its_second_claim_only
}

fn sqlite(path: &Path) -> Database {
    Database::Sqlite(path.to_owned())
}

/// Where the store of a story is.
enum Place {
    File(TempDir),
    Server(Postgres),
}

struct Kit {
    store: Store,
    place: Place,
}

impl Place {
    fn database(&self) -> Database {
        match self {
            Place::File(dir) => sqlite(&dir.path().join("store.db")),
            Place::Server(postgres) => postgres.place(),
        }
    }
}

impl Kit {
    async fn new(on: On) -> Kit {
        let place = match on {
            On::Sqlite => Place::File(tempfile::tempdir().expect("a folder")),
            On::Postgres => Place::Server(Postgres::new().await),
        };
        let store = Store::open(&place.database()).await.expect("a store");
        Kit { store, place }
    }

    /// Leases end: on PostgreSQL by the clock of the server, else by the time that is given.
    async fn leases_run_out(&self) {
        if let Place::Server(postgres) = &self.place {
            postgres.leases_run_out().await;
        }
    }

    /// Saves a ticket as a row that was read at an instant.
    async fn see(&self, ticket: &Ticket, when: &str) {
        let now = at(when);
        let before = self.kept(&ticket.code).await;
        let memory = Memory::after(
            before.as_ref().map(|b| (&b.ticket, &b.memory)),
            ticket,
            None,
            |_, _| false,
            now,
        );
        let after = Kept {
            ticket: ticket.clone(),
            memory,
            updated_raw: ticket.updated_at.map(|u| u.to_rfc3339()),
            next_at: None,
            generation: 1,
            missing: 0,
            gone_at: None,
        };
        let mut tx = self.store.begin().await.expect("a transaction");
        tx.save_tickets(&[(before, after)], now).await.expect("saved");
        tx.commit().await.expect("committed");
    }

    async fn kept(&self, code: &str) -> Option<Kept> {
        let mut kept = self.store.tickets(&[code.to_owned()]).await.expect("tickets");
        kept.remove(code)
    }

    /// Tells something about a ticket to one unit; the number of the telling, or `None` where it was told before.
    async fn tell(&self, new: &NewTelling, when: &str) -> Option<i64> {
        let compose_at = vec![at(when); new.notices.len()];
        let mut tx = self.store.begin().await.expect("a transaction");
        let tell = Tell {
            telling: new.clone(),
            compose_at,
        };
        let told = tx.tell(&[tell], at(when)).await.expect("told");
        tx.commit().await.expect("committed");
        told[0]
    }

    async fn tellings(&self, code: &str) -> Vec<Telling> {
        let mut all = self.store.tellings(&[code.to_owned()]).await.expect("tellings");
        all.remove(code).unwrap_or_default()
    }

    async fn notice_state(&self, code: &str) -> NoticeState {
        self.tellings(code).await[0].notices[0].state
    }

    /// A message with a telling's notices, composed at an instant.
    async fn message(&self, id: &str, code: &str, when: &str) -> bool {
        let notices = self.tellings(code).await[0].notices.iter().map(|n| n.id).collect();
        self.compose(&message(id, notices), when).await
    }

    async fn compose(&self, new: &NewMessage, when: &str) -> bool {
        let mut tx = self.store.begin().await.expect("a transaction");
        let made = tx.compose(&[new], at(when)).await.expect("composed");
        tx.commit().await.expect("committed");
        made.contains(&new.id)
    }

    async fn thread(&self, matter: &str) -> Vec<String> {
        let threads = self.store.threads(&[matter.to_owned()]).await.expect("ids");
        threads.get(matter).cloned().unwrap_or_default()
    }

    async fn claim(&self, by: &str, when: &str) -> Vec<Claim> {
        self.store.claim(&wanted(by, at(when), 10)).await.expect("claims")
    }

    async fn due(&self, when: &str, most: usize) -> Vec<String> {
        let due = self.store.due(at(when), most).await.expect("tickets");
        due.into_iter().map(|due| due.code).collect()
    }

    async fn channels_due(&self, when: &str) -> Vec<Channel> {
        self.store.channels_due(at(when)).await.expect("channels")
    }

    async fn settle(&self, claim: &Claim, end: &Settlement, when: &str) -> bool {
        let mut tx = self.store.begin().await.expect("a transaction");
        let done = tx.settle_messages(&[(claim, end)], at(when)).await.expect("settled");
        tx.commit().await.expect("committed");
        done[0]
    }

    async fn put_back(&self, claim: &Claim, until: &str) -> bool {
        let mut tx = self.store.begin().await.expect("a transaction");
        let back = tx.put_back(&[(at(until), claim)]).await.expect("put back");
        tx.commit().await.expect("committed");
        back.contains(&claim.id)
    }

    async fn replace(&self, id: &str, when: &str) -> bool {
        let mut tx = self.store.begin().await.expect("a transaction");
        let replaced = tx.replace(&[id], "later", at(when)).await.expect("replaced");
        tx.commit().await.expect("committed");
        replaced == [id]
    }

    async fn void_claims(&self, when: &str) -> u64 {
        let mut tx = self.store.begin().await.expect("a transaction");
        let left = tx.void_claims(at(when)).await.expect("voided");
        tx.commit().await.expect("committed");
        left
    }

    async fn answers(&self, id: &str) -> Vec<String> {
        let attempts = self.store.attempts(id).await.expect("attempts");
        attempts.into_iter().map(|a| a.answer).collect()
    }

    async fn state(&self, id: &str) -> String {
        self.store.message(id).await.expect("a message").expect(id).state
    }

    /// A ticket, its first telling and the message with it, ready to be sent at 08:00.
    async fn ready(on: On) -> Kit {
        let kit = Kit::new(on).await;
        kit.see(&ticket("T1"), "2021-09-13 07:00").await;
        kit.tell(&telling("T1", "L1"), "2021-09-14 08:00").await.expect("new");
        assert!(kit.message("M1", "T1", "2021-09-14 08:00").await);
        kit
    }
}

fn ticket(code: &str) -> Ticket {
    Ticket {
        code: code.into(),
        received_at: at("2021-09-06 09:00"),
        updated_at: Some(at("2021-09-06 09:00")),
        ..Ticket::default()
    }
}

fn telling(code: &str, step: &str) -> NewTelling {
    NewTelling {
        key: TellingKey {
            mode: Mode::Live,
            ticket: code.into(),
            rule: "overdue".into(),
            step: step.into(),
            repetition: 0,
            occurrence: "2021-09-13/0".into(),
        },
        due_at: at("2021-09-14 07:00"),
        opening: false,
        notices: vec![NewNotice {
            role: "agency:contact".into(),
            start: "SYT".into(),
            channel: Channel::Email,
            cc: false,
        }],
    }
}

fn message(id: &str, notices: Vec<i64>) -> NewMessage {
    NewMessage {
        id: id.into(),
        mode: "live",
        channel: Channel::Email,
        form: Form::Digest,
        unit: "SYT".into(),
        desk: "contact",
        matter: "SYT/contact/2021-09".into(),
        digest_key: Some("SYT/contact/2021-09-14".into()),
        recipients: vec!["syt@tinh.example".into()],
        subject: "[1022] Nhắc việc".into(),
        body: b"Subject: x\r\n\r\ny\r\n".to_vec(),
        rules: vec!["overdue".into()],
        steps: vec!["L1".into()],
        notices,
        urgent: false,
        replace_at: Some(at("2021-09-15 08:00")),
        approval: None,
    }
}

fn accepted() -> Settlement {
    Settlement {
        state: MessageState::Accepted,
        answer: "accepted",
        detail: "250 ok".into(),
        next_attempt_at: None,
        unknown: false,
    }
}

fn later(until: &str) -> Settlement {
    Settlement {
        state: MessageState::Waiting,
        answer: "later",
        detail: "451 busy".into(),
        next_attempt_at: Some(at(until)),
        unknown: false,
    }
}

fn unknown(until: &str) -> Settlement {
    Settlement {
        answer: "unknown",
        unknown: true,
        ..later(until)
    }
}

fn never() -> Settlement {
    Settlement {
        state: MessageState::Dead,
        answer: "never",
        detail: "550 no such box".into(),
        ..accepted()
    }
}

/// Mails that are due at an instant, for half an hour from then on.
fn wanted(by: &str, now: Moment, most: usize) -> Wanted<'_> {
    Wanted {
        channel: Channel::Email,
        by,
        due: now,
        now,
        lease: TimeDelta::minutes(30),
        most,
    }
}

// ---- claims and messages -----------------------------------------------------------------------------------------

async fn a_message_is_claimed_by_one_until_its_lease_ends(on: On) {
    let kit = Kit::ready(on).await;
    assert!(kit.claim("a", "2021-09-14 07:59").await.is_empty(), "not due yet");
    assert_eq!(kit.channels_due("2021-09-14 07:59").await, []);
    assert_eq!(kit.channels_due("2021-09-14 08:00").await, [Channel::Email]);
    let claims = kit.claim("a", "2021-09-14 08:00").await;
    assert_eq!((claims.len(), claims[0].id.as_str(), claims[0].attempts), (1, "M1", 0));
    assert_eq!(claims[0].recipients, ["syt@tinh.example"]);
    assert!(kit.claim("b", "2021-09-14 08:29").await.is_empty());
    kit.leases_run_out().await;
    let taken = kit.claim("b", "2021-09-14 08:30").await;
    assert_eq!(taken.len(), 1);
    // The first holder may have sent it.
    assert_eq!(kit.answers("M1").await, ["unknown"]);
    assert_eq!(taken[0].attempts, 1);
    assert_eq!(taken[0].first_attempt_at, Some(at("2021-09-14 08:30")));
}

async fn whoever_lost_a_claim_changes_nothing_any_more(on: On) {
    for end in [
        accepted(),
        never(),
        later("2021-09-14 09:00"),
        unknown("2021-09-14 09:00"),
    ] {
        let kit = Kit::ready(on).await;
        let old = kit.claim("a", "2021-09-14 08:00").await.remove(0);
        kit.leases_run_out().await;
        let new = kit.claim("b", "2021-09-14 08:30").await.remove(0);
        assert!(!kit.settle(&old, &end, "2021-09-14 08:31").await, "{}", end.answer);
        assert!(!kit.put_back(&old, "2021-09-15 08:00").await);
        assert_eq!(kit.state("M1").await, "waiting");
        assert_eq!(kit.notice_state("T1").await, NoticeState::Composed);
        // What the old holder heard is on record all the same.
        assert_eq!(kit.answers("M1").await, ["unknown", end.answer]);
        assert!(
            kit.settle(&new, &accepted(), "2021-09-14 08:32").await,
            "the new holder's claim stands"
        );
        assert_eq!(kit.state("M1").await, "accepted");
    }
}

async fn a_process_that_lost_a_message_and_has_it_again_settles_it_by_its_second_claim_only(on: On) {
    let kit = Kit::ready(on).await;
    let first = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    kit.leases_run_out().await;
    let second = kit.claim("a", "2021-09-14 08:30").await.remove(0);
    assert!(!kit.settle(&first, &accepted(), "2021-09-14 08:31").await);
    assert!(!kit.settle(&first, &later("2021-09-14 09:00"), "2021-09-14 08:31").await);
    assert!(!kit.put_back(&first, "2021-09-15 08:00").await);
    assert!(kit.settle(&second, &never(), "2021-09-14 08:32").await);
    assert_eq!(kit.state("M1").await, "dead");
}

async fn a_claim_is_used_up_by_its_settlement(on: On) {
    let kit = Kit::ready(on).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    assert!(kit.settle(&claim, &accepted(), "2021-09-14 08:01").await);
    assert!(!kit.settle(&claim, &never(), "2021-09-14 08:02").await);
    assert!(!kit.put_back(&claim, "2021-09-15 08:00").await);
    assert_eq!(kit.state("M1").await, "accepted");
    assert_eq!(kit.notice_state("T1").await, NoticeState::Accepted);
    assert!(kit.claim("a", "2021-09-20 08:00").await.is_empty());
}

async fn a_message_put_back_was_not_tried(on: On) {
    let kit = Kit::ready(on).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    assert!(kit.put_back(&claim, "2021-09-14 13:00").await);
    assert!(kit.claim("a", "2021-09-14 12:59").await.is_empty());
    let again = kit.claim("a", "2021-09-14 13:00").await.remove(0);
    assert_eq!((again.attempts, again.first_attempt_at), (0, None));
    assert_eq!(kit.answers("M1").await, [""; 0]);
}

async fn a_message_that_was_refused_for_now_is_tried_again_and_one_refused_for_good_is_not(on: On) {
    let kit = Kit::ready(on).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    assert!(kit.settle(&claim, &later("2021-09-14 08:05"), "2021-09-14 08:01").await);
    assert!(kit.claim("a", "2021-09-14 08:04").await.is_empty());
    let claim = kit.claim("a", "2021-09-14 08:05").await.remove(0);
    assert_eq!(
        (claim.attempts, claim.first_attempt_at),
        (1, Some(at("2021-09-14 08:01")))
    );
    assert_eq!(claim.body, message("M1", vec![]).body, "the same bytes");
    assert!(kit.settle(&claim, &never(), "2021-09-14 08:06").await);
    assert_eq!(kit.notice_state("T1").await, NoticeState::Dead);
    let shown = kit.store.message("M1").await.expect("a message").expect("M1");
    assert_eq!(
        (shown.state.as_str(), shown.reason.as_deref()),
        ("dead", Some("550 no such box"))
    );
    assert!(kit.claim("a", "2021-09-20 08:00").await.is_empty());
    assert_eq!(kit.answers("M1").await, ["later", "never"]);
}

async fn an_answer_wakes_the_tickets_it_speaks_of(on: On) {
    let kit = Kit::ready(on).await;
    assert!(kit.due("2021-09-14 08:01", 10).await.is_empty());
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    kit.settle(&claim, &accepted(), "2021-09-14 08:01").await;
    assert!(kit.due("2021-09-14 08:00", 10).await.is_empty());
    assert_eq!(kit.due("2021-09-14 08:01", 10).await, ["T1"]);
    // Its row is as it was, and once it has been looked at it sleeps again.
    let kept = kit.kept("T1").await.expect("T1");
    assert_ne!(kept.next_at, Some(at("2021-09-14 08:01")));
    let mut tx = kit.store.begin().await.expect("a transaction");
    tx.heeded(&["T1".to_owned()]).await.expect("heeded");
    tx.commit().await.expect("committed");
    assert!(kit.due("2021-09-14 08:01", 10).await.is_empty());
}

async fn a_ticket_that_is_woken_and_due_as_well_comes_once_and_the_longest_waiting_first(on: On) {
    let kit = Kit::ready(on).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    kit.settle(&claim, &accepted(), "2021-09-14 08:01").await;
    for (code, next) in [
        ("T0", "2021-09-14 08:02"),
        ("T1", "2021-09-14 08:03"),
        ("T2", "2021-09-14 07:00"),
    ] {
        kit.see(&ticket(code), "2021-09-06 10:00").await;
        let mut kept = kit.kept(code).await.expect(code);
        kept.next_at = Some(at(next));
        let before = kit.kept(code).await;
        let mut tx = kit.store.begin().await.expect("a transaction");
        tx.save_tickets(&[(before, kept)], at("2021-09-14 07:00"))
            .await
            .expect("saved");
        tx.commit().await.expect("committed");
    }
    let due = kit.store.due(at("2021-09-14 08:05"), 10).await.expect("tickets");
    let due: Vec<_> = due.iter().map(|due| (due.code.as_str(), due.is_woken)).collect();
    assert_eq!(due, [("T2", false), ("T1", true), ("T0", false)]);
    assert_eq!(kit.due("2021-09-14 08:05", 2).await, ["T2", "T1"]);
}

async fn what_was_not_accepted_goes_into_the_next_digest_with_its_first_attempt(on: On) {
    let kit = Kit::ready(on).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    kit.settle(&claim, &later("2021-09-15 09:00"), "2021-09-14 08:01").await;
    let ready = |when| kit.store.replaceable(at(when), 10);
    assert!(ready("2021-09-15 07:59").await.expect("ids").is_empty());
    assert_eq!(
        ready("2021-09-15 08:00").await.expect("ids"),
        [("M1".to_owned(), "SYT".to_owned())]
    );
    assert!(kit.replace("M1", "2021-09-15 08:00").await);
    assert!(!kit.replace("M1", "2021-09-15 08:00").await, "once");
    assert_eq!(kit.state("M1").await, "replaced");
    let notice = &kit.tellings("T1").await[0].notices[0];
    assert_eq!(notice.state, NoticeState::Waiting);
    assert_eq!(notice.compose_at, Some(at("2021-09-15 08:00")));
    assert_eq!(notice.first_attempt_at, Some(at("2021-09-14 08:01")));
    // Its key is free for the next one, which is another message.
    assert!(kit.message("M2", "T1", "2021-09-15 08:00").await);
    assert_eq!(
        kit.store
            .all_tried_since("M2", at("2021-09-15 08:01"))
            .await
            .expect("an answer"),
        at("2021-09-14 08:01")
    );
    assert!(!kit.settle(&claim, &accepted(), "2021-09-15 08:01").await);
    assert_eq!(kit.state("M1").await, "replaced");
    let of_ticket = kit.store.messages_of_ticket("T1").await.expect("messages");
    assert_eq!(of_ticket.len(), 2, "both carried the notice");
}

async fn what_may_have_arrived_is_never_replaced_nor_what_is_being_sent(on: On) {
    let kit = Kit::ready(on).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    assert!(!kit.replace("M1", "2021-09-15 08:00").await, "it is being sent");
    kit.settle(&claim, &unknown("2021-09-15 07:00"), "2021-09-14 08:01")
        .await;
    assert!(
        kit.store
            .replaceable(at("2021-09-15 08:00"), 10)
            .await
            .expect("ids")
            .is_empty()
    );
    assert!(!kit.replace("M1", "2021-09-15 08:00").await);
    assert_eq!(kit.notice_state("T1").await, NoticeState::Composed);
}

async fn there_is_one_digest_a_recipient_and_date(on: On) {
    let kit = Kit::ready(on).await;
    kit.see(&ticket("T2"), "2021-09-14 08:00").await;
    kit.tell(&telling("T2", "L1"), "2021-09-14 08:00").await.expect("new");
    let mut tx = kit.store.begin().await.expect("a transaction");
    let days: Vec<String> = (1..=60).map(|day| format!("SYT/contact/2021-09-{day:02}")).collect();
    let made = tx.digests_made(&days).await.expect("an answer");
    assert_eq!(Vec::from_iter(made), ["SYT/contact/2021-09-14"]);
    drop(tx);
    assert!(!kit.message("M2", "T2", "2021-09-14 08:10").await);
    assert_eq!(
        kit.notice_state("T2").await,
        NoticeState::Waiting,
        "it waits for the next"
    );
    assert!(kit.store.message("M2").await.expect("an answer").is_none());
}

async fn the_thread_of_a_matter_is_what_was_accepted(on: On) {
    let kit = Kit::ready(on).await;
    let matter = "SYT/contact/2021-09";
    assert!(kit.thread(matter).await.is_empty());
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    kit.settle(&claim, &accepted(), "2021-09-14 08:01").await;
    assert_eq!(kit.thread(matter).await, ["M1"]);
}

// ---- tellings ----------------------------------------------------------------------------------------------------

async fn the_same_thing_is_told_once_and_another_repetition_occurrence_or_mode_is_another_thing(on: On) {
    let kit = Kit::new(on).await;
    kit.see(&ticket("T1"), "2021-09-13 07:00").await;
    let first = telling("T1", "L1");
    let changed = |change: fn(&mut NewTelling)| {
        let mut new = first.clone();
        change(&mut new);
        new
    };
    assert!(kit.tell(&first, "2021-09-14 08:00").await.is_some());
    assert_eq!(kit.tell(&first, "2021-09-15 08:00").await, None);
    assert_eq!(
        kit.tell(&changed(|t| t.due_at = at("2021-09-20 07:00")), "2021-09-15 08:00")
            .await,
        None
    );
    for other in [
        changed(|t| t.key.repetition = 1),
        changed(|t| t.key.occurrence = "2021-09-13/1".into()),
        changed(|t| t.key.mode = Mode::Shadow),
        changed(|t| t.key.step = "L2".into()),
        changed(|t| t.key.rule = "aged".into()),
        changed(|t| t.key.ticket = "T2".into()),
    ] {
        assert!(kit.tell(&other, "2021-09-15 08:00").await.is_some(), "{:?}", other.key);
    }
    let tellings = kit.tellings("T1").await;
    assert_eq!(tellings.len(), 6);
    assert_eq!(tellings[0].decided_at, at("2021-09-14 08:00"));
}

async fn a_recipient_stands_once_in_a_telling(on: On) {
    let kit = Kit::new(on).await;
    kit.see(&ticket("T1"), "2021-09-13 07:00").await;
    let mut new = telling("T1", "L1");
    new.notices.push(new.notices[0].clone());
    kit.tell(&new, "2021-09-14 08:00").await.expect("new");
    assert_eq!(kit.tellings("T1").await[0].notices.len(), 1);
}

async fn a_notice_moves_only_along_its_own_ways(on: On) {
    let kit = Kit::ready(on).await;
    // Composed: nothing that is meant for waiting or lapsed notices touches it.
    let id = kit.tellings("T1").await[0].notices[0].id;
    let now = at("2021-09-14 08:10");
    let mut tx = kit.store.begin().await.expect("a transaction");
    let fates = [
        Fate::Lapsed,
        Fate::PassedOver,
        Fate::Revived(now),
        Fate::Postponed(now, Wait::Hours),
        Fate::Held(now, Wait::Silence(1)),
    ];
    for fate in fates {
        tx.befall(&[(id, fate)], now).await.expect("done");
    }
    let died = tx.give_up(&[(id, "why".to_owned())], now).await.expect("done");
    assert_eq!(died, 0);
    tx.commit().await.expect("committed");
    let notice = &kit.tellings("T1").await[0].notices[0];
    assert_eq!((notice.state, notice.compose_at), (NoticeState::Composed, None));

    // Lapsed: it comes back only by being revived.
    kit.tell(&telling("T1", "L2"), "2021-09-16 08:00").await.expect("new");
    let id = kit.tellings("T1").await[1].notices[0].id;
    let mut tx = kit.store.begin().await.expect("a transaction");
    for fate in [Fate::Lapsed, Fate::Postponed(now, Wait::Hours)] {
        tx.befall(&[(id, fate)], now).await.expect("done");
    }
    tx.commit().await.expect("committed");
    assert_eq!(kit.tellings("T1").await[1].notices[0].state, NoticeState::Lapsed);
    let none = kit.store.tickets_with_due_notices(at("2021-12-31 00:00"), "", 10).await;
    assert!(none.expect("codes").is_empty());
    let mut tx = kit.store.begin().await.expect("a transaction");
    let revived = Fate::Revived(at("2021-09-17 08:00"));
    tx.befall(&[(id, revived)], now).await.expect("done");
    tx.commit().await.expect("committed");
    let due = kit.store.tickets_with_due_notices(at("2021-09-17 08:00"), "", 10).await;
    assert_eq!(due.expect("codes"), ["T1"]);
}

async fn a_transaction_that_is_not_committed_leaves_nothing(on: On) {
    let kit = Kit::new(on).await;
    let mut tx = kit.store.begin().await.expect("a transaction");
    let told = tx
        .tell(
            &[Tell {
                telling: telling("T1", "L1"),
                compose_at: vec![at("2021-09-14 08:00")],
            }],
            at("2021-09-14 08:00"),
        )
        .await;
    assert!(told.expect("told")[0].is_some());
    drop(tx);
    assert!(kit.tellings("T1").await.is_empty());
    assert!(kit.tell(&telling("T1", "L1"), "2021-09-14 08:00").await.is_some());
}

// ---- what is due -------------------------------------------------------------------------------------------------

async fn due_tickets_come_in_the_order_they_have_waited(on: On) {
    let kit = Kit::new(on).await;
    for code in ["a", "b", "c", "d"] {
        kit.see(&ticket(code), "2021-09-06 10:00").await;
    }
    for (code, next) in [
        ("a", "2021-09-07 08:00"),
        ("b", "2021-09-06 08:00"),
        ("c", "2021-09-09 08:00"),
    ] {
        let mut kept = kit.kept(code).await.expect(code);
        kept.next_at = Some(at(next));
        let mut tx = kit.store.begin().await.expect("a transaction");
        tx.save_tickets(&[(None, kept)], at("2021-09-06 10:00"))
            .await
            .expect("saved");
        tx.commit().await.expect("committed");
    }
    assert_eq!(kit.due("2021-09-08 08:00", 10).await, ["b", "a"]);
    assert_eq!(kit.due("2021-09-08 08:00", 1).await, ["b"]);
    assert!(kit.due("2021-09-06 07:59", 10).await.is_empty());
}

async fn after_a_change_of_rules_every_ticket_is_evaluated_again_in_batches_and_once(on: On) {
    let kit = Kit::new(on).await;
    for n in 0..120 {
        kit.see(&ticket(&format!("T{n:03}")), "2021-09-06 10:00").await;
    }
    let mut seen = Vec::new();
    loop {
        let batch = kit.store.outdated(2, 50).await.expect("tickets");
        let batch: Vec<String> = batch.into_iter().map(|due| due.code).collect();
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() <= 50);
        let kept = kit.store.tickets(&batch).await.expect("tickets");
        let mut tx = kit.store.begin().await.expect("a transaction");
        let evaluated = |code: &String| {
            let kept = kept[code].clone();
            (Some(kept.clone()), Kept { generation: 2, ..kept })
        };
        let evaluated: Vec<_> = batch.iter().map(evaluated).collect();
        tx.save_tickets(&evaluated, at("2021-09-06 11:00"))
            .await
            .expect("saved");
        tx.commit().await.expect("committed");
        seen.extend(batch);
    }
    assert_eq!(seen.len(), 120);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120);
}

async fn any_number_of_tickets_is_read_by_key(on: On) {
    let kit = Kit::new(on).await;
    for n in 0..101 {
        kit.see(&ticket(&format!("O'Brien {n}")), "2021-09-06 10:00").await;
    }
    for n in [0, 1, 49, 50, 51, 100, 101] {
        let codes: Vec<String> = (0..n).map(|i| format!("O'Brien {i}")).collect();
        let kept = kit.store.tickets(&codes).await.expect("tickets");
        assert_eq!(kept.len(), n);
    }
}

async fn many_tickets_saved_at_once_keep_each_its_own_past(on: On) {
    let kit = Kit::new(on).await;
    let codes: Vec<String> = (0..45).map(|n| format!("T{n:02}")).collect();
    let save = |area: &'static str, when: &'static str| {
        let (kit, codes) = (&kit, &codes);
        async move {
            let mut known = kit.store.tickets(codes).await.expect("tickets");
            let changed: Vec<(Option<Kept>, Kept)> = codes
                .iter()
                .map(|code| {
                    let before = known.remove(code);
                    let row = Ticket {
                        area: Some(format!("{area}{code}")),
                        updated_at: Some(at(when)),
                        ..ticket(code)
                    };
                    let memory = Memory::after(None, &row, None, |_, _| false, at(when));
                    let after = Kept {
                        ticket: row,
                        memory: before.as_ref().map_or(memory, |b| b.memory.clone()),
                        updated_raw: Some(when.to_owned()),
                        next_at: Some(at(when)),
                        generation: 1,
                        missing: 0,
                        gone_at: None,
                    };
                    (before, after)
                })
                .collect();
            let mut tx = kit.store.begin().await.expect("a transaction");
            tx.save_tickets(&changed, at(when)).await.expect("saved");
            tx.commit().await.expect("committed");
        }
    };
    save("a", "2021-09-06 10:00").await;
    save("b", "2021-09-07 10:00").await;
    save("c", "2021-09-08 10:00").await;
    for (when, area) in [
        ("2021-09-06 12:00", "a"),
        ("2021-09-07 12:00", "b"),
        ("2021-09-08 12:00", "c"),
    ] {
        let past = as_of(&kit, when).await;
        let areas: Vec<String> = past.iter().filter_map(|p| p.ticket.area.clone()).collect();
        let expect: Vec<String> = codes.iter().map(|code| format!("{area}{code}")).collect();
        assert_eq!(areas, expect, "{when}");
    }
    assert_eq!(kit.due("2021-09-08 10:00", 100).await.len(), 45);
}

async fn the_sweep_gets_every_key_in_byte_order_page_by_page(on: On) {
    let kit = Kit::new(on).await;
    let mut expect = Vec::new();
    for (code, word, updated) in [
        ("Đ-1", "đã trả lời", Some("2021-09-06 09:00:00")),
        ("a, b; c", "", None),
        ("O'Brien \"x\"", "x y,z;", Some("1630893600")),
        (" lẻ", "mới", Some("2021-09-06 09:00:00.5")),
        ("B", "mới", None),
        ("a", "mới", None),
    ] {
        let row = Ticket {
            status_word: word.into(),
            ..ticket(code)
        };
        let after = Kept {
            memory: Memory::after(None, &row, None, |_, _| false, at("2021-09-06 10:00")),
            ticket: row,
            updated_raw: updated.map(str::to_owned),
            next_at: None,
            generation: 1,
            missing: 0,
            gone_at: None,
        };
        let mut tx = kit.store.begin().await.expect("a transaction");
        tx.save_tickets(&[(None, after)], at("2021-09-06 10:00"))
            .await
            .expect("saved");
        tx.commit().await.expect("committed");
        expect.push((
            code.to_owned(),
            word.to_owned(),
            updated.map(str::to_owned),
            (code != "B", code == "a"),
        ));
    }
    let mut closed = kit.kept("B").await.expect("B");
    closed.ticket.status = Status::Closed;
    let mut tx = kit.store.begin().await.expect("a transaction");
    tx.save_tickets(&[(None, closed)], at("2021-09-06 10:00"))
        .await
        .expect("saved");
    tx.missed("a").await.expect("missed");
    tx.gone("a", at("2021-09-07 02:00")).await.expect("gone");
    tx.commit().await.expect("committed");
    expect.sort();
    for limit in [1, 2, 6, 7] {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = kit.store.kept_keys(&after, limit).await.expect("keys");
            let Some(last) = page.last() else { break };
            after.clone_from(&last.code);
            for key in page {
                assert_eq!(key.missing, i64::from(key.is_gone));
                all.push((key.code, key.status_word, key.updated_raw, (key.is_open, key.is_gone)));
            }
        }
        assert_eq!(all, expect, "{limit} at a time");
    }
}

async fn a_summary_counts_each_ticket_of_its_span_once(on: On) {
    let kit = Kit::new(on).await;
    let since = at("2021-09-06 08:00");
    let row = |code: &str, received: &str, status| Ticket {
        received_at: at(received),
        status,
        status_word: format!("{status:?}"),
        updated_at: Some(at(received)),
        ..ticket(code)
    };
    let (before, exactly, within) = ("2021-08-30 08:00", "2021-09-06 08:00", "2021-09-06 10:00");
    for (code, received, status) in [
        ("open before", before, Status::Open),
        ("open within", within, Status::Open),
        ("long closed", before, Status::Closed),
        ("closed at the instant", exactly, Status::Closed),
        ("closed within", within, Status::Closed),
        ("closed within too", within, Status::Answered),
        ("gone", before, Status::Open),
        ("@obligation/2021-08/sxd/unanswered", within, Status::Closed),
    ] {
        kit.see(&row(code, received, status), received).await;
    }
    // One that changes three times, one before and within, one received and changed within.
    for (code, received) in [("often", before), ("twice", before), ("new", within)] {
        kit.see(&row(code, received, Status::Open), received).await;
    }
    for (code, when, status) in [
        ("often", "2021-09-06 09:00", Status::Waiting),
        ("often", "2021-09-06 09:30", Status::Open),
        ("often", "2021-09-06 11:00", Status::Closed),
        ("twice", "2021-09-05 09:00", Status::Waiting),
        ("twice", "2021-09-06 09:00", Status::Closed),
        ("new", "2021-09-06 11:00", Status::Closed),
        ("gone", "2021-09-06 11:00", Status::Closed),
    ] {
        let mut changed = row(code, within, status);
        changed.received_at = kit.kept(code).await.expect(code).ticket.received_at;
        changed.updated_at = Some(at(when));
        kit.see(&changed, when).await;
    }
    let mut tx = kit.store.begin().await.expect("a transaction");
    tx.gone("gone", at("2021-09-07 02:00")).await.expect("gone");
    tx.commit().await.expect("committed");
    let expected = [
        "closed within",
        "closed within too",
        "new",
        "often",
        "open before",
        "open within",
        "twice",
    ];
    for limit in [1, 2, 3, 50] {
        let mut all = Vec::new();
        let mut next = Some(Counted::first());
        while let Some(from) = next {
            let codes;
            (codes, next) = kit.store.counted(since, from, limit).await.expect("codes");
            assert!(codes.len() <= usize::try_from(limit).expect("small"));
            all.extend(codes);
        }
        all.sort();
        assert_eq!(all, expected, "{limit} at a time");
    }
}

// ---- as it was ---------------------------------------------------------------------------------------------------

async fn as_of(kit: &Kit, when: &str) -> Vec<Past> {
    let as_of = AsOf::new(&kit.store, at(when));
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (page, next) = as_of.page(&after, 2).await.expect("a page");
        all.extend(page);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    let codes: Vec<String> = all.iter().map(|p| p.ticket.code.clone()).collect();
    assert_eq!(
        as_of.by_code(&codes).await.expect("tickets"),
        all,
        "by key it is the same"
    );
    all
}

async fn one_as_of(kit: &Kit, when: &str) -> Ticket {
    as_of(kit, when).await.remove(0).ticket
}

/// The ticket after a change at an instant, as the source writes it.
fn after(ticket: &Ticket, when: &str, change: impl Fn(&mut Ticket)) -> Ticket {
    let mut next = ticket.clone();
    next.updated_at = Some(at(when));
    change(&mut next);
    next
}

async fn a_ticket_is_shown_as_it_was_at_every_instant_between_its_changes(on: On) {
    let kit = Kit::new(on).await;
    let opened = ticket("T1");
    let given = after(&opened, "2021-09-07 09:00", |t| t.agency = Some("Sở Y tế".into()));
    let waits = after(&given, "2021-09-08 09:00", |t| t.status = Status::Waiting);
    let rated = after(&waits, "2021-09-10 09:00", |t| {
        t.status = Status::Answered;
        t.answered_at = Some(at("2021-09-10 09:00"));
        t.rating = Some(Rating::Unsatisfied);
        t.rated_at = Some(at("2021-09-10 09:00"));
    });
    let history = [
        (&opened, "2021-09-06 09:00"),
        (&given, "2021-09-07 09:00"),
        (&waits, "2021-09-08 09:00"),
        (&rated, "2021-09-10 09:00"),
    ];
    for (row, _) in history {
        // Each change is seen a minute after it was made.
        let seen = row.updated_at.expect("a time") + TimeDelta::minutes(1);
        let local = seen
            .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
            .format("%Y-%m-%d %H:%M");
        kit.see(row, &local.to_string()).await;
    }
    for (row, when) in history {
        assert_eq!(one_as_of(&kit, when).await, *row, "from {when} on");
    }
    assert_eq!(one_as_of(&kit, "2021-09-07 08:59").await, opened);
    assert_eq!(one_as_of(&kit, "2021-09-08 08:59").await, given);
    assert_eq!(one_as_of(&kit, "2021-09-10 08:59").await, waits);
    assert_eq!(one_as_of(&kit, "2030-01-01 00:00").await, rated);
    assert!(as_of(&kit, "2021-09-06 08:59").await.is_empty(), "not received yet");
    let past = as_of(&kit, "2021-09-09 00:00").await.remove(0);
    assert_eq!(
        past.memory.pauses,
        [(at("2021-09-08 09:00"), None)],
        "what we remember of it goes back too"
    );
    assert!(past.logged);
}

async fn tickets_received_at_one_instant_are_gone_through_each_once(on: On) {
    let kit = Kit::new(on).await;
    let mut expected = Vec::new();
    for (code, received) in [
        ("z", "2021-09-05 00:00"),
        ("b", "2021-09-06 00:00"),
        ("Đ", "2021-09-06 00:00"),
        ("a", "2021-09-06 00:00"),
        ("B", "2021-09-06 00:00"),
        ("c", "2021-09-07 00:00"),
    ] {
        let row = Ticket {
            received_at: at(received),
            ..ticket(code)
        };
        kit.see(&row, "2021-09-08 10:00").await;
        expected.push((row.received_at, code.to_owned()));
    }
    expected.sort();
    let begins = at("2021-09-01 00:00");
    let span = Lives {
        received_before: at("2021-09-08 00:00"),
        touched_since: begins,
        since: begins,
    };
    for limit in [1, 2, 3, 4, 50] {
        let (mut lives, mut next) = (Vec::new(), Some(as_of::Place::before(begins)));
        while let Some(from) = next {
            let page;
            (page, next) = kit.store.lives(span, &from, limit).await.expect("lives");
            lives.extend(page);
        }
        let gone_through = lives.iter().map(|life| &life.first.ticket);
        let gone_through: Vec<_> = gone_through.map(|t| (t.received_at, t.code.clone())).collect();
        assert_eq!(gone_through, expected, "{limit} at a time");

        let log = AsOf::new(&kit.store, at("2021-09-10 00:00"));
        let (mut histories, mut next) = (Vec::new(), Some(as_of::Place::before(begins)));
        while let Some(from) = next {
            let page;
            let span = (begins, at("2021-09-06 12:00"));
            (page, next) = log
                .histories(span, &from, limit, as_of::Wanted::Before)
                .await
                .expect("histories");
            histories.extend(page.into_iter().map(|history| history.code));
        }
        assert_eq!(histories, ["z", "B", "a", "b", "Đ"], "{limit} at a time");
    }
}

async fn a_change_without_a_new_updated_at_happened_when_it_was_seen(on: On) {
    let kit = Kit::new(on).await;
    let opened = ticket("T1");
    kit.see(&opened, "2021-09-06 10:00").await;
    let mut closed = opened.clone();
    closed.status = Status::Closed;
    kit.see(&closed, "2021-09-20 10:00").await;
    assert_eq!(one_as_of(&kit, "2021-09-20 09:59").await.status, Status::Open);
    assert_eq!(one_as_of(&kit, "2021-09-20 10:00").await.status, Status::Closed);
}

async fn changes_are_undone_from_the_last_backwards_whatever_times_the_source_gives_them(on: On) {
    let kit = Kit::new(on).await;
    let opened = ticket("T1");
    kit.see(&opened, "2021-09-06 10:00").await;
    let mut first = opened.clone();
    first.area = Some("1".into());
    // Seen on the 20th, of unknown time.
    kit.see(&first, "2021-09-20 10:00").await;
    // Seen after that, dated before it.
    let second = after(&first, "2021-09-19 10:00", |t| t.area = Some("2".into()));
    kit.see(&second, "2021-09-21 10:00").await;
    for (when, area) in [
        ("2021-09-07 00:00", None),
        ("2021-09-19 12:00", None),
        ("2021-09-21 12:00", Some("2")),
    ] {
        assert_eq!(one_as_of(&kit, when).await.area.as_deref(), area, "{when}");
    }
}

async fn a_ticket_entered_late_is_reconstructed_from_its_time_columns(on: On) {
    let kit = Kit::new(on).await;
    let mut late = ticket("T1");
    late.status = Status::Closed;
    late.answered_at = Some(at("2021-09-10 09:00"));
    late.closed_at = Some(at("2021-09-12 09:00"));
    late.assigned_at = Some(at("2021-09-08 09:00"));
    late.rated_at = Some(at("2021-09-13 09:00"));
    late.rating = Some(Rating::Satisfied);
    late.updated_at = Some(at("2021-09-13 09:00"));
    kit.see(&late, "2021-10-01 08:00").await;
    let past = as_of(&kit, "2021-09-07 00:00").await.remove(0);
    assert!(!past.logged);
    assert_eq!(past.ticket.status, Status::Open);
    assert_eq!(
        (
            past.ticket.assigned_at,
            past.ticket.answered_at,
            past.ticket.closed_at,
            past.ticket.rating
        ),
        (None, None, None, None)
    );
    let past = one_as_of(&kit, "2021-09-11 00:00").await;
    assert_eq!(
        (past.status, past.answered_at, past.closed_at),
        (Status::Closed, late.answered_at, None)
    );
    assert_eq!(one_as_of(&kit, "2021-09-13 09:00").await, late);
}

async fn what_is_gone_from_the_source_was_there_before(on: On) {
    let kit = Kit::new(on).await;
    for code in ["T1", "T2", "T3"] {
        kit.see(&ticket(code), "2021-09-06 10:00").await;
    }
    let mut tx = kit.store.begin().await.expect("a transaction");
    tx.missed("T2").await.expect("missed");
    tx.gone("T2", at("2021-09-20 02:00")).await.expect("gone");
    tx.commit().await.expect("committed");
    assert_eq!(as_of(&kit, "2021-09-20 01:59").await.len(), 3);
    let codes: Vec<String> = as_of(&kit, "2021-09-20 02:00")
        .await
        .into_iter()
        .map(|p| p.ticket.code)
        .collect();
    assert_eq!(codes, ["T1", "T3"]);
    // On return it is an ordinary ticket again.
    kit.see(&ticket("T2"), "2021-09-21 02:00").await;
    let kept = kit.kept("T2").await.expect("T2");
    assert_eq!((kept.missing, kept.gone_at), (0, None));
    assert_eq!(as_of(&kit, "2021-09-21 02:00").await.len(), 3);
}

async fn instants_survive_to_the_microsecond(on: On) {
    let kit = Kit::new(on).await;
    let exact = Moment::from_timestamp_micros(1_631_581_200_123_456).expect("an instant");
    let mut tx = kit.store.begin().await.expect("a transaction");
    tx.put_moments(&[(dondoc::store::meta::MetaMoment::Cursor, exact)])
        .await
        .expect("put");
    tx.commit().await.expect("committed");
    assert_eq!(kit.store.meta().await.expect("meta").cursor, Some(exact));
}
