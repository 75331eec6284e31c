//! A maildir that others deliver into: what is new, and where it goes once it has been looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A bounce is a few kilobytes and the mail that it is about; what is larger is for people.
const MOST_BYTES: u64 = 2 * 1024 * 1024;

/// A file of `new/`.
#[derive(Debug)]
pub struct Arrived {
    pub name: String,
    /// Why it is not looked into, where it is not.
    pub bytes: Result<Vec<u8>, String>,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// In `cur/`, as read.
    Seen,
    /// In `cur/`, flagged for people.
    Flagged,
    No,
}

/// The oldest files of `new/`, so many at most.
///
/// # Errors
/// When the folder cannot be read.
pub fn arrived(maildir: &Path, most: usize) -> io::Result<Vec<Arrived>> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(maildir.join("new"))? {
        // Names that are no text, and those that begin with a dot, are not a mail server's.
        names.extend(
            entry?
                .file_name()
                .into_string()
                .ok()
                .filter(|name| !name.starts_with('.')),
        );
    }
    names.sort();
    names.truncate(most);
    let read = |name: String| Arrived {
        bytes: read(&maildir.join("new").join(&name)),
        name,
    };
    Ok(names.into_iter().map(read).collect())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let known = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !known.is_file() {
        return Err("it is no file".to_owned());
    }
    if known.len() > MOST_BYTES {
        return Err(format!("it has {} bytes, more than {MOST_BYTES}", known.len()));
    }
    fs::read(path).map_err(|e| e.to_string())
}

/// Takes a file out of `new/`.
///
/// # Errors
/// When it cannot be moved or deleted.
pub fn put_away(maildir: &Path, name: &str, keep: Keep) -> io::Result<()> {
    let path = maildir.join("new").join(name);
    let kept = |flag: &str| -> PathBuf { maildir.join("cur").join(format!("{name}:2,{flag}")) };
    match keep {
        Keep::Seen => fs::rename(path, kept("S")),
        Keep::Flagged => fs::rename(path, kept("F")),
        Keep::No => fs::remove_file(path),
    }
}

/// Whether the folder is a maildir that can be worked with.
///
/// # Errors
/// What is missing or not allowed.
pub fn probe(maildir: &Path) -> io::Result<usize> {
    let waiting = fs::read_dir(maildir.join("new"))?.count();
    let cur = fs::metadata(maildir.join("cur"))?;
    if !cur.is_dir() {
        return Err(io::Error::other("cur is no folder"));
    }
    Ok(waiting)
}
