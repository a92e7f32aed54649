//! Until when a run may go on.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// Seconds since some moment that stays the same.
    fn seconds(&self) -> f64;
}

/// The time that passes, since it was started.
#[derive(Clone, Copy, Debug)]
pub struct WallClock(Instant);

impl WallClock {
    /// Begins at 0.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for WallClock {
    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// A clock that begins later than another one: so many seconds had passed before that.
#[derive(Clone, Debug)]
pub struct Later {
    pub clock: Arc<dyn Clock>,
    pub before: f64,
}

impl Clock for Later {
    fn seconds(&self) -> f64 {
        self.clock.seconds() + self.before
    }
}

/// The moment after which a run takes no further step: it keeps the best weights so far and ends as if its plan were done. Clones
/// share it.
#[derive(Clone, Debug)]
pub struct Deadline {
    clock: Arc<dyn Clock>,
    /// The bits of an f64.
    at: Arc<AtomicU64>,
}

impl Deadline {
    /// When `clock` shows `at` seconds.
    pub fn new(clock: Arc<dyn Clock>, at: f64) -> Self {
        Self { clock, at: Arc::new(AtomicU64::new(at.to_bits())) }
    }

    /// Whether the moment has come.
    pub fn passed(&self) -> bool {
        self.now() >= f64::from_bits(self.at.load(Ordering::Relaxed))
    }

    /// Another moment, for all clones.
    pub fn move_to(&self, at: f64) {
        self.at.store(at.to_bits(), Ordering::Relaxed);
    }

    /// What the clock shows; checkpoints hold it.
    pub fn now(&self) -> f64 {
        self.clock.seconds()
    }
}
