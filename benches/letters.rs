//! What writing one letter costs: its texts by the templates, and the mail that they become.
//!
//! `cargo bench --bench letters`. One thread, medians of rounds.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset};
use dondoc::channel::mail::{Mail, build};
use dondoc::domain::wording::Wording;
use dondoc::render::{Rendered, Renderer, samples};

const ROUNDS: usize = 15;
const LETTERS: u32 = 1_000;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates");
    let renderer = Renderer::load(&folder, &Wording::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    for tickets in [1, 20] {
        let view = samples::letter("overdue-1", tickets);
        let rendered = renderer.render(&view);
        assert_eq!(rendered.failed, None);
        let bytes = mail(&rendered);
        println!(
            "a letter about {tickets}: {} bytes of text, {} of HTML, {} of mail; {:.1} us by the templates, {:.1} us for the mail",
            rendered.text.len(),
            rendered.html.len(),
            bytes.len(),
            median(|| drop(black_box(renderer.render(black_box(&view))))),
            median(|| drop(black_box(mail(black_box(&rendered))))),
        );
    }
}

fn mail(rendered: &Rendered) -> Vec<u8> {
    let mail = Mail {
        message_id: "01890a5d-ac96-774b-bcce-b302099a8057",
        domain: "1022.dongthap.example",
        from_name: "Tổng đài 1022 Đồng Tháp",
        from_address: "dondoc@dongthap.example",
        to: &["vanthu.soyte@dongthap.example".to_owned()],
        to_name: "Sở Y tế",
        reply_to: Some("truc1022@dongthap.example"),
        subject: &rendered.subject,
        date: DateTime::UNIX_EPOCH,
        offset: FixedOffset::east_opt(7 * 3600).expect("an offset"),
        in_reply_to: None,
        references: &[],
        text: &rendered.text,
        html: &rendered.html,
        attachments: &[],
        headers: &[("X-Dondoc-Rule".to_owned(), "overdue".to_owned())],
    };
    build(&mail).expect("a mail")
}

/// Microseconds.
fn median(mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            (0..LETTERS).for_each(|_| work());
            began.elapsed() / LETTERS
        })
        .collect();
    rounds.sort();
    rounds[ROUNDS / 2].as_secs_f64() * 1e6
}
