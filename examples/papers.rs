//! Writes the sample month's papers into a folder, to be looked at: the drafts as `.docx`, the workbook and the page.

use std::path::Path;

use anyhow::{Context as _, Result};
use dondoc::render::report::paper::{self, Kind};
use dondoc::render::report::{page, workbook};

#[path = "../tests/it/papers/sample.rs"]
mod sample;

fn main() -> Result<()> {
    let out = std::env::args().nth(1).context("usage: papers FOLDER")?;
    let out = Path::new(&out);
    std::fs::create_dir_all(out)?;
    let view = sample::august();
    let at = sample::written_at().and_utc();
    for (name, kind) in [
        ("report", Kind::Report),
        ("directive", Kind::Directive),
        ("urging", Kind::Urging),
    ] {
        std::fs::write(out.join(format!("{name}.docx")), paper::write(&view, kind, at)?)?;
    }
    std::fs::write(out.join("report.xlsx"), workbook::write(&view, at)?)?;
    std::fs::write(out.join("report.html"), page::write(&view))?;
    Ok(())
}
