//! How large may a pool become, and how patient is it?

use std::time::Duration;

/// The size and the patience of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Workers that are always there: at least 1, default 10.
    pub min: usize,
    /// Workers at most. `None`, the default, is 64, or `min` if that is more: never unbounded.
    pub max: Option<usize>,
    /// Jobs that may wait while all workers are busy: default 1,024. With 0 a job is taken only when a worker is idle or
    /// can be started.
    pub queue: usize,
    /// How long a job may wait in the queue before the pool grows for it: default 0, it grows at once. With a queue of 0 it
    /// always does.
    pub delay: Duration,
    /// How long a worker above `min` stays without a job: default 30 s.
    pub idle: Duration,
    /// How long dropping the pool waits for jobs that were taken: default 5 s.
    pub stop: Duration,
    /// What the threads are called, followed by a number: default "cherrystone". Linux shows the first 15 octets.
    pub name: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min: 10,
            max: None,
            queue: 1024,
            delay: Duration::ZERO,
            idle: Duration::from_secs(30),
            stop: Duration::from_secs(5),
            name: "cherrystone".into(),
        }
    }
}

impl Settings {
    /// Workers at most, once the default is applied.
    pub fn max(&self) -> usize {
        self.max.unwrap_or(DEFAULT_MAX.max(self.min))
    }

    /// Whether the values make sense together.
    ///
    /// # Errors
    /// Says which does not.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.min == 0 {
            Err(SettingsError::NoWorkers)
        } else if self.max() < self.min {
            Err(SettingsError::MaxBelowMin)
        } else if self.name.contains('\0') {
            Err(SettingsError::Name)
        } else {
            Ok(())
        }
    }
}

/// Settings that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `min` is 0.
    #[error("a pool needs at least one worker")]
    NoWorkers,
    /// `max` is below `min`.
    #[error("the largest number of workers is below the smallest")]
    MaxBelowMin,
    /// A thread's name cannot hold a NUL.
    #[error("the name of the threads contains a NUL")]
    Name,
}

const DEFAULT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_bounded_and_nonsense_refused() {
        let mut settings = Settings::default();
        assert_eq!((settings.check(), settings.max()), (Ok(()), 64));
        settings.min = 100;
        assert_eq!((settings.check(), settings.max()), (Ok(()), 100));
        settings.max = Some(99);
        assert_eq!(settings.check(), Err(SettingsError::MaxBelowMin));
        settings.min = 0;
        assert_eq!(settings.check(), Err(SettingsError::NoWorkers));
        settings = Settings { name: "a\0b".into(), ..Settings::default() };
        assert_eq!(settings.check(), Err(SettingsError::Name));
    }
}
