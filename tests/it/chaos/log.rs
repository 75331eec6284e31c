//! What the receivers kept, line by line and copy by copy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::time::Instant;

use super::owed::{Line, Owed};

/// A message that a receiver kept, or may have kept.
#[derive(Debug, Clone)]
pub struct Copy {
    pub at: Instant,
    /// `Message-ID` or `webhook-id`.
    pub id: String,
    pub lines: BTreeSet<Line>,
    pub bytes: Vec<u8>,
    /// Whose it was, where that can be seen.
    pub replica: Option<usize>,
    /// The receiver said yes, and was heard, unless the sender was struck just then.
    pub answered: bool,
}

#[derive(Default)]
struct Kept {
    copies: Vec<Copy>,
    /// By line, the ids of the messages that say it.
    by_line: HashMap<Line, BTreeSet<String>>,
    /// What came and should not have.
    strange: Vec<String>,
    counts: BTreeMap<String, usize>,
}

pub struct Log {
    kept: Mutex<Kept>,
    changes: watch::Sender<u64>,
}

impl Log {
    pub fn new() -> Log {
        Log {
            kept: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("the log")
    }

    /// Keeps a copy, and gives it a number.
    pub fn keep(&self, copy: Copy) -> usize {
        let mut kept = self.kept();
        for line in &copy.lines {
            kept.by_line.entry(line.clone()).or_default().insert(copy.id.clone());
        }
        kept.copies.push(copy);
        let number = kept.copies.len() - 1;
        drop(kept);
        self.changes.send_modify(|n| *n += 1);
        number
    }

    pub fn answered(&self, number: usize) {
        self.kept().copies[number].answered = true;
    }

    pub fn strange(&self, what: String) {
        self.kept().strange.push(what);
    }

    /// Counts something that a receiver did.
    pub fn count(&self, what: &str) {
        *self.kept().counts.entry(what.to_owned()).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.kept().counts.clone()
    }

    pub fn copies(&self) -> Vec<Copy> {
        self.kept().copies.clone()
    }

    pub fn all_strange(&self) -> Vec<String> {
        self.kept().strange.clone()
    }

    /// How many messages say each line.
    pub fn received(&self) -> Owed {
        let kept = self.kept();
        kept.by_line
            .iter()
            .map(|(line, ids)| (line.clone(), ids.len()))
            .collect()
    }

    /// Changes with each copy that is kept.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn holds(&self, owed: &Owed) -> bool {
        let kept = self.kept();
        let mut owed = owed.iter();
        owed.all(|(line, count)| kept.by_line.get(line).is_some_and(|ids| ids.len() >= *count))
    }

    /// Waits until all of it is there.
    pub async fn until(&self, owed: &Owed) {
        let mut changes = self.changes();
        while !self.holds(owed) {
            changes.changed().await.expect("the log is there");
        }
    }
}
