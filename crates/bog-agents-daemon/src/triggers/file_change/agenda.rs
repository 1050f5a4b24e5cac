//! Which trigger looks next: an ordered list, so that thousands that wait cost nothing.

use super::Key;
use super::trigger::{Moment, Watched};
use std::collections::BTreeSet;

/// The triggers that are to look at some time.
#[derive(Debug, Default)]
pub(super) struct Agenda(BTreeSet<(Moment, Key)>);

impl Agenda {
    /// Takes over when a trigger looks next.
    pub(super) fn plan(&mut self, key: &Key, trigger: &mut Watched) {
        let next = trigger.next();
        if trigger.planned != next {
            self.drop(key, trigger);
            trigger.planned = next;
            if let Some(at) = next {
                self.0.insert((at, key.clone()));
            }
        }
    }

    /// Takes a trigger off.
    pub(super) fn drop(&mut self, key: &Key, trigger: &mut Watched) {
        if let Some(at) = trigger.planned.take() {
            self.0.remove(&(at, key.clone()));
        }
    }

    /// When the next one looks.
    pub(super) fn next(&self) -> Option<Moment> {
        self.0.first().map(|(at, _)| *at)
    }

    /// One that is to look by now.
    pub(super) fn due(&self, now: Moment) -> Option<Key> {
        self.0.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
    }
}
