//! Addresses that nobody has confirmed: no step above a rule's first goes there, and the letters that ask (`dondoc
//! contacts`).

use serde_json::Value;

use super::explained::explained;
use super::{ladder, province};
use crate::cli::{dondoc, said, text};
use crate::world::{World, at};

/// Nobody has confirmed the head of Sở Y tế, nor anybody of Sở Xây dựng, nor the head of the province, who is never written to.
fn unconfirmed(text: String) -> String {
    let chairman = "contacts = [{ role = \"head\", address = 'chutich@tinh.example' }]";
    text.replacen("contacts = []", chairman, 1)
        .replace("\"giamdoc-syt@tinh.example\"", "'giamdoc-syt@tinh.example'")
        .replace("\"sxd@tinh.example\"", "'sxd@tinh.example'")
        .replace("\"giamdoc-sxd@tinh.example\"", "'giamdoc-sxd@tinh.example'")
}

async fn with_unconfirmed() -> World {
    let mut world = province().await;
    world.edit("agencies.toml", unconfirmed).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    world
}

#[tokio::test]
async fn who_has_not_confirmed_gets_the_first_step_and_no_other_until_somebody_has() {
    let mut world = with_unconfirmed().await;
    assert_eq!(
        world.days("2021-09-13", "2021-09-17").await,
        [
            "14/09 sxd: T2 overdue/L1",
            "14/09 syt: T1 overdue/L1",
            "16/09 ops: T2 overdue/L2",
            "16/09 syt: T1 overdue/L2",
        ]
    );
    let shown = explained(&world, "T2", "2021-09-17 16:00").join("\n");
    let why = "(SXD: nobody has confirmed the address of head, so it gets no step above the first, no address of clerk, \
               nobody has confirmed the address of contact, so it gets no step above the first)";
    let to_come = format!("-> agency:head of SXD by email -> @ops/contact {why} not before 2021-09-20 08:00");
    assert!(shown.contains(&to_come), "{shown}");
    // The head of Sở Y tế answers; Sở Xây dựng does not.
    let answered = |text: String| text.replace("'giamdoc-syt@tinh.example'", "\"giamdoc-syt@tinh.example\"");
    world.edit("agencies.toml", answered).await;
    assert_eq!(
        world.days("2021-09-18", "2021-09-27").await,
        [
            "20/09 giamdoc-syt: T1 overdue/L3",
            "20/09 ops: T2 overdue/L3",
            "27/09 vp: T1 overdue/L4",
            "27/09 vp: T2 overdue/L4",
        ]
    );
    // Who was told of it hears of its ending, and nobody else.
    world.answer("T2", "2021-09-27 17:30").await;
    assert_eq!(
        world.days("2021-09-28", "2021-09-28").await,
        [
            "28/09 ops: T2 @settled/done",
            "28/09 sxd: T2 @settled/done",
            "28/09 vp: T2 @settled/done",
        ]
    );
}

#[tokio::test]
async fn who_has_not_confirmed_is_asked_once_in_two_weeks_in_shadow_too() {
    let mut world = World::new(&ladder()).await;
    let shadow = |text: String| text.replace("[delivery]", "[delivery]\nmode = \"shadow\"");
    world.edit("dondoc.toml", shadow).await;
    world.edit("agencies.toml", unconfirmed).await;
    world.turn("2021-09-06 06:30").await;
    let contacts = |more: &[&str], time: &str| {
        let at = ["--at", time];
        dondoc(&world.dir(), &[&["contacts"], more, &at].concat())
    };
    let unknown = contacts(&["request", "Sở Không Có", "--yes"], "2021-09-06 06:40");
    assert_eq!(unknown.status.code(), Some(1), "{}", said(&unknown));
    let past = contacts(&["request", "--yes"], "2021-09-06 06:00");
    assert!(said(&past).contains("is before the last turn"), "{}", said(&past));
    let template = world.dir().join("templates/confirm-contact.txt.j2");
    let kept = std::fs::read(&template).expect("a template");
    std::fs::remove_file(&template).expect("a file less");
    let mute = contacts(&["request", "SYT", "--yes"], "2021-09-06 06:40");
    assert_eq!(
        mute.status.code(),
        Some(1),
        "a letter that asks nothing goes to nobody: {}",
        said(&mute)
    );
    std::fs::write(&template, kept).expect("a template");
    let asked = contacts(&["request", "Sở Y tế", "Sở Xây dựng", "--yes"], "2021-09-06 06:40");
    let listed = [
        "SYT        contact  syt@tinh.example  confirmed on 2020-01-06, more than a year ago",
        "SYT        head     giamdoc-syt@tinh.example  unconfirmed: no step above the first goes there",
        "SXD        contact  sxd@tinh.example  unconfirmed: no step above the first goes there",
        "SXD        head     giamdoc-sxd@tinh.example  unconfirmed: no step above the first goes there",
        "4 to be asked",
        "4 letters wait; the daemon sends each in its unit's office hours, in shadow too. Write `confirmed = \"DATE\"` into \
         agencies.toml at each that answers",
    ];
    assert_eq!(text(&asked).lines().collect::<Vec<_>>(), listed, "{}", said(&asked));
    // Nothing goes before the window; then each letter once, to the address itself.
    world.turn("2021-09-06 06:50").await;
    assert!(world.letters().is_empty());
    world.turn("2021-09-06 08:00").await;
    let mut letters = world.letters();
    letters.sort_by(|a, b| a.to.cmp(&b.to));
    let to: Vec<String> = letters.iter().map(|letter| letter.to.join(",")).collect();
    assert_eq!(
        to,
        [
            "giamdoc-sxd@tinh.example",
            "giamdoc-syt@tinh.example",
            "sxd@tinh.example",
            "syt@tinh.example"
        ]
    );
    insta::assert_snapshot!(letters[1].text.split_once("Mã thông báo").expect("an id").0);
    insta::assert_snapshot!(letters[3].text.split_once("Mã thông báo").expect("an id").0);
    let contacts = |more: &[&str], time: &str| {
        let at = ["--at", time];
        dondoc(&world.dir(), &[&["contacts"], more, &at].concat())
    };
    let again = contacts(&["request", "SYT", "SXD", "--yes"], "2021-09-19 08:00");
    assert_eq!(
        text(&again),
        "nobody is to be asked; 4 more were asked in the last 14 days\n"
    );
    let list = contacts(&["list", "--wanting", "--json"], "2021-09-19 08:00");
    let list: Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let shown = |known: &Value| {
        let of = |key: &str| known[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", of("unit"), of("role"), of("state"), of("asked"))
    };
    let shown: Vec<String> = list["contacts"].as_array().expect("a list").iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "VP contact old -",
            "VP head old -",
            "SYT contact old 2021-09-06T06:40:00+07:00",
            "SYT head unconfirmed 2021-09-06T06:40:00+07:00",
            "SXD contact unconfirmed 2021-09-06T06:40:00+07:00",
            "SXD head unconfirmed 2021-09-06T06:40:00+07:00",
            "STC contact old -",
        ]
    );
    let later = contacts(&["request", "SXD", "--yes"], "2021-09-20 08:00");
    assert!(text(&later).contains("2 letters wait"), "{}", said(&later));
    assert_eq!(
        world.store().meta().await.expect("meta").last_turn_at,
        Some(at("2021-09-06 08:00"))
    );
}
