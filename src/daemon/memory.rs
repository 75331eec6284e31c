//! What a turn needed is the system's again while nothing is to be done.

/// The allocator keeps what was freed for the next turn, in pieces all over; here it gives whole pages back. Takes some
/// milliseconds, and so does the next turn to get them anew.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library's own call")]
    // SAFETY: it may be called at any time and from any thread, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
