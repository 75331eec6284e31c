//! The line that a problem is about, as compilers show it: the line, and below it what is meant.

use std::collections::HashMap;

use crate::config::{Problem, did_you_mean};

/// Files that have been read for their lines. What cannot be read is quoted from by nobody.
#[derive(Default)]
pub(super) struct Files(HashMap<String, Option<String>>);

impl Files {
    /// The line of a problem, where it has one that can be read and shown.
    pub(super) fn line(&mut self, problem: &Problem) -> Option<String> {
        let number = problem.line?;
        let text = self
            .0
            .entry(problem.file.clone())
            .or_insert_with(|| std::fs::read_to_string(&problem.file).ok());
        let text = text.as_ref()?;
        let line = text
            .trim_start_matches('\u{feff}')
            .lines()
            .nth(number.checked_sub(1)?)?;
        Some(without_secrets(line))
    }
}

/// The line and a mark below it, each indented.
pub(super) fn drawn(line: &str, number: usize, column: Option<usize>) -> String {
    let margin = number.to_string().len();
    let mut drawn = format!("  {number} | {}\n", line.trim_end());
    if let Some(column) = column {
        let before = line.chars().take(column.saturating_sub(1));
        // Tabs stay tabs, so that the mark stands where the eye expects it.
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
        drawn.push_str(&format!("  {:margin$} | {indent}{}\n", "", "^".repeat(length(&rest))));
    }
    drawn
}

/// How many characters the value or name at the beginning of a text has.
fn length(text: &str) -> usize {
    let mut chars = text.chars();
    let first = chars.next();
    let length = match first {
        Some(quote @ ('"' | '\'')) => chars.position(|c| c == quote).map_or(1, |inner| inner + 2),
        Some(c) if is_of_word(c) => text.chars().take_while(|c| is_of_word(*c)).count(),
        _ => 1,
    };
    length.max(1)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')
}

/// Keys whose values are shown to nobody.
const SECRETS: [&str; 4] = ["password", "token", "alive_url", "secret"];

/// A line cut off where a secret begins, which may also stand under a key that is nearly right, and with no password in
/// an address.
fn without_secrets(line: &str) -> String {
    for (at, _) in line.match_indices('=') {
        let before = line.get(..at).unwrap_or_default();
        let key = before.trim_end().trim_end_matches(['"', '\'']);
        let from = key.rfind(|c: char| !is_of_word(c)).map_or(0, |at| at + 1);
        let key = key
            .get(from..)
            .unwrap_or_default()
            .rsplit('.')
            .next()
            .unwrap_or_default();
        if !key.ends_with("_file") && did_you_mean(key, SECRETS).is_some() {
            return format!("{before}= …");
        }
    }
    let Some(begin) = line.find("://").map(|at| at + 3) else {
        return line.to_owned();
    };
    let (scheme, rest) = line.split_at(begin);
    let authority = rest.find(['/', '?', '"', '\'', ' ']).unwrap_or(rest.len());
    let at = rest.get(..authority).and_then(|authority| authority.rfind('@'));
    match at.and_then(|at| Some((rest.get(..at)?.split_once(':')?.0, rest.get(at..)?))) {
        Some((user, host)) => format!("{scheme}{user}:…{host}"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_marked_below_what_is_meant() {
        let line = "where = { catgory = \"cccd\" }";
        assert_eq!(
            drawn(line, 12, Some(11)),
            "  12 | where = { catgory = \"cccd\" }\n     |           ^^^^^^^\n"
        );
        assert_eq!(
            drawn(line, 12, Some(21)).lines().last(),
            Some("     |                     ^^^^^^")
        );
        assert_eq!(drawn("\tto = []", 3, Some(7)), "  3 | \tto = []\n    | \t     ^\n");
        assert_eq!(drawn("[[rule]]", 3, None), "  3 | [[rule]]\n");
        assert_eq!(
            drawn("x", 3, Some(40)).lines().last(),
            Some("    |  ^"),
            "past the end of the line"
        );
    }

    #[test]
    fn secrets_are_not_quoted_whatever_the_key_is_called() {
        for (line, shown) in [
            ("host = \"mail\"", "host = \"mail\""),
            ("password = \"hunter2\"", "password = …"),
            ("pasword = \"hunter2", "pasword = …"),
            (
                "smtp = { host = \"a\", password = \"hunter2\" }",
                "smtp = { host = \"a\", password = …",
            ),
            ("smtp.password = \"hunter2\"", "smtp.password = …"),
            ("password_file = \"/etc/x\"", "password_file = \"/etc/x\""),
            (
                "url = \"postgres://u:hunter2@db/x?a=b\"",
                "url = \"postgres://u:…@db/x?a=b\"",
            ),
            ("url = \"postgres://u@db/x\"", "url = \"postgres://u@db/x\""),
        ] {
            assert_eq!(without_secrets(line), shown);
        }
    }
}
