//! `git_push` triggers on real repositories, with real pushes.

mod crash;
pub mod fixture;
mod hook;
mod hostile;
mod remote;
mod watch;
