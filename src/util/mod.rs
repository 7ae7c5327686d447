//! Small things that know nothing of Graft: durable file writes, the process lock, interruption, panics of libraries, time stamps and
//! randomness.

pub mod attributes;
pub mod fs;
#[cfg(test)]
pub mod fuzz;
pub mod interrupt;
pub mod lock;
pub mod nearest;
pub mod panics;
pub mod random;
pub mod stamp;
