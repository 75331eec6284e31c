//! `dondoc backup FILE`: a copy of the store to put away.

use std::path::Path;

use anyhow::Context as _;

use super::{CliError, load, say};
use crate::store::Store;

pub(super) async fn run(dir: &Path, file: &Path) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_read_only(&config.store.database).await?;
    store.backup(file).await?;
    store.close().await;
    let bytes = std::fs::metadata(file).context("the copy cannot be looked at")?.len();
    let (file, store) = (file.display(), &config.store.database);
    say(&format!(
        "{file} holds the store as it is now ({bytes} bytes); to restore, stop dondoc, remove {store}-wal and {store}-shm where \
         they are there (they belong to the store before), and put {file} in the place of {store}"
    ));
    Ok(())
}
