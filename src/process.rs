//! What this process asks of the system and of the C library: where it runs, and what becomes of memory that is not used any
//! more. Whatever of it is refused only takes longer.

/// Of what was freed for the next turn the allocator keeps pieces all over; here it gives whole pages back. Takes some
/// milliseconds, and so does the next turn to get them anew.
pub(crate) fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library's own call")]
    // SAFETY: it may be called at any time and from any thread, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// For a command that reckons without a pause and then ends: what is freed is used again rather than given back and asked
/// for anew, again and again.
pub(crate) fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [
        (libc::M_TRIM_THRESHOLD, 1 << 28),
        // The most that is taken.
        (libc::M_MMAP_THRESHOLD, 1 << 25),
        (libc::M_TOP_PAD, 1 << 25),
        // No small pieces are kept apart, which all have to be joined whenever a large one is freed.
        (libc::M_MXFAST, 0),
    ] {
        #[expect(unsafe_code, reason = "the C library's own call")]
        // SAFETY: it changes what the allocator does with memory from now on, and touches nothing that is in use.
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}

/// Keeps the process on the core that it is on. The engine and the thread of a store in memory only ever wait for each other:
/// on two cores each statement has the other one woken, which takes longer than most statements. Nor does who is woken there
/// interrupt who is just about to wait.
pub(crate) fn stay_on_one_core() {
    let mut core = rustix::thread::CpuSet::new();
    core.set(rustix::thread::sched_getcpu());
    if let Err(error) = rustix::thread::sched_setaffinity(None, &core) {
        tracing::debug!(%error, "the process does not stay on one core; it takes longer");
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let usual = libc::sched_param { sched_priority: 0 };
        #[expect(unsafe_code, reason = "the system's own call")]
        // SAFETY: it reads the parameter, which lives, and concerns this thread and those that it starts.
        let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const usual) };
        if answer != 0 {
            let error = std::io::Error::last_os_error();
            tracing::debug!(%error, "the process is scheduled as others are; it takes longer");
        }
    }
}
