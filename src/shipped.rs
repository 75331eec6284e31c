//! The commented working set that ships in the program, and copying it into a directory of the user's own. What ships
//! is never a hidden layer under it: once copied the files are the user's.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file of the shipped set: its path below the directory, and its text.
type Shipped = (&'static str, &'static str);

macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/config/", $path)))),*]
    };
}

/// The shipped set. A test compares it with the files that there are.
const SHIPPED: &[Shipped] = &shipped![
    "dondoc.toml",
    "agencies.toml",
    "calendar.toml",
    "rules/cccd.toml",
    "rules/deadlines.toml",
    "rules/obligations.toml",
    "rules/others.toml",
    "rules/overdue.toml",
    "rules/summaries.toml",
    "terms.toml",
    "schema/dondoc.schema.json",
    "schema/agencies.schema.json",
    "schema/calendar.schema.json",
    "schema/terms.schema.json",
    "schema/rules.schema.json",
    "tests/cccd.toml",
    "tests/overdue.toml",
    "templates/words.j2",
    "templates/digest.txt.j2",
    "templates/digest.html.j2",
    "templates/due-soon.txt.j2",
    "templates/send-test.txt.j2",
    "templates/endpoint-disabled.txt.j2",
    "templates/approval.txt.j2",
    "templates/overdue-1.txt.j2",
    "templates/overdue-2.txt.j2",
    "templates/overdue-3.txt.j2",
    "templates/overdue-office.txt.j2",
    "templates/carried-over.txt.j2",
    "templates/unsatisfied.txt.j2",
    "templates/unassigned.txt.j2",
    "templates/stale.txt.j2",
    "templates/aged.txt.j2",
    "templates/cccd.txt.j2",
    "templates/received.txt.j2",
    "templates/obligation-opened.txt.j2",
    "templates/obligation-due.txt.j2",
    "templates/obligation-late.txt.j2",
    "templates/obligation-settled.txt.j2",
    "templates/settled.txt.j2",
    "templates/correction.txt.j2",
    "templates/competence.txt.j2",
    "templates/confirm-contact.txt.j2",
    "templates/en/aged.txt.j2",
    "templates/en/approval.txt.j2",
    "templates/en/carried-over.txt.j2",
    "templates/en/cccd.txt.j2",
    "templates/en/competence.txt.j2",
    "templates/en/confirm-contact.txt.j2",
    "templates/en/correction.txt.j2",
    "templates/en/due-soon.txt.j2",
    "templates/en/endpoint-disabled.txt.j2",
    "templates/en/overdue-1.txt.j2",
    "templates/en/overdue-2.txt.j2",
    "templates/en/overdue-3.txt.j2",
    "templates/en/overdue-office.txt.j2",
    "templates/en/received.txt.j2",
    "templates/en/send-test.txt.j2",
    "templates/en/obligation-opened.txt.j2",
    "templates/en/obligation-due.txt.j2",
    "templates/en/obligation-late.txt.j2",
    "templates/en/obligation-settled.txt.j2",
    "templates/en/settled.txt.j2",
    "templates/en/stale.txt.j2",
    "templates/en/unassigned.txt.j2",
    "templates/en/unsatisfied.txt.j2",
    "templates/en/alarms.txt.j2",
    "templates/en/summary-office.txt.j2",
    "templates/en/summary-ops.txt.j2",
    "templates/en/words.j2",
    "templates/alarms.txt.j2",
    "templates/monthly-office.txt.j2",
    "templates/en/monthly-office.txt.j2",
    "templates/monthly-final.txt.j2",
    "templates/en/monthly-final.txt.j2",
    "templates/monthly-reminder.txt.j2",
    "templates/en/monthly-reminder.txt.j2",
    "templates/monthly-outcome.txt.j2",
    "templates/en/monthly-outcome.txt.j2",
    "templates/review-list.txt.j2",
    "templates/en/review-list.txt.j2",
    "templates/summary-office.txt.j2",
    "templates/summary-ops.txt.j2",
];

/// Why nothing, or not everything, was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Nothing was written.
    #[error("{} already there and not overwritten; choose another directory", named(.0))]
    Exists(Vec<PathBuf>),
    #[error("{path} cannot be written: {source}", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

fn named(paths: &[PathBuf]) -> String {
    let list = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() == 1 {
        format!("{list} is")
    } else {
        format!("{list} are")
    }
}

/// Copies the shipped set into `dir`, which is made where it is missing, and returns the files written.
///
/// # Errors
/// When one of the files is already there (then none is written), or one cannot be written.
pub fn copy(dir: &Path) -> Result<Vec<PathBuf>, CopyError> {
    copy_changed(dir, &BTreeMap::new())
}

/// The text of a file of the shipped set, by its path below the directory.
#[must_use]
pub fn text(path: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// Whether none of the files is in `dir`.
///
/// # Errors
/// [`CopyError::Exists`] with those that are.
pub fn is_free(dir: &Path) -> Result<(), CopyError> {
    let there: Vec<PathBuf> = SHIPPED
        .iter()
        .map(|(path, _)| dir.join(path))
        .filter(|path| path.exists())
        .collect();
    match there.is_empty() {
        true => Ok(()),
        false => Err(CopyError::Exists(there)),
    }
}

/// [Copies](copy) the shipped set with other texts for some of its files.
///
/// # Errors
/// As [`copy`].
pub fn copy_changed(dir: &Path, changed: &BTreeMap<&'static str, String>) -> Result<Vec<PathBuf>, CopyError> {
    is_free(dir)?;
    SHIPPED
        .iter()
        .map(|(path, text)| write(dir.join(path), changed.get(path).map_or(*text, String::as_str)))
        .collect()
}

/// Writes a file that must be new, so that one made by somebody else in the meantime is not lost either.
fn write(path: PathBuf, text: &str) -> Result<PathBuf, CopyError> {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::File::create_new(&path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(path),
        Err(source) => Err(CopyError::Write { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn files_below(dir: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![dir.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.insert(path.strip_prefix(dir).expect("below").display().to_string());
                }
            }
        }
        found
    }

    #[test]
    fn every_file_of_the_shipped_set_is_copied_and_no_other() {
        let there = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
        let copied: BTreeSet<String> = SHIPPED.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(copied, there);
    }

    #[test]
    fn a_new_directory_gets_the_set_once_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("new/config");
        let written = copy(&target).expect("a copy");
        assert_eq!(written.len(), SHIPPED.len());

        std::fs::remove_file(target.join("agencies.toml")).expect("a file to remove");
        std::fs::write(target.join("dondoc.toml"), "mine").expect("a file");
        let refused = copy(&target).expect_err("files are there").to_string();
        assert!(
            refused.contains("dondoc.toml") && !refused.contains("agencies.toml"),
            "{refused}"
        );
        assert_eq!(
            std::fs::read_to_string(target.join("dondoc.toml")).expect("a file"),
            "mine"
        );
        assert!(
            !target.join("agencies.toml").exists(),
            "nothing is written where something is refused"
        );
    }
}
