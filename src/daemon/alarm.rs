//! The alarm clock. tokio-cron-scheduler does nothing but ring: it knows no missed turns, and needs to know none.

use chrono::TimeDelta;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Rings at whole multiples of a time.
pub(super) struct Alarm {
    scheduler: JobScheduler,
    rings: Receiver<()>,
    /// Kept, so that a scheduler that ends is silent rather than ringing without end.
    _bell: Sender<()>,
}

impl Alarm {
    /// `every` divides a minute or an hour.
    pub(super) async fn set(every: TimeDelta) -> Result<Alarm, JobSchedulerError> {
        // A full channel means that the bell has been heard by nobody yet: one ring is enough.
        let (bell, rings) = channel(1);
        let scheduler = JobScheduler::new().await?;
        let ring = bell.clone();
        let job = Job::new_async(expression(every), move |_, _| {
            let ring = ring.clone();
            Box::pin(async move {
                // Full: see above. Closed: the daemon ends.
                let _ = ring.try_send(());
            })
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Alarm {
            scheduler,
            rings,
            _bell: bell,
        })
    }

    /// Waits for the next ring.
    pub(super) async fn rings(&mut self) {
        // The bell is kept, so the channel does not close.
        self.rings.recv().await;
    }

    pub(super) async fn end(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the alarm clock did not end by itself");
        }
    }
}

/// The cron expression, with seconds, of a time that divides a minute or an hour.
fn expression(every: TimeDelta) -> String {
    match every.num_seconds() {
        seconds if seconds < 60 => format!("*/{seconds} * * * * *"),
        seconds => format!("0 */{} * * * *", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_that_may_be_set_is_one_that_the_clock_knows() {
        assert_eq!(expression(TimeDelta::seconds(10)), "*/10 * * * * *");
        assert_eq!(expression(TimeDelta::minutes(1)), "0 */1 * * * *");
        for seconds in (1..=3600).filter(|s| 60 % s == 0 || (s % 60 == 0 && 3600 % s == 0)) {
            let text = expression(TimeDelta::seconds(seconds));
            assert!(Job::new(text.as_str(), |_, _| {}).is_ok(), "{text}");
        }
    }
}
