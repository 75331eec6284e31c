//! The contract on facts and ladders (`spec.md` §4, "Anchor and occurrence" and "Climbing"), a story to each sentence.

mod anchors;
mod climbing;
mod reasons;

use crate::world::World;

const CONTACT: &str = r#"to = ["agency:contact"]"#;
const HEAD: &str = r#"to = ["agency:head"]"#;
const OFFICE: &str = r#"to = ["office:contact"]"#;
const NOTHING: [&str; 0] = [];

/// A rule: what it is about, more lines of it, and its steps as id, `after` and the lines that are left.
fn rule(id: &str, when: &str, more: &str, steps: &[(&str, &str, &str)]) -> String {
    let mut text = format!("\n[[rule]]\nid = \"{id}\"\ntitle = \"Phiếu cần nhắc\"\nwhen = \"{when}\"\n{more}\n");
    for (step, after, rest) in steps {
        text.push_str(&format!(
            "\n[[rule.step]]\nid = \"{step}\"\nafter = \"{after}\"\ntemplate = \"overdue-1\"\n{rest}\n"
        ));
    }
    text
}

/// A policy without conditions.
fn policy(lines: &str) -> String {
    format!("\n[[deadline]]\nid = \"policy\"\n{lines}\n")
}

/// A province with these rules that had its first turn on Monday 6 September 2021, 07:00.
async fn begun(rules: &str) -> World {
    let mut world = World::new(rules).await;
    world.turn("2021-09-06 07:00").await;
    world
}
