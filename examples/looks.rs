//! Writes a sample letter of every template that ships, in each language, into a folder: its HTML, its text, and a sheet
//! that shows the HTML as a desk, a phone and a dark screen do. `docs/looks/make` makes pictures of the sheets.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use dondoc::config;
use dondoc::domain::wording::Locale;
use dondoc::render::view::MessageView;
use dondoc::render::{Renderer, samples};

fn main() -> Result<()> {
    let out = std::env::args().nth(1).context("usage: looks FOLDER")?;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for locale in Locale::ALL {
        let variable = ("DONDOC__LOCALE".to_owned(), locale.word().to_owned());
        let loaded = config::load(&shipped, std::iter::once(variable)).map_err(|problems| anyhow!("{problems}"))?;
        let config = loaded.config;
        let renderer =
            Renderer::load(&config.templates_dir, &config.wording).map_err(|errors| anyhow!("{errors:?}"))?;
        let write = |name: &str, message: MessageView| -> Result<()> {
            let letter = renderer.render(&samples::titled(message, &config.rules, locale));
            if let Some(failed) = letter.failed {
                return Err(failed.into());
            }
            let file = |ending: &str| Path::new(&out).join(format!("{name}.{}.{ending}", locale.word()));
            std::fs::write(file("txt"), format!("{}\n\n{}", letter.subject, letter.text))?;
            std::fs::write(file("sheet"), sheet(&letter.subject, &letter.html))?;
            Ok(std::fs::write(file("html"), letter.html)?)
        };
        std::fs::create_dir_all(&out)?;
        for name in renderer.names() {
            let tickets = match name.as_str() {
                "received" => 1,
                "cccd" => 9,
                _ => 3,
            };
            write(&name, samples::letter(&name, tickets))?;
        }
        write("opening", samples::opening())?;
        write("digest", samples::digest())?;
    }
    Ok(())
}

/// The letter three times: 800 and 320 pixels wide on a light screen, 800 on a dark one. The page's title becomes its
/// height.
fn sheet(subject: &str, html: &str) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let letter = escape(html);
    let frame = |width: u32, scheme: &str| {
        let back = if scheme == "dark" { "#121212" } else { "#ffffff" };
        format!(
            "<td valign=\"top\"><iframe width=\"{width}\" frameborder=\"0\" scrolling=\"no\" style=\"color-scheme:{scheme};\
             background:{back}\" srcdoc=\"{letter}\"></iframe></td>"
        )
    };
    format!(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title></title></head>\
         <body style=\"margin:0;background:#d8d8d8;font-family:Arial,sans-serif;color-scheme:light\">\
         <p style=\"margin:12px;font-size:18px\"><b>{}</b></p><table cellspacing=\"8\" cellpadding=\"0\"><tr>{}{}{}</tr></table>\
         <script>onload = () => {{ for (const f of document.querySelectorAll('iframe'))\
         f.height = f.contentDocument.documentElement.scrollHeight;\
         document.title = document.documentElement.scrollHeight; }}</script></body></html>",
        escape(subject),
        frame(800, "light"),
        frame(320, "light"),
        frame(800, "dark")
    )
}
