//! What the allocator does with memory that is not used any more.

/// Of what was freed for the next turn the allocator keeps pieces all over; here it gives whole pages back. Takes some
/// milliseconds, and so does the next turn to get them anew.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library's own call")]
    // SAFETY: it may be called at any time and from any thread, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// For a command that reckons without a pause and then ends: what is freed is used again rather than given back and asked
/// for anew, again and again.
pub(crate) fn keep() {
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
