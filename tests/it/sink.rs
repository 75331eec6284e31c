//! `dondoc once` against a mail server that is not ours: Debian's `smtp-sink`, a process of its own.

#[path = "sink/province.rs"]
mod province;

use province::Province;
use serde_json::Value;

const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");
const OVERDUE: usize = 500;
/// `limits.in_flight` as shipped.
const IN_FLIGHT: usize = 64;

fn once(province: &Province) -> Value {
    let output = province.once(DONDOC).output().expect("dondoc once");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn every_overdue_ticket_comes_through_a_real_relay_exactly_once() {
    let province = Province::new(DONDOC, OVERDUE, OVERDUE + 100).await;
    let first = once(&province);
    assert_eq!(first["accepted"], OVERDUE);
    assert_eq!(
        (&first["waiting"], &first["problems"]),
        (&0.into(), &serde_json::json!([]))
    );
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (OVERDUE, OVERDUE));
    assert!(tickets.values().chain(ids.values()).all(|times| *times == 1));
    // Nothing new has come due: the second turn finds it all told.
    let second = once(&province);
    assert_eq!(
        (&second["decided"], &second["enqueued"], &second["accepted"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert_eq!(province.received().0.len(), OVERDUE);
}

#[tokio::test]
async fn a_process_killed_among_its_mails_loses_none_and_repeats_only_what_was_in_flight() {
    let province = Province::new(DONDOC, OVERDUE, OVERDUE).await;
    province.kill_once_after(DONDOC, OVERDUE / 3);
    let before = province.received().1.len();
    assert!(before < OVERDUE, "{before} had come");
    let second = once(&province);
    assert_eq!((&second["waiting"], &second["dead"]), (&0.into(), &0.into()));
    let (tickets, ids) = province.received();
    assert_eq!(tickets.len(), OVERDUE, "nothing was lost");
    assert_eq!(ids.len(), OVERDUE, "what came twice has the same Message-ID");
    let copies = ids.values().sum::<usize>() - OVERDUE;
    assert!(copies <= IN_FLIGHT, "{copies} came twice");
    let third = once(&province);
    assert_eq!((&third["enqueued"], &third["accepted"]), (&0.into(), &0.into()));
}
