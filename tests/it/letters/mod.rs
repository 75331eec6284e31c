//! Who gets which letter at which hour: tellings, digests, their freshness, endings, and what delivery guarantees.
//!
//! Lists are compared whole: a letter too many is as much a fault as one that is missing.

mod approval;
mod asked;
mod brake;
mod by_hand;
mod cards;
mod confirmed;
mod correction;
mod delivery;
mod digest;
mod explained;
mod fresh;
mod holds;
mod isolation;
mod posted;
mod reforms;
mod settled;
mod shadow;
mod shared;
mod stalls;
mod telling;
mod transfer;

use dondoc::demo::reading::Letter;
use dondoc::demo::receiver::Received;
use mail_parser::MessageParser;

use crate::world::{FIVE_DAYS, LADDER, World, at};

/// Hours of a working day at which a daemon would look: before, in and after the window, at noon and at night.
const HOURS: [&str; 10] = [
    "05:00", "07:00", "07:30", "08:00", "09:15", "11:45", "13:30", "16:00", "17:30", "22:00",
];

/// The shipped shape of a ladder with five working days for every ticket.
fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

/// A province under the ladder in which a turn on Monday 6/9/2021 has already been.
async fn province() -> World {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world
}

/// The same with one ticket of Sở Y tế: due on Monday 13/9, L1 on 14/9, L2 on 16/9, L3 on 20/9, L4 on 27/9.
async fn province_with_a_ticket() -> World {
    let mut world = province().await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    world
}

/// The id of the last message about a ticket.
async fn id_about(world: &World, code: &str) -> String {
    let messages = world.store().messages_of_ticket(code).await.expect("messages");
    messages.last().expect("a message").id.clone()
}

/// Ops' box for what goes out in shadow.
const BOX: &str = "chaythu@tinh.example";

/// These lines in `[delivery]` instead of those about shadow.
fn set_delivery(world: &World, lines: &str) {
    world.write("dondoc.toml", |text| {
        let about = |line: &&str| {
            !["mode = ", "shadow_to = ", "live_units = "]
                .iter()
                .any(|k| line.starts_with(k))
        };
        let kept: Vec<&str> = text.lines().filter(about).collect();
        let text = kept.join("\n") + "\n";
        text.replace("\ntag = ", &format!("\n{lines}\ntag = "))
    });
}

/// All in shadow but for these units.
fn shadow_but(world: &World, live: &[&str]) {
    let live: Vec<String> = live.iter().map(|id| format!("\"{id}\"")).collect();
    let live = live.join(", ");
    set_delivery(
        world,
        &format!("mode = \"shadow\"\nshadow_to = \"{BOX}\"\nlive_units = [{live}]"),
    );
}

/// A letter in a line: `box form: ticket rule/step, …`.
fn line(letter: &Letter) -> String {
    let to = letter.to.join("+").replace("@tinh.example", "");
    let form = if letter.is_digest { "digest" } else { "single" };
    let told: Vec<String> = letter.told().map(|(t, r, s)| format!("{t} {r}/{s}")).collect();
    format!("{to} {form}: {}", told.join(", "))
}

/// Turns at these times, and the letters of each, as `dd/mm HH:MM box form: …`.
async fn letters_at(world: &mut World, times: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for time in times {
        world.turn(time).await;
        let mut lines: Vec<String> = world.letters().iter().map(line).collect();
        lines.sort();
        let when = format!("{}/{} {}", &time[8..10], &time[5..7], &time[11..16]);
        all.extend(lines.into_iter().map(|l| format!("{when} {l}")));
    }
    all
}

/// The letters of a span of days with turns at all [`HOURS`] that are still to come.
async fn letters_of(world: &mut World, from: &str, to: &str) -> Vec<String> {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    let mut all = Vec::new();
    let last = world.store().meta().await.expect("meta").last_turn_at;
    for date in day(from).iter_days().take_while(|d| *d <= day(to)) {
        let times = HOURS.map(|hour| format!("{date} {hour}"));
        let ahead: Vec<&str> = times
            .iter()
            .map(String::as_str)
            .filter(|t| last.is_none_or(|l| l < at(t)))
            .collect();
        all.extend(letters_at(world, &ahead).await);
    }
    all
}

/// The only letter since this was asked last.
fn only_letter(world: &mut World) -> Letter {
    let mut letters = world.letters();
    assert_eq!(letters.len(), 1, "{:?}", letters.iter().map(line).collect::<Vec<_>>());
    letters.remove(0)
}

/// What a mail answers to: `In-Reply-To` and `References`.
fn thread(mail: &Received) -> (Vec<String>, Vec<String>) {
    let read = MessageParser::default().parse(&mail.bytes).expect("a mail");
    let ids = |value: &mail_parser::HeaderValue<'_>| -> Vec<String> {
        value
            .as_text_list()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    (ids(read.in_reply_to()), ids(read.references()))
}
