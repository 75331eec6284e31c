//! `dondoc pause` and `dondoc resume`: all composing and sending held, and let go on. Reading and deciding go on.

use std::path::Path;

use super::outbox::local;
use super::{CliError, load, say, who};
use crate::clock;
use crate::store::Store;
use crate::store::meta::Paused;

pub(super) async fn pause(dir: &Path, reason: &str) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_beside(&config.store.database).await?;
    if let Some(paused) = store.meta().await?.paused {
        say(&format!(
            "paused already since {} by {}: {}",
            local(paused.at, &config),
            paused.by,
            paused.reason
        ));
        return Ok(());
    }
    let paused = Paused {
        at: clock::now(),
        by: who(),
        reason: reason.to_owned(),
    };
    let mut tx = store.begin().await?;
    tx.pause(&paused).await?;
    tx.commit().await?;
    store.close().await;
    say("paused: nothing is composed or sent until `dondoc resume`; what is on its way at this moment still ends");
    Ok(())
}

pub(super) async fn resume(dir: &Path) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_beside(&config.store.database).await?;
    let paused = store.meta().await?.paused;
    let mut tx = store.begin().await?;
    if paused.is_some() {
        tx.resume(clock::now()).await?;
    }
    tx.commit().await?;
    store.close().await;
    say(&match paused {
        Some(paused) => format!(
            "resumed; it was paused since {} by {}: {}",
            local(paused.at, &config),
            paused.by,
            paused.reason
        ),
        None => "it was not paused".to_owned(),
    });
    Ok(())
}
