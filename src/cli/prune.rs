//! `dondoc prune`: what the daemon prunes once a day, at once and beside it.

use std::path::Path;

use serde_json::json;

use super::outbox::local;
use super::{CliError, load, say, say_json};
use crate::clock;
use crate::engine::{self, Pruned};
use crate::store::Store;
use crate::store::retention::Prunable;

pub(super) async fn run(
    dir: &Path,
    with_archive: bool,
    is_dry: bool,
    is_sure: bool,
    as_json: bool,
) -> Result<(), CliError> {
    let config = load(dir)?;
    let now = clock::now();
    let pruned = if is_dry {
        let store = Store::open_read_only(&config.store.database).await?;
        engine::prunable(&config, &store, with_archive, now).await?
    } else {
        let store = Store::open_beside(&config.store.database).await?;
        let since = engine::unwitnessed_since(&store.meta().await?, now);
        if let Some(since) = since.filter(|_| !is_sure) {
            store.close().await;
            let since = local(since, &config);
            return Err(CliError::Failed(anyhow::anyhow!(
                "nothing has been seen since {since}, so nothing bears out that it is {} now; were the clock wrong, all would be removed: with --yes it is",
                local(now, &config)
            )));
        }
        let pruned = engine::prune(&config, &store, with_archive, now).await?;
        store.close().await;
        pruned
    };
    if as_json {
        let mut value: serde_json::Map<String, serde_json::Value> = pruned
            .iter()
            .map(|(what, count)| (what.word().to_owned(), json!(count)))
            .collect();
        value.insert("dry_run".to_owned(), json!(is_dry));
        say_json(&value.into());
    } else {
        say(&text(&pruned, is_dry));
    }
    Ok(())
}

fn text(pruned: &Pruned, is_dry: bool) -> String {
    let lines = pruned
        .iter()
        .map(|(what, count)| format!("{count:>8}  {:<12} {}\n", what.word(), meaning(*what)));
    let end = match is_dry {
        true => "nothing was removed: `dondoc prune` without --dry-run does it\n",
        false => "",
    };
    lines.chain([end.to_owned()]).collect()
}

fn meaning(what: Prunable) -> &'static str {
    match what {
        Prunable::Bodies => "what messages said",
        Prunable::Messages => "messages with their attempts and bounces",
        Prunable::Archive => "letters to the Office with their attempts and bounces",
        Prunable::Changes => "lines of the change log",
        Prunable::Tickets => "tickets that are long over, with what they were told and acknowledged",
        Prunable::Summaries => "records of summaries",
        Prunable::Alarms => "alarms that are over",
        Prunable::Silences => "silences that are over",
        Prunable::Suspensions => "suspensions of addresses that are over",
    }
}
