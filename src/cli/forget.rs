//! `dondoc forget`: removes all that names a ticket. It works beside the daemon.

use std::path::Path;

use super::outbox::{agrees, local};
use super::{CliError, load, say};
use crate::clock;
use crate::domain::obligation;
use crate::engine::{self, Forgotten, Named};
use crate::store::Store;

pub(super) async fn run(dir: &Path, code: &str, is_agreed: bool) -> Result<(), CliError> {
    let config = load(dir)?;
    let code = crate::domain::text::nfc(code);
    if obligation::is_code(&code) {
        return Err(CliError::Usage(format!(
            "`{code}` is no ticket of the ticket database; what is recorded about it is taken back by `dondoc replies undo`"
        )));
    }
    let store = Store::open_beside(&config.store.database).await?;
    let traces = store.traces(&code).await?;
    let before = store.forgotten_at(&code).await?;
    let state = match (before, traces.is_none()) {
        (Some(at), _) => format!("was forgotten on {}", local(at, &config)),
        (None, true) => "is not known; it would never be taken in".to_owned(),
        (None, false) => format!(
            "is known, with {} lines of the change log and {} tellings",
            traces.changes, traces.tellings
        ),
    };
    let Named { bodies, texts } = engine::named(&store, &code).await?;
    let named = format!("{bodies} messages and {texts} other texts name it");
    say(&format!("{code} {state}; {named}"));
    let question = format!(
        "Forget it for good, with what these {bodies} messages said? It is not told of any more, and later reports do not count it."
    );
    if !(is_agreed || agrees(&question, "forgets it")?) {
        return Ok(());
    }
    let done = engine::forget(&store, &code, clock::now())
        .await
        .map_err(|error| CliError::Failed(error.into()))?;
    say(&said(&code, &done));
    if let Err(error) = store.scour().await {
        let why = "all that names it is removed, but what was overwritten may still stand in the file; give the command again";
        return Err(CliError::Failed(anyhow::Error::from(error).context(why)));
    }
    store.close().await;
    Ok(())
}

fn said(code: &str, done: &Forgotten) -> String {
    let Forgotten {
        traces,
        bodies,
        made_anew,
        texts,
    } = done;
    format!(
        "{code} is forgotten: {} ticket, {} lines of the change log, {} tellings with {} notices and {} acknowledgements are \
         removed, and what {bodies} messages said; {made_anew} of these waited, and what they tell of other tickets is told \
         without it; it is blanked in {texts} other texts{}. A keyed hash of the code stays, so that it is not taken in again. \
         Backups made before still hold it",
        traces.tickets,
        traces.changes,
        traces.tellings,
        traces.notices,
        traces.acknowledgements,
        match traces.register {
            0 => String::new(),
            n => format!(", and {n} lines of the register count it without its code"),
        }
    )
}
