//! The `bog-agents-daemon` binary.

fn main() {}
