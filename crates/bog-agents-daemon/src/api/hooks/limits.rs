//! How much is taken: requests to a path, bodies in memory, paths that are looked up, lines in the log. All of it holds
//! before a signature is checked, so nobody needs a secret to be held to it.

use super::super::problem::ApiError;
use bog_domain::hook::{Rate, Settings};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Bytes of bodies in memory at the same time, over all paths.
const BODIES: usize = 64 << 20;

/// Of these, what all requests to one path may take: whoever sends to one cannot keep the others out. The longest body
/// that can be allowed fits.
const BODIES_OF_PATH: usize = BODIES / 4;

/// Paths that are not known from a moment ago, looked up in a second.
const LOOK_UPS: u32 = 500;

/// Lines in the log a second about requests that were refused.
const LINES: u32 = 1;

/// The limits, and how far they are used.
#[derive(Debug)]
pub(super) struct Limits {
    begun: Instant,
    rate: u32,
    public_rate: u32,
    places: usize,
    /// By path, and whether it is open to anyone: as many as triggers name.
    paths: Mutex<HashMap<(String, bool), Arc<Path>>>,
    bodies: Arc<Semaphore>,
    look_ups: Mutex<Rate>,
    lines: Mutex<Rate>,
}

/// One path.
#[derive(Debug)]
struct Path {
    rate: Mutex<Rate>,
    places: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// The room that one body takes, of its path's and of all; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    bodies: [Arc<Semaphore>; 2],
    taken: Vec<OwnedSemaphorePermit>,
}

impl Room {
    /// Takes room for so many bytes more.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        for bodies in &self.bodies {
            let more = Arc::clone(bodies).try_acquire_many_owned(bytes).map_err(|_| ApiError::TooMany(1))?;
            match self.taken.iter_mut().find(|taken| Arc::ptr_eq(taken.semaphore(), bodies)) {
                Some(taken) => taken.merge(more),
                None => self.taken.push(more),
            }
        }
        Ok(())
    }
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            begun: Instant::now(),
            rate: settings.rate,
            public_rate: settings.public_rate,
            places: usize::try_from(settings.max_concurrent).unwrap_or(Semaphore::MAX_PERMITS),
            paths: Mutex::default(),
            bodies: Arc::new(Semaphore::new(BODIES)),
            look_ups: Mutex::new(Rate::per_second(LOOK_UPS)),
            lines: Mutex::new(Rate::per_second(LINES)),
        }
    }

    /// A place for one request to a path.
    pub(super) fn enter(&self, path: &str, is_open: bool) -> Result<OwnedSemaphorePermit, ApiError> {
        let path = self.path(path, is_open);
        self.take(&path.rate)?;
        Arc::clone(&path.places).try_acquire_owned().map_err(|_| ApiError::TooMany(1))
    }

    /// No room yet, for a body that comes to a path.
    pub(super) fn room(&self, path: &str, is_open: bool) -> Room {
        let of_path = Arc::clone(&self.path(path, is_open).bodies);
        Room { bodies: [of_path, Arc::clone(&self.bodies)], taken: Vec::new() }
    }

    /// Whether one more path may be looked up.
    pub(super) fn look_up(&self) -> Result<(), ApiError> {
        self.take(&self.look_ups)
    }

    /// Whether one more refusal may be logged.
    pub(super) fn may_say(&self) -> bool {
        self.take(&self.lines).is_ok()
    }

    fn take(&self, rate: &Mutex<Rate>) -> Result<(), ApiError> {
        let taken = rate.lock().unwrap_or_else(PoisonError::into_inner).take(self.begun.elapsed());
        taken.map_err(|wait| ApiError::TooMany(whole_seconds(wait)))
    }

    fn path(&self, path: &str, is_open: bool) -> Arc<Path> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = if is_open { self.public_rate } else { self.rate };
        let new = || {
            Arc::new(Path {
                rate: Mutex::new(Rate::per_second(rate)),
                places: Arc::new(Semaphore::new(self.places)),
                bodies: Arc::new(Semaphore::new(BODIES_OF_PATH)),
            })
        };
        Arc::clone(paths.entry((path.to_owned(), is_open)).or_insert_with(new))
    }
}

/// Rounded up.
fn whole_seconds(wait: Duration) -> u16 {
    u16::try_from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).unwrap_or(u16::MAX)
}
