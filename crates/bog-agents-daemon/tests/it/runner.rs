//! Attempts on the real binary: how they end, and that nothing of them is left.

mod attempt;
mod cost;
mod ending;
mod output;
mod recovery;
mod starting;
mod tree;
