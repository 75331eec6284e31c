//! `dondoc run`, the daemon, and `dondoc reload`, which has it take up changed files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use super::{CliError, load, prepare, say};
use crate::clock;
use crate::daemon::{self, PidFile};
use crate::domain::Moment;
use crate::store::Store;

/// The daemon, until SIGTERM.
pub(super) async fn run(dir: &Path) -> Result<(), CliError> {
    let prepared = prepare(load(dir)?).await?;
    let store = Store::open(&prepared.config.store.database).await?;
    let reload = || async {
        let prepared = async { prepare(load(dir)?).await };
        prepared.await.map_err(|error: CliError| error.to_string())
    };
    daemon::run(store, prepared, reload, clock::now)
        .await
        .map_err(|error| CliError::Failed(anyhow!(error)))
}

/// How long the daemon may take to say what came of a reload; a turn that is under way comes to its end first.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// Checks the files, then has the daemon take them up, and says what came of it.
pub(super) async fn reload(dir: &Path) -> Result<(), CliError> {
    let config = load(dir)?;
    let path = config.run.pid_file.as_deref().ok_or_else(|| {
        let how = "with a store on a server, set `run.pid_file`, or send the daemon SIGHUP (systemctl reload dondoc)";
        CliError::Failed(anyhow!("it is not known where the daemon notes its process id: {how}"))
    })?;
    let shown = path.display();
    let holder = PidFile::holder(path).with_context(|| format!("{shown} cannot be read"))?;
    let daemon = holder
        .and_then(Pid::from_raw)
        .ok_or_else(|| anyhow!("no daemon runs with {shown}; `dondoc run` starts one"))?;
    let store = Store::open_read_only(&config.store.database).await?;
    let asked = clock::now();
    kill_process(daemon, Signal::HUP).with_context(|| format!("process {daemon:?} of {shown} cannot be signalled"))?;
    match answer(&store, asked).await? {
        None => {
            say(&format!("reloaded: {} rules in force", config.rules.rules.len()));
            Ok(())
        }
        Some(why) => Err(CliError::Failed(anyhow!("the daemon did not take it up: {why}"))),
    }
}

/// Waits for what the daemon notes in the store: `None` once it has taken the configuration up, or why it has not.
async fn answer(store: &Store, asked: Moment) -> Result<Option<String>, CliError> {
    let mut looks = tokio::time::interval(LOOK);
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        looks.tick().await;
        let meta = store.meta().await?;
        if meta.config_loaded_at.is_some_and(|at| at >= asked) {
            return Ok(None);
        }
        if meta.config_refused_at.is_some_and(|at| at >= asked) {
            return Ok(meta.config_refused);
        }
    }
    let seconds = PATIENCE.as_secs();
    Err(CliError::Failed(anyhow!(
        "the daemon has not answered for {seconds} s; a long turn may be under way: look at `dondoc status` later"
    )))
}
