//! `completions` and `man`: what a package installs beside the program, made from the arguments themselves.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, CliError, say};

pub(super) fn completions(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dondoc", &mut script);
    say_bytes(script)
}

/// The main page to standard output, or a page for each command into `dir`.
pub(super) fn man(dir: Option<&Path>) -> Result<(), CliError> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.context("the page cannot be rendered")?;
        return say_bytes(page);
    };
    let written: io::Result<()> =
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.with_context(|| format!("the pages cannot be written to {}", dir.display()))?;
    Ok(())
}

fn say_bytes(text: Vec<u8>) -> Result<(), CliError> {
    say(&String::from_utf8(text).context("the text is no UTF-8")?);
    Ok(())
}
