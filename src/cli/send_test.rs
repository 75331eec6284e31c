//! `dondoc send-test UNIT`: does a letter reach the boxes of a unit, and a webhook its system?

use std::path::Path;

use anyhow::anyhow;

use super::{CliError, load, renderer, say};
use crate::channel::Answer;
use crate::clock;
use crate::engine::{Tested, send_test};

pub(super) async fn run(dir: &Path, unit: &str) -> Result<(), CliError> {
    let config = load(dir)?;
    let renderer = renderer(&config)?;
    let tested = send_test(&config, &renderer, unit, clock::now())
        .await
        .map_err(|error| CliError::Failed(anyhow!(error)))?;
    say(&tested.iter().map(line).collect::<String>());
    let all_well = tested
        .iter()
        .all(|t| matches!(t.answer, Answer::Accepted { .. }) && t.failed.is_none());
    if all_well { Ok(()) } else { Err(CliError::Said(1)) }
}

fn line(tested: &Tested) -> String {
    let (what, to) = (tested.what, tested.to.join(", "));
    let said = match (&tested.answer, tested.answer.failure()) {
        (Answer::Accepted { reply, .. }, _) => format!("accepted: {reply}"),
        (answer, Some(why)) => format!("{}: {why}", answer.word()),
        (answer, None) => answer.word().to_owned(),
    };
    let failed = tested.failed.as_ref();
    let failed = failed.map_or(String::new(), |f| {
        format!("! the plain text went out instead of the template: {f}\n")
    });
    format!("{what:8} {to}  {said}\n{failed}")
}
