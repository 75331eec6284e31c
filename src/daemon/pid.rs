//! The file with the daemon's process id, locked for as long as it lives, by which `dondoc reload` finds it.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::DaemonError;

/// Held by the daemon; removed when it ends.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _held: File,
}

impl PidFile {
    /// Writes the file of this process and holds it.
    ///
    /// # Errors
    /// When another daemon holds it, or it cannot be written.
    pub fn write(path: &Path) -> Result<PidFile, DaemonError> {
        let failed = |error| DaemonError::PidFile {
            path: path.to_owned(),
            error,
        };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DaemonError::Running { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(PidFile {
            path: path.to_owned(),
            _held: file,
        })
    }

    /// The process id of the daemon that holds the file; `None` where none does.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn holder(path: &Path) -> std::io::Result<Option<i32>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            // Nobody holds it: it was left by a daemon that was killed.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let id = text.trim().parse();
        id.map(Some).map_err(std::io::Error::other)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the file of the process id stays behind");
        }
    }
}
