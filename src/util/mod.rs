//! Small things that know nothing of Graft: durable file writes, the process lock, interruption, clocks and randomness.

pub mod fs;
pub mod interrupt;
pub mod lock;
pub mod nearest;
pub mod random;
