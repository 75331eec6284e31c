//! What is wrong with the configuration, and where. A problem always names the thing it is about.

use std::fmt;

use serde::Serialize;

/// Whether the configuration can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// One fault. `line` and `column` count from 1; they are absent where the fault is that of a whole file or of an
/// environment variable, whose name is then in `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub file: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub severity: Severity,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        let mark = if self.severity == Severity::Warning {
            "warning: "
        } else {
            ""
        };
        write!(f, ": {mark}{}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// Everything that was found in all files, in the order of the files and lines. At least one is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    /// The errors first: of a refusal some places show no more than the first line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |severity| self.0.iter().filter(move |problem| problem.severity == severity);
        for (at, problem) in of(Severity::Error).chain(of(Severity::Warning)).enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// By file, line and column; what was noted twice stands once.
pub fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by(|a, b| (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message)));
    problems.dedup();
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    File(String),
    Text {
        file: String,
        line: usize,
        column: usize,
    },
    /// An environment variable.
    Variable(String),
}

impl Place {
    pub(super) fn line(&self) -> Option<usize> {
        match self {
            Place::Text { line, .. } => Some(*line),
            Place::File(_) | Place::Variable(_) => None,
        }
    }

    pub(super) fn problem(&self, severity: Severity, message: String, hint: Option<String>) -> Problem {
        let (file, line, column) = match self {
            Place::File(file) | Place::Variable(file) => (file, None, None),
            Place::Text { file, line, column } => (file, Some(*line), Some(*column)),
        };
        Problem {
            file: file.clone(),
            line,
            column,
            severity,
            message,
            hint,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(file) | Place::Variable(file) => f.write_str(file),
            Place::Text { file, line, column } => write!(f, "{file}:{line}:{column}"),
        }
    }
}

/// `did you mean …?` with the known word that was probably meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    resembling(word, known, 0.6)
}

/// `did you mean …?` with the known word that is at least so much like the word.
pub(super) fn resembling<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, least: f64) -> Option<String> {
    most_like(word, known, least).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The known word that is most like the word, and at least so much, from 0 (nothing in common) to 1 (the same).
pub(super) fn most_like<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    let likeness =
        |candidate: &str| strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    let best = known
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= least)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_files_are_refused_is_said_before_what_is_only_odd() {
        let at = |file: &str, severity, message: &str| Problem {
            file: file.to_owned(),
            line: Some(3),
            column: None,
            severity,
            message: message.to_owned(),
            hint: None,
        };
        let problems = Problems(vec![
            at("agencies.toml", Severity::Warning, "`CAT` has no contact"),
            at("rules/overdue.toml", Severity::Error, "`after` is missing"),
        ]);
        assert_eq!(
            problems.to_string(),
            "rules/overdue.toml:3: `after` is missing\nagencies.toml:3: warning: `CAT` has no contact"
        );
    }

    #[test]
    fn a_slip_of_the_keys_gets_a_suggestion_and_a_different_word_none() {
        let known = ["category", "priority", "agency"];
        assert_eq!(
            did_you_mean("catgory", known).as_deref(),
            Some("did you mean `category`?")
        );
        assert_eq!(
            did_you_mean("Agencey", known).as_deref(),
            Some("did you mean `agency`?")
        );
        assert_eq!(did_you_mean("colour", known), None);
    }
}
