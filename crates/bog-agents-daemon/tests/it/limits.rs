//! Limits, as attacks on the real binary: each ends or is held, says so, leaves nothing behind, and a neighbour's run
//! finishes meanwhile.
//!
//! Each attack is made on the host and in a sandbox, there with a control group where the hierarchy is ours. What has to
//! have held is taken from what the machine gives: the same tests run where the kernel has every controller, and as an
//! ordinary user.

mod attack;
mod cpu;
mod disk;
mod groups;
mod memory;
mod open_files;
mod processes;

use crate::runner::as_ordinary_user;

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    as_ordinary_user(&["limits::"], "limits::processes::a_fork_bomb_is_ended");
}
