//! The storm brake: more messages than `[limits]` allows are not composed, and their notices wait for later turns. Nothing
//! is dropped; the urgent ones and those that have waited longest go first. Ops are told once, when it begins.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::compose::Composed;
use super::observe::Problem;
use super::writing::Draft;
use super::{Engine, TurnError};
use crate::domain::Moment;
use crate::store::meta::{Meta, Storm};

/// How many messages may still be made in a turn.
pub(super) struct Brake {
    /// In the whole turn; `None` without a limit.
    left: Option<usize>,
    /// For each recipient within an hour; `None` without a limit.
    hourly: Option<usize>,
    /// Made within the last hour, by unit and desk.
    made: HashMap<(String, String), usize>,
    /// Messages that were not allowed, and their notices.
    messages: usize,
    notices: Vec<i64>,
}

impl Brake {
    /// Whether there is no limit, so that messages can be made as they come.
    pub(super) fn is_off(&self) -> bool {
        self.left.is_none() && self.hourly.is_none()
    }

    /// Those that may be made now.
    pub(super) fn choose(&mut self, mut drafts: Vec<Draft>) -> Vec<Draft> {
        if self.is_off() {
            return drafts;
        }
        drafts.sort_by_key(|draft| (!draft.is_urgent(), draft.ready_at()));
        let (chosen, held) = drafts.into_iter().partition(|draft| self.allows(draft));
        let held: Vec<Draft> = held;
        self.messages += held.len();
        self.notices.extend(held.iter().flat_map(Draft::notices));
        chosen
    }

    fn allows(&mut self, draft: &Draft) -> bool {
        let made = self.made.entry(draft.recipient()).or_default();
        let is_allowed = self.left != Some(0) && self.hourly.is_none_or(|most| *made < most);
        if is_allowed {
            *made += 1;
            self.left = self.left.map(|left| left - 1);
        }
        is_allowed
    }
}

impl Engine {
    /// The brake of a turn.
    pub(super) async fn brake(&self, now: Moment) -> Result<Brake, TurnError> {
        let limits = &self.config.limits;
        let made = match limits.messages_per_hour {
            Some(_) => self.store.made_since(now - TimeDelta::hours(1)).await?,
            None => HashMap::new(),
        };
        Ok(Brake {
            left: limits.messages_per_turn,
            hourly: limits.messages_per_hour,
            made,
            messages: 0,
            notices: Vec::new(),
        })
    }

    /// Has the notices that the brake holds say so, and remembers that there is a storm, or that it is over.
    pub(super) async fn end_braking(
        &self,
        brake: Brake,
        meta: &Meta,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let Brake { messages, notices, .. } = brake;
        let storm = (messages > 0).then(|| Storm {
            since: meta.storm.as_ref().map_or(now, |storm| storm.since),
            messages,
            notices: notices.len(),
        });
        if storm.is_none() && meta.storm.is_none() {
            return Ok(());
        }
        let mut tx = self.begin_deciding().await?;
        tx.brake(&notices).await?;
        tx.put_storm(storm.as_ref()).await?;
        tx.commit().await?;
        match (&storm, &meta.storm) {
            (Some(storm), None) => {
                let problem = Problem::Storm {
                    messages: storm.messages,
                    notices: storm.notices,
                };
                tracing::error!(%problem, "{problem}");
                composed.problems.push(problem.to_string());
            }
            (None, Some(over)) => tracing::info!(since = %over.since, "all messages are within [limits] again"),
            _ => {}
        }
        Ok(())
    }
}
