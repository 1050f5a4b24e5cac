//! Secrets on the real daemon: where they come from, what is said where they are missing, and that they stay.

mod disk;
mod places;
mod session;
