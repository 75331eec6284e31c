//! The other way to ops, for what a mail cannot carry: a command of theirs that gets the text on its standard input.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// It hands the text on and ends; one that hangs is ended.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Runs the command. What goes wrong is told in the log, where the text stands too.
pub async fn tell(command: &[String], text: &str) {
    let Some((program, arguments)) = command.split_first() else {
        return;
    };
    match timeout(LONGEST, run(program, arguments, text)).await {
        Ok(Ok(())) => tracing::info!(%program, "ops were told by their command"),
        Ok(Err(error)) => tracing::error!(%program, %error, "ops.command could not be told: {error}"),
        Err(_) => tracing::error!(%program, "ops.command did not end within {} s and was ended", LONGEST.as_secs()),
    }
}

async fn run(program: &str, arguments: &[String], text: &str) -> std::io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(text.as_bytes()).await {
            // It need not read it.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    let status = child.wait().await?;
    match status.success() {
        true => Ok(()),
        false => Err(std::io::Error::other(format!("it ended with {status}"))),
    }
}
