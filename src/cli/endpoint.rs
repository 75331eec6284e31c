//! `dondoc endpoint enable ID`: what ops do about a webhook that was disabled. It works beside the daemon.

use std::path::Path;

use super::{CliError, load, say};
use crate::store::Store;

pub(super) async fn enable(dir: &Path, id: &str) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_beside(&config.store.database).await?;
    let mut tx = store.begin().await?;
    if !tx.enable(id).await? {
        let why = format!("the webhook `{id}` is not disabled; `dondoc status` shows which are");
        return Err(CliError::Failed(anyhow::anyhow!(why)));
    }
    tx.commit().await?;
    say(&format!(
        "the webhook {id} is posted to again from the next turn on; what died meanwhile is sent again by `dondoc outbox retry \
         --channel webhook`"
    ));
    Ok(())
}
