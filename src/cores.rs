//! Work for each of a list, on all cores of this machine at once. Not for what waits: that is the runtime's.

use std::panic::resume_unwind;
use std::sync::{Arc, LazyLock};
use std::thread;

use tokio::task::spawn_blocking;

static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

/// What came of each, in the list's order. A core is given no fewer than `least`: starting a thread takes some time too.
pub(crate) fn map<T: Send, R: Send>(list: Vec<T>, least: usize, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = (list.len() / least.max(1)).clamp(1, *CORES);
    map_on(list, cores, &work)
}

/// As [`map`], while the caller's own thread goes on with what waits. On one core, or for one thing, there is nothing to be
/// won by that.
pub(crate) async fn aside<T, R>(mut list: Vec<T>, work: impl Fn(T) -> R + Send + Sync + 'static) -> Vec<R>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let cores = list.len().clamp(1, *CORES);
    if cores == 1 {
        return list.into_iter().map(work).collect();
    }
    let work = Arc::new(work);
    let size = list.len().div_ceil(cores);
    let mut shares = Vec::with_capacity(cores);
    while !list.is_empty() {
        let share = list.drain(..size.min(list.len())).collect::<Vec<T>>();
        let work = Arc::clone(&work);
        shares.push(spawn_blocking(move || {
            share.into_iter().map(&*work).collect::<Vec<R>>()
        }));
    }
    let mut done = Vec::new();
    for share in shares {
        match share.await {
            Ok(share) => done.extend(share),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
    done
}

fn map_on<T: Send, R: Send>(mut list: Vec<T>, cores: usize, work: &(impl Fn(T) -> R + Sync)) -> Vec<R> {
    let others = list.split_off(list.len().div_ceil(cores));
    if others.is_empty() {
        return list.into_iter().map(work).collect();
    }
    thread::scope(|threads| {
        let others = threads.spawn(|| map_on(others, cores - 1, work));
        let mut done: Vec<R> = list.into_iter().map(work).collect();
        match others.join() {
            Ok(others) => done.extend(others),
            Err(panicked) => resume_unwind(panicked),
        }
        done
    })
}
