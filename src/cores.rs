//! Work for each of a list, on all cores of this machine at once. Not for what waits: that is the runtime's.

use std::sync::LazyLock;
use std::thread;

static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

/// What came of each, in the list's order. A core is given no fewer than `least`: starting a thread takes some time too.
pub(crate) fn map<T: Send, R: Send>(list: Vec<T>, least: usize, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = (list.len() / least.max(1)).clamp(1, *CORES);
    map_on(list, cores, &work)
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
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
        done
    })
}
