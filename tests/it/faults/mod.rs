//! What a provincial server meets: a store that fails at any write, is full, locked, cut off or another one; a clock that
//! goes forward and back; a ticket database that is away, half empty or behind. Nothing is lost, nothing is told twice
//! that could be known, and what is wrong is said.
//!
//! Faults are made by the databases, the kernel and the network themselves, never by a path in the program.

mod nth_write;
