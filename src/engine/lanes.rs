//! Mails on their way: batches, from which each connection takes the next one as soon as it is free.
//!
//! Connections go over into the next batch while the last mails of the one before are still without an answer, so that none
//! waits for another; but only once something of that one has got through: a server which takes nothing is asked no more
//! often than it has to be. What is begun has an answer at the end; what is not is handed back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::deliver::{Attempted, has_got_through, make_never_of_policy};
use crate::channel::Answer;
use crate::domain::Moment;

/// Batches on their way, the oldest first.
pub(super) struct Lanes<T> {
    road: Mutex<Road<T>>,
    /// There is more to be begun, or never will be.
    more: Notify,
    /// Of something is known how it ended.
    news: Notify,
}

struct Road<T> {
    batches: VecDeque<OnTheWay<T>>,
    /// Batches that were on their way before.
    gone: usize,
    /// Connections that may take something still.
    connections: usize,
    /// Nothing is begun any more.
    is_closed: bool,
    /// Counts beginnings and ends of attempts in the order in which they come.
    steps: usize,
}

struct OnTheWay<T> {
    claimed_at: Moment,
    /// Not begun, each with its place.
    ahead: VecDeque<(usize, T)>,
    /// Begun and without an answer.
    open: usize,
    answered: BTreeMap<usize, (T, Attempted)>,
    untried: BTreeMap<usize, T>,
    has_got_through: bool,
}

/// A mail for one connection.
pub(super) struct Begun<T> {
    pub(super) mail: T,
    pub(super) claimed_at: Moment,
    batch: usize,
    place: usize,
    step: usize,
}

/// A batch of which nothing is open.
pub(super) struct Gone<T> {
    pub(super) tried: Vec<(T, Answer)>,
    pub(super) untried: Vec<T>,
    pub(super) claimed_at: Moment,
}

impl<T> Lanes<T> {
    pub(super) fn new(connections: usize) -> Lanes<T> {
        Lanes {
            road: Mutex::new(Road {
                batches: VecDeque::new(),
                gone: 0,
                connections,
                is_closed: false,
                steps: 0,
            }),
            more: Notify::new(),
            news: Notify::new(),
        }
    }

    fn road(&self) -> MutexGuard<'_, Road<T>> {
        self.road.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a batch behind those on their way.
    pub(super) fn add(&self, mails: Vec<T>, claimed_at: Moment) {
        self.road().batches.push_back(OnTheWay {
            claimed_at,
            ahead: mails.into_iter().enumerate().collect(),
            open: 0,
            answered: BTreeMap::new(),
            untried: BTreeMap::new(),
            has_got_through: false,
        });
        self.more.notify_waiters();
    }

    /// Nothing more is begun.
    pub(super) fn close(&self) {
        self.road().is_closed = true;
        self.more.notify_waiters();
        self.news.notify_one();
    }

    /// The next mail, as soon as there is one; `None` once there will be none.
    pub(super) async fn next(&self) -> Option<Begun<T>> {
        loop {
            let more = self.more.notified();
            {
                let mut road = self.road();
                if road.is_closed {
                    return None;
                }
                if let Some(begun) = road.begin() {
                    return Some(begun);
                }
            }
            more.await;
        }
    }

    pub(super) fn answered(&self, begun: Begun<T>, answer: Answer) {
        let mut road = self.road();
        let ended = road.step();
        if let Some(batch) = road.batch_of(&begun) {
            batch.open -= 1;
            batch.has_got_through |= has_got_through(&answer);
            let attempted = Attempted {
                began: begun.step,
                ended,
                answer,
            };
            batch.answered.insert(begun.place, (begun.mail, attempted));
        }
        drop(road);
        self.more.notify_waiters();
        self.news.notify_one();
    }

    /// It was not tried after all.
    pub(super) fn hand_back(&self, begun: Begun<T>) {
        if let Some(batch) = self.road().batch_of(&begun) {
            batch.open -= 1;
            batch.untried.insert(begun.place, begun.mail);
        }
        self.news.notify_one();
    }

    /// A connection takes no more; without any nothing is begun.
    pub(super) fn leave(&self) {
        let mut road = self.road();
        road.connections -= 1;
        road.is_closed |= road.connections == 0;
        drop(road);
        self.news.notify_one();
    }

    /// The oldest batch, once nothing of it is open; `None` where none is on its way.
    pub(super) async fn gone(&self) -> Option<Gone<T>> {
        loop {
            {
                let mut road = self.road();
                let oldest = road.batches.front()?;
                if oldest.open == 0 && (oldest.ahead.is_empty() || road.is_closed) {
                    road.gone += 1;
                    let gone = road.batches.pop_front().map(OnTheWay::ended);
                    drop(road);
                    // The next one waits for it no more.
                    self.more.notify_waiters();
                    return gone;
                }
            }
            self.news.notified().await;
        }
    }
}

impl<T> Road<T> {
    fn step(&mut self) -> usize {
        self.steps += 1;
        self.steps
    }

    fn begin(&mut self) -> Option<Begun<T>> {
        let step = self.step();
        for (n, batch) in self.batches.iter_mut().enumerate() {
            if let Some((place, mail)) = batch.ahead.pop_front() {
                batch.open += 1;
                return Some(Begun {
                    mail,
                    claimed_at: batch.claimed_at,
                    batch: self.gone + n,
                    place,
                    step,
                });
            }
            if !batch.has_got_through {
                return None;
            }
        }
        None
    }

    fn batch_of(&mut self, begun: &Begun<T>) -> Option<&mut OnTheWay<T>> {
        self.batches.get_mut(begun.batch.checked_sub(self.gone)?)
    }
}

impl<T> OnTheWay<T> {
    fn ended(mut self) -> Gone<T> {
        make_never_of_policy(self.answered.values_mut().map(|(_, attempted)| attempted));
        let tried = self.answered.into_values();
        self.untried.extend(self.ahead);
        Gone {
            tried: tried.map(|(mail, attempted)| (mail, attempted.answer)).collect(),
            untried: self.untried.into_values().collect(),
            claimed_at: self.claimed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Failure, FailureKind, Stage};

    fn taken() -> Answer {
        Answer::Accepted {
            reply: "250 ok".to_owned(),
            refused: Vec::new(),
        }
    }

    fn cut_off() -> Answer {
        let why = Failure::new(FailureKind::Timeout { stage: Stage::Mail }, "timeout");
        Answer::Later { why, not_before: None }
    }

    /// The mails that connections begin until each would have to wait.
    async fn begun(lanes: &Lanes<&'static str>) -> Vec<Begun<&'static str>> {
        let mut all = Vec::new();
        while let Ok(Some(begun)) = tokio::time::timeout(std::time::Duration::ZERO, lanes.next()).await {
            all.push(begun);
        }
        all
    }

    async fn gone(lanes: &Lanes<&'static str>) -> (Vec<&'static str>, Vec<&'static str>) {
        let Gone { tried, untried, .. } = lanes.gone().await.expect("a batch");
        (tried.into_iter().map(|(mail, _)| mail).collect(), untried)
    }

    fn two_batches(connections: usize) -> Lanes<&'static str> {
        let lanes = Lanes::new(connections);
        lanes.add(vec!["a1", "a2"], Moment::UNIX_EPOCH);
        lanes.add(vec!["b1", "b2"], Moment::UNIX_EPOCH);
        lanes
    }

    #[tokio::test]
    async fn the_next_batch_is_begun_once_something_of_the_one_before_has_got_through() {
        let lanes = two_batches(3);
        let mut on_the_way = begun(&lanes).await;
        assert_eq!(on_the_way.iter().map(|b| b.mail).collect::<Vec<_>>(), ["a1", "a2"]);
        lanes.answered(on_the_way.remove(0), cut_off());
        assert!(begun(&lanes).await.is_empty());
        lanes.answered(on_the_way.remove(0), taken());
        assert_eq!(
            begun(&lanes).await.iter().map(|b| b.mail).collect::<Vec<_>>(),
            ["b1", "b2"]
        );
        assert_eq!(gone(&lanes).await, (vec!["a1", "a2"], vec![]));
    }

    #[tokio::test]
    async fn closed_it_waits_for_what_is_begun_and_hands_back_the_rest_as_it_stood() {
        let lanes = two_batches(1);
        let first = lanes.next().await.expect("a mail");
        lanes.close();
        assert!(lanes.next().await.is_none());
        lanes.answered(first, taken());
        assert_eq!(gone(&lanes).await, (vec!["a1"], vec!["a2"]));
        assert_eq!(gone(&lanes).await, (vec![], vec!["b1", "b2"]));
        assert!(lanes.gone().await.is_none());
    }

    #[tokio::test]
    async fn once_the_last_connection_has_left_all_comes_back() {
        let lanes = two_batches(2);
        let first = lanes.next().await.expect("a mail");
        lanes.hand_back(first);
        lanes.leave();
        let second = lanes.next().await.expect("a mail");
        lanes.answered(second, cut_off());
        lanes.leave();
        assert_eq!(gone(&lanes).await, (vec!["a2"], vec!["a1"]));
        assert_eq!(gone(&lanes).await, (vec![], vec!["b1", "b2"]));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_batch_that_got_nothing_through_goes_on_once_it_is_gone() {
        let lanes = two_batches(1);
        for mail in begun(&lanes).await {
            lanes.answered(mail, cut_off());
        }
        let (next, ended) = tokio::join!(lanes.next(), gone(&lanes));
        assert_eq!(ended, (vec!["a1", "a2"], vec![]));
        assert_eq!(next.map(|begun| begun.mail), Some("b1"));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_what_is_added_of_answers_and_of_the_end() {
        let lanes = Lanes::new(1);
        let mailing = async {
            let mut all = Vec::new();
            while let Some(begun) = lanes.next().await {
                all.push(begun.mail);
                lanes.answered(begun, taken());
            }
            lanes.leave();
            all
        };
        let marking = async {
            for batch in [vec!["a1", "a2"], vec!["b1"]] {
                lanes.add(batch.clone(), Moment::UNIX_EPOCH);
                assert_eq!(gone(&lanes).await, (batch, vec![]));
            }
            lanes.close();
        };
        let (all, ()) = tokio::join!(mailing, marking);
        assert_eq!(all, ["a1", "a2", "b1"]);
    }
}
