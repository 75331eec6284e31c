//! `init`: copies the working set that ships and says what to do next.

use std::path::Path;

use super::{CliError, say};
use crate::shipped;

pub(super) fn run(dir: &Path) -> Result<(), CliError> {
    let written = shipped::copy(dir).map_err(anyhow::Error::new)?;
    let mut text: String = written
        .iter()
        .map(|path| format!("wrote {}\n", path.display()))
        .collect();
    text.push_str(&format!(
        "next: edit {0}/dondoc.toml, then dondoc --config {0} check --offline\n",
        dir.display()
    ));
    say(&text);
    Ok(())
}
