//! Small things that know nothing of Graft: durable file writes, the process lock, clocks and randomness.

pub mod fs;
pub mod lock;
pub mod random;
