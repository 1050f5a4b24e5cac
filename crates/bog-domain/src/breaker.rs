//! Loop breakers: what runs cause must not go on for ever.
//!
//! A fire knows how many runs stand between it and the outside world, and a job how many of its latest fires were caused by
//! runs. Either has a bound; a fire beyond it is written down as `blocked` and does not run, which is the end of its
//! loop. Fires from outside are never blocked, however many they are.

use crate::fire::{Cause, Reason};
use std::time::Duration;

/// How much may be caused by runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Runs that may stand between a fire and the outside world.
    pub max_depth: u32,
    /// Fires of a job within [`Bounds::window`] that were caused by runs and ran.
    pub max_caused: u32,
    /// The time over which they are counted.
    pub window: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_depth: 8, max_caused: 60, window: Duration::from_mins(10) }
    }
}

/// Whether a fire is to be blocked, and why. `recent` is how many of its job's fires within the window were caused by runs
/// and ran; it is asked for only where it matters.
///
/// # Errors
/// Those of `recent`.
pub fn blocked<E>(bounds: &Bounds, cause: Cause, recent: impl FnOnce() -> Result<u64, E>) -> Result<Option<Reason>, E> {
    if cause.depth == 0 {
        return Ok(None);
    }
    if cause.depth > bounds.max_depth {
        return Ok(Some(Reason::Depth));
    }
    Ok((recent()? >= u64::from(bounds.max_caused)).then_some(Reason::Rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn decide(bounds: &Bounds, depth: u32, recent: u64) -> Option<Reason> {
        let Ok(decided) = blocked(bounds, Cause { fire: None, depth }, || Ok::<_, Infallible>(recent));
        decided
    }

    #[test]
    fn each_bound_is_the_last_that_is_let_through() {
        let bounds = Bounds { max_depth: 3, max_caused: 10, ..Bounds::default() };
        assert_eq!(decide(&bounds, 3, 9), None);
        assert_eq!(decide(&bounds, 4, 0), Some(Reason::Depth));
        assert_eq!(decide(&bounds, 1, 10), Some(Reason::Rate));
        let unasked = blocked(&bounds, Cause::default(), || Err("asked"));
        assert_eq!(unasked, Ok(None));
    }

    proptest! {
        #[test]
        fn nothing_from_outside_is_blocked_and_every_chain_ends(
            max_depth in 0_u32..20, max_caused in 0_u32..20, recent in any::<u64>()
        ) {
            let bounds = Bounds { max_depth, max_caused, ..Bounds::default() };
            prop_assert_eq!(decide(&bounds, 0, recent), None);
            let chain = (1_u32..).zip(0..).take_while(|(depth, ran)| decide(&bounds, *depth, *ran).is_none()).count();
            prop_assert_eq!(chain, max_depth.min(max_caused) as usize);
        }
    }
}
